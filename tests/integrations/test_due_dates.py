"""Sample due dates, shown beside the terms of payment."""

from datetime import date

import pytest

from integrations.models.terms_of_payment import CARD, CASH, CURRENT_MONTH, NORMAL, due_date

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("kind", "days", "due"),
    [
        (NORMAL, 30, date(2026, 12, 22)),
        (NORMAL, 0, TODAY),
        (CURRENT_MONTH, 0, date(2026, 11, 30)),
        (CURRENT_MONTH, 30, date(2026, 12, 30)),
        (CASH, None, TODAY),
        (CARD, 99, TODAY),
    ],
)
def test_known_terms_have_a_due_date(kind: int, days: int | None, due: date) -> None:
    assert due_date(invoiced=TODAY, kind=kind, days=days) == due


def test_the_month_ends_on_its_own_last_day() -> None:
    assert due_date(invoiced=date(2028, 2, 3), kind=CURRENT_MONTH, days=10) == date(2028, 3, 10)


@pytest.mark.parametrize(("kind", "days"), [(None, 30), (7, 30), (NORMAL, None), (NORMAL, -1), (CURRENT_MONTH, 99999)])
def test_what_is_not_understood_is_not_guessed(kind: int | None, days: int | None) -> None:
    assert due_date(invoiced=TODAY, kind=kind, days=days) is None
