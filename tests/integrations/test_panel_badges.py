"""The states in the company list."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, User
from companies.models import Company
from integrations.models import Connection, CustomerLink, Origin, RemoteCustomer
from integrations.panel.badges import panels_of
from integrations.panel.states import State

NOW = timezone.now()


@pytest.fixture
def connection(account: Account, anna: User) -> Connection:
    return Connection.objects.create(
        account=account,
        identity_kind=Connection.IdentityKind.CLAIM,
        identity="nordvik",
        name="Nordvik Bygg AB",
        issued_at=NOW,
        expires_at=NOW,
        connected_by=anna,
        connected_at=NOW,
    )


def _companies(account: Account, count: int) -> list[Company]:
    values = {"country": "SE", "postal_code": "111 22", "city": "Stockholm"}
    return [Company.add(account=account, now=NOW, values={"name": f"Firma {n}", **values}) for n in range(count)]


def _linked(connection: Connection, company: Company, name: str) -> None:
    sent = {"Name": name, "InvoicePostalCode": "111 22", "InvoiceCity": "Stockholm", "InvoiceCountryCode": "SE"}
    remote = RemoteCustomer.objects.create(
        account=connection.account,
        connection=connection,
        customer_id=f"00000000-0000-4000-8000-{company.pk:012d}",
        name=name,
        answered=sent,
        seen_at=NOW,
    )
    link = CustomerLink.objects.create(
        account=connection.account,
        connection=connection,
        company=company,
        customer=remote,
        origin=Origin.CREATED,
        linked_at=NOW,
    )
    link.mark_sent(values=sent, answered=sent, user=None, now=NOW)


def test_an_account_without_a_connection_shows_no_states(account: Account, anna: User) -> None:
    assert panels_of(companies=_companies(account, 1), user=anna) == {}


def test_each_company_has_its_own_state(connection: Connection, anna: User) -> None:
    equal, changed, unlinked = _companies(connection.account, 3)
    _linked(connection, equal, "Firma 0")
    _linked(connection, changed, "Another name")
    states = panels_of(companies=[equal, changed, unlinked], user=anna)
    assert [states[company.pk].state for company in (equal, changed, unlinked)] == [
        State.UP_TO_DATE,
        State.CHANGED,
        State.TERMS,
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_needs_the_same_queries_for_any_number_of_rows(
    connection: Connection,
    ulf: User,
    count: int,
    as_user: Callable[[User], Client],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for company in _companies(connection.account, count):
        _linked(connection, company, company.name)
    client = as_user(ulf)
    with django_assert_num_queries(7):
        page = client.get(reverse("companies:list")).content.decode()
    assert page.count("up to date") == 2 * count  # in its column, and below the name on a phone
