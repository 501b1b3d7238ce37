"""Search in the customers of a connection, and likely duplicates: bounded, in a useful order, of one tenant only."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, User
from companies.models import Company, FieldValue
from integrations.domain import mapping
from integrations.domain.duplicates import Reason
from integrations.eaccounting import jsontext
from integrations.eaccounting.types import Customer
from integrations.models import Connection, CustomerLink, Origin, RemoteCustomer
from integrations.services.customer_search import find, similar

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
Know = Callable[..., RemoteCustomer]
Wish = Callable[..., Company]


def made(account: Account, user: User, *, identity: str = "1") -> Connection:
    return Connection.objects.create(
        account=account,
        identity_kind=Connection.IdentityKind.CLAIM,
        identity=identity,
        country="SE",
        issued_at=NOW,
        expires_at=NOW,
        connected_at=NOW,
        connected_by=user,
    )


@pytest.fixture
def connected(account: Account, anna: User) -> Connection:
    """A connection whose index a test fills."""
    return made(account, anna)


@pytest.fixture
def know(connected: Connection) -> Know:
    """Return a function that lets the index know a customer."""

    def remember(name: str, *, to: Connection = connected, **values: object) -> RemoteCustomer:
        raw = {"Id": str(UUID(int=RemoteCustomer.objects.count() + 1)), "Name": name, **values}
        customer = Customer.from_json(jsontext.decode(json.dumps(raw).encode()))
        return RemoteCustomer.remember(connection=to, customer=customer, answered=mapping.owned(customer.raw), now=NOW)

    return remember


@pytest.fixture
def wish(account: Account) -> Wish:
    """Return a function that makes a company that is to be added."""

    def add(name: str, **values: FieldValue) -> Company:
        return Company.add(account=account, now=NOW, values={"name": name, "country": "SE", **values})

    return add


def names(rows: list[RemoteCustomer]) -> list[str]:
    return [row.name for row in rows]


def test_an_exact_number_stands_before_everything_else(connected: Connection, know: Know) -> None:
    know("104 Bageri AB", CustomerNumber="7")
    know("Alm AB", CustomerNumber="1043")
    know("Zorn AB", CustomerNumber="104")
    know("Berg AB", CorporateIdentityNumber="556104-1111", CustomerNumber="8")
    assert names(find(connection=connected, query=" 104 ")) == ["Zorn AB", "Alm AB", "104 Bageri AB", "Berg AB"]


def test_a_number_of_our_own_is_found_in_any_case(connected: Connection, know: Know) -> None:
    know("Zorn AB", CustomerNumber="LG17")
    assert names(find(connection=connected, query="lg17")) == ["Zorn AB"]


@pytest.mark.parametrize("typed", ["556677-8899", "5566778899", "16 556677-8899", "SE556677889901"])
@pytest.mark.parametrize("stored", ["556677-8899", "165566778899"])
def test_a_registration_number_is_found_in_any_form(connected: Connection, know: Know, typed: str, stored: str) -> None:
    know("Nordvik Bygg AB", CorporateIdentityNumber=stored)
    know("Annan AB", CorporateIdentityNumber="556677-0000")
    assert names(find(connection=connected, query=typed)) == ["Nordvik Bygg AB"]


def test_names_that_begin_with_the_words_stand_before_those_that_hold_them(connected: Connection, know: Know) -> None:
    for name in ("Öbergs Bygg AB", "Bygg i Lund AB", "Alms Bygg AB", "Byggarna HB", "Måleri AB"):
        know(name)
    assert names(find(connection=connected, query="bygg")) == [
        "Bygg i Lund AB", "Byggarna HB", "Alms Bygg AB", "Öbergs Bygg AB"
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["maleri lund", "LUND måleri", "info@alm.example", "alm"])
def test_words_are_found_in_any_order_case_and_place(connected: Connection, know: Know, query: str) -> None:
    know("Alms Måleri AB", InvoiceCity="Lund", EmailAddress="info@alm.example")
    know("Bergs Måleri AB", InvoiceCity="Ystad")
    assert names(find(connection=connected, query=query)) == ["Alms Måleri AB"]


def test_no_more_are_answered_than_were_asked_for(connected: Connection, know: Know) -> None:
    for number in range(12):
        know(f"Berg {number} AB", CustomerNumber=str(number))
    assert len(find(connection=connected, query="berg")) == 8
    assert len(find(connection=connected, query="ab", limit=3)) == 3


@pytest.mark.parametrize("query", ["", "   ", "\0", "%", "_", "\\", "x" * 5000, "' or 1=1", "a b c d e f g h i j"])
def test_a_query_that_means_nothing_finds_nothing(connected: Connection, know: Know, query: str) -> None:
    know("Nordvik Bygg AB")
    assert find(connection=connected, query=query) == []


def test_the_customers_of_other_connections_and_removed_ones_are_left_out(
    connected: Connection, know: Know, other_account: Account, olav: User
) -> None:
    know("Nordvik Bygg AB", to=made(other_account, olav, identity="2"), CorporateIdentityNumber="556677-8899")
    gone = know("Nordvik Bygg i Lund AB", CorporateIdentityNumber="556677-8899")
    RemoteCustomer.objects.filter(pk=gone.pk).update(gone_at=NOW)
    assert find(connection=connected, query="nordvik") == []
    assert find(connection=connected, query="556677-8899") == []


def test_who_is_linked_is_known_without_a_further_query(connected: Connection, know: Know, wish: Wish) -> None:
    linked, company = know("Nordvik Bygg AB", CustomerNumber="1"), wish("Nordvik")
    know("Nordvik Måleri AB", CustomerNumber="2")
    CustomerLink.objects.create(
        account=company.account,
        connection=connected,
        company=company,
        customer=linked,
        origin=Origin.PASTED,
        linked_at=NOW,
    )
    with CaptureQueriesContext(database) as queries:
        here = {row.name: row.company_here for row in find(connection=connected, query="nordvik")}
    assert here == {"Nordvik Bygg AB": company, "Nordvik Måleri AB": None}
    assert len(queries) <= 3


def test_the_same_number_is_the_first_suggestion_whatever_the_name(
    connected: Connection, know: Know, wish: Wish
) -> None:
    know("Nordvik Bygg AB")
    know("Något helt annat AB", CorporateIdentityNumber="165566778899")
    company = wish("Nordvik Bygg AB", registration_number="556677-8899")
    found = similar(connection=connected, company=company)
    assert [(one.name, one.reasons[0]) for one in found] == [
        ("Något helt annat AB", Reason.SAME_NUMBER),
        ("Nordvik Bygg AB", Reason.SIMILAR_NAME),
    ]


@pytest.mark.parametrize("there", ["NORDVIK BYGG", "Nordvick Bygg AB", "Nordvik Byggnads AB", "Bygg Nordvik HB"])
def test_a_similar_name_is_suggested(connected: Connection, know: Know, wish: Wish, there: str) -> None:
    know(there)
    know("Sydholms Måleri AB")
    found = similar(connection=connected, company=wish("Nordvik Bygg AB"))
    assert [(one.name, one.reasons) for one in found] == [(there, (Reason.SIMILAR_NAME,))]


def test_the_same_city_counts_only_beside_a_similar_name(connected: Connection, know: Know, wish: Wish) -> None:
    know("Sydholms Måleri AB", InvoiceCity="Lund")
    know("Nordvik Bygg AB", InvoiceCity="LUND", CustomerNumber="2")
    know("Nordvik Bygg AB", InvoiceCity="Ystad", CustomerNumber="1")
    found = similar(connection=connected, company=wish("Nordvik Bygg AB", city="Lund"))
    assert [(one.number, one.reasons) for one in found] == [
        ("2", (Reason.SIMILAR_NAME, Reason.SAME_CITY)),
        ("1", (Reason.SIMILAR_NAME,)),
    ]


def test_an_own_e_mail_domain_is_a_reason_and_everybodys_is_none(connected: Connection, know: Know, wish: Wish) -> None:
    know("Sydholms Måleri AB", EmailAddress="faktura@Nordvik.example")
    know("Alm AB", EmailAddress="alm@gmail.com")
    know("Berg AB", EmailAddress="info@andra-nordvik.example")
    company = wish("Nordvik Bygg AB", email="alm@gmail.com")
    person = company.add_contact(now=NOW, values={"first_name": "Åsa", "email": "asa@nordvik.example"})
    found = similar(connection=connected, company=company, contact=person)
    assert [(one.name, one.reasons) for one in found] == [("Sydholms Måleri AB", (Reason.SAME_EMAIL_DOMAIN,))]


def test_a_domain_that_many_share_tells_nothing(connected: Connection, know: Know, wish: Wish) -> None:
    for number in range(6):
        know(f"{'ABCDEF'[number] * 6} AB", EmailAddress=f"kund{number}@leverantor.example")
    assert similar(connection=connected, company=wish("Nordvik", email="info@leverantor.example")) == []


@pytest.mark.parametrize("name", ["AB", "???", "Å", "'", "%", "x" * 200])
def test_an_odd_name_of_our_own_suggests_nothing(connected: Connection, know: Know, wish: Wish, name: str) -> None:
    know("Nordvik Bygg AB")
    assert similar(connection=connected, company=wish(name)) == []


def test_suggestions_take_two_queries_however_many_customers_there_are(
    connected: Connection, know: Know, wish: Wish
) -> None:
    for number in range(60):
        know(f"Nordvik Bygg {number} AB", EmailAddress="info@nordvik.example")
    company = wish("Nordvik Bygg AB", registration_number="556677-8899", email="x@nordvik.example", city="Lund")
    with CaptureQueriesContext(database) as queries:
        assert len(similar(connection=connected, company=company)) == 5
    assert len(queries) == 2
