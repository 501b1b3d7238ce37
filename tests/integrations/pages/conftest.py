"""Rows in every state that a page can meet, and a sandbox for the pages that call."""

import http.client
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID, uuid4

import pytest
from django.test import Client

from accounts.models import Account, User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.clock import database_now
from integrations.delivery import customer_index, upkeep
from integrations.domain import mapping
from integrations.models import (
    Connection,
    CustomerIndex,
    CustomerLink,
    Kind,
    Origin,
    Push,
    RemoteCustomer,
    TermsOfPayment,
)
from integrations.panel.panel import Panel, panel_of

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=2)
COMPLETE = {
    "name": "Älvstrand Snickeri AB",
    "country": "SE",
    "registration_number": "556016-0680",
    "phone": "+46 8 123 45 67",
    "postal_code": "903 26",
    "city": "Umeå",
}


@dataclass
class World:
    """An account with a company, and the rows that a test adds."""

    account: Account
    admin: User
    company: Company

    def connect(self, **fields: object) -> Connection:
        """Add a working connection with chosen terms; `fields` make it another."""
        values = {
            "account": self.account,
            "identity_kind": Connection.IdentityKind.CLAIM,
            "identity": str(uuid4()),
            "name": "Nordvik Bygg AB",
            "access_token": "an access token",
            "refresh_token": "a refresh token",
            "issued_at": NOW,
            "expires_at": NOW + timedelta(hours=1),
            "connected_by": self.admin,
            "connected_at": NOW,
            "terms_read_at": NOW,
        }
        made = Connection.objects.create(**{**values, **fields})
        CustomerIndex.resume(made)
        made.choose_terms(terms=self.terms(made), user=self.admin, now=NOW)
        return made

    def terms(self, connection: Connection, **fields: object) -> TermsOfPayment:
        """Add terms of payment."""
        values = {"name": "30 dagar netto", "name_english": "30 days", "days": 30, "for_sales": True, "seen_at": NOW}
        return TermsOfPayment.objects.create(
            account=self.account, connection=connection, remote_id=uuid4(), **{**values, **fields}
        )

    def contact(self, first_name: str = "Åsa") -> Contact:
        """Add a person to the company."""
        return self.company.add_contact(now=NOW, values={"first_name": first_name, "last_name": "Öberg"})

    def add_company(self, name: str) -> Company:
        """Add another company."""
        return Company.add(account=self.account, now=NOW, values={**COMPLETE, "name": name})

    def link(
        self,
        connection: Connection,
        *,
        company: Company | None = None,
        customer_id: UUID | None = None,
        contact: Contact | None = None,
        other: dict[str, str] | None = None,
        **fields: object,
    ) -> CustomerLink:
        """Link the company; `other` are values that were sent and differ from today's."""
        company = company or self.company
        sent = mapping.values_of(company, contact, groups=mapping.groups_for(contact)) | (other or {})
        customer = RemoteCustomer.objects.create(
            account=self.account,
            connection=connection,
            customer_id=customer_id or uuid4(),
            number="1014",
            name=company.name,
            answered=sent,
            seen_at=NOW,
        )
        values = {
            "origin": Origin.CREATED,
            "sent": sent,
            "answered": fields.get("sent", sent),
            "sent_at": NOW,
            "sent_by": self.admin,
            "linked_at": NOW,
        }
        return CustomerLink.objects.create(
            account=self.account,
            connection=connection,
            company=company,
            customer=customer,
            contact=contact,
            **{**values, **fields},
        )

    def push(self, connection: Connection, **fields: object) -> Push:
        """Add a wish; without fields it is due."""
        values = {
            "kind": Kind.CREATE,
            "requested_by": self.admin,
            "next_attempt_at": NOW,
            "company": self.company,
        }
        return Push.objects.create(account=self.account, connection=connection, **{**values, **fields})

    def panel(self, user: User | None = None) -> Panel:
        """Return what the card shows now."""
        return panel_of(company=Company.objects.get(pk=self.company.pk), user=user or self.admin)


@pytest.fixture
def world(account: Account, anna: User) -> World:
    """Nordvik's account with one complete company; nothing is connected."""
    return World(account, anna, Company.add(account=account, now=NOW, values=COMPLETE))


@pytest.fixture
def admin(as_user: Callable[[User], Client], anna: User) -> Client:
    """The admin's browser."""
    return as_user(anna)


def said(client: Client, address: str, data: dict[str, object] | None = None) -> str:
    """Post a form, follow where it leads, and return the page."""
    return client.post(address, data or {}, follow=True).content.decode()


def mark_on(client: Client, address: str) -> dict[str, object]:
    """Open a form about the connection; return what it carries so that it does nothing to a newer one."""
    found = re.search(r'name="mark" value="([^"]+)"', client.get(address).content.decode())
    assert found
    return {"mark": found[1]}


def decide(url: str, *, decision: str = "allow", company: str = "1") -> dict[str, str]:
    """Do what a person does on the consent page; return the query of the way back."""
    parts = urlsplit(url)
    browser = http.client.HTTPConnection(parts.netloc, timeout=60)
    browser.request("POST", f"{parts.path}?{parts.query}", body=urlencode({"company": company, "decision": decision}))
    answer = browser.getresponse()
    answer.read()
    browser.close()
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


@pytest.fixture
def connection(admin: Client, world: World, sandbox: Sandbox) -> Connection:
    """A connection whose tokens the sandbox accepts."""
    consent = admin.post("/settings/integrations/visma-eaccounting/connect/").headers["Location"]
    admin.get("/integrations/visma-eaccounting/callback/", decide(consent))
    return Connection.objects.get()


def fill_index(connection: Connection) -> None:
    """Let the index read every customer there is, as workers do after the terms."""
    upkeep.read_terms(connection.pk)
    booked: list[tuple[int, datetime]] = []
    customer_index.look_after(now=database_now(), hand_on=lambda key, lease: booked.append((key, lease)))
    for key, lease in booked:
        mark: datetime | None = lease
        while mark is not None:
            mark = customer_index.step(key, lease=mark)
    connection.refresh_from_db()
    assert CustomerIndex.of(connection).is_filled


def same_number(sandbox: Sandbox, customer: Document) -> Document:
    """Give a customer there the registration number of the company here, written otherwise."""
    number = COMPLETE["registration_number"].replace("-", "")
    sandbox.edit_customer(customer_id=str(customer["Id"]), CorporateIdentityNumber=number)
    return {**customer, "CorporateIdentityNumber": number}
