"""Terms of payment that change in eAccounting: read again each night, stopped at, and confirmed anew by a person."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Account, User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.clock import database_now
from integrations.delivery import upkeep
from integrations.delivery.upkeep import last_night
from integrations.exceptions import TermsNotConfirmed
from integrations.messages.sentences import event_words, sentence
from integrations.models import Connection, Event, EventKind, PushState, TermsOfPayment
from integrations.services import connect
from tests import sheets
from tests.integrations.conftest import SWEDISH_30_DAYS, Run, posts

TERMS = "/v2/termsofpayments"


def _rename(sandbox: Sandbox, **fields: object) -> None:
    row = sandbox.world.row("terms", "1", SWEDISH_30_DAYS)
    assert row is not None
    sandbox.world.put("terms", "1", {**row, **fields})


def _a_day_passes(connection: Connection) -> None:
    """Yesterday at this time the list was read last; the upkeep of a night follows."""
    Connection.objects.filter(pk=connection.pk).update(terms_read_at=database_now() - timedelta(days=1), probe_at=None)
    upkeep.look_after(now=database_now())


def _now() -> Connection:
    return Connection.objects.select_related("default_terms").get()


@pytest.mark.parametrize(
    ("hour", "day"),
    [(0, 21), (1, 21), (2, 22), (12, 22)],  # by UTC; three o'clock in Stockholm is two by UTC in November
)
def test_the_night_is_the_accounts(hour: int, day: int) -> None:
    now = datetime(2026, 11, 22, hour, tzinfo=UTC)
    night = last_night(now=now, zone=ZoneInfo("Europe/Stockholm"))
    assert night == datetime(2026, 11, day, 2, tzinfo=UTC)


def test_terms_are_read_again_once_a_night(ready: Connection, sandbox: Sandbox, account: Account) -> None:
    sandbox.forget_calls()
    night = last_night(now=database_now(), zone=account.zone)
    Connection.objects.update(terms_read_at=night + timedelta(seconds=1))
    upkeep.look_after(now=database_now())
    assert sandbox.calls(path=TERMS) == []
    Connection.objects.update(terms_read_at=night - timedelta(seconds=1))
    for _ in range(2):
        upkeep.look_after(now=database_now())
    assert len(sandbox.calls(path=TERMS)) == 1
    assert _now().terms_problem == ""


def test_a_night_in_which_eaccounting_is_away_is_made_up_for_later(ready: Connection, sandbox: Sandbox) -> None:
    sandbox.fault(kind="status", status=503, path=TERMS)
    sandbox.forget_calls()
    _a_day_passes(ready)
    upkeep.look_after(now=database_now() + timedelta(minutes=14))
    assert len(sandbox.calls(path=TERMS)) == 1
    upkeep.look_after(now=database_now() + timedelta(minutes=16))
    assert len(sandbox.calls(path=TERMS)) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"NameEnglish": "Thirty"}, "“30 days” is now “Thirty”."),
        ({"Name": "Trettio"}, "“30 dagar netto” is now “Trettio”."),
        ({"NumberOfDays": 20}, "30 days is now 20 days."),
        ({"NumberOfDays": None}, "30 days is now no number of days."),
        ({"TermsOfPaymentTypeId": 1}, "“Net” is now “From the end of the month”."),
        ({"TermsOfPaymentTypeId": 9}, "“Net” is now “Unknown kind (9)”."),
    ],
)
def test_a_changed_default_stops_creating_and_says_what_changed(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, anna: User, fields: dict[str, object], words: str
) -> None:
    _rename(sandbox, **fields)
    _a_day_passes(ready)
    assert _now().terms_problem == "terms_changed"
    with pytest.raises(TermsNotConfirmed) as refused:
        sheets.create(user=ulf, company=company)
    assert words in sentence(refused.value.code, refused.value.parameters)
    event = Event.objects.get(kind=EventKind.TERMS_LOST)
    assert words in event_words(EventKind(event.kind), event.parameters)
    terms = _now().default_terms
    assert terms is not None
    connect.choose_terms(user=anna, connection=_now(), terms=terms)
    assert (_now().terms_problem, _now().terms_were) == ("", None)
    sheets.create(user=ulf, company=company)


def test_what_was_confirmed_is_kept_through_several_changes(ready: Connection, sandbox: Sandbox) -> None:
    for name in ("Thirty", "Trente", "30 days"):
        _rename(sandbox, NameEnglish=name)
        _a_day_passes(ready)
    now = _now()
    assert now.terms_were is not None
    assert now.terms_were["name_english"] == "30 days"
    assert "changed back" in sentence(now.terms_problem, now.terms_particulars)
    assert Event.objects.filter(kind=EventKind.TERMS_LOST).count() == 1


def test_other_terms_may_change_as_they_like(ready: Connection, sandbox: Sandbox) -> None:
    other = TermsOfPayment.objects.get(name_english="20 days")
    row = sandbox.world.row("terms", "1", str(other.remote_id))
    assert row is not None
    sandbox.world.put("terms", "1", {**row, "Name": "Tjugo"})
    _a_day_passes(ready)
    assert _now().terms_problem == ""


@pytest.mark.parametrize("how", ["removed", "not for sales"])
def test_a_vanished_default_stops_creating_until_it_is_back_or_another_is_chosen(
    ready: Connection, sandbox: Sandbox, how: str
) -> None:
    row = sandbox.world.row("terms", "1", SWEDISH_30_DAYS)
    assert row is not None
    if how == "removed":
        sandbox.world.remove("terms", "1", SWEDISH_30_DAYS)
    else:
        _rename(sandbox, AvailableForSales=False)
    _a_day_passes(ready)
    now = _now()
    assert now.terms_problem == "terms_gone"
    assert "“30 days” no longer exist" in sentence(now.terms_problem, now.terms_particulars)
    sandbox.world.put("terms", "1", row)
    _a_day_passes(ready)
    assert _now().terms_problem == ""
    kinds = [EventKind.TERMS_LOST, EventKind.TERMS_BACK]
    assert list(Event.objects.filter(kind__in=kinds).order_by("pk").values_list("kind", flat=True)) == kinds


def test_a_create_under_way_ends_with_what_became_of_the_terms(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company)
    _rename(sandbox, NameEnglish="Thirty")
    _a_day_passes(ready)
    push = run(push)
    assert (push.state, push.failure) == (PushState.FAILED, "terms_changed")
    assert "“30 days” is now “Thirty”." in sentence(push.failure, push.failure_parameters)
    assert posts(sandbox) == 0


def test_a_choice_made_while_the_list_is_read_is_kept(ready: Connection, sandbox: Sandbox, anna: User) -> None:
    """The picture that the reader began with is older than the row."""
    other = TermsOfPayment.objects.get(name_english="20 days")
    _rename(sandbox, NameEnglish="Thirty")
    connect.choose_terms(user=anna, connection=_now(), terms=other)
    upkeep.read_terms(ready.pk)
    now = _now()
    assert (now.default_terms, now.terms_problem) == (other, "")


def test_offered_are_the_default_and_what_the_admin_allows(ready: Connection, anna: User) -> None:
    default, other, gone = (
        TermsOfPayment.objects.get(name_english=name) for name in ("30 days", "20 days", "Current month end")
    )
    connect.choose_terms(user=anna, connection=_now(), terms=default, offered=[other, gone])
    TermsOfPayment.objects.filter(pk=gone.pk).update(gone_at=database_now())
    assert list(_now().offered_terms()) == [default, other]
    connect.choose_terms(user=anna, connection=_now(), terms=other)
    assert list(_now().offered_terms()) == [other]
    connect.choose_terms(user=anna, connection=_now(), terms=default, offered=[])
    assert list(_now().offered_terms()) == [default]
