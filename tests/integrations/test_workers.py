"""The whole road with real worker processes: click → worker → done, through kills, doubles and wipes."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from accounts.models import User
from companies.models import Company
from integrations import limiter, services, tasks
from integrations.eaccounting.sandbox.core import Sandbox
from integrations.eaccounting.sandbox.server import SandboxServer
from integrations.models import Connection, CustomerLink, Push, PushState
from tests.integrations.conftest import AddCompany, named, posts
from tests.integrations.workers import Workers, until

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True)]

StartWorkers = Callable[..., Workers]


@pytest.fixture
def start(tmp_path: Path, server: SandboxServer, ready: Connection) -> StartWorkers:
    """Return what starts workers on the database of this test."""
    return partial(Workers, folder=tmp_path, api_url=server.api_url, identity_url=server.identity_url)


def done(push: Push) -> bool:
    return Push.objects.get(pk=push.pk).state == PushState.DONE


def wait_until_done(*pushes: Push, seconds: float) -> None:
    until(lambda: all(map(done, pushes)), seconds=seconds, what="done")


def test_a_click_is_done_in_a_moment_and_a_message_delivered_twice_sends_once(
    start: StartWorkers, company: Company, add_company: AddCompany, ulf: User, sandbox: Sandbox
) -> None:
    with start(beat=False):
        push = services.request_create(user=ulf, company=company)
        wait_until_done(push, seconds=5)
        assert len(named(sandbox)) == 1
        sandbox.fault(kind="delay", method="GET", path="/v2/customers", seconds=0.5, when="before")
        twice = services.request_create(user=ulf, company=add_company(name="Dubbel AB", registration_number=""))
        for _ in range(5):
            tasks.poke(twice.pk)
        wait_until_done(twice, seconds=5)
    assert len(named(sandbox, "Dubbel AB")) == 1
    assert posts(sandbox) == 2


def test_killed_after_the_bytes_left_it_is_found_and_not_doubled(
    start: StartWorkers, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    sandbox.fault(kind="delay", method="POST", path="/v2/customers", seconds=1.5, when="after")
    with start(beat=False) as first:
        push = services.request_create(user=ulf, company=company)
        until(lambda: bool(named(sandbox)), seconds=10, what="the customer to be stored")
        first.kill()
    assert Push.objects.get().state == PushState.SENDING
    with start():
        wait_until_done(push, seconds=30)
    assert (len(named(sandbox)), posts(sandbox)) == (1, 1)
    assert str(CustomerLink.objects.get().reference) == named(sandbox)[0]["Id"]


def test_asked_to_stop_a_worker_ends_its_call_first(
    start: StartWorkers, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    sandbox.fault(kind="delay", method="POST", path="/v2/customers", seconds=1.0, when="after")
    with start(beat=False) as worker:
        push = services.request_create(user=ulf, company=company)
        until(lambda: bool(named(sandbox)), seconds=10, what="the customer to be stored")
        worker.terminate()
    assert done(push)


def test_waiting_rows_whose_messages_were_wiped_are_all_done(
    start: StartWorkers, add_company: AddCompany, ulf: User, sandbox: Sandbox
) -> None:
    pushes = [
        services.request_create(user=ulf, company=add_company(name=f"Nr {number} AB", registration_number=""))
        for number in range(12)
    ]
    limiter._redis().flushdb()
    with start():
        threading.Timer(0.5, limiter._redis().flushdb).start()
        wait_until_done(*pushes, seconds=30)
    assert [len(named(sandbox, f"Nr {number} AB")) for number in range(12)] == [1] * 12
