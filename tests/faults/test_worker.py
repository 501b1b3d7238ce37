"""Faults of worker processes. What the named points of the engine's steps prove stands in tests/crashes."""

import time
from pathlib import Path

import pytest

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations import tasks
from integrations.delivery.worker import deliver_next
from integrations.models import Connection, CustomerLink, Push, PushState, push_queue
from integrations.services.requests import recheck_push
from tests import sheets
from tests.faults.processes import FaultyWorkers, database_url
from tests.faults.reading import UP_TO_DATE, Card, assert_one_customer
from tests.faults.runs import assert_run_is_over, begin_run, done, wait_for
from tests.holding import held
from tests.integrations.conftest import MovableClock, Run, named, posts
from tests.integrations.threads import at_once
from tests.integrations.workers import SHORT_LEASES, until
from tests.proxy import Proxy
from tests.thorough import mostly_thorough

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.workers
@pytest.mark.parametrize("rows", mostly_thorough([40, 400], but=40))
def test_the_whole_worker_killed_in_a_run_leaves_no_row_behind_and_doubles_none(
    ready: Connection, ulf: User, sandbox: Sandbox, server: SandboxServer, tmp_path: Path, rows: int
) -> None:
    """What is in hand when it dies is looked after when its lease is over."""
    names = begin_run(ready, ulf, count=rows)
    sandbox.fault(kind="delay", method="POST", path="/v2/customers", seconds=0.05, when="after", count=None)
    with FaultyWorkers(folder=tmp_path, server=server, environment=SHORT_LEASES) as first:
        wait_for(rows // 4)
        first.kill()
    assert done() < rows
    with FaultyWorkers(folder=tmp_path, server=server, environment=SHORT_LEASES):
        wait_for(rows)
    assert_run_is_over(sandbox, names)


@pytest.mark.workers
def test_asked_to_stop_in_a_run_it_ends_its_calls_first_and_the_next_one_goes_on(
    ready: Connection, ulf: User, sandbox: Sandbox, server: SandboxServer, tmp_path: Path
) -> None:
    names = begin_run(ready, ulf, count=60)
    sandbox.fault(kind="delay", method="POST", path="/v2/customers", seconds=0.3, when="after", count=None)
    with FaultyWorkers(folder=tmp_path, server=server) as first:
        wait_for(5)
        first.terminate()
    assert 5 <= done() < 60
    assert not Push.objects.exclude(lease_until=None).exists()
    assert posts(sandbox) == done()
    sandbox.faults.clear()
    while deliver_next():  # the next worker
        pass
    assert_run_is_over(sandbox, names)
    assert posts(sandbox) == 60


@pytest.mark.workers
def test_the_late_answer_of_a_worker_frozen_past_its_lease_is_refused(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, server: SandboxServer, tmp_path: Path,
    clock: MovableClock, settle: Run, card: Card,
) -> None:  # fmt: skip
    with (
        held(sandbox, method="POST", path="/v2/customers", when="after") as request,
        FaultyWorkers(
            folder=tmp_path, server=server, beat=False, environment={"EACCOUNTING_CALL_SECONDS": "60"}
        ) as worker,
    ):
        push = sheets.create(user=ulf, company=company)
        request.wait_for()
        worker.freeze()
        request.go_on()
        assert Push.objects.get().state == PushState.SENDING
        assert settle(push, seconds=300).state == PushState.DONE  # another worker, when the lease is over
        left = Push.objects.values().get()
        worker.thaw()
        until(lambda: worker.said("taken over by another worker"), what="the late answer to be refused")
    assert Push.objects.values().get() == left
    assert_one_customer(sandbox, company, sent=1)
    assert UP_TO_DATE in card(ulf, company)


@pytest.mark.workers
def test_frozen_before_the_bytes_left_nothing_is_sent_past_send_by(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, server: SandboxServer, tmp_path: Path,
    settle: Run, card: Card,
) -> None:  # fmt: skip
    """A slow line to the database holds the answer to the COMMIT of SENDING back: there it is frozen."""
    with Proxy.before(database_url()) as line:
        times = {"EACCOUNTING_SEND_BY_SECONDS": "5", "DATABASE_URL": line.url}
        with FaultyWorkers(folder=tmp_path, server=server, beat=False, environment=times) as worker:
            with held(sandbox, method="GET", path="/v2/customers") as request:
                push = sheets.create(user=ulf, company=company)
                request.wait_for()
                line.to_client.latency = 0.3
            until(lambda: Push.objects.get().state == PushState.SENDING, what="SENDING")
            worker.freeze()
            line.heal()
            time.sleep(5.1)  # the monotonic clock that it looks at is the machine's
            worker.thaw()
            until(lambda: Push.objects.get().state != PushState.SENDING, what="the worker to give up")
    assert (posts(sandbox), named(sandbox)) == (0, [])
    assert "Lime Go was too busy to send this in time, so nothing was sent." in card(ulf, company)
    settle(push)
    assert_one_customer(sandbox, company, sent=1)


def test_two_sweepers_and_many_who_pull_at_once_do_each_row_once(
    ready: Connection, ulf: User, sandbox: Sandbox
) -> None:
    names = begin_run(ready, ulf, count=24)
    Push.objects.update(fence=1)  # no head start for a poke that nobody sent

    def sweep_and_pull() -> None:
        tasks.sweep.run()
        while deliver_next() or push_queue.unattended(now=Push.objects.latest("pk").requested_at).exists():
            pass

    ends = at_once([sweep_and_pull] * 6)
    assert [end for end in ends if end is not None] == []
    assert_run_is_over(sandbox, names)
    assert posts(sandbox) == 24


def test_a_row_that_kills_three_workers_before_sending_fails_as_technical(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, clock: MovableClock, run: Run, card: Card
) -> None:
    push = sheets.create(user=ulf, company=company)
    for _ in range(3):
        push_queue.claim(push.pk, now=clock(), seconds=1)
        clock.forward(1.1)
    run(push, times=3, forward=100)
    shown = card(ulf, company)
    assert "Technical error Sending stopped three times before it was done. Nothing is lost. Try again" in shown
    assert (Push.objects.get().state, posts(sandbox)) == (PushState.FAILED, 0)


def test_a_row_that_kills_three_workers_after_its_bytes_may_have_left_is_a_persons(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, clock: MovableClock, run: Run, card: Card
) -> None:
    push = sheets.create(user=ulf, company=company)
    Push.objects.update(crashes=2)
    claimed = push_queue.claim(push.pk, now=clock(), seconds=1)
    assert claimed is not None
    now, values = clock(), {"Name": company.name}
    claimed.begin_sending(payload={"Name": "x"}, values=values, fingerprint="f", send_by=now, lease_until=now)
    run(push, times=3, forward=100)
    shown = card(ulf, company)
    assert "Your decision" in shown
    assert "Choose Check again to find out whether the customer was created." in shown
    assert "Create anyway" not in shown
    assert "Check again" in shown
    assert (Push.objects.get().state, posts(sandbox)) == (PushState.UNKNOWN, 0)
    recheck_push(push=push)
    run(push, times=3, forward=100)
    assert_one_customer(sandbox, company, sent=1)
    assert CustomerLink.objects.count() == 1
