"""Another eAccounting company is chosen at the consent page: refused while one is connected, connected after that."""

import pytest
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.delivery.worker import deliver
from integrations.exceptions import (
    AlreadyUnderWay,
    ConnectedElsewhere,
    OtherCompanyAnswered,
    Superseded,
    TermsNotConfirmed,
)
from integrations.models import Connection, Event, EventKind, Push, PushState, WaitReason
from integrations.services import connect
from integrations.services.requests import current_connection, link_of
from tests import sheets
from tests.integrations.conftest import AddCompany, Run, confirm_terms, connect_as, named
from tests.integrations.threads import at_once

REVOCATION = "/connect/revocation"
FJORDLYS = "2"
SETTINGS = "/v2/companysettings"
real_threads = pytest.mark.django_db(transaction=True)


def current(user: User) -> Connection:
    found = current_connection(user.account_id)
    assert found is not None
    return found


def grants(sandbox: Sandbox) -> list[str]:
    """Return which companies Lime Go holds a grant for."""
    return sorted(str(grant["company"]) for grant in sandbox.world.store.all("grant").values())


def start_over(user: User, *, company: str = FJORDLYS) -> Connection:
    """Disconnect, then connect this company."""
    connect.disconnect(user=user, connection=current(user))
    return connect_as(user, company=company)


# --- While a company is connected ---------------------------------------------------------------------------


def test_another_company_is_refused_its_grant_revoked_and_nothing_changed(
    ready: Connection, anna: User, sandbox: Sandbox, company: Company, run: Run
) -> None:
    run(sheets.create(user=anna, company=company))
    before = Connection.objects.values().get()
    events = Event.objects.count()
    with pytest.raises(OtherCompanyAnswered) as refused:
        connect_as(anna, company=FJORDLYS)
    told = {"answered": "Fjordlys AS", "connected": "Nordvik Bygg AB", "links": 1}
    assert refused.value.parameters == told
    assert Connection.objects.values().get() == before
    assert Event.objects.count() == events
    assert (len(sandbox.calls(path=REVOCATION)), grants(sandbox)) == (1, ["1"])
    assert connect.test(current(anna)) == ""


def test_a_connection_that_needs_a_person_is_not_replaced_either(
    ready: Connection, anna: User, ulf: User, company: Company, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company)
    sandbox.revoke_grants()
    Connection.objects.update(state=Connection.State.NEEDS_RECONNECT)
    with pytest.raises(OtherCompanyAnswered):
        connect_as(anna, company=FJORDLYS)
    assert Connection.objects.get().state == Connection.State.NEEDS_RECONNECT
    assert grants(sandbox) == []
    connect_as(anna)
    assert run(push).state == PushState.DONE
    assert len(named(sandbox)) == 1


def test_a_company_that_does_not_tell_its_name_is_refused_too(ready: Connection, anna: User, sandbox: Sandbox) -> None:
    sandbox.fault(kind="error", error_code=4012, status=403, path=SETTINGS, when="before")
    with pytest.raises(OtherCompanyAnswered) as refused:
        connect_as(anna, company=FJORDLYS)
    assert refused.value.parameters["answered"] == ""
    assert grants(sandbox) == ["1"]


def test_an_earlier_company_that_does_not_tell_its_name_is_known_by_it(
    ready: Connection, anna: User, sandbox: Sandbox
) -> None:
    start_over(anna)
    sandbox.fault(kind="error", error_code=4012, status=403, path=SETTINGS, when="before")
    with pytest.raises(OtherCompanyAnswered) as refused:
        connect_as(anna, company="1")
    assert refused.value.parameters["answered"] == "Nordvik Bygg AB"
    assert current(anna).name == "Fjordlys AS"


def test_one_that_another_account_has_is_told_as_that(
    ready: Connection, anna: User, olav: User, sandbox: Sandbox
) -> None:
    """To disconnect here would not help."""
    connect_as(olav, company=FJORDLYS)
    with pytest.raises(ConnectedElsewhere):
        connect_as(anna, company=FJORDLYS)
    assert grants(sandbox) == ["1", "2"]
    assert current(anna) == ready


# --- After disconnecting ------------------------------------------------------------------------------------


def test_starting_over_leaves_the_old_company_and_keeps_its_links(
    ready: Connection, company: Company, add_company: AddCompany, anna: User, ulf: User, run: Run, sandbox: Sandbox
) -> None:
    run(sheets.create(user=ulf, company=company))
    waiting = add_company(name="Nr 1", registration_number="")
    sheets.create(user=ulf, company=waiting)
    second = start_over(anna)
    ready.refresh_from_db()
    assert (ready.state, ready.is_current, ready.refresh_token) == (Connection.State.DISCONNECTED, False, "")
    assert (current(anna), current(anna).state) == (second, Connection.State.CONNECTED)
    assert current(anna).terms_confirmed_at is None
    assert link_of(company, ready) is not None
    assert link_of(company, current(anna)) is None
    assert Push.objects.get(company=waiting).state == PushState.CANCELLED
    assert Event.objects.get(company=waiting, kind=EventKind.CANCELLED_WITH).actor == anna
    assert grants(sandbox) == [FJORDLYS]
    assert connect.test(current(anna)) == ""


def test_what_waited_for_one_company_is_never_sent_to_another(
    ready: Connection, company: Company, anna: User, ulf: User, sandbox: Sandbox
) -> None:
    push = sheets.create(user=ulf, company=company)
    confirm_terms(start_over(anna), anna)
    deliver(push.pk)
    assert named(sandbox) == []
    assert not [row for row in sandbox.customers(company=FJORDLYS) if row["Name"] == company.name]
    assert Push.objects.get().state == PushState.CANCELLED


def test_an_earlier_company_comes_back_with_its_links_and_terms_are_asked_for(
    ready: Connection, company: Company, add_company: AddCompany, anna: User, ulf: User, run: Run
) -> None:
    run(sheets.create(user=ulf, company=company))
    start_over(anna)
    again = start_over(anna, company="1")
    assert (again.pk, current(anna).pk) == (ready.pk, ready.pk)
    assert link_of(company, current(anna)) is not None
    assert (current(anna).terms_read_at, current(anna).default_terms) == (None, ready.default_terms)
    with pytest.raises(TermsNotConfirmed):
        sheets.create(user=ulf, company=add_company(name="Nr 1"))


def test_disconnecting_alone_lets_no_terms_be_confirmed_anew(ready: Connection, anna: User) -> None:
    start_over(anna, company="1")
    assert current(anna).terms_confirmed_by == anna
    assert current(anna).terms_problem == ""


def test_a_company_that_refuses_everything_is_connected_with_the_reason(
    ready: Connection, anna: User, sandbox: Sandbox
) -> None:
    connect.disconnect(user=anna, connection=ready)
    sandbox.fault(kind="error", error_code=4012, status=403, path=SETTINGS, when="before")
    second = connect_as(anna, company=FJORDLYS)
    assert current(anna).blocked_reason == "licence"
    assert Event.objects.filter(kind=EventKind.BLOCKED, connection=second).exists()
    assert connect.test(current(anna)) == ""


@real_threads
def test_a_disconnect_while_another_company_is_being_chosen_is_one_after_the_other(
    ready: Connection, anna: User, sandbox: Sandbox
) -> None:
    """Who comes back from a consent that began before the disconnect is told, whichever comes first."""

    def choose() -> Connection:
        return connect_as(anna, company=FJORDLYS, started=connect.started_from(ready))

    ends = at_once([choose, lambda: connect.disconnect(user=anna, connection=ready)])
    [refused] = [end for end in ends if isinstance(end, Exception)]
    assert isinstance(refused, OtherCompanyAnswered | Superseded)
    assert current(anna).state == Connection.State.DISCONNECTED
    assert not Connection.objects.exclude(refresh_token="").exists()


def test_what_is_not_known_of_the_left_company_is_looked_up_at_once_when_it_is_back(
    ready: Connection, anna: User, ulf: User, company: Company, sandbox: Sandbox, run: Run
) -> None:
    sandbox.fault(kind="reset", method="POST", path="/v2/customers", when="after")
    push = run(sheets.create(user=ulf, company=company))
    assert push.state == PushState.UNKNOWN
    start_over(anna)
    push = run(push, forward=120)
    assert (push.state, push.wait_reason, push.next_attempt_at) == (PushState.UNKNOWN, WaitReason.CONNECTION, None)
    with pytest.raises(AlreadyUnderWay) as refused:
        sheets.create(user=ulf, company=company)
    assert refused.value.parameters["left"] == "Nordvik Bygg AB"
    start_over(anna, company="1")
    push = Push.objects.get(pk=push.pk)
    assert push.next_attempt_at is not None
    assert run(push).state == PushState.DONE


def test_a_row_that_was_about_to_be_sent_when_its_company_was_left_is_cancelled(
    ready: Connection, anna: User, ulf: User, company: Company, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company)
    start_over(anna)
    Push.objects.filter(pk=push.pk).update(state=PushState.WAITING, finished_at=None, next_attempt_at=timezone.now())
    push = run(push)
    assert push.state == PushState.CANCELLED
    assert Event.objects.filter(company=company, kind=EventKind.CANCELLED_WITH).exists()
    with pytest.raises(TermsNotConfirmed):  # nothing of the left company stands in the way
        sheets.create(user=ulf, company=company)
