"""What monitors are told: the process, its stores, and whether workers keep up."""

import socket
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from celery import current_app
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from redis import Redis

from accounts.models import Account, User
from integrations.clock import database_now
from integrations.models import Push, PushState
from limego_visma import heartbeat
from tests.outbox import due_push

ANSWER_SECONDS = (
    heartbeat.ANSWER_SECONDS
)  # the product's; other tests give the broker as long as it takes (conftest.py)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def due(account: Account, anna: User) -> Push:
    """A row that is due by now and that no worker has claimed."""
    return due_push(account=account, user=anna)


def _change(push: Push, **fields: object) -> None:
    Push.objects.filter(pk=push.pk).update(**fields)


def _seconds(moment: datetime) -> float:
    return (database_now() - moment).total_seconds()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_living_process_asks_no_database() -> None:
    # Without the mark for it, pytest-django refuses every query.
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"process": "ok"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_nothing_is_cached_and_no_cookie_is_set(path: str, db: None) -> None:
    answer = Client().get(path)
    assert "no-store" in answer.headers["Cache-Control"]
    assert not answer.cookies


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_probe_inside_the_network_is_not_sent_to_https(path: str, db: None, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/login/").status_code == 301
    assert Client().get(path).status_code == 200


def test_it_is_ready_when_the_stores_answer_and_nothing_is_due(db: None) -> None:
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    stores = {"database": "ok", "broker": "ok", "oldest_due_seconds": 0.0, "due": "ok"}
    assert {name: answer.json()[name] for name in stores} == stores


def test_a_row_nobody_claims_is_late_after_a_minute(due: Push) -> None:
    _change(due, next_attempt_at=database_now() - MINUTE / 2)
    assert Client().get("/readyz").json()["due"] == "ok"
    since = database_now() - 2 * MINUTE
    _change(due, next_attempt_at=since)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["due"]) == (200, "late")
    assert 120 <= answer.json()["oldest_due_seconds"] <= _seconds(since) + 0.1


def test_what_a_worker_holds_or_nobody_can_move_is_not_due(due: Push) -> None:
    long_ago, later = database_now() - 5 * MINUTE, database_now() + MINUTE
    for change in (
        {"lease_until": later},
        {"next_attempt_at": later},
        {"next_attempt_at": None},
        {"state": PushState.DONE},
    ):
        _change(due, **{"next_attempt_at": long_ago, "lease_until": None, "state": PushState.WAITING, **change})
        assert Client().get("/readyz").json()["oldest_due_seconds"] == 0.0, change


def test_a_row_whose_holder_died_waits_since_its_lease_ended(due: Push) -> None:
    _change(due, next_attempt_at=database_now() - 5 * MINUTE, lease_until=database_now() - timedelta(seconds=10))
    assert 9 < Client().get("/readyz").json()["oldest_due_seconds"] < 5 * 60


def test_the_question_reads_the_index_of_due_rows(due: Push) -> None:
    with CaptureQueriesContext(connection) as queries:
        Client().get("/readyz")
    asked = next(query["sql"] for query in queries if "next_attempt_at" in query["sql"] and "LIMIT 1" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")  # one row alone is read faster without any index
        cursor.execute(f"explain {asked}")
        assert "push_due" in "\n".join(row[0] for row in cursor.fetchall())


def test_a_broker_that_refuses_makes_it_unready(db: None, settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert (answer.json()["database"], answer.json()["broker"]) == ("ok", "away")
    assert (answer.json()["workers"], answer.json()["heartbeat_seconds"]) == ("unknown", None)


def test_a_silent_broker_is_given_up_soon(
    db: None, settings: Settings, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never says a word: whoever waited for it would have no answer."""
    assert ANSWER_SECONDS <= 0.5
    monkeypatch.setattr(heartbeat, "ANSWER_SECONDS", ANSWER_SECONDS)
    settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent_port}/0"
    assert Client().get("/readyz").json()["broker"] == "away"


@pytest.mark.django_db(transaction=True)
def test_without_a_database_it_says_so_and_names_no_host() -> None:
    gone = connections.create_connection("default")
    gone.settings_dict = {**gone.settings_dict, "HOST": "127.0.0.1", "PORT": "9"}
    working = connections["default"]
    connections["default"] = gone
    try:
        answer = Client().get("/readyz")
    finally:
        connections["default"] = working
    assert answer.status_code == 503
    expected = {"database": "away", "broker": "ok", "oldest_due_seconds": None, "due": "unknown"}
    assert {name: answer.json()[name] for name in expected} == expected
    assert "127.0.0.1" not in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_locked_database_is_given_up_in_time(due: Push) -> None:
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("lock table integrations_push in access exclusive mode")
        answer = Client().get("/readyz")  # comes although the lock is still held
        assert (answer.status_code, answer.json()["database"]) == (503, "away")
    finally:
        other.rollback()
        other.close()


# --- Workers -------------------------------------------------------------------------------------


@pytest.fixture
def broker(settings: Settings) -> Iterator[Redis]:
    """The broker, as it is after a wipe."""
    with Redis.from_url(settings.CELERY_BROKER_URL) as store:
        store.flushdb()
        yield store
        store.flushdb()


def _workers() -> tuple[str, dict[str, float | None]]:
    told = Client().get("/readyz").json()
    return told["workers"], told["heartbeat_seconds"]


def test_workers_are_well_when_each_queue_was_served_within_a_minute(
    db: None, broker: Redis, settings: Settings
) -> None:
    for queue in settings.WORKER_QUEUES:
        assert _workers()[0] == "late"
        heartbeat.mark(queue=queue)
    state, ages = _workers()
    assert state == "ok"
    assert ages.keys() == set(settings.WORKER_QUEUES)
    assert all(age is not None and age <= 60 for age in ages.values())


def test_a_queue_that_nobody_serves_any_more_is_named(db: None, broker: Redis, settings: Settings) -> None:
    for queue in settings.WORKER_QUEUES:
        heartbeat.mark(queue=queue)
    broker.set(f"{heartbeat._KEY}mail", time.time() - 61)
    state, ages = _workers()
    assert state == "late"
    assert [queue for queue, age in ages.items() if age is None or age > 60] == ["mail"]
    broker.delete(f"{heartbeat._KEY}mail")
    assert (_workers()[0], _workers()[1]["mail"]) == ("late", None)
    assert Client().get("/readyz").status_code == 200


def test_beat_sends_a_mark_through_every_queue_that_a_task_uses(settings: Settings) -> None:
    schedule = settings.CELERY_BEAT_SCHEDULE.values()
    marks = {entry["options"]["queue"] for entry in schedule if entry["task"] == heartbeat.mark.name}
    current_app.loader.import_default_modules()
    names = [name for name in current_app.tasks if name.startswith(("accounts.", "companies.", "integrations."))]
    assert marks == {current_app.amqp.router.route({}, name)["queue"].name for name in names}
