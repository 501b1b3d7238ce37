"""A worker keeps its database connection from task to task, and gets over the loss of it."""

from functools import partial
from pathlib import Path

import pytest
from django.db import connection as database

from accounts.models import User
from dev.sandbox.server import SandboxServer
from integrations.models import Connection, Push, PushState
from tests import sheets
from tests.integrations.conftest import AddCompany
from tests.integrations.workers import Workers, until

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True)]

OTHERS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def backends() -> set[int]:
    """Return the processes of PostgreSQL that serve somebody else than this test."""
    with database.cursor() as cursor:
        cursor.execute(f"select pid {OTHERS}")
        return {pid for (pid,) in cursor.fetchall()}


def end_backends() -> None:
    """End every other connection, as a restart of the database does."""
    with database.cursor() as cursor:
        cursor.execute(f"select pg_terminate_backend(pid) {OTHERS}")


def test_a_worker_keeps_its_connection_and_a_lost_one_costs_no_push(
    tmp_path: Path, server: SandboxServer, ready: Connection, add_company: AddCompany, ulf: User
) -> None:
    start = partial(Workers, folder=tmp_path, api_url=server.api_url, identity_url=server.identity_url)

    def send(name: str) -> set[int]:
        push = sheets.create(user=ulf, company=add_company(name=name, registration_number=""))
        until(lambda: Push.objects.get(pk=push.pk).state == PushState.DONE, what=f"{name} to be done")
        row = Push.objects.get(pk=push.pk)
        assert (row.attempts, row.crashes) == (0, 0)
        return backends()

    with start(processes=1, beat=False):
        first = send("Första AB")
        assert first
        assert send("Andra AB") == first
        end_backends()
        until(lambda: not backends() & first, what="the connections to end")
        assert send("Tredje AB").isdisjoint(first)
