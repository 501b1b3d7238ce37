"""Choosing sides: what is drawn, what is asked for, and what a posted page comes to."""

from collections.abc import Mapping

import pytest
from django.http import QueryDict
from django.utils.translation import override

from integrations.domain.diff import Base, Decision, Row, compare
from integrations.domain.mapping import Values
from integrations.forms.diff import DiffForm
from integrations.forms.snapshot import Snapshot

HERE = {
    "Name": "Björk & Son Måleri AB",
    "Telephone": "+46 8 123 45 67",
    "EmailAddress": "info@bjork.example",
    "WwwAddress": "",
    "InvoiceAddress1": "Nygatan 7",
    "InvoiceAddress2": "",
    "InvoicePostalCode": "111 22",
    "InvoiceCity": "Stockholm",
    "InvoiceCountryCode": "SE",
}
ABOUT = "38fe43cc-c843-48e0-9efe-fa7b262a8191"


def _rows(*, here: Mapping[str, str] | None = None, there: Values, base: Base | None = None) -> list[Row]:
    here = {**HERE, **(here or {})}
    return compare(here=here, there={**HERE, **there}, base=base or Base(here, {**HERE, **there}))


def _posted(rows: list[Row], **choices: str) -> DiffForm:
    data = QueryDict(mutable=True)
    data.update({"seen": str(DiffForm(rows=rows, about=ABOUT)["seen"].value()), **choices})
    return DiffForm(data, rows=rows, about=ABOUT)


def test_each_side_is_chosen_that_loses_nothing() -> None:
    rows = _rows(
        there={"Telephone": "08 999", "EmailAddress": "new@bjork.example"},
        base=Base(HERE | {"Telephone": "08 999"}, HERE | {"Telephone": "08 999"}),
    )
    drawn = {
        choice.row.key: [option.is_chosen for option in choice.options]
        for choice in DiffForm(rows=rows, about=ABOUT).choices
    }
    assert drawn == {"Telephone": [True, False], "EmailAddress": [False, True]}


def test_where_both_changed_a_person_has_to_choose() -> None:
    rows = _rows(there={"Telephone": "08 999"}, base=Base(HERE | {"Telephone": "1"}, HERE | {"Telephone": "2"}))
    form = _posted(rows)
    assert not form.is_valid()
    assert form.errors["Telephone"] == ["Choose one of the two."]
    chosen = _posted(rows, Telephone="ours")
    assert chosen.is_valid()
    assert chosen.decision() == Decision({"Telephone": "+46 8 123 45 67"}, {"Telephone": "08 999"}, {}, {})


def test_a_group_is_shown_and_chosen_whole() -> None:
    rows = _rows(there={"InvoiceAddress1": "Gamla gatan 1", "InvoiceAddress2": "Box 3"}, base=Base({}, {}))
    form = _posted(rows, address="ours")
    [choice] = form.choices
    assert [(str(line.label), line.value, line.differs) for line in choice.options[0].lines] == [
        ("Address line 1", "Nygatan 7", True),
        ("Address line 2", "", True),
        ("Postal code", "111 22", False),
        ("City", "Stockholm", False),
        ("Country", "Sweden", False),
    ]
    assert form.is_valid()
    assert form.decision().write == {name: value for name, value in HERE.items() if name.startswith("Invoice")}


def test_a_blank_side_is_said_in_words() -> None:
    rows = _rows(there={"WwwAddress": "https://bjork.example"}, base=Base({}, {}))
    [choice] = DiffForm(rows=rows, about=ABOUT).choices
    assert [str(option.words) for option in choice.options] == [
        "Clear it in Visma eAccounting",
        "Keep Visma eAccounting's:",
    ]
    cleared = _posted(rows, WwwAddress="ours")
    assert cleared.is_valid()
    assert cleared.decision().write == {"WwwAddress": ""}


@pytest.mark.parametrize(
    ("shorter", "error"),
    [
        ({}, "Enter a shorter value, or keep Visma eAccounting's."),
        ({"shorter-Name": " "}, "Enter a shorter value, or keep Visma eAccounting's."),
        ({"shorter-Name": "Å" * 51}, "Company name has 51 characters; Visma eAccounting allows at most 50."),
        ({"shorter-Name": "  Björk  & Son "}, ""),
    ],
)
def test_a_value_over_its_limit_is_written_in_a_shorter_form(shorter: dict[str, str], error: str) -> None:
    rows = _rows(here={"Name": "Å" * 60}, there={}, base=Base({}, {}))
    form = _posted(rows, Name="ours", **shorter)
    assert form.is_valid() is not bool(error)
    if error:
        assert form.errors["shorter-Name"] == [error]
    else:
        assert form.decision().write == {"Name": "Björk & Son"}


def test_a_value_over_its_limit_that_is_not_written_needs_no_shorter_form() -> None:
    rows = _rows(here={"Name": "Å" * 60}, there={}, base=Base({}, {}))
    form = _posted(rows, Name="theirs")
    assert form.is_valid()
    assert (form.decision().write, form.decision().kept_here) == ({}, {"Name": "Å" * 60})


def test_an_address_that_cannot_be_written_says_why_and_may_stay_undecided() -> None:
    base = Base(HERE, HERE | {"InvoiceCity": "Lund"})
    rows = _rows(here={"InvoicePostalCode": ""}, there={"InvoiceCity": "Lund"}, base=base)
    form = _posted(rows)
    [choice] = form.choices
    assert [problem.words for problem in choice.why_not] == ["Postal code is missing."]
    assert [option.is_possible for option in choice.options] == [False, True]
    assert [option.is_chosen for option in choice.options] == [False, False]
    assert form.is_valid()
    assert form.decision() == Decision({}, {}, {}, {})
    assert not _posted(rows, address="ours").is_valid()


def test_what_was_left_as_it_is_stays_decided_and_can_be_decided_anew() -> None:
    rows = _rows(there={"Telephone": "08 999"})
    form = _posted(rows, Telephone="theirs")
    assert form.choices == []
    assert [choice.row.key for choice in form.settled] == ["Telephone"]
    assert form.is_valid()
    assert form.decision() == Decision({}, {}, {}, {})
    anew = _posted(rows, Telephone="ours")
    assert anew.is_valid()
    assert anew.decision().write == {"Telephone": "+46 8 123 45 67"}


def test_what_eaccounting_stored_otherwise_is_decided_about_again() -> None:
    rows = _rows(there={"Telephone": "08 999"})
    form = DiffForm(rows=rows, about=ABOUT, again=["Telephone"])
    assert [str(choice.look.words) for choice in form.choices] == ["Saved differently in Visma eAccounting"]


def test_the_button_says_for_any_number_what_it_does() -> None:
    rows = _rows(there={"Telephone": "08 999", "EmailAddress": ""})
    assert DiffForm(rows=rows, about=ABOUT).counted == (
        '["Keep what Visma eAccounting has", "Update 1 field in Visma eAccounting", '
        '"Update 2 fields in Visma eAccounting"]'
    )


def test_what_a_page_showed_comes_back_with_it_for_the_same_customer_only() -> None:
    rows = _rows(there={"Telephone": "08 999"})
    with override("sv"):
        posted = {"seen": str(DiffForm(rows=rows, about=ABOUT)["seen"].value())}
    shown = Snapshot.posted(posted, about=ABOUT)
    assert shown is not None
    assert (shown.local, shown.remote) == (HERE, HERE | {"Telephone": "08 999"})
    assert Snapshot.posted(posted, about="another") is None
    assert Snapshot.posted({"seen": posted["seen"][:-1]}, about=ABOUT) is None
    assert Snapshot.posted({}, about=ABOUT) is None
