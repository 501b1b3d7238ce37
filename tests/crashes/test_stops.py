"""A worker that is asked to stop never loses a token (R5), and does what it has begun to its end."""

import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations.clock import database_now
from integrations.models import Connection, Push, PushState
from tests import sheets
from tests.crashes.stage import holds_good_tokens
from tests.crashes.stopping import PROGRAM, STOPPED
from tests.holding import held
from tests.integrations.conftest import named
from tests.integrations.workers import Workers
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True)]

ANSWER_SECONDS = 0.03

Stop = Callable[[float], tuple[int, float]]


def expire(connection: Connection) -> None:
    """The access token is over, and the row knows it."""
    now = database_now()
    times = {"issued_at": now - timedelta(hours=1), "expires_at": now - timedelta(seconds=1)}
    Connection.objects.filter(pk=connection.pk).update(**times)


@pytest.fixture
def workers(tmp_path: Path, server: SandboxServer, ready: Connection) -> Workers:
    """Workers of the product as it is, not yet started."""
    return Workers(folder=tmp_path, api_url=server.api_url, identity_url=server.identity_url, beat=False)


@pytest.fixture
def stop(workers: Workers, ready: Connection) -> Iterator[Stop]:
    """Return what lets a process refresh the token and asks it to stop after so many seconds."""
    command = [sys.executable, "-c", PROGRAM]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=workers.environment, text=True, **pipes) as process:
        assert process.stdin
        assert process.stdout

        def ask(seconds: float) -> tuple[int, float]:
            expire(ready)
            process.stdin.write(f"{ready.pk} {seconds}\n")
            process.stdin.flush()
            status, lived = process.stdout.readline().split()
            return int(status), float(lived)

        yield ask


@pytest.mark.timeout(900)
@pytest.mark.parametrize("at_least", mostly_thorough([40, 1000], but=40))
def test_no_stop_loses_a_token(stop: Stop, ready: Connection, sandbox: Sandbox, at_least: int) -> None:
    sandbox.fault(kind="delay", method="POST", path="/connect/token", seconds=ANSWER_SECONDS, when="after", count=None)
    undisturbed = [stop(-1) for _ in range(5)]
    assert {status for status, _ in undisturbed} == {0}
    lives, dice = statistics.median(lived for _, lived in undisturbed), random.Random(17)  # noqa: S311  # no secret
    stops, lost, during = 0, 0, 0
    # More when few of them met the exchange, as on a machine whose load changes.
    while stops < at_least or (during < at_least / 20 and stops < 20 * at_least):
        stops += 1
        before = Connection.objects.get(pk=ready.pk).refresh_token
        status, _lived = stop(dice.uniform(0, 1.1 * lives))
        refreshed = Connection.objects.get(pk=ready.pk).refresh_token != before
        during += status == STOPPED and refreshed
        lost += not holds_good_tokens(ready, sandbox)
    sys.stderr.write(f"{stops} stops, {during} of them during the exchange of tokens, {lost} tokens lost\n")
    assert lost == 0
    assert during >= at_least / 20, "hardly any stop met the exchange: nothing is shown"


@pytest.mark.parametrize("ask", [os.kill, os.killpg], ids=["parent asked", "whole group asked"])
def test_a_worker_that_is_asked_to_stop_does_what_it_has_begun_to_its_end(
    workers: Workers,
    ask: Callable[[int, int], None],
    ready: Connection,
    company: Company,
    anna: User,
    sandbox: Sandbox,
) -> None:
    expire(ready)
    with held(sandbox, method="POST", path="/connect/token", when="after") as request, workers:
        sheets.create(user=anna, company=company)
        request.wait_for()
        workers.ask_to_stop(ask, meanwhile=request.go_on)
    assert holds_good_tokens(ready, sandbox)
    assert Push.objects.get().state == PushState.DONE
    assert len(named(sandbox)) == 1
    assert len(sandbox.calls(method="POST", path="/connect/token")) == 1
