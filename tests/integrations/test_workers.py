"""The whole road with real worker processes: click → worker → done, through kills, doubles and wipes."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations import tasks
from integrations.access import rate_limit
from integrations.models import Connection, CustomerLink, Push, PushState
from tests import sheets
from tests.holding import held
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


def wait_until_done(*pushes: Push) -> None:
    until(lambda: all(map(done, pushes)), what="done")


def test_a_click_needs_no_sweeper_and_a_message_delivered_twice_sends_once(
    start: StartWorkers, company: Company, add_company: AddCompany, ulf: User, sandbox: Sandbox
) -> None:
    with start(beat=False):
        push = sheets.create(user=ulf, company=company)
        wait_until_done(push)
        assert len(named(sandbox)) == 1
        with held(sandbox, method="GET", path="/v2/customers") as request:
            twice = sheets.create(user=ulf, company=add_company(name="Dubbel AB", registration_number=""))
            request.wait_for()
            for _ in range(5):
                tasks.wake(twice.pk)
            until(lambda: not rate_limit._redis().llen("clicks"), what="the other messages to be taken")
        wait_until_done(twice)
    assert len(named(sandbox, "Dubbel AB")) == 1
    assert posts(sandbox) == 2


@pytest.mark.thorough  # crashes/test_in_flight.py ends single processes there
def test_killed_after_the_bytes_left_it_is_found_and_not_doubled(
    start: StartWorkers, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    with (
        held(sandbox, method="POST", path="/v2/customers", when="after") as request,
        start(beat=False, settings={"EACCOUNTING_SEND_BY_SECONDS": "1"}) as first,
    ):
        push = sheets.create(user=ulf, company=company)
        request.wait_for()
        first.kill()
    assert Push.objects.get().state == PushState.SENDING
    with start():
        wait_until_done(push)
    assert (len(named(sandbox)), posts(sandbox)) == (1, 1)
    assert str(CustomerLink.objects.get().reference) == named(sandbox)[0]["Id"]


def test_asked_to_stop_a_worker_ends_its_call_first(
    start: StartWorkers, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    with held(sandbox, method="POST", path="/v2/customers", when="after") as request, start(beat=False) as worker:
        push = sheets.create(user=ulf, company=company)
        request.wait_for()
        worker.terminate(meanwhile=request.go_on)
    assert done(push)


def test_waiting_rows_whose_messages_were_wiped_are_all_done(
    start: StartWorkers, add_company: AddCompany, ulf: User, sandbox: Sandbox
) -> None:
    pushes = [
        sheets.create(user=ulf, company=add_company(name=f"Nr {number} AB", registration_number=""))
        for number in range(12)
    ]
    rate_limit._redis().flushdb()
    with start():
        threading.Timer(0.5, rate_limit._redis().flushdb).start()
        wait_until_done(*pushes)
    assert [len(named(sandbox, f"Nr {number} AB")) for number in range(12)] == [1] * 12
