"""Two worker hosts, each with its own clock and sweeper, on one database and one broker; one is cut off and comes back.

`make scale` shows the same with network namespaces; here the cut is a proxy that keeps silent.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from accounts.models import User
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations.models import Connection, Push, PushState
from tests import sheets
from tests.integrations.conftest import CUSTOMERS, AddCompany, named, posts
from tests.integrations.workers import SHORT_LEASES, Workers, until
from tests.proxy import Proxy

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True)]

ROWS = 30


class Link:
    """All that one host hears of the others: database, broker and eAccounting behind proxies."""

    def __init__(self, *, api_url: str) -> None:
        self._ways = [Proxy.before(url) for url in (Workers.database_url(), os.environ["REDIS_URL"], api_url)]
        self.database_url, self.redis_url, self.api_url = (proxy.url for proxy in self._ways)

    def cut(self) -> None:
        """Let nothing through, in either direction, and say so to nobody."""
        for proxy in self._ways:
            proxy.to_server.silent = proxy.to_client.silent = True

    def mend(self) -> None:
        """Let through what was sent meanwhile, and all that follows."""
        for proxy in self._ways:
            proxy.heal()

    def close(self) -> None:
        """End every connection."""
        for proxy in self._ways:
            proxy.down()
            proxy.cut()


@pytest.fixture
def link(server: SandboxServer) -> Iterator[Link]:
    """The first host's link."""
    made = Link(api_url=server.api_url)
    yield made
    made.close()


def open_rows() -> int:
    return Push.objects.exclude(state=PushState.DONE).count()


@pytest.mark.thorough
def test_a_host_that_is_cut_off_loses_and_doubles_nothing_and_works_again_afterwards(
    tmp_path: Path,
    server: SandboxServer,
    sandbox: Sandbox,
    ready: Connection,
    add_company: AddCompany,
    ulf: User,
    link: Link,
) -> None:
    names = [f"Nr {number} AB" for number in range(ROWS)]
    companies = [add_company(name=name, registration_number="") for name in names]
    sandbox.fault(kind="delay", method="POST", path=CUSTOMERS, seconds=0.3, when="after", count=None)
    # What a host holds is free when its lease ends. Was it cut off within a transaction, the database has ended that
    # before (limego_visma/dead_peers.py).
    settings = SHORT_LEASES
    other = Workers(folder=tmp_path, api_url=server.api_url, identity_url=server.identity_url, settings=settings)
    settings = {**settings, "DATABASE_URL": link.database_url, "REDIS_URL": link.redis_url}
    cut = Workers(folder=tmp_path, api_url=link.api_url, identity_url=server.identity_url, settings=settings)
    with ExitStack() as stack:
        with ThreadPoolExecutor() as starting:
            _, whole = starting.map(stack.enter_context, [cut, other])
        for company in companies:
            sheets.create(user=ulf, company=company)
        until(lambda: open_rows() < ROWS - 8, what="both hosts to be at work")
        link.cut()
        held = set(Push.objects.exclude(lease_until=None).exclude(state=PushState.DONE).values_list("pk", flat=True))
        until(lambda: open_rows() == 0, what="the other host to end everything")
        assert held
        link.mend()
        whole.terminate()
        last = sheets.create(user=ulf, company=add_company(name="Sist AB", registration_number=""))
        until(lambda: Push.objects.get(pk=last.pk).state == PushState.DONE, what="the first host to be back")
    assert [len(named(sandbox, name)) for name in names] == [1] * ROWS
    assert posts(sandbox) == ROWS + 1
    assert Connection.objects.get(pk=ready.pk).is_usable
