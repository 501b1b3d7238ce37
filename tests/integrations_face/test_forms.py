"""The Company Reference on the edit page: when it can be changed, and each way in which it is refused."""

from uuid import uuid4

import pytest
from django.test import Client

from companies.models import Company
from integrations.eaccounting.sandbox.core import Sandbox
from integrations.models import Connection, CustomerLink, Push, WaitReason
from integrations.sentences import sentence
from integrations.terms_form import TermsForm
from tests.integrations_face.conftest import COMPLETE, LATER, NOW, World, decide

FIELD = "companyreferencesection-reference"


def _edit(client: Client, world: World, **values: object) -> str:
    """Save the edit page with these values and return the page that comes of it."""
    address = f"/companies/{world.company.pk}/edit/"
    version = client.get(address).context["form"]["version"].value()
    return client.post(address, {**COMPLETE, "version": version, **values}, follow=True).content.decode()


@pytest.fixture
def connection(admin: Client, world: World, sandbox: Sandbox) -> Connection:
    """A connection whose tokens the sandbox accepts."""
    consent = admin.post("/settings/integrations/visma-eaccounting/connect/").headers["Location"]
    admin.get("/integrations/visma-eaccounting/callback/", decide(consent))
    return Connection.objects.get()


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


def test_a_pasted_address_links_and_asks_eaccounting_once(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = sandbox.customers()[2]
    sandbox.forget_calls()
    _edit(admin, world, **{FIELD: f"https://eaccounting.example/#/customer/edit/{customer['Id']}"})
    link = CustomerLink.objects.get()
    assert (str(link.reference), link.customer.number, link.sent) == (customer["Id"], customer["CustomerNumber"], None)
    assert len(sandbox.calls(method="GET")) == 1
    _edit(admin, world, **{FIELD: customer["Id"], "city": "Lund"})
    assert len(sandbox.calls(method="GET")) == 1  # not changed, not asked
    assert CustomerLink.objects.get().pk == link.pk


def test_another_reference_takes_the_place_of_the_first(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    first, second = sandbox.customers()[:2]
    _edit(admin, world, **{FIELD: first["Id"]})
    _edit(admin, world, **{FIELD: second["Id"]})
    assert CustomerLink.objects.get().customer.number == second["CustomerNumber"]


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
    assert "That customer is already linked to Acme Holding. Unlink it there first." in page
    assert not sandbox.calls()


def test_an_unreachable_eaccounting_saves_nothing(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    sandbox.fault(kind="status", status=503, path="/v2/customers/.*", when="before")
    page = _edit(admin, world, **{FIELD: sandbox.customers()[0]["Id"], "city": "Lund"})
    assert "The reference could not be checked, so nothing was saved." in page
    assert "does not answer just now. Try again in a moment." in page
    assert Company.objects.get().city == "Umeå"


def test_clearing_the_reference_unlinks(admin: Client, world: World) -> None:
    world.link(world.connect())
    _edit(admin, world, **{FIELD: ""})
    assert not CustomerLink.objects.exists()
    assert not Push.objects.exists()


def test_terms_stand_in_order_and_only_those_for_sales(world: World) -> None:
    connection = world.connect()
    world.terms(connection, name_english="10 days", days=10)
    world.terms(connection, name_english="Purchases", for_sales=False)
    world.terms(connection, name_english="Gone", gone_at=NOW)
    form = TermsForm(connection=connection)
    assert [label for _value, label in form.fields["terms"].choices] == ["10 days", "30 days"]
