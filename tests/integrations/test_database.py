"""PostgreSQL ends a session that idles in a transaction, or whose transaction takes too long: that is waited out.

Django calls that an InternalError, unlike every other end of a session.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, transaction
from django.db import connection as database

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.access import tokens
from integrations.access.token_lock import LockTaken, token_lock
from integrations.clock import database_now
from integrations.crash_points import Point
from integrations.database import database_is_away
from integrations.delivery.worker import deliver
from integrations.exceptions import NotKept
from integrations.models import Connection, Push, PushState
from tests import sheets
from tests.integrations.conftest import Run, connect_as
from tests.integrations.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

LIMITS = ("idle_in_transaction_session_timeout", "transaction_timeout")
SESSION = "select pg_backend_pid()"


def limit(name: str) -> int:
    """Let PostgreSQL end this session soon; return which one it is."""
    with database.cursor() as cursor:
        if name == "transaction_timeout" and database.pg_version < 170000:
            pytest.skip("PostgreSQL 17 and newer know a limit of a whole transaction")
        cursor.execute(f"set {name} = '50ms'")
    return session()


def session() -> int:
    with database.cursor() as cursor:
        cursor.execute(SESSION)
        return int(cursor.fetchone()[0])


@pytest.fixture(autouse=True)
def new_session() -> Iterator[None]:
    """No limit outlives a test."""
    yield
    database.close()


def raised(*statements: str) -> DatabaseError | InterfaceError:
    """Return the error that these statements end in, one transaction for all of them."""

    def execute() -> None:
        with transaction.atomic(), database.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                time.sleep(0.2)

    with pytest.raises((DatabaseError, InterfaceError)) as error:
        execute()
    return error.value


@pytest.mark.parametrize("name", LIMITS)
def test_a_session_that_was_ended_in_a_transaction_is_known_as_away(name: str) -> None:
    before = limit(name)
    error = raised("select 1", "select 1")
    assert isinstance(error, InternalError)
    assert database_is_away(error)
    assert session() != before


def test_a_fault_of_ours_is_not_taken_for_a_database_that_is_away() -> None:
    with transaction.atomic(), database.cursor() as cursor:
        with pytest.raises(DatabaseError) as first:
            cursor.execute("select 1 / 0")
        with pytest.raises(InternalError) as second:
            cursor.execute("select 1")
        database.set_rollback(True)
    assert (database_is_away(first.value), database_is_away(second.value)) == (False, False)
    assert not database_is_away(None)


def test_any_other_end_of_a_session_is_known_as_away() -> None:
    error = raised("select pg_terminate_backend(pg_backend_pid())")
    assert isinstance(error, OperationalError)
    assert database_is_away(error)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("point", [Point.SENDING_UNCOMMITTED, Point.SAVING])
def test_a_row_whose_worker_lost_its_session_is_given_back_and_done(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, name: str, point: Point,
    at_point: Callable[[Point, Callable[[], object]], None],
) -> None:  # fmt: skip
    push = sheets.create(user=ulf, company=company)

    def lose_the_session() -> None:
        limit(name)
        time.sleep(0.2)

    at_point(point, lose_the_session)
    with pytest.raises(InternalError):
        deliver(push.pk)
    given_back = Push.objects.get(pk=push.pk)
    assert given_back.is_open
    assert given_back.lease_until is None, "nobody waits for the end of a lease"
    assert given_back.next_attempt_at is not None
    assert run(push, forward=60, times=3).state == PushState.DONE
    names = [customer["Name"] for customer in sandbox.customers()]
    assert names.count(company.name) == 1


def test_refreshed_tokens_are_kept_when_storing_them_took_too_long(
    ready: Connection, sandbox: Sandbox, at_point: Callable[[Point, Callable[[], object]], None]
) -> None:
    """Somebody holds the row meanwhile; the old refresh token is used up."""
    hour = timedelta(hours=1)
    Connection.objects.update(issued_at=database_now() - hour, expires_at=database_now() - hour / 2)
    before = Connection.objects.get()

    def hold_the_row() -> None:
        with transaction.atomic():
            Connection.objects.select_for_update(no_key=True).get()
            time.sleep(0.5)

    def be_held_up() -> None:
        limit("transaction_timeout")
        holders.append(in_thread(hold_the_row))
        time.sleep(0.2)

    holders: list[object] = []
    at_point(Point.TOKENS_RECEIVED, be_held_up)
    access = tokens.access(ready.pk, clock=database_now, patience=1)
    stored = Connection.objects.get()
    assert access.token == stored.access_token != before.access_token
    assert stored.refresh_token != before.refresh_token
    assert len(holders) == 1


@pytest.mark.parametrize("name", LIMITS)
def test_a_grant_whose_connection_could_not_be_kept_is_given_back(
    sandbox: Sandbox, anna: User, name: str, at_point: Callable[[Point, Callable[[], object]], None]
) -> None:
    def lose_the_session() -> None:
        limit(name)
        time.sleep(0.2)

    at_point(Point.CONNECTION_SAVING, lose_the_session)
    with pytest.raises(NotKept):
        connect_as(anna)
    assert not Connection.objects.exists()
    assert sandbox.world.store.all("grant") == {}


def test_a_lock_that_nobody_could_ask_for_is_not_taken_by_somebody_else(ready: Connection) -> None:
    """Waiting for another's refresh would tell people that one is under way."""

    def end_all_who_wait() -> None:
        with database.cursor() as cursor:
            for _ in range(100):
                cursor.execute(
                    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted"
                )
                if cursor.fetchall():
                    return
                time.sleep(0.05)

    with token_lock(ready.account_id, patience=1):
        ending = in_thread(end_all_who_wait)
        with pytest.raises(OperationalError), token_lock(ready.account_id, patience=10):
            pass
        ending.result(60)
        with pytest.raises(LockTaken), token_lock(ready.account_id, patience=0):
            pass
