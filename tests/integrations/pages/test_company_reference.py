"""The Company Reference on the edit page: when it can be changed, and each way in which it is refused."""

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.utils.html import escape

from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Event, EventKind, Push, WaitReason
from tests.integrations.pages.conftest import (
    COMPLETE,
    LATER,
    NOW,
    World,
    fill_index,
    same_number,
)

FIELD = "companyreferencesection-reference"
WAS = "companyreferencesection-was"
TICK = "companyreferencesection-anyway"


def _edit(client: Client, world: World, **values: object) -> str:
    """Save the edit page with these values and return the page that comes of it."""
    address = f"/companies/{world.company.pk}/edit/"
    version = client.get(address).context["form"]["version"].value()
    return client.post(address, {**COMPLETE, "version": version, **values}, follow=True).content.decode()


def test_a_new_company_has_no_reference_yet(admin: Client, world: World) -> None:
    assert FIELD not in admin.get("/companies/new/").content.decode()


@pytest.mark.parametrize("fields", [{}, {"state": Connection.State.NEEDS_RECONNECT, "broken_at": NOW}])
def test_without_a_connection_the_field_is_closed_and_says_why(
    admin: Client, world: World, fields: dict[str, object]
) -> None:
    code = "not_connected"
    if fields:
        link = world.link(world.connect(**fields))
        code = "needs_reconnect"
    page = admin.get(f"/companies/{world.company.pk}/edit/").content.decode()
    assert sentence(code) in page
    assert f'name="{FIELD}"' in page
    _edit(admin, world, **{FIELD: "", "city": "Lund"})
    assert Company.objects.get().city == "Lund"
    assert CustomerLink.objects.filter(pk=link.pk).exists() if fields else not CustomerLink.objects.exists()


def test_while_something_is_sent_the_field_is_closed(admin: Client, world: World) -> None:
    connection = world.connect()
    world.link(connection)
    world.push(connection, wait_reason=WaitReason.RETRY, next_attempt_at=LATER)
    page = admin.get(f"/companies/{world.company.pk}/edit/").content.decode()
    assert "Something is being sent to Visma eAccounting. Wait until it is done." in page
    _edit(admin, world, **{FIELD: ""})
    assert CustomerLink.objects.exists()


def test_what_a_customer_is_called_there_is_shown_as_text(admin: Client, world: World, connection: Connection) -> None:
    link = world.link(connection)
    type(link.customer).objects.update(name="<img src=x>")
    page = admin.get(f"/companies/{world.company.pk}/edit/").content.decode()
    assert "Clear the field to unlink &lt;img src=x&gt;" in page
    assert "<img src=x>" not in page


def test_a_pasted_address_links_and_asks_eaccounting_once(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = same_number(sandbox, sandbox.customers()[2])
    sandbox.forget_calls()
    _edit(admin, world, **{FIELD: f"https://eaccounting.example/#/customer/edit/{customer['Id']}"})
    link = CustomerLink.objects.get()
    assert (str(link.reference), link.customer.number, link.sent) == (customer["Id"], customer["CustomerNumber"], {})
    assert len(sandbox.calls(method="GET")) == 1
    _edit(admin, world, **{FIELD: customer["Id"], "city": "Lund"})
    assert len(sandbox.calls(method="GET")) == 1  # not changed, not asked
    assert CustomerLink.objects.get().pk == link.pk


def test_another_reference_takes_the_place_of_the_first(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    first, second = (same_number(sandbox, customer) for customer in sandbox.customers()[:2])
    page = _edit(admin, world, **{FIELD: first["Id"]})
    assert f"It is linked to {escape(first['Name'])} ({first['CustomerNumber']})." in page
    _edit(admin, world, **{FIELD: second["Id"]})
    assert CustomerLink.objects.get().customer.number == second["CustomerNumber"]
    left = Event.objects.get(kind=EventKind.UNLINKED)
    assert left.parameters["number"] == first["CustomerNumber"]


@pytest.mark.parametrize("pasted", ["1002", "38fe43cc-c843", "https://eaccounting.example/#/customers/"])
def test_what_is_no_reference_is_said_at_the_field(
    admin: Client, world: World, connection: Connection, pasted: str
) -> None:
    page = _edit(admin, world, **{FIELD: pasted, "city": "Lund"})
    assert "That is not a Visma reference. It looks like 38fe43cc-c843-48e0-9efe-fa7b262a8191." in page
    assert 'value="Lund"' in page
    assert Company.objects.get().city == "Umeå"


def test_an_unknown_reference_is_said_at_the_field(admin: Client, world: World, connection: Connection) -> None:
    page = _edit(admin, world, **{FIELD: str(uuid4()), "city": "Lund"})
    assert "There is no customer with that reference in Nordvik Bygg AB." in page
    assert Company.objects.get().city == "Umeå"


def test_a_customer_of_another_company_is_named_without_a_call(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    other = Company.add(account=world.account, now=NOW, values={"name": "Acme Holding", "country": "SE"})
    taken = world.link(connection, company=other)
    sandbox.forget_calls()
    page = _edit(admin, world, **{FIELD: str(taken.reference)})
    assert "That customer is already linked to Acme Holding. Unlink it from Acme Holding first." in page
    assert not sandbox.calls()


def test_an_unreachable_eaccounting_saves_nothing(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    sandbox.fault(kind="status", status=503, path="/v2/customers/.*", when="before")
    page = _edit(admin, world, **{FIELD: sandbox.customers()[0]["Id"], "city": "Lund"})
    assert "The reference could not be checked, so nothing was saved." in page
    assert "is not answering right now. Try again in a moment." in page
    assert Company.objects.get().city == "Umeå"


def test_clearing_the_reference_unlinks(admin: Client, world: World) -> None:
    world.link(world.connect())
    page = _edit(admin, world, **{FIELD: ""})
    assert "It is unlinked. Nothing was changed in Visma eAccounting." in page
    assert not CustomerLink.objects.exists()
    assert not Push.objects.exists()


def _say(client: Client, world: World, text: str, **values: str) -> str:
    """Ask who it is while it is typed; nothing is saved."""
    address = f"/companies/{world.company.pk}/visma-eaccounting/company-reference/"
    return client.get(address, {FIELD: text, **values}).content.decode()


def _shown(client: Client, world: World) -> dict[str, str]:
    """Open the edit page and return what a browser would send of the section."""
    page = client.get(f"/companies/{world.company.pk}/edit/").content.decode()
    found = re.search(rf'name="{WAS}" value="([^"]+)"', page)
    was = found[1] if found else ""
    assert f'name="{WAS}"' in page
    return {WAS: was, FIELD: was}


def test_saving_other_things_leaves_a_link_that_was_made_meanwhile(admin: Client, world: World) -> None:
    connection = world.connect()
    shown = _shown(admin, world)
    link = world.link(connection)
    _edit(admin, world, **shown, city="Lund")
    assert Company.objects.get().city == "Lund"
    assert CustomerLink.objects.get() == link
    _edit(admin, world, city="Solna")  # the field was read-only when the page was opened
    assert CustomerLink.objects.get() == link


def test_a_reference_typed_before_somebody_linked_another_is_refused_once(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    shown = _shown(admin, world)
    link = world.link(connection, linked_by=world.admin)
    customer = same_number(sandbox, sandbox.customers()[1])
    page = _edit(admin, world, **{**shown, FIELD: customer["Id"], "city": "Lund"})
    assert f"Meanwhile the company was linked to {escape(str(link.customer))} by Anna Ek at" in page
    assert CustomerLink.objects.get() == link
    assert f'name="{WAS}" value="{link.reference}"' in page
    _edit(admin, world, **{WAS: str(link.reference), FIELD: customer["Id"]})
    assert str(CustomerLink.objects.get().reference) == customer["Id"]


def test_who_it_is_is_said_before_saving(admin: Client, world: World, connection: Connection, sandbox: Sandbox) -> None:
    customer = same_number(sandbox, sandbox.customers()[2])
    said = _say(admin, world, str(customer["Id"]))
    for words in (customer["Name"], customer["CustomerNumber"], "5560160680", customer["InvoiceCity"]):
        assert str(words) in said
    assert "Link anyway" not in said
    assert not CustomerLink.objects.exists()


def test_who_it_is_is_said_without_a_call_when_the_index_knows(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    fill_index(connection)
    sandbox.forget_calls()
    assert "Tre Kockar i Malmö AB (1008)" in (said := _say(admin, world, str(sandbox.customers()[7]["Id"])))
    assert "Inactive in Visma eAccounting" in said
    assert not sandbox.calls()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1002", "That is not a Visma reference."),
        ("38fe43cc-c843-48e0-9efe-fa7b262a8191", "There is no customer with that reference in Nordvik Bygg AB."),
        ("", "Saving unlinks the company. Nothing is changed in Visma eAccounting."),
        ("<own>", "This company is already linked to that customer."),
        ("<taken>", "That customer is already linked to Acme Holding. Unlink it from Acme Holding first."),
    ],
)
def test_what_saving_would_not_do_is_said_before_saving(
    admin: Client, world: World, connection: Connection, text: str, words: str
) -> None:
    own = world.link(connection)
    other = world.link(connection, company=world.add_company("Acme Holding"))
    text = {"<own>": str(own.reference), "<taken>": str(other.reference)}.get(text, text)
    assert words in _say(admin, world, text)


def test_without_a_connection_it_is_said_that_nothing_can_be_linked(admin: Client, world: World) -> None:
    assert sentence("not_connected") in _say(admin, world, str(uuid4()))


def test_an_unreachable_eaccounting_is_said_below_the_field(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    sandbox.fault(kind="status", status=503, path="/v2/customers/.*", when="before")
    assert "is not answering right now. Try again in a moment." in _say(admin, world, str(sandbox.customers()[0]["Id"]))


def test_another_registration_number_needs_a_tick_for_this_customer(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer, other = (str(customer["Id"]) for customer in sandbox.customers()[:2])
    warning = "The registration numbers differ: 556016-0680 in Lime Go, 559987-1018 in Visma eAccounting."
    assert warning in (said := _say(admin, world, customer))
    assert f'value="{customer}"' in said
    page = _edit(admin, world, **{FIELD: customer, "city": "Lund"})
    assert warning in page
    assert f'name="{TICK}"' in page
    assert Company.objects.get().city == "Umeå"
    _edit(admin, world, **{FIELD: customer, TICK: other, "city": "Lund"})
    assert not CustomerLink.objects.exists()
    _edit(admin, world, **{FIELD: customer, TICK: customer, "city": "Lund"})
    assert str(CustomerLink.objects.get().reference) == customer
    assert Company.objects.get().city == "Lund"


def test_the_registration_number_that_is_being_saved_is_the_one_that_counts(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = sandbox.customers()[0]
    reference, number = str(customer["Id"]), str(customer["CorporateIdentityNumber"]).replace("-", "")
    assert "Link anyway" not in _say(admin, world, reference, registration_number=number)
    assert "Link anyway" not in _say(admin, world, reference, registration_number="")
    _edit(admin, world, **{FIELD: reference, "registration_number": number})
    assert CustomerLink.objects.exists()
