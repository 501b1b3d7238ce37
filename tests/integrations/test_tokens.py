"""Tokens: one call per expiry, none lost, none shown. Against the sandbox's identity server, in both of its habits."""

import logging
import threading
import time
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.db import connection as database
from django.utils import timezone
from pytest_django import Settings as DjangoSettings

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.access import tokens
from integrations.access.token_lock import LockTaken, token_lock
from integrations.clock import database_now
from integrations.delivery import calls
from integrations.delivery.worker import deliver
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    GrantDoubted,
    ServerError,
    Unreachable,
)
from integrations.exceptions import NotConnected
from integrations.models import Connection, Event, EventKind, Push, PushState, WaitReason
from integrations.services import connect
from integrations.services.requests import current_connection
from tests import sheets
from tests.holding import held
from tests.integrations.conftest import AddCompany, Run, connect_as, forget_gateway, named
from tests.integrations.threads import at_once, in_thread
from tests.integrations.workers import until

TOKEN = "/connect/token"  # a path
real_threads = pytest.mark.django_db(transaction=True)


def row() -> Connection:
    return Connection.objects.get()


def expire() -> None:
    """Let our access token be over, by our own books."""
    now = timezone.now()
    Connection.objects.update(issued_at=now - timedelta(hours=1), expires_at=now - timedelta(seconds=1))


def nearly_expire() -> None:
    """Bring our access token into its margin, still alive."""
    now = timezone.now()
    Connection.objects.update(issued_at=now - timedelta(minutes=55), expires_at=now + timedelta(minutes=5))


def an_hour_after_the_doubt() -> None:
    """Let the grant have been refused an hour ago."""
    Connection.objects.update(grant_doubted_at=timezone.now() - timedelta(hours=1))


def access(patience: float = 3.0) -> str:
    return tokens.access(row().pk, clock=database_now, patience=patience).token


def works(sandbox: Sandbox, token: str) -> bool:
    return sandbox._identity.grant_of(authorization=f"Bearer {token}") is not None


def refreshes(sandbox: Sandbox) -> int:
    return len(sandbox.calls(path=TOKEN))


def test_a_token_with_time_left_is_used_as_it_is(ready: Connection, sandbox: Sandbox) -> None:
    assert access() == ready.access_token
    assert refreshes(sandbox) == 0


def test_it_is_refreshed_ahead_of_its_end(ready: Connection, sandbox: Sandbox) -> None:
    nearly_expire()
    fresh = access()
    assert fresh != ready.access_token
    assert works(sandbox, fresh)
    assert access() == fresh
    assert refreshes(sandbox) == 1
    assert row().refresh_intent_at is None


def test_the_margin_is_a_sixth_of_its_life_at_most_ten_minutes() -> None:
    now = timezone.now()
    assert Connection(issued_at=now, expires_at=now + timedelta(minutes=60)).refresh_margin == timedelta(minutes=10)
    assert Connection(issued_at=now, expires_at=now + timedelta(minutes=6)).refresh_margin == timedelta(minutes=1)


@pytest.mark.parametrize("same_again", [True, False])
def test_a_reusable_refresh_token_is_kept(ready: Connection, sandbox: Sandbox, same_again: bool) -> None:
    sandbox.switch(rotate_refresh_tokens=False, answer_same_refresh_token=same_again)
    before = row().refresh_token
    for _ in range(2):
        expire()
        assert works(sandbox, access())
    assert row().refresh_token == before


def test_a_rotated_refresh_token_replaces_the_old_one(ready: Connection, sandbox: Sandbox) -> None:
    seen = {row().refresh_token}
    for _ in range(3):
        expire()
        access()
        seen.add(row().refresh_token)
    assert len(seen) == 4


@real_threads
@pytest.mark.parametrize("rotate", [True, False])
def test_eight_workers_that_meet_an_expired_token_make_one_call(
    ready: Connection, sandbox: Sandbox, rotate: bool
) -> None:
    sandbox.switch(rotate_refresh_tokens=rotate)
    sandbox.fault(kind="delay", path=TOKEN, seconds=0.3, when="before")  # the others come while it is under way
    expire()
    got = at_once([lambda: access(patience=60)] * 8)
    assert set(got) == {row().access_token}
    assert refreshes(sandbox) == 1
    assert works(sandbox, row().access_token)


@real_threads
def test_while_the_old_token_lives_nobody_waits_for_the_refresh(ready: Connection, sandbox: Sandbox) -> None:
    nearly_expire()
    with held(sandbox, path=TOKEN) as request:
        first = in_thread(access)
        request.wait_for()
        assert access() == ready.access_token
        assert not first.done()
    assert first.result(60) != ready.access_token
    assert refreshes(sandbox) == 1


@real_threads
def test_who_has_no_patience_left_comes_back_later(ready: Connection, sandbox: Sandbox) -> None:
    expire()
    with held(sandbox, path=TOKEN) as request:
        first = in_thread(access)
        request.wait_for()
        with pytest.raises(Unreachable) as refused:
            access(patience=0.1)
    assert refused.value.code == "refresh_under_way"
    first.result(60)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_fault_before_the_rotation_keeps_the_connection(ready: Connection, sandbox: Sandbox, status: int) -> None:
    expire()
    sandbox.fault(kind="status", status=status, path=TOKEN, when="before")
    with pytest.raises(ServerError):
        access()
    assert row().is_connected
    assert works(sandbox, access())


def test_a_time_out_before_the_rotation_keeps_the_connection(
    ready: Connection, sandbox: Sandbox, settings: DjangoSettings
) -> None:
    settings.EACCOUNTING_TOKEN_SECONDS = 0.3
    forget_gateway()
    expire()
    sandbox.fault(kind="no_answer", path=TOKEN, when="before")
    with pytest.raises(Unreachable):
        access()
    assert row().is_connected
    assert works(sandbox, access())


def test_a_fault_while_the_old_token_lives_is_nobodys_concern(ready: Connection, sandbox: Sandbox) -> None:
    nearly_expire()
    sandbox.fault(kind="status", status=500, path=TOKEN, when="before", count=None)
    for _ in range(3):
        assert access() == ready.access_token
    assert refreshes(sandbox) == 1  # not again with every push


def test_an_answer_lost_after_the_rotation_is_tried_twice_and_then_needs_a_person(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, anna: User, run: Run
) -> None:
    expire()
    sandbox.fault(kind="reset", path=TOKEN, when="after")
    push = sheets.create(user=ulf, company=company)
    assert run(push).wait_reason == WaitReason.RETRY
    assert row().is_connected
    doubted = run(push, forward=10)
    assert (doubted.wait_reason, doubted.failure) == (WaitReason.RETRY, "grant_doubted")
    assert row().is_connected
    assert run(push, forward=1).wait_reason == WaitReason.CONNECTION
    assert row().state == Connection.State.NEEDS_RECONNECT
    assert refreshes(sandbox) == 3
    connect_as(anna)
    assert run(push).state == PushState.DONE
    assert len(named(sandbox)) == 1


def test_an_answer_lost_without_rotation_costs_nothing(ready: Connection, sandbox: Sandbox) -> None:
    sandbox.switch(rotate_refresh_tokens=False)
    expire()
    sandbox.fault(kind="reset", path=TOKEN, when="after")
    with pytest.raises(Unreachable):
        access()
    assert works(sandbox, access())


def test_killed_between_the_intent_and_the_exchange_it_goes_on(ready: Connection, sandbox: Sandbox) -> None:
    expire()
    assert row().begin_refresh(now=timezone.now())
    assert works(sandbox, access())
    assert row().refresh_intent_at is None


@real_threads
def test_a_revoked_grant_needs_reconnecting_said_once_however_many_meet_it(ready: Connection, sandbox: Sandbox) -> None:
    expire()
    sandbox.revoke_grants()
    assert {type(end) for end in at_once([access] * 6)} == {GrantDoubted}
    assert refreshes(sandbox) == 1
    assert row().is_connected
    an_hour_after_the_doubt()
    ends = at_once([access] * 6)
    assert {type(end) for end in ends} <= {ConnectionRevoked, NotConnected}
    assert refreshes(sandbox) == 2
    assert row().state == Connection.State.NEEDS_RECONNECT
    assert Event.objects.filter(kind=EventKind.NEEDS_RECONNECT).count() == 1


@pytest.mark.parametrize("rotate", [True, False])
def test_a_refusal_of_the_grant_that_passes_costs_half_a_minute(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run, settings: DjangoSettings, rotate: bool
) -> None:
    settings.EACCOUNTING_ASK_AGAIN_SECONDS = 30
    sandbox.switch(rotate_refresh_tokens=rotate)
    expire()
    sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
    push = run(sheets.create(user=ulf, company=company))
    assert (push.state, push.wait_reason, push.failure) == (PushState.WAITING, WaitReason.RETRY, "grant_doubted")
    assert row().grant_doubted_at is not None
    assert push.next_attempt_at is not None
    assert timedelta(seconds=29) < push.next_attempt_at - row().grant_doubted_at < timedelta(seconds=31)
    assert run(push, forward=28).fence == push.fence  # it is not due
    assert run(push, forward=3).state == PushState.DONE
    assert refreshes(sandbox) == 2
    assert row().grant_doubted_at is None
    assert not Event.objects.filter(kind=EventKind.NEEDS_RECONNECT).exists()


def test_a_second_refusal_days_after_one_that_passed_is_a_first_one_again(ready: Connection, sandbox: Sandbox) -> None:
    for _ in range(2):
        expire()
        sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
        with pytest.raises(GrantDoubted):
            access()
        an_hour_after_the_doubt()
        assert works(sandbox, access())
    assert row().is_connected


@real_threads
def test_until_the_grant_is_asked_for_again_nobody_calls(ready: Connection, sandbox: Sandbox) -> None:
    expire()
    sandbox.revoke_grants()
    for _ in range(3):
        with pytest.raises(GrantDoubted) as told:
            access()
        assert 0 < told.value.retry_in <= 1
    with pytest.raises(GrantDoubted):
        calls.read_company_settings(ready)
    assert len(sandbox.calls()) == 1


def test_while_the_old_token_lives_a_doubted_grant_is_nobodys_concern(ready: Connection, sandbox: Sandbox) -> None:
    nearly_expire()
    sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
    for _ in range(3):
        assert access() == ready.access_token
    assert refreshes(sandbox) == 1
    an_hour_after_the_doubt()
    assert access() != ready.access_token
    assert row().is_connected


def test_a_server_that_is_away_meanwhile_does_not_end_the_doubt(ready: Connection, sandbox: Sandbox) -> None:
    expire()
    sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
    sandbox.fault(kind="status", status=503, path=TOKEN, when="before")
    with pytest.raises(GrantDoubted):
        access()
    an_hour_after_the_doubt()
    with pytest.raises(ServerError):
        access()
    assert works(sandbox, access())
    assert row().is_connected


def test_connecting_anew_ends_a_doubt(ready: Connection, sandbox: Sandbox, anna: User) -> None:
    expire()
    sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
    with pytest.raises(GrantDoubted):
        access()
    assert works(sandbox, connect_as(anna).access_token)
    assert row().grant_doubted_at is None


def test_what_is_not_known_stays_so_while_the_grant_is_doubted(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run, settle: Run
) -> None:
    sandbox.fault(kind="reset", method="POST", path="/v2/customers", when="after")
    push = run(sheets.create(user=ulf, company=company))
    assert push.state == PushState.UNKNOWN
    expire()
    sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
    push = run(push, forward=3)
    assert (push.state, push.wait_reason, push.failure) == (PushState.UNKNOWN, WaitReason.SETTLING, "grant_doubted")
    assert settle(push).state == PushState.DONE
    assert len(named(sandbox)) == 1


def test_invalid_grant_is_not_believed_when_a_newer_token_was_stored(ready: Connection, sandbox: Sandbox) -> None:
    """Our lock can die before its holder: then somebody else has refreshed meanwhile."""
    expire()
    stale = row()
    fresh = access()
    assert tokens._refreshed(stale, database_now).access_token == fresh
    assert row().is_connected


def test_a_wrong_client_secret_is_the_operators_and_keeps_the_connection(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run,
    settings: DjangoSettings, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    expire()
    secret = settings.EACCOUNTING_CLIENT_SECRET
    settings.EACCOUNTING_CLIENT_SECRET = "wrong"
    forget_gateway()
    push = sheets.create(user=ulf, company=company)
    waiting = run(push)
    assert (waiting.wait_reason, waiting.failure) == (WaitReason.RETRY, "client_misconfigured")
    assert [record.levelname for record in caplog.records if "OAuth client" in record.message] == ["CRITICAL"]
    assert row().is_connected
    settings.EACCOUNTING_CLIENT_SECRET = secret
    forget_gateway()
    assert run(push, forward=10).state == PushState.DONE


def test_a_misconfigured_client_does_not_stop_a_token_that_lives(ready: Connection, sandbox: Sandbox) -> None:
    nearly_expire()
    sandbox.fault(kind="invalid_client", path=TOKEN, when="before", count=None)
    assert access() == ready.access_token
    expire()
    with pytest.raises(ClientMisconfigured):
        access()


# --- Refused although it should live -----------------------------------------------------------------------


def test_a_refused_token_is_replaced_once_and_the_push_goes_on(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run
) -> None:
    sandbox.expire_access_tokens()
    assert run(sheets.create(user=ulf, company=company)).state == PushState.DONE
    assert refreshes(sandbox) == 1
    assert [call.status for call in sandbox.calls(path="/v2")] == [401, 200, 201]
    assert row().refused_at is None


def test_refused_with_a_fresh_token_too_it_needs_a_person_after_two_calls(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run
) -> None:
    sandbox.fault(kind="error", error_code=4005, status=401, path="/v2/.*", when="before", count=None)
    push = run(sheets.create(user=ulf, company=company), times=3)
    assert (push.state, push.wait_reason) == (PushState.WAITING, WaitReason.CONNECTION)
    assert len(sandbox.calls(path="/v2")) == 2
    assert refreshes(sandbox) == 1
    assert (row().state, row().last_error) == (Connection.State.NEEDS_RECONNECT, "unauthorized")


def test_a_refused_token_whose_refresh_fails_is_no_reason_to_give_the_connection_up(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run, settle: Run
) -> None:
    sandbox.expire_access_tokens()
    sandbox.fault(kind="status", status=503, path=TOKEN, when="before", count=2)
    push = sheets.create(user=ulf, company=company)
    assert run(push).wait_reason == WaitReason.RETRY
    assert settle(push).state == PushState.DONE
    assert row().is_connected


@real_threads
@pytest.mark.parametrize("minutes_left", [45, 5])
def test_after_a_first_401_nothing_is_sent_with_that_token_again(
    ready: Connection, sandbox: Sandbox, add_company: AddCompany, ulf: User, run: Run, settle: Run, minutes_left: int
) -> None:
    """Whether it should have lived on, or had come to its margin: each retry of anybody begins with the refresh."""
    Connection.objects.update(expires_at=timezone.now() + timedelta(minutes=minutes_left))
    pushes = [sheets.create(user=ulf, company=add_company(name=f"Nr {n}", registration_number="")) for n in range(3)]
    sandbox.expire_access_tokens()
    sandbox.fault(kind="status", status=500, path=TOKEN, when="before", count=5)
    for push in pushes:
        run(push)
    with pytest.raises(ServerError):
        calls.read_company_settings(ready)
    run(pushes[0], forward=10)
    assert [(call.path, call.status) for call in sandbox.calls()] == [("/v2/customers", 401), *[(TOKEN, 500)] * 5]
    for push in pushes:
        assert settle(push).state == PushState.DONE
    assert [call.status for call in sandbox.calls(path="/v2")].count(401) == 1
    assert row().is_connected


@real_threads
def test_a_refusal_is_known_to_others_while_the_one_who_refreshes_still_waits(
    ready: Connection, sandbox: Sandbox
) -> None:
    refused = row().access_token
    with token_lock(ready.account_id, patience=1), pytest.raises(Unreachable):
        in_thread(lambda: tokens.replace_refused(ready.pk, refused=refused, clock=database_now, patience=0.05)).result(
            5
        )
    assert row().expires_at <= timezone.now()
    assert access() != refused


@real_threads
def test_a_token_that_was_refused_to_another_worker_meanwhile_writes_nothing(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User
) -> None:
    """One looks for duplicates, slowly; another one's call is refused; then the first one would send."""
    push = sheets.create(user=ulf, company=company)
    with held(sandbox, method="GET", path="/v2/customers", when="after") as look:
        worker = in_thread(lambda: deliver(push.pk))
        look.wait_for()
        sandbox.expire_access_tokens()
        sandbox.fault(kind="status", status=500, path=TOKEN, when="before")
        with pytest.raises(ServerError):
            calls.read_company_settings(ready)
    worker.result(60)
    assert Push.objects.get().state == PushState.DONE
    assert [call.status for call in sandbox.calls(path="/v2")].count(401) == 1
    assert len(named(sandbox)) == 1


def test_a_refusal_of_an_older_token_says_nothing_of_the_one_in_use(ready: Connection, sandbox: Sandbox) -> None:
    older = row()
    expire()
    fresh = access()
    older.note_refusal(now=timezone.now())
    assert not older.mark_needs_reconnect(now=timezone.now(), code="unauthorized")
    assert access() == fresh
    assert row().is_connected


def refuse_and_replace(token: str) -> None:
    tokens.replace_refused(row().pk, refused=token, clock=database_now, patience=3.0)


def aged(minutes: float) -> None:
    """Let the token in use, which replaced a refused one, have been issued so long ago; an hour is its life."""
    issued = timezone.now() - timedelta(minutes=minutes)
    ends = issued + timedelta(minutes=60)
    Connection.objects.update(refused_at=issued - timedelta(seconds=1), issued_at=issued, expires_at=ends)


def test_two_tokens_refused_in_a_row_as_soon_as_they_were_issued_need_a_person(ready: Connection) -> None:
    refuse_and_replace(ready.access_token)
    with pytest.raises(ConnectionRevoked):
        refuse_and_replace(row().access_token)
    assert row().state == Connection.State.NEEDS_RECONNECT


@pytest.mark.parametrize("minutes", [51, 61])
def test_a_token_that_came_to_its_end_on_the_way_is_only_refreshed(
    ready: Connection, sandbox: Sandbox, minutes: float
) -> None:
    """It waited for its turn while its margin began or its life ended: no sign that the grant is over."""
    refuse_and_replace(ready.access_token)
    for _ in range(3):
        aged(minutes)
        refuse_and_replace(row().access_token)
    assert row().is_connected
    assert row().refused_at is None
    assert works(sandbox, row().access_token)


def test_a_refusal_of_long_ago_is_not_held_against_a_token_that_was_never_used(ready: Connection) -> None:
    """eAccounting was away all the time, so no good answer could forget the refusal."""
    refuse_and_replace(ready.access_token)
    aged(20)
    refuse_and_replace(row().access_token)
    assert row().is_connected


def test_a_refresh_at_the_end_of_its_life_forgets_the_refusal_of_another_token(ready: Connection) -> None:
    refuse_and_replace(ready.access_token)
    nearly_expire()
    Connection.objects.update(refused_at=timezone.now() - timedelta(minutes=56))
    access()
    refuse_and_replace(row().access_token)
    assert row().is_connected


@real_threads
def test_a_tokens_life_is_counted_from_when_it_was_asked_for(ready: Connection, sandbox: Sandbox) -> None:
    expire()
    with held(sandbox, path=TOKEN, when="after") as request:
        refresh = in_thread(access)
        request.wait_for()
        answered = database_now()
    refresh.result(60)
    assert row().issued_at <= answered


@real_threads
def test_workers_survive_that_eaccounting_ends_tokens_early_again_and_again(
    ready: Connection, sandbox: Sandbox, add_company: AddCompany, ulf: User
) -> None:
    pushes = [
        sheets.create(user=ulf, company=add_company(name=f"Nr {n}", registration_number=""))
        for n in range(12)
    ]  # fmt: skip
    sandbox.fault(kind="delay", path="/v2/customers", seconds=0.05, count=None, when="before")
    endings = 0

    def worker(share: list[Push]) -> None:
        for push in share:
            while Push.objects.get(pk=push.pk).is_open:
                deliver(push.pk)

    workers = [in_thread(lambda share=pushes[n::4]: worker(share)) for n in range(4)]
    while not all(found.done() for found in workers):
        time.sleep(0.2)
        # Two in a row without a good answer in between would be a grant that is over.
        if row().refused_at is None:
            endings += sandbox.expire_access_tokens() > 0
    assert [found.exception(60) for found in workers] == [None] * 4
    assert row().is_connected
    assert {push.state for push in Push.objects.all()} == {PushState.DONE}
    assert 0 < refreshes(sandbox) <= endings
    assert len([row for row in sandbox.customers() if row["Name"].startswith("Nr ")]) == 12


def test_refused_on_the_write_itself_nothing_is_in_doubt(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run
) -> None:
    sandbox.fault(kind="error", error_code=4005, status=401, path="/v2/customers", method="POST", when="before")
    sandbox.fault(kind="status", status=503, path=TOKEN, when="before")
    push = run(sheets.create(user=ulf, company=company))
    assert (push.state, push.unknown_since) == (PushState.WAITING, None)


def test_a_live_read_with_a_token_that_is_refused_for_good_needs_a_person(ready: Connection, sandbox: Sandbox) -> None:
    sandbox.fault(kind="error", error_code=4005, status=401, path="/v2/.*", when="before", count=None)
    with pytest.raises(ConnectionRevoked):
        calls.read_company_settings(ready)
    assert len(sandbox.calls(path="/v2")) == 2
    assert row().state == Connection.State.NEEDS_RECONNECT


# --- Somebody else changes the connection meanwhile ----------------------------------------------------------


@real_threads
def test_a_refresh_that_is_answered_after_a_reconnect_is_revoked_not_stored(
    ready: Connection, sandbox: Sandbox
) -> None:
    expire()
    with held(sandbox, path=TOKEN, when="after") as request:
        slow = in_thread(access)
        request.wait_for()
        Connection.objects.update(generation=7, access_token="newer", refresh_token="newer too")
    assert isinstance(slow.exception(60), NotConnected)
    assert (row().access_token, row().refresh_token) == ("newer", "newer too")
    assert len(sandbox.calls(path="/connect/revocation")) == 1


@real_threads
def test_disconnecting_waits_for_a_refresh_and_takes_its_tokens_along(
    ready: Connection, sandbox: Sandbox, anna: User
) -> None:
    expire()
    with held(sandbox, path=TOKEN, when="after") as request:
        slow = in_thread(access)
        request.wait_for()
        leaving = in_thread(lambda: connect.disconnect(user=anna, connection=ready))
        with pytest.raises(TimeoutError):
            leaving.result(0.3)
    leaving.result(60)
    assert not works(sandbox, slow.result(60))
    assert (row().access_token, row().refresh_token) == ("", "")
    assert sandbox.world.store.all("refresh_token") == {}


@real_threads
def test_the_lock_dies_with_its_holders_session(ready: Connection) -> None:
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with token_lock(ready.account_id, patience=1):
            taken.set()
            leave.wait(60)

    holder = in_thread(hold)
    assert taken.wait(60)
    with pytest.raises(LockTaken), token_lock(ready.account_id, patience=0.05):
        pass
    with token_lock(ready.account_id + 1, patience=0.05):
        pass  # other accounts are not concerned
    with database.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_locks join pg_database on pg_database.oid = pg_locks.database"
            " where locktype = 'advisory' and granted and datname = current_database()"
        )
    with token_lock(ready.account_id, patience=1):
        pass
    leave.set()
    holder.exception(60)


# --- Secrets -----------------------------------------------------------------------------------------------


def test_no_token_stands_in_the_database_or_in_the_log(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {ready.access_token, ready.refresh_token}
    expire()
    sandbox.fault(kind="status", status=500, path=TOKEN, when="before")
    with pytest.raises(EAccountingError):
        access()
    run(sheets.create(user=ulf, company=company))
    secrets |= {row().access_token, row().refresh_token}
    with database.cursor() as cursor:
        cursor.execute("select c::text from integrations_connection c")
        stored = str(cursor.fetchall())
        cursor.execute("select e::text from integrations_event e union all select p::text from integrations_push p")
        stored += str(cursor.fetchall())
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret in stored or secret in caplog.text]


def test_a_wrong_key_reads_nothing_and_sends_nothing(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run, settings: DjangoSettings, anna: User
) -> None:
    push = sheets.create(user=ulf, company=company)
    keys = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(InvalidToken):
        row()
    with pytest.raises(NotConnected) as refused:
        tokens.access(ready.pk, clock=database_now, patience=1)
    assert refused.value.code == "tokens_unreadable"
    waiting = run(push)
    assert (waiting.wait_reason, waiting.failure) == (WaitReason.RETRY, "tokens_unreadable")
    assert sandbox.calls(path="/v2") == []
    settings.FIELD_ENCRYPTION_KEYS = [*settings.FIELD_ENCRYPTION_KEYS, *keys]  # rotated properly
    assert run(push, forward=10).state == PushState.DONE


def test_who_lost_the_key_can_reconnect_and_disconnect(ready: Connection, anna: User, settings: DjangoSettings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert connect_as(anna).generation == 2
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    current = current_connection(anna.account_id)
    assert current is not None
    connect.disconnect(user=anna, connection=current)
    assert row().state == Connection.State.DISCONNECTED


def test_a_scope_longer_than_its_column_does_not_cost_the_tokens(ready: Connection, sandbox: Sandbox) -> None:
    Connection.objects.update(scope="x" * 255)
    expire()
    answered = tokens._exchanged(row())
    long = type(answered)(
        access_token=answered.access_token, refresh_token=answered.refresh_token, expires_in=3600,
        scope="s" * 300, company_claim=None,
    )  # fmt: skip
    assert row().store_refreshed(tokens=long, now=timezone.now())
    assert works(sandbox, access())


@pytest.mark.parametrize(
    "odd",
    [
        '"expires_in": 99999999999999',
        '"expires_in": 1e300',
        '"expires_in": 1e400',
        '"expires_in": Infinity',
        '"expires_in": NaN',
        '"expires_in": true',
        f'"expires_in": {"9" * 5000}',
        '"expires_in": "3600.5"',
        '"expires_in": null, "expires_at": "never"',
        '"token_type": 5',
        '"token_type": ["mac"]',
        '"scope": {"ea:api": 1}',
        '"scope": ["ea:api", 5, null, "\\u0000\\ud800"]',
        f'"scope": "{"x" * 10_000}"',
        r'"id_token": "\u0000\ud800", "extra": [[[{}]]]',
        '"id_token": "\x00\x1f"',
    ],
)
def test_whatever_else_an_answer_holds_a_rotated_token_is_kept_and_used(
    ready: Connection, sandbox: Sandbox, odd: str
) -> None:
    expire()
    sandbox.fault(kind="answer_also", path=TOKEN, body=odd)
    used = row().refresh_token
    assert works(sandbox, access())
    assert used != row().refresh_token
    life = row().expires_at - row().issued_at
    assert life in (timedelta(hours=1), timedelta(days=1))
    expire()
    assert works(sandbox, access())


@pytest.mark.parametrize("answered", ["null", "5", '["x"]', f'"{"x" * 1_000_000}"', '"two words"'])
def test_an_access_token_that_cannot_be_used_does_not_cost_the_rotated_one(
    ready: Connection, sandbox: Sandbox, company: Company, ulf: User, run: Run, answered: str
) -> None:
    expire()
    used = row().refresh_token
    sandbox.fault(kind="answer_also", path=TOKEN, body=f'"access_token": {answered}')
    push = run(sheets.create(user=ulf, company=company))
    assert (push.wait_reason, push.failure) == (WaitReason.RETRY, "field_missing")
    assert row().is_connected
    assert used != row().refresh_token
    assert sandbox.calls(path="/v2") == []
    assert run(push, forward=10).state == PushState.DONE
    assert refreshes(sandbox) == 2


def test_while_the_old_token_lives_one_that_cannot_be_used_is_nobodys_concern(
    ready: Connection, sandbox: Sandbox
) -> None:
    nearly_expire()
    sandbox.fault(kind="answer_also", path=TOKEN, body='"access_token": 5', count=None)
    for _ in range(3):
        assert access() == ready.access_token
    assert refreshes(sandbox) == 1
    sandbox.faults.clear()
    expire()
    assert works(sandbox, access())


@pytest.mark.parametrize("answered", ["null", '""', '"  "', "5"])
def test_a_refresh_token_that_is_none_leaves_the_old_one(ready: Connection, sandbox: Sandbox, answered: str) -> None:
    sandbox.switch(rotate_refresh_tokens=False)
    before = row().refresh_token
    expire()
    sandbox.fault(kind="answer_also", path=TOKEN, body=f'"refresh_token": {answered}')
    assert works(sandbox, access())
    assert row().refresh_token == before


def test_without_a_refresh_token_a_person_is_asked_not_the_server(ready: Connection, sandbox: Sandbox) -> None:
    Connection.objects.update(refresh_token="")
    expire()
    with pytest.raises(ConnectionRevoked):
        access()
    assert refreshes(sandbox) == 0
    assert row().state == Connection.State.NEEDS_RECONNECT


# --- A person who waits --------------------------------------------------------------------------------------


@real_threads
def test_a_live_read_waits_four_seconds_at_most_and_the_refresh_goes_on(
    ready: Connection, sandbox: Sandbox, settings: DjangoSettings
) -> None:
    settings.EACCOUNTING_LIVE_READ_SECONDS = 0.5
    expire()
    with held(sandbox, path=TOKEN, when="after") as request:
        reading = in_thread(lambda: calls.read_company_settings(ready))
        request.wait_for()
        assert isinstance(reading.exception(60), Unreachable)  # it gave up while the refresh goes on
        assert row().refresh_intent_at is not None
    settings.EACCOUNTING_LIVE_READ_SECONDS = 10
    until(lambda: row().refresh_intent_at is None, what="the refresh to end")
    assert works(sandbox, row().access_token)
    assert calls.read_company_settings(ready).name == "Nordvik Bygg AB"
    for thread in threading.enumerate():
        if thread.name == "refresh":
            thread.join(60)


@real_threads
def test_a_live_read_refreshes_a_dead_token_by_itself(ready: Connection, sandbox: Sandbox) -> None:
    expire()
    assert calls.read_company_settings(ready).name == "Nordvik Bygg AB"
    assert refreshes(sandbox) == 1


@real_threads
def test_two_live_reads_at_once_and_no_more(ready: Connection, sandbox: Sandbox, settings: DjangoSettings) -> None:
    with held(sandbox, path="/v2/companysettings", count=None) as requests:
        reading = [in_thread(lambda: calls.read_company_settings(ready)) for _ in range(2)]
        requests.wait_for(2)
        ends = at_once([lambda: calls.read_company_settings(ready)] * 2)
    assert [read.result(60).name for read in reading] == ["Nordvik Bygg AB"] * 2
    busy = [end for end in ends if isinstance(end, calls.TooBusy)]
    assert len(busy) == 2
    assert Push.objects.count() == 0
