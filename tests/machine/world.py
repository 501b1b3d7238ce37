"""What each run begins with: an account connected to a small eAccounting, and how to get back there quickly."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
import responses
from django.conf import settings
from django.db import connection as database

from accounts.models import User
from companies.models import Company
from dev.sandbox import seed
from dev.sandbox.inprocess import mount
from dev.sandbox.messages import Request
from dev.sandbox.world import COMPANY
from dev.sandbox.world import Settings as SandboxSettings
from integrations import tasks
from integrations.access import client_factory, rate_limit
from integrations.delivery import calls
from integrations.eaccounting import oauth
from integrations.models import Connection, Origin
from integrations.services import connect as connecting
from integrations.services.link import link_company
from integrations.services.requests import current_connection
from tests.integrations.conftest import confirm_terms, forget_gateway
from tests.machine.clock import HandClock
from tests.machine.remote import Remote

API, IDENTITY = "https://api.eaccounting.example", "https://identity.eaccounting.example"
CUSTOMERS: list[dict[str, Any]] = [
    {
        "CustomerNumber": "1001",
        "Name": "Björk & Son Måleri AB",
        "CorporateIdentityNumber": "559987-1018",
        "Telephone": "08-123 45 67",
        "EmailAddress": "faktura@bjorkmaleri.example",
        "InvoiceAddress1": "Målarvägen 4",
        "InvoicePostalCode": "112 21",
        "InvoiceCity": "Stockholm",
        "InvoiceCountryCode": "SE",
        "Note": "Always call before sending a reminder.",
        "DiscountPercentage": 0.1,
        "Labels": ["VIP"],
        "ContactPersonName": "Eva Björk",
        "ContactPersonMobile": "070-174 06 05",
        "CreditRating": {"Class": "A", "Score": 0.725, "Limit": 12345678901234567890},
    },
    {"CustomerNumber": "1002", "Name": "Utan Ort AB", "Note": "neither postal code nor city"},
]
COMPANIES: tuple[dict[str, str], ...] = (
    {
        "name": "Älvstrand Snickeri AB",
        "registration_number": "556016-0680",
        "phone": "+46 8 123 45 67",
        "email": "info@alvstrand.example",
        "website": "https://www.alvstrand.example",
        "address_line1": "Hyvelgatan 3",
        "postal_code": "111 22",
        "city": "Stockholm",
        "country": "SE",
    },
    {"name": "Älvstrand Snickeri AB", "postal_code": "111 22", "city": "Stockholm", "country": "SE"},
    {"name": "Björk Måleri AB", "phone": "+46 8 123 45 67", "country": "SE"},
)
# One message of several statements: a run must not pay for a dozen round trips, nor for TRUNCATE.
_FORGET = """
delete from integrations_event; delete from integrations_push; delete from integrations_customerlink;
delete from integrations_remotecustomer; delete from companies_contact; delete from companies_company;
delete from accounts_mail; delete from integrations_connection; delete from integrations_termsofpayment;
insert into integrations_termsofpayment select * from kept.integrations_termsofpayment;
insert into integrations_connection select * from kept.integrations_connection;
insert into companies_company select * from kept.companies_company;
insert into companies_contact select * from kept.companies_contact;
insert into integrations_remotecustomer select * from kept.integrations_remotecustomer;
insert into integrations_customerlink select * from kept.integrations_customerlink;
select setval('integrations_push_id_seq', 1000);
"""
_KEPT = (
    "integrations_termsofpayment",
    "integrations_connection",
    "companies_company",
    "companies_contact",
    "integrations_remotecustomer",
    "integrations_customerlink",
)
_TABLES = ("event", "push", "customerlink", "remotecustomer", "connection", "termsofpayment")


@dataclass
class World:
    """One account, one user, one eAccounting, one clock."""

    user: User
    remote: Remote
    clock: HandClock
    mock: responses.RequestsMock
    broker: redis.Redis

    def remember(self) -> None:
        """Keep the state that every run begins with."""
        self._documents = self.remote.documents()
        with database.cursor() as cursor:
            for table in _KEPT:
                cursor.execute(f"create table kept.{table} as select * from {table}")  # noqa: S608  # fixed

    def found(self) -> None:
        """Add the companies: two of the same name, two that are twins in everything, and one that is linked."""
        now = self.clock.now()
        self.companies: list[int] = []
        for values in (COMPANIES[0], COMPANIES[1], COMPANIES[0], COMPANIES[2]):
            company = Company.add(account=self.user.account, now=now, values={**values})
            company.add_contact(now=now, values={"first_name": "Åsa", "last_name": "Ek", "mobile": "+46 70 174 06 05"})
            self.companies.append(company.pk)
        connection = current_connection(self.user.account_id)
        assert connection is not None
        customer = calls.read_customer(connection, customer_id=str(self.remote.rows("1")[0]["Id"]))
        link_company(user=self.user, company=company, connection=connection, customer=customer, origin=Origin.PASTED)

    def begin(self) -> None:
        """Go back to that state."""
        with database.cursor() as cursor:
            cursor.execute(_FORGET)
        self.clock.start_over()
        self.remote.begin(documents=self._documents, now=self.clock.now)
        self.mock.calls.reset()
        keys = self.broker.keys("eaccounting:*") + self.broker.keys("live:*")
        self.broker.delete("clicks", "bulk", "upkeep", *keys)
        tasks._quiet["until"] = 0.0

    # --- The broker ------------------------------------------------------------------------------------

    def take_messages(self) -> tuple[list[int], int]:
        """Empty the broker; return the ids of the rows that were clicked, oldest first, and the calls to pull."""
        clicked, pulls = self.broker.lrange("clicks", 0, -1), self.broker.llen("bulk")
        self.broker.delete("clicks", "bulk", "upkeep")
        return [_push_id(message) for message in reversed(clicked)], pulls

    def let_silences_end(self, seconds: float) -> None:
        """Shorten what the limiter keeps quiet: Redis has a clock of its own."""
        self.broker.delete("none", *self.broker.keys("live:*"))
        for key in self.broker.keys("eaccounting:silent:*"):
            left = self.broker.pttl(key) - int(seconds * 1000)
            if left <= 0:
                self.broker.delete(key)
                continue
            until = float(self.broker.get(key)) - int(seconds * 1000)
            self.broker.set(key, f"{until:.0f}", px=left)

    # --- Connecting --------------------------------------------------------------------------------------

    def connect(self, company: str) -> Connection:
        """Go through the consent page and the callback. Raises what connecting raises."""
        request = connecting.begin()
        parts = urlsplit(request.url)
        started = connecting.started_from(current_connection(self.user.account_id))
        answer = self.remote.handle(
            Request.of(
                method="POST",
                target=f"{parts.path}?{parts.query}",
                headers={},
                body=urlencode({"company": company, "decision": "allow"}).encode(),
            )
        )
        query = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
        code = oauth.parse_callback(config=client_factory.oauth_config(), query=query, expected_state=request.state)
        return connecting.complete(
            user=self.user,
            account=self.user.account,
            code=code,
            code_verifier=request.code_verifier,
            started=started,
        )

    def prepare(self, connection: Connection) -> None:
        """Fetch the terms and choose eAccounting's own default."""
        confirm_terms(connection, self.user)

    # --- Looking -----------------------------------------------------------------------------------------

    def tokens_in_clear(self) -> list[str]:
        """Return the tables in which a token stands readable."""
        tokens = [token for kind in ("access_token", "refresh_token") for token in self.remote.world.store.all(kind)]
        found = []
        with database.cursor() as cursor:
            for table in _TABLES:
                cursor.execute(f"select string_agg(t::text, ' ') from integrations_{table} t")  # noqa: S608  # fixed
                text = cursor.fetchone()[0] or ""
                found += [table for token in tokens if token in text]
        return found


def _push_id(message: bytes) -> int:
    _arguments, named, _embedded = json.loads(base64.b64decode(json.loads(message)["body"]))
    push_id: int = named["push_id"]
    return push_id


def _planted() -> dict[str, Any]:
    """Return the two companies of the demo with their terms, and few customers."""
    companies: dict[str, Any] = {}
    for key, content in dict(seed.demo()["companies"]).items():  # type: ignore[arg-type,call-overload]  # its structure is known
        companies[key] = {**content, "customers": CUSTOMERS if key == "1" else [], "invoices": []}
    return {"companies": companies}


@contextmanager
def world(*, user: User, clock: HandClock) -> Iterator[World]:
    """Build it; the settings already point at API and IDENTITY."""
    redirect_uri = f"{settings.BASE_URL}{client_factory.CALLBACK_PATH}"
    remote = Remote(
        settings=SandboxSettings(
            client_id=settings.EACCOUNTING_CLIENT_ID,
            client_secret=settings.EACCOUNTING_CLIENT_SECRET,
            redirect_uris=(redirect_uri,),
            rate_limit=10**9,
            issuer=IDENTITY,
        )
    )
    remote.world.store.clear()
    remote.seed(_planted())
    remote.begin(documents=remote.documents(), now=clock.now)
    remote.chosen_terms = frozenset(str(row["TermsOfPaymentId"]) for row in remote.world.store.all(COMPANY).values())
    broker = rate_limit._redis()
    broker.flushdb()
    forget_gateway()
    try:
        with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
            for address in (API, IDENTITY):
                mount(sandbox=remote, mock=mock, base_url=address)
            built = World(user=user, remote=remote, clock=clock, mock=mock, broker=broker)
            for company in ("1", "2", "1"):
                connection = built.connect(company)
                built.prepare(connection)
                if company == "2" or not Connection.objects.filter(is_current=False).exists():
                    connecting.disconnect(user=user, connection=connection)
            built.found()
            built.remember()
            yield built
    finally:
        forget_gateway()
        remote.close()
