"""`manage.py rotate_keys`: everything on the newest key, proven, whatever happens meanwhile."""

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.db import connections, transaction
from pytest_django import Settings

from accounts.models import Account, Mail, User
from integrations.access import key_rotation
from integrations.clock import database_now
from integrations.eaccounting.types import TokenSet
from integrations.models import Connection, Event, EventKind
from integrations.models.encrypted_text import EncryptedTextField

Connect = Callable[..., Connection]
OLD, NEW, LOST = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def old_key(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]


@pytest.fixture
def connect(account: Account, anna: User) -> Connect:
    def make(identity: str, **more: object) -> Connection:
        now = database_now()
        times = {"issued_at": now, "expires_at": now + timedelta(hours=1), "connected_at": now}
        tokens = {"access_token": f"access {identity}", "refresh_token": f"refresh {identity}"}
        more = {"is_current": False, **tokens, **more}
        return Connection.objects.create(account=account, identity=identity, connected_by=anna, **times, **more)

    return make


def stored() -> dict[int, list[str]]:
    """Return what really stands in the table, by connection."""
    with database.cursor() as cursor:
        cursor.execute("select id, access_token, refresh_token from integrations_connection order by id")
        return {row[0]: list(row[1:]) for row in cursor.fetchall()}


def run(*options: str) -> str:
    said = StringIO()
    call_command("rotate_keys", *options, stdout=said)
    return said.getvalue()


def test_every_encrypted_column_there_is_gets_rotated() -> None:
    holders = {
        model for model in apps.get_models() for item in model._meta.fields if isinstance(item, EncryptedTextField)
    }
    assert holders == {Connection}
    assert key_rotation.TOKENS == ("access_token", "refresh_token")


def test_the_new_key_alone_reads_everything_afterwards(connect: Connect, settings: Settings) -> None:
    made = [connect(str(n)) for n in range(5)]
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    said = run()
    assert "5 connections looked at, 5 re-encrypted." in said
    assert "The newest key alone reads every token" in said
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    for one in made:
        again = Connection.objects.get(pk=one.pk)
        assert (again.access_token, again.refresh_token) == (one.access_token, one.refresh_token)


def test_batches_end_at_the_last_row(connect: Connect, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(5):
        connect(str(n))
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert "5 connections looked at, 5 re-encrypted." in run()


def test_it_can_be_run_again_and_touches_nothing_then(connect: Connect, settings: Settings) -> None:
    connect("1")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    run()
    before = stored()
    assert "1 connections looked at, 0 re-encrypted." in run()
    assert stored() == before


def test_an_interrupted_run_goes_on_where_it_was(
    connect: Connect, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = connect("1"), connect("2")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    walk = key_rotation._stored

    def cut_short():  # the walk of a process that is killed after one row
        yield next(walk())
        raise KeyboardInterrupt

    before = stored()
    monkeypatch.setattr(key_rotation, "_stored", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.setattr(key_rotation, "_stored", walk)
    assert stored()[first.pk] != before[first.pk]
    assert stored()[second.pk] == before[second.pk]
    assert "2 connections looked at, 1 re-encrypted." in run()


def test_disconnected_ones_have_nothing_to_move(connect: Connect, settings: Settings) -> None:
    connect("1").disconnect()
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert "1 connections looked at, 0 re-encrypted." in run()


def test_what_no_key_reads_is_named_and_nothing_secret_is_said(connect: Connect, settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [LOST]
    lost = connect("1")
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    good = connect("2")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    said = StringIO()
    with pytest.raises(CommandError, match=f"connections {lost.pk}: they must be reconnected") as error:
        call_command("rotate_keys", stdout=said)
    assert error.value.returncode == 1
    words = said.getvalue() + str(error.value)
    assert not [text for texts in stored().values() for text in texts if text in words]
    assert not [word for word in ("access 1", "refresh 1", "access 2", NEW, OLD, LOST) if word in words]
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert Connection.objects.get(pk=good.pk).access_token == "access 2"


def test_unreadable_tokens_can_be_given_up_and_their_admins_are_told(connect: Connect, settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [LOST]
    lost = connect("1", is_current=True)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert f"Connection {lost.pk}" in run("--forget-unreadable")
    again = Connection.objects.get(pk=lost.pk)
    assert (again.state, again.access_token, again.refresh_token) == (Connection.State.NEEDS_RECONNECT, "", "")
    assert Event.objects.filter(connection=lost, kind=EventKind.NEEDS_RECONNECT).count() == 1
    assert Mail.objects.filter(cause="eaccounting-reconnect").count() == 1
    assert "The newest key alone reads every token" in run()


@pytest.mark.django_db(transaction=True)
def test_a_refresh_that_happens_meanwhile_wins(connect: Connect, settings: Settings) -> None:
    made = connect("1")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    errors: list[BaseException] = []

    def rotate() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            errors.append(error)
        finally:
            connections.close_all()

    answered = TokenSet(access_token="fresh", refresh_token="fresher", expires_in=60, scope="", company_claim=None)
    with transaction.atomic():
        Connection.objects.select_for_update().get(pk=made.pk)
        thread = threading.Thread(target=rotate)
        thread.start()
        thread.join(0.5)  # by now it has seen the old tokens and waits for the row
        assert thread.is_alive()
        made.store_refreshed(tokens=answered, now=database_now())
    thread.join(60)
    assert not errors
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    again = Connection.objects.get(pk=made.pk)
    assert (again.access_token, again.refresh_token) == ("fresh", "fresher")


def test_a_process_that_still_writes_with_the_old_key_is_found_out(
    connect: Connect, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connect("1")
    old = stored()[made.pk]
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    rotate = key_rotation.rotate

    def undone() -> key_rotation.Count:  # a worker that was not restarted refreshes right behind us
        count = rotate()
        with database.cursor() as cursor:
            cursor.execute("update integrations_connection set access_token = %s", [old[0]])
        return count

    monkeypatch.setattr(key_rotation, "rotate", undone)
    with pytest.raises(CommandError, match=f"older key: connections {made.pk}. Restart every web and worker"):
        run()
