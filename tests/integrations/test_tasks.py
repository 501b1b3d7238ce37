"""Pokes never hold a click up, and the sweeper finds what they missed."""

import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings as configuration
from django.db import transaction
from django.utils import timezone
from kombu.pools import connections, producers

from accounts.models import User
from companies.models import Company
from dev.launcher.stores import free_port
from integrations import tasks
from integrations.access import rate_limit
from integrations.models import Connection, Push, PushState, WaitReason, push_queue
from tests import sheets
from tests.integrations.conftest import AddCompany, connect_as
from tests.integrations.workers import until
from tests.proxy import Proxy

QUEUE, BULK = "clicks", "bulk"
POKE_SECONDS = tasks.WAKE_SECONDS  # the product's; other tests give the broker as long as it takes (conftest.py)


@pytest.fixture
def queue() -> Iterator[Callable[[], list[dict[str, object]]]]:
    """Return what stands in the queue of clicks."""
    store = rate_limit._redis()
    store.flushdb()
    tasks._quiet["until"] = 0.0

    def read() -> list[dict[str, object]]:
        bodies = [json.loads(message)["body"] for message in reversed(store.lrange(QUEUE, 0, -1))]
        return [json.loads(base64.b64decode(body))[1] for body in bodies]

    yield read
    store.flushdb()


@pytest.fixture
def poke_through(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that makes pokes go to another broker, with the patience that the product has."""
    monkeypatch.setattr(tasks, "WAKE_SECONDS", POKE_SECONDS)
    before = current_app.conf.broker_url

    def use(url: str) -> None:
        current_app.conf.broker_url = url
        current_app.conf.broker_write_url = url
        tasks._wake_broker.cache_clear()
        tasks._quiet["until"] = 0.0

    yield use
    # Only the other broker's: closing all pools would leave the app with a closed one.
    for pools in (producers, connections):
        pools[tasks._wake_broker()].force_close_all()
        del pools[tasks._wake_broker()]
    use(before)
    current_app.conf.broker_write_url = None


@pytest.fixture
def silent_broker() -> Iterator[str]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def line_to_broker(poke_through: Callable[[str], None]) -> Iterator[Proxy]:
    """The broker, for pokes only, behind a line that can break."""
    with Proxy.before(configuration.REDIS_URL) as line:
        poke_through(line.url)
        yield line


def waiting(queue: str) -> int:
    """Count the messages that nobody has taken yet."""
    return int(rate_limit._redis().llen(queue))


def test_a_poke_reaches_the_queue_of_clicks(queue: Callable[[], list[dict[str, object]]]) -> None:
    tasks.wake(17)
    assert queue() == [{"push_id": 17}]


def test_a_closed_broker_does_not_hold_a_click_up(poke_through: Callable[[str], None]) -> None:
    poke_through(f"redis://127.0.0.1:{free_port()}/0")
    before = time.monotonic()
    tasks.wake(1)
    assert before + tasks.QUIET_SECONDS <= tasks._quiet["until"] <= time.monotonic() + tasks.QUIET_SECONDS


def test_a_poke_waits_for_the_broker_as_long_as_it_is_told_and_no_longer(poke_through: Callable[[str], None]) -> None:
    """The time-outs that the socket gets. How long a click takes beside a silent broker: B8 of `make bench`."""
    assert POKE_SECONDS <= 0.04
    poke_through(configuration.REDIS_URL)
    with producers[tasks._wake_broker()].acquire(block=True) as producer:
        pool = producer.connection.default_channel.client.connection_pool
    kept = pool.connection_kwargs
    assert (kept["socket_timeout"], kept["socket_connect_timeout"]) == (POKE_SECONDS, POKE_SECONDS)


def test_a_silent_broker_is_asked_once_and_then_left_alone(line_to_broker: Proxy) -> None:
    line_to_broker.to_client.silent = True
    tasks.wake(1)
    assert tasks._quiet["until"] > 0
    asked = (line_to_broker.accepted, line_to_broker.to_server.passed)
    tasks._quiet["until"] = float("inf")  # however long this machine takes for the next line
    tasks.wake(2)
    assert (line_to_broker.accepted, line_to_broker.to_server.passed) == asked


def test_a_broker_that_falls_silent_later_does_not_hold_a_click_up(
    line_to_broker: Proxy, queue: Callable[[], list[dict[str, object]]]
) -> None:
    tasks.wake(1)
    tasks._quiet["until"] = 0.0
    line_to_broker.to_client.silent = True
    tasks.wake(2)  # returns although nobody answers
    assert tasks._quiet["until"] > 0
    line_to_broker.heal()
    line_to_broker.cut()
    until(lambda: _arrives(3, queue), what="a poke once the line is good")


def _arrives(push_id: int, queue: Callable[[], list[dict[str, object]]]) -> bool:
    """Poke, and tell whether it arrived: on a busy machine the broker may not answer in time."""
    tasks._quiet["until"] = 0.0
    tasks.wake(push_id)
    return {"push_id": push_id} in queue()


@pytest.mark.django_db(transaction=True)
def test_a_click_is_recorded_although_the_broker_is_silent(
    ready: Connection, company: Company, ulf: User, poke_through: Callable[[str], None], silent_broker: str
) -> None:
    poke_through(silent_broker)
    sheets.create(user=ulf, company=company)
    assert tasks._quiet["until"] > 0
    assert Push.objects.get().state == PushState.WAITING


@pytest.mark.django_db(transaction=True)
def test_nothing_is_poked_for_a_wish_that_was_rolled_back(
    ready: Connection, company: Company, ulf: User, queue: Callable[[], list[dict[str, object]]]
) -> None:
    with transaction.atomic():
        sheets.create(user=ulf, company=company)
        transaction.set_rollback(True)
    assert queue() == []
    assert not Push.objects.exists()


def test_the_sweeper_wakes_who_pulls_for_rows_that_no_poke_takes_care_of(
    ready: Connection, add_company: AddCompany, ulf: User, queue: Callable[[], list[dict[str, object]]]
) -> None:
    pushes = [
        sheets.create(user=ulf, company=add_company(name=f"Nr {number}", registration_number="")) for number in range(7)
    ]
    lost, retried, fresh, held, later, asked, done = pushes
    now = timezone.now()
    Push.objects.filter(pk=lost.pk).update(next_attempt_at=now - timedelta(seconds=3))
    Push.objects.filter(pk=retried.pk).update(next_attempt_at=now, fence=1)
    Push.objects.filter(pk=held.pk).update(lease_until=now + timedelta(seconds=60), fence=1)
    Push.objects.filter(pk=later.pk).update(next_attempt_at=now + timedelta(seconds=60), fence=1)
    Push.objects.filter(pk=asked.pk).update(next_attempt_at=None, wait_reason=WaitReason.DECISION)
    Push.objects.filter(pk=done.pk).update(state=PushState.DONE)
    tasks.sweep()
    assert waiting(BULK) == 2
    assert set(push_queue.unattended(now=timezone.now())) == {lost, retried}
    assert not queue(), "what was just clicked has been poked, and nothing else is put before it"
    assert fresh.pk in push_queue.due(now=timezone.now()).values_list("pk", flat=True)


def test_five_hundred_rows_whose_pokes_were_wiped_wake_as_many_as_can_pull_at_once(
    ready: Connection, company: Company, ulf: User, queue: Callable[[], list[dict[str, object]]]
) -> None:
    companies = Company.objects.bulk_create(
        Company(account=company.account, name=f"Nr {n}", country="SE", changed_at=timezone.now(), search_text="")
        for n in range(500)
    )
    Push.objects.bulk_create(
        Push(account=ready.account, connection=ready, company=found, kind="create", requested_by=ulf,
             next_attempt_at=timezone.now() - timedelta(seconds=3))
        for found in companies
    )  # fmt: skip
    for _ in range(3):
        tasks.sweep()
    assert waiting(BULK) == tasks.PULLS_WAITING


def test_an_expired_lease_is_swept(
    ready: Connection, company: Company, ulf: User, queue: Callable[[], list[dict[str, object]]]
) -> None:
    push = sheets.create(user=ulf, company=company)
    push_queue.claim(push.pk, now=timezone.now(), seconds=-1)
    tasks.sweep()
    assert waiting(BULK) == 1


def test_upkeep_is_one_message_for_each_connection(
    connection: Connection, ready: Connection, anna: User, olav: User, queue: Callable[[], list[dict[str, object]]]
) -> None:
    other = connect_as(olav, company="2")
    Connection.objects.update(terms_read_at=None, probe_at=None)
    tasks.look_after_connections()
    messages = [json.loads(message) for message in reversed(rate_limit._redis().lrange("upkeep", 0, -1))]
    sent = [(found["headers"]["task"], json.loads(base64.b64decode(found["body"]))[1]) for found in messages]
    assert sent == [
        ("integrations.tasks.look_after", {"connection_id": connection.pk}),
        ("integrations.tasks.look_after", {"connection_id": other.pk}),
    ]
    tasks.look_after(**sent[1][1])
    other.refresh_from_db()
    assert other.terms_read_at is not None
