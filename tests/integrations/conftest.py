"""The sandbox on a loopback port, an account that is connected to it, and a company worth sending."""

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.conf import settings as configuration
from pytest_django import Settings as DjangoSettings

from accounts.models import Account, User
from companies.models import Company, Contact, FieldValue
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from dev.sandbox.store import Document
from dev.sandbox.world import Settings
from integrations import crash_points, tasks
from integrations.access import client_factory, rate_limit
from integrations.clock import database_now
from integrations.crash_points import Point
from integrations.delivery import upkeep
from integrations.delivery.worker import deliver
from integrations.eaccounting import oauth
from integrations.models import Connection, Push
from integrations.services import connect
from integrations.services.requests import current_connection

MAY = datetime(2026, 5, 3, 12, tzinfo=UTC)
SWEDISH_30_DAYS = "8f9a8f7b-5ea9-44c6-9725-9b8a1addb036"
CUSTOMERS = "/v2/customers"

Connect = Callable[..., Connection]
AddCompany = Callable[..., Company]


@dataclass
class MovableClock:
    """The database's clock, some seconds ahead: nobody has to wait for settle times."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return database_now() + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> MovableClock:
    """What a delivery takes as its clock."""
    return MovableClock()


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    """One sandbox for all tests; each begins with its demo rows (see `sandbox`)."""
    redirect_uri = f"http://testserver{client_factory.CALLBACK_PATH}"
    settings = Settings(
        client_id="test-client", client_secret="test-secret", redirect_uris=(redirect_uri,), rate_limit=1_000_000
    )
    with SandboxServer(settings=settings) as running:
        yield running


def forget_gateway() -> None:
    """The gateway reads the settings once a process."""
    if client_factory.http.cache_info().currsize:
        client_factory.http().close()
    client_factory.http.cache_clear()
    client_factory.oauth_config.cache_clear()


@pytest.fixture
def sandbox(server: SandboxServer, settings: DjangoSettings) -> Iterator[Sandbox]:
    """eAccounting, as it is on its first day, with the settings pointed at it and nothing booked or silenced."""
    settings.EACCOUNTING_API_URL = server.api_url
    settings.EACCOUNTING_IDENTITY_URL = server.identity_url
    settings.EACCOUNTING_RATE_LIMIT = 600_000
    server.sandbox.reset()
    server.sandbox.set_up(token_lifetime=3600)
    rate_limit._redis().flushdb()
    tasks._quiet["until"] = 0.0
    forget_gateway()
    yield server.sandbox
    forget_gateway()
    server.sandbox.faults.clear()


def consent(url: str, *, company: str = "1") -> dict[str, str]:
    """Do over HTTP what a person does on the consent page; return the query of the way back."""
    parts = urlsplit(url)
    browser = http.client.HTTPConnection(parts.netloc, timeout=60)
    body = urlencode({"company": company, "decision": "allow"})
    browser.request("POST", f"{parts.path}?{parts.query}", body=body)
    answer = browser.getresponse()
    answer.read()
    browser.close()
    assert answer.status == 302
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def granted_code(*, company: str = "1") -> tuple[str, str]:
    """Return a code and its verifier, as the callback gets them."""
    request = connect.begin()
    query = consent(request.url, company=company)
    code = oauth.parse_callback(config=client_factory.oauth_config(), query=query, expected_state=request.state)
    return code, request.code_verifier


def connect_as(user: User, *, company: str = "1", started: connect.StartedFrom = None) -> Connection:
    """Connect through the real OAuth code."""
    current = current_connection(user.account_id)
    code, verifier = granted_code(company=company)
    return connect.complete(
        user=user,
        account=user.account,
        code=code,
        code_verifier=verifier,
        started=started or connect.started_from(current),
    )


@pytest.fixture
def connection(sandbox: Sandbox, anna: User) -> Connection:
    """Anna's account, connected to Nordvik Bygg AB; no terms are confirmed yet."""
    return connect_as(anna)


@pytest.fixture
def ready(connection: Connection, anna: User, sandbox: Sandbox) -> Connection:
    """A connection with confirmed terms: customers can be created."""
    confirm_terms(connection, anna)
    sandbox.forget_calls()
    return connection


def confirm_terms(connection: Connection, user: User) -> None:
    """Fetch the terms, and choose eAccounting's own default."""
    upkeep.read_terms(connection.pk)
    connection.refresh_from_db()
    terms = connect.suggested_terms(connection)
    assert terms is not None
    connect.choose_terms(user=user, connection=connection, terms=terms)


COMPLETE: dict[str, FieldValue] = {
    "name": "Älvstrand Snickeri AB",
    "registration_number": "556016-0680",
    "phone": "+46 8 123 45 67",
    "email": "info@alvstrand.example",
    "website": "https://www.alvstrand.example",
    "address_line1": "Hyvelgatan 3",
    "postal_code": "111 22",
    "city": "Stockholm",
    "country": "SE",
}


@pytest.fixture
def add_company(account: Account) -> AddCompany:
    """Return a function that adds a complete company to the account, with some values changed."""

    def add(*, to: Account = account, **values: FieldValue) -> Company:
        return Company.add(account=to, now=MAY, values={**COMPLETE, **values})

    return add


@pytest.fixture
def company(add_company: AddCompany) -> Company:
    """A company with everything that eAccounting wants; it is no customer there yet."""
    return add_company()


@pytest.fixture
def contact(company: Company) -> Contact:
    """A person at the company."""
    return company.add_contact(
        now=MAY,
        values={
            "first_name": "Åsa",
            "last_name": "Öberg",
            "email": "asa@alvstrand.example",
            "direct_phone": "+46 8 123 45 68",
            "mobile": "+46 70 174 06 05",
        },
    )


@pytest.fixture
def at_point() -> Iterator[Callable[[Point, Callable[[], object]], None]]:
    """Return a function that lets something happen once, when a place in the engine is reached."""
    before = list(crash_points._armed)

    def arm(point: Point, act: Callable[[], object]) -> None:
        left = [act]

        def once(reached: Point) -> None:
            if reached == point and left:
                left.pop()()

        crash_points.arm(once)

    yield arm
    crash_points._armed[:] = before


Run = Callable[..., Push]


@pytest.fixture
def run(clock: MovableClock) -> Run:
    """Return a function that delivers a push as a worker does, `times` times, and returns its row."""

    def deliver_it(push: Push, *, times: int = 1, forward: float = 0.0) -> Push:
        for _ in range(times):
            clock.forward(forward)
            deliver(push.pk, clock=clock)
        return Push.objects.get(pk=push.pk)

    return deliver_it


@pytest.fixture
def settle(clock: MovableClock, run: Run) -> Run:
    """Return a function that lets a push come to its end, as the sweeper would, in moved time."""

    def until_the_end(push: Push, *, seconds: float = 60.0) -> Push:
        end = clock() + timedelta(seconds=seconds)
        while True:
            row = Push.objects.get(pk=push.pk)
            if not row.is_open or row.next_attempt_at is None:
                return row
            wait = (max(row.next_attempt_at, row.lease_until or row.next_attempt_at) - clock()).total_seconds() + 0.01
            assert clock() + timedelta(seconds=max(wait, 0)) < end, f"not settled in time: {row} {row.wait_reason}"
            clock.forward(max(wait, 0.0))
            deliver(push.pk, clock=clock)

    return until_the_end


def call_seconds(kind: str) -> float:
    """Return how long calls may take beside a fault of this kind: short only where nothing else would end one."""
    return 2.0 if kind in {"no_answer", "drip"} else configuration.EACCOUNTING_CALL_SECONDS


def named(sandbox: Sandbox, name: str = str(COMPLETE["name"])) -> list[Document]:
    """Return the customers in eAccounting with this name."""
    return [row for row in sandbox.customers() if row["Name"] == name]


def posts(sandbox: Sandbox) -> int:
    """Count the attempts to create that reached eAccounting."""
    return len(sandbox.calls(method="POST", path=CUSTOMERS))


def puts(sandbox: Sandbox) -> int:
    """Count the attempts to replace that reached eAccounting."""
    return len(sandbox.calls(method="PUT", path=CUSTOMERS))
