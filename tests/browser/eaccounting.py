"""eAccounting and real Celery workers for browser tests: the live server, the workers and the sandbox are one world."""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.conf import settings as configuration
from django.db import connection
from playwright.sync_api import Page, expect
from pytest_django import Settings as DjangoSettings
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from dev.demo.load import load_demo
from dev.launcher.processes import dies_with_parent
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from dev.sandbox.store import Document
from dev.sandbox.world import Settings
from integrations import tasks
from integrations.access import client_factory, rate_limit
from integrations.clock import database_now
from integrations.delivery import upkeep
from integrations.eaccounting import oauth
from integrations.models import Connection
from integrations.services import connect as connecting
from integrations.services.requests import current_connection
from tests.integrations.workers import until

ROOT = Path(__file__).parent.parent.parent
ADD = "+ Add as customer in Visma eAccounting"
SETTLED = 90_000  # milliseconds; a net for what never comes: a wait ends as soon as what it waits for is there


@pytest.fixture(scope="module")
def sandbox_server(live_server: LiveServer) -> Iterator[SandboxServer]:
    """One sandbox for the module: the workers know its address."""
    registered = Settings(
        client_id=configuration.EACCOUNTING_CLIENT_ID,
        client_secret=configuration.EACCOUNTING_CLIENT_SECRET,
        redirect_uris=(f"{live_server.url}{client_factory.CALLBACK_PATH}",),
    )
    with SandboxServer(settings=registered) as server:
        yield server


@pytest.fixture(scope="module")
def workers(
    sandbox_server: SandboxServer,
    live_server: LiveServer,
    django_db_setup: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """Real workers with their clock, in a process of their own, on the database of these tests."""
    folder = tmp_path_factory.mktemp("workers")
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    environment = os.environ | {
        "DATABASE_URL": database.geturl(),
        "BASE_URL": live_server.url,
        "EACCOUNTING_IDENTITY_URL": sandbox_server.identity_url,
        "EACCOUNTING_API_URL": sandbox_server.api_url,
        "EACCOUNTING_SWEEP_SECONDS": "1",
        "EACCOUNTING_RATE_LIMIT": "60000",
    }
    words = [
        "worker",
        "--beat",
        "-Q",
        "clicks,bulk,sweep,upkeep",
        "-c",
        "2",
        "-l",
        "INFO",
        "-n",
        f"browser{os.getpid()}@%h",
    ]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            dies_with_parent([sys.executable, "-m", "celery", "-A", "limego_visma", *words]),
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_until_ready(process, log)
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    def is_ready() -> bool:
        if process.poll() is not None:
            pytest.fail(f"The workers did not start:\n{log.read_text()}")
        return b" ready." in log.read_bytes()

    until(is_ready, what=f"the start of {log}")


def _forget() -> None:
    """What this process keeps between tests: the client, the OAuth client, the budget, the broker's bad minute."""
    if client_factory.http.cache_info().currsize:
        client_factory.http().close()
    client_factory.http.cache_clear()
    client_factory.oauth_config.cache_clear()
    tasks._quiet["until"] = 0.0


@pytest.fixture
def eaccounting(
    sandbox_server: SandboxServer, workers: None, live_server: LiveServer, settings: DjangoSettings
) -> Iterator[Sandbox]:
    """eAccounting on its first day, with the live server's settings pointed at it."""
    settings.BASE_URL = live_server.url
    settings.EACCOUNTING_IDENTITY_URL = sandbox_server.identity_url
    settings.EACCOUNTING_API_URL = sandbox_server.api_url
    settings.EACCOUNTING_RATE_LIMIT = 60000
    rules = configuration.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    allowed = {**rules, "form-action": ["'self'", sandbox_server.url]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": allowed}
    sandbox_server.sandbox.reset()
    rate_limit._redis().flushdb()
    _forget()
    yield sandbox_server.sandbox
    _forget()
    sandbox_server.sandbox.faults.clear()


@pytest.fixture
def demo(eaccounting: Sandbox) -> dict[str, User]:
    """The demo's people of Nordvik Sales, by their first names."""
    load_demo()
    return {user.email.split("@")[0]: user for user in User.objects.filter(email__endswith="@nordvik.example")}


@pytest.fixture
def connected(demo: dict[str, User]) -> Connection:
    """Nordvik Sales, connected to Nordvik Bygg AB, with chosen terms of payment."""
    return connect(demo["anna"])


def connect(user: User, *, company: str = "1") -> Connection:
    """Connect through the real OAuth code, and choose what eAccounting suggests."""
    request = connecting.begin()
    answer = _consent(request.url, company)
    code = oauth.parse_callback(config=client_factory.oauth_config(), query=answer, expected_state=request.state)
    started = connecting.started_from(current_connection(user.account_id))
    made = connecting.complete(
        user=user, account=user.account, code=code, code_verifier=request.code_verifier, started=started
    )
    upkeep.read_terms(made.pk)
    made.refresh_from_db()
    terms = connecting.suggested_terms(made)
    assert terms is not None
    made.choose_terms(terms=terms, user=user, now=database_now())
    return made


def _consent(url: str, company: str) -> dict[str, str]:
    """Do over HTTP what a person does on the consent page; return the query of the way back."""
    parts = urlsplit(url)
    browser = http.client.HTTPConnection(parts.netloc, timeout=60)
    body = urlencode({"company": company, "decision": "allow"})
    browser.request("POST", f"{parts.path}?{parts.query}", body=body)
    answer = browser.getresponse()
    answer.read()
    browser.close()
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def open_card(page: Page, name: str) -> None:
    """Go to a company's card as a person does."""
    page.goto("/companies/")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def open_edit(page: Page) -> None:
    """From the card to its edit page, by the three dots."""
    page.get_by_role("button", name="More").click()
    page.get_by_role("link", name="Edit", exact=True).click()


def add_customer(page: Page) -> None:
    """Open the create sheet from the card, and create what it proposes."""
    page.wait_for_load_state()  # the scripts that open sheets run by then
    page.get_by_role("link", name=ADD).click()
    # What is above the button has its height then, so the button does not move away under the pointer.
    expect(page.get_by_text("Checking Visma eAccounting…")).not_to_be_visible()
    page.get_by_role("button", name="Create customer in Visma").click()


def customer_named(eaccounting: Sandbox, name: str) -> Document:
    """Return the one customer of this name as the API would answer it."""
    found = [customer for customer in eaccounting.customers() if customer["Name"] == name]
    assert len(found) == 1, [customer["Name"] for customer in eaccounting.customers()]
    return found[0]
