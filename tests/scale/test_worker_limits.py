"""What ends a worker's process, and what never does."""

from functools import partial
from pathlib import Path

import pytest

from accounts.models import User
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations.models import Connection, Push, PushState
from limego_visma.celery import app
from tests import sheets
from tests.holding import held
from tests.integrations.conftest import AddCompany, named
from tests.integrations.workers import Workers, until
from tests.scale.test_worker_connections import backends


def test_no_time_limit_can_cut_a_token_exchange() -> None:
    # Every call has a total deadline of its own. A limit of Celery's would kill the process instead, and with it
    # the refresh token that eAccounting has just given out in place of the old one.
    assert app.conf.task_time_limit is None
    assert app.conf.task_soft_time_limit is None
    for task in app.tasks.values():
        assert (task.time_limit, task.soft_time_limit) == (None, None), task.name


def test_a_pool_process_that_leaks_is_to_be_replaced() -> None:
    assert app.conf.worker_max_memory_per_child == 250_000


@pytest.mark.workers
@pytest.mark.django_db(transaction=True)
@pytest.mark.thorough
def test_replacing_a_pool_process_costs_no_push(
    tmp_path: Path,
    server: SandboxServer,
    ready: Connection,
    add_company: AddCompany,
    ulf: User,
    sandbox: Sandbox,
) -> None:
    start = partial(Workers, folder=tmp_path, api_url=server.api_url, identity_url=server.identity_url)
    others, seen = backends(), []

    def is_done(push: Push) -> bool:
        seen[-1].update(backends() - others)
        return Push.objects.get(pk=push.pk).state == PushState.DONE

    with start(processes=1, beat=False, app="tests.scale.leaky"):
        for name in ("Första AB", "Andra AB", "Tredje AB"):
            push = sheets.create(user=ulf, company=add_company(name=name, registration_number=""))
            seen.append(set[int]())
            until(partial(is_done, push), what=f"{name} done")
            row = Push.objects.get(pk=push.pk)
            assert (row.crashes, len(named(sandbox, name))) == (0, 1)
    # Each process has a database connection of its own.
    assert seen[0]
    assert seen[0].isdisjoint(seen[2])


@pytest.mark.workers
@pytest.mark.django_db(transaction=True)
def test_a_worker_asked_to_stop_ends_its_token_exchange_and_stores_it_first(
    tmp_path: Path, server: SandboxServer, ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox
) -> None:
    old = Connection.objects.get(pk=ready.pk).refresh_token
    sandbox.expire_access_tokens()
    Connection.objects.filter(pk=ready.pk).update(expires_at=ready.expires_at.replace(year=2000))
    with (
        held(sandbox, method="POST", path="/connect/token", when="after") as request,
        Workers(folder=tmp_path, api_url=server.api_url, identity_url=server.identity_url, beat=False) as worker,
    ):
        push = sheets.create(user=ulf, company=add_company(name="Sist AB", registration_number=""))
        request.wait_for()
        assert Connection.objects.get(pk=ready.pk).refresh_intent_at is not None
        worker.terminate(meanwhile=request.go_on)
    connection = Connection.objects.get(pk=ready.pk)
    assert connection.is_usable
    assert connection.refresh_token != old
    assert connection.refresh_intent_at is None
    assert Push.objects.get(pk=push.pk).state == PushState.DONE
