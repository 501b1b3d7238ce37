"""Reconnected as another eAccounting company: a choice that is open for a while, and what each answer does."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as configuration
from django.utils import timezone
from pytest_django import Settings as DjangoSettings

from accounts.models import Role, User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.access.key_rotation import prove, rotate
from integrations.access.token_lock import LockTaken, token_lock
from integrations.clock import database_now
from integrations.delivery import other_company
from integrations.delivery.worker import deliver
from integrations.exceptions import AlreadyUnderWay, TermsNotConfirmed
from integrations.models import Connection, Event, EventKind, Push, PushState, WaitReason
from integrations.services import connect
from integrations.services.requests import current_connection, link_of
from tests import sheets
from tests.integrations.conftest import AddCompany, Run, confirm_terms, connect_as, named
from tests.integrations.threads import at_once, in_thread

REVOCATION = "/connect/revocation"
FJORDLYS = "2"
real_threads = pytest.mark.django_db(transaction=True)


@pytest.fixture
def offered(ready: Connection, anna: User) -> Connection:
    """Anna reconnected and chose Fjordlys AS; Nordvik Bygg AB is connected."""
    return connect_as(anna, company=FJORDLYS)


def start_over(user: User, offered: Connection) -> int:
    return connect.start_over(user=user, account=user.account, mark=other_company.mark_of(offered))


def go_back(user: User, offered: Connection) -> None:
    connect.go_back(user=user, account=user.account, mark=other_company.mark_of(offered))


def current(user: User) -> Connection:
    found = current_connection(user.account_id)
    assert found is not None
    return found


def grants(sandbox: Sandbox) -> int:
    return len(sandbox.world.store.all("grant"))


def drop_expired() -> None:
    for account_id in other_company.expired(now=database_now()):
        other_company.drop_expired(account_id, now=database_now())


def age(offered: Connection, **past: int) -> None:
    Connection.objects.filter(pk=offered.pk).update(connected_at=timezone.now() - timedelta(**past))


def test_another_company_changes_nothing_before_somebody_has_decided(
    ready: Connection, offered: Connection, anna: User, sandbox: Sandbox, company: Company, run: Run
) -> None:
    assert offered.is_offered
    assert (str(offered), offered.country) == ("Fjordlys AS", "NO")
    assert current(anna) == ready
    assert current(anna).generation == ready.generation
    assert grants(sandbox) == 2
    assert run(sheets.create(user=anna, company=company)).state == PushState.DONE
    assert not Event.objects.filter(connection=offered).exists()


def test_going_back_gives_the_new_grant_back_and_leaves_no_trace(
    ready: Connection, offered: Connection, anna: User, sandbox: Sandbox
) -> None:
    go_back(anna, offered)
    assert Connection.objects.get() == ready
    assert current(anna).is_connected
    assert len(sandbox.calls(path=REVOCATION)) == grants(sandbox) == 1
    assert connect.test(current(anna)) == ""


def test_starting_over_leaves_the_old_company_and_keeps_its_links(
    ready: Connection,
    company: Company,
    add_company: AddCompany,
    anna: User,
    ulf: User,
    run: Run,
    sandbox: Sandbox,
) -> None:
    run(sheets.create(user=ulf, company=company))
    waiting = add_company(name="Nr 1", registration_number="")
    sheets.create(user=ulf, company=waiting)
    offered = connect_as(anna, company=FJORDLYS)
    assert start_over(anna, offered) == 1
    ready.refresh_from_db()
    assert (ready.state, ready.is_current, ready.refresh_token) == (Connection.State.DISCONNECTED, False, "")
    assert (current(anna), current(anna).state) == (offered, Connection.State.CONNECTED)
    assert current(anna).terms_confirmed_at is None
    assert link_of(company, ready) is not None
    assert link_of(company, current(anna)) is None
    assert Push.objects.get(company=waiting).state == PushState.CANCELLED
    assert Event.objects.get(company=waiting, kind=EventKind.CANCELLED_WITH).actor == anna
    assert grants(sandbox) == 1
    assert connect.test(current(anna)) == ""


def test_what_waited_for_one_company_is_never_sent_to_another(
    ready: Connection, company: Company, anna: User, ulf: User, sandbox: Sandbox
) -> None:
    push = sheets.create(user=ulf, company=company)
    start_over(anna, connect_as(anna, company=FJORDLYS))
    confirm_terms(current(anna), anna)
    deliver(push.pk)
    assert named(sandbox) == []
    assert Push.objects.get().state == PushState.CANCELLED


def test_the_earlier_company_comes_back_with_its_links(
    ready: Connection, company: Company, add_company: AddCompany, anna: User, ulf: User, run: Run
) -> None:
    run(sheets.create(user=ulf, company=company))
    start_over(anna, connect_as(anna, company=FJORDLYS))
    again = connect_as(anna)
    assert (again.pk, again.is_offered) == (ready.pk, True)
    start_over(anna, again)
    assert current(anna).pk == ready.pk
    assert link_of(company, current(anna)) is not None
    with pytest.raises(TermsNotConfirmed):
        sheets.create(user=ulf, company=add_company(name="Nr 1"))


def test_a_connection_that_needs_reconnecting_can_be_left_too(
    ready: Connection, company: Company, anna: User, sandbox: Sandbox
) -> None:
    sandbox.revoke_grants()
    Connection.objects.update(state=Connection.State.NEEDS_RECONNECT)
    offered = connect_as(anna, company=FJORDLYS)
    assert start_over(anna, offered) == 0
    assert current(anna).pk == offered.pk


def test_a_choice_is_made_once(offered: Connection, anna: User) -> None:
    start_over(anna, offered)
    for decide in (start_over, go_back):
        with pytest.raises(other_company.OfferGone):
            decide(anna, offered)
    assert current(anna).generation == offered.generation + 1


def test_only_the_person_who_gave_the_access_can_decide(offered: Connection, anna: User) -> None:
    berit = User.objects.create_user(email="berit@nordvik.example", account=anna.account, role=Role.ADMIN)
    for decide in (start_over, go_back):
        with pytest.raises(other_company.OfferGone):
            decide(berit, offered)
    assert other_company.open_to(anna, anna.account) == offered
    assert other_company.open_to(berit, anna.account) is None


def test_a_page_of_an_earlier_choice_decides_nothing(
    offered: Connection, ready: Connection, anna: User, sandbox: Sandbox
) -> None:
    old = other_company.mark_of(offered)
    newer = connect_as(anna, company=FJORDLYS)
    assert grants(sandbox) == 2  # the first offer's grant was given back
    connect.go_back(user=anna, account=anna.account, mark=other_company.mark_of(newer))
    newest = connect_as(anna, company=FJORDLYS)
    assert old not in {other_company.mark_of(newer), other_company.mark_of(newest)}
    with pytest.raises(other_company.OfferGone):
        connect.start_over(user=anna, account=anna.account, mark=old)
    assert current(anna) == ready


def test_after_a_quarter_of_an_hour_it_is_gone_and_its_grant_given_back(
    offered: Connection, ready: Connection, anna: User, sandbox: Sandbox
) -> None:
    drop_expired()
    assert other_company.open_to(anna, anna.account) == offered
    age(offered, minutes=15)
    assert other_company.open_to(anna, anna.account) is None
    with pytest.raises(other_company.OfferGone):
        start_over(anna, offered)
    drop_expired()
    assert Connection.objects.get() == ready
    assert grants(sandbox) == 1


@real_threads
def test_an_expired_choice_waits_for_whoever_holds_the_lock(
    offered: Connection, ready: Connection, sandbox: Sandbox
) -> None:
    age(offered, minutes=16)
    with token_lock(ready.account_id, patience=1):
        in_thread(drop_expired).result(60)
        assert Connection.objects.count() == 2
    drop_expired()
    assert Connection.objects.get() == ready


def test_whatever_changes_the_connection_ends_the_choice(offered: Connection, anna: User, sandbox: Sandbox) -> None:
    connect_as(anna)
    assert other_company.open_to(anna, anna.account) is None
    again = connect_as(anna, company=FJORDLYS)
    connect.disconnect(user=anna, connection=current(anna))
    assert other_company.open_to(anna, anna.account) is None
    with pytest.raises(other_company.OfferGone):
        start_over(anna, again)
    assert not [grant for grant in sandbox.world.store.all("grant").values() if grant["company"] == FJORDLYS]


def test_a_company_of_another_account_is_not_offered(
    ready: Connection, anna: User, olav: User, sandbox: Sandbox
) -> None:
    connect_as(olav, company=FJORDLYS)
    with pytest.raises(connect.ConnectedElsewhere):
        connect_as(anna, company=FJORDLYS)
    assert other_company.open_to(anna, anna.account) is None
    assert grants(sandbox) == 2


def test_a_company_that_another_account_took_meanwhile_is_refused_and_nothing_lost(
    offered: Connection, ready: Connection, anna: User, olav: User, sandbox: Sandbox
) -> None:
    connect_as(olav, company=FJORDLYS)
    with pytest.raises(connect.ConnectedElsewhere):
        start_over(anna, offered)
    assert current(anna) == ready
    assert current(anna).is_connected
    assert grants(sandbox) == 2


@real_threads
def test_of_two_clicks_at_once_one_decides(offered: Connection, anna: User) -> None:
    ends = at_once([lambda: start_over(anna, offered), lambda: go_back(anna, offered)])
    assert sorted(type(end).__name__ for end in ends if isinstance(end, Exception)) == ["OfferGone"]


@real_threads
def test_no_choice_is_made_while_the_tokens_are_being_renewed(
    offered: Connection, ready: Connection, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "LOCK_PATIENCE", 0.05)
    with token_lock(ready.account_id, patience=1), pytest.raises(LockTaken):
        in_thread(lambda: start_over(anna, offered)).result(60)
    assert other_company.open_to(anna, anna.account) == offered


def test_a_company_that_refuses_everything_is_offered_with_the_reason(
    ready: Connection, anna: User, sandbox: Sandbox
) -> None:
    sandbox.fault(kind="error", error_code=4012, status=403, path="/v2/companysettings", when="before")
    offered = connect_as(anna, company=FJORDLYS)
    start_over(anna, offered)
    assert current(anna).blocked_reason == "licence"
    assert Event.objects.filter(kind=EventKind.BLOCKED, connection=offered).exists()
    assert connect.test(current(anna)) == ""


def test_its_tokens_are_encrypted_and_move_to_a_new_key(
    offered: Connection, anna: User, sandbox: Sandbox, settings: DjangoSettings
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *configuration.FIELD_ENCRYPTION_KEYS]
    assert rotate().moved == 2
    assert prove().on_older_key == []
    start_over(anna, Connection.objects.get(pk=offered.pk))
    assert connect.test(current(anna)) == ""


def test_an_unknown_push_is_looked_up_when_its_company_is_chosen_again_at_once(
    ready: Connection, anna: User, ulf: User, company: Company, sandbox: Sandbox, run: Run
) -> None:
    sandbox.fault(kind="reset", method="POST", path="/v2/customers", when="after")
    push = run(sheets.create(user=ulf, company=company))
    assert push.state == PushState.UNKNOWN
    start_over(anna, connect_as(anna, company=FJORDLYS))
    push = run(push, forward=120)
    assert (push.state, push.wait_reason, push.next_attempt_at) == (PushState.UNKNOWN, WaitReason.CONNECTION, None)
    with pytest.raises(AlreadyUnderWay) as refused:
        sheets.create(user=ulf, company=company)
    assert refused.value.parameters["left"] == "Nordvik Bygg AB"
    start_over(anna, connect_as(anna, company="1"))
    push = Push.objects.get(pk=push.pk)
    assert push.next_attempt_at is not None
    assert run(push).state == PushState.DONE


def test_a_push_that_was_not_stored_when_its_company_was_left_is_cancelled(
    ready: Connection, anna: User, ulf: User, company: Company, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company)
    start_over(anna, connect_as(anna, company=FJORDLYS))
    Push.objects.filter(pk=push.pk).update(state=PushState.WAITING, finished_at=None, next_attempt_at=timezone.now())
    push = run(push)
    assert push.state == PushState.CANCELLED
    assert Event.objects.filter(company=company, kind=EventKind.CANCELLED_WITH).exists()
    with pytest.raises(TermsNotConfirmed):  # nothing of the left company stands in the way
        sheets.create(user=ulf, company=company)
