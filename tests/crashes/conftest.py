"""One worker for all cases, and the stage of a case."""

from collections.abc import Iterator

import pytest
from celery import current_app
from kombu import Connection as Broker
from kombu.pools import connections, producers
from pytest_django import DjangoDbBlocker
from pytest_django import Settings as DjangoSettings

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations import tasks
from integrations.models import Connection
from tests.crashes.orders import own_redis_url, store
from tests.crashes.stage import SEND_BY_SECONDS, Stage, thaw_all
from tests.integrations.conftest import add_company, company, connection, forget_gateway, ready, server
from tests.integrations.workers import SHORT_LEASES, Workers

__all__ = ["add_company", "company", "connection", "ready", "server"]

PROCESSES = 3


@pytest.fixture(scope="session")
def worker(
    server: SandboxServer,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Workers]:
    """A worker whose processes die on command and are replaced, as Celery does it."""
    with django_db_blocker.unblock():
        workers = Workers(
            folder=tmp_path_factory.mktemp("crashes"),
            api_url=server.api_url,
            identity_url=server.identity_url,
            processes=PROCESSES,
            beat=False,
            app="tests.crashes.app",
            settings={
                **SHORT_LEASES,
                "EACCOUNTING_SEND_BY_SECONDS": str(SEND_BY_SECONDS),
                "REDIS_URL": own_redis_url(),
            },
        )
    with workers:
        yield workers
        thaw_all()


@pytest.fixture
def sandbox(server: SandboxServer, settings: DjangoSettings) -> Iterator[Sandbox]:
    """EAccounting, as it is on its first day; unlike its namesake it leaves the running worker's broker alone."""
    settings.EACCOUNTING_API_URL = server.api_url
    settings.EACCOUNTING_IDENTITY_URL = server.identity_url
    settings.EACCOUNTING_RATE_LIMIT = 600_000
    server.sandbox.reset()
    server.sandbox.set_up(token_lifetime=3600)
    tasks._quiet["until"] = 0.0
    forget_gateway()
    yield server.sandbox
    forget_gateway()
    server.sandbox.faults.clear()


@pytest.fixture
def broker(settings: DjangoSettings) -> Iterator[Broker]:
    """The broker of the worker, for this process's pokes too."""
    before, url = settings.REDIS_URL, own_redis_url()
    settings.REDIS_URL = url
    _poke_through(url)
    with Broker(url) as broker:
        yield broker
    for pools in (producers, connections):
        pools[tasks._wake_broker()].force_close_all()
        del pools[tasks._wake_broker()]
    _poke_through(before)


def _poke_through(url: str) -> None:
    current_app.conf.broker_url = current_app.conf.broker_write_url = url
    tasks._wake_broker.cache_clear()
    tasks._quiet["until"] = 0.0


@pytest.fixture
def stage(
    worker: Workers, broker: Broker, sandbox: Sandbox, ready: Connection, company: Company, anna: User, olav: User
) -> Iterator[Stage]:
    """A connected account with a company, and nothing armed."""
    _forget()
    stage = Stage(user=anna, newcomer=olav, company=company, connection=ready, sandbox=sandbox, broker=broker)
    yield stage
    thaw_all()
    stage.quiet()
    _forget()


def _forget() -> None:
    keys = [*store().scan_iter("crashes:*"), *store().scan_iter("eaccounting:*")]
    if keys:
        store().delete(*keys)
