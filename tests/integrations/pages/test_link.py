"""The sheet that links an existing customer: searching, who it is, and the link, in every way that it can end."""

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from django.utils.html import escape

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.messages.sentences import sentence
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
    WaitReason,
)
from tests.integrations.pages.conftest import (
    LATER,
    NOW,
    World,
    fill_index,
    said,
    same_number,
)

DIALOG = {"HX-Request": "true", "HX-Target": "sheet"}
TYPING = {"HX-Request": "true", "HX-Target": "link-answers"}


@pytest.fixture
def filled(connection: Connection) -> Connection:
    """A connection whose index knows every customer."""
    fill_index(connection)
    return connection


def _address(world: World, customer: Document | str = "", query: str = "") -> str:
    reference = customer if isinstance(customer, str) else str(customer["Id"])
    address = f"/companies/{world.company.pk}/visma-eaccounting/link/"
    return (f"{address}{reference}/" if reference else address) + (f"?q={query}" if query else "")


def _search(client: Client, world: World, text: str, **headers: str) -> str:
    return client.get(_address(world), {"q": text}, headers=headers).content.decode()


def _named(sandbox: Sandbox, name: str) -> Document:
    return next(customer for customer in sandbox.customers() if customer["Name"] == name)


def _post(client: Client, url: str, /, **typed: str) -> str:
    """Open the sheet, press one of its buttons, and return the page that comes of it."""
    return client.post(url, {**_carried(client, url), "do": "only", **typed}, follow=True).content.decode()


def _carried(client: Client, address: str) -> dict[str, str]:
    found = re.search(r'name="seen" value="([^"]+)"', client.get(address).content.decode())
    assert found
    return {"seen": found[1]}


# --- Searching -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["1005", "norrsken", "5568456718", "556845-6718", "16 556845 6718", "LULEÅ", "<reference>", "<address>"]
)
def test_a_customer_is_found_by_whatever_a_person_knows(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox, text: str
) -> None:
    customer = _named(sandbox, "Norrsken Elteknik AB")
    reference = str(customer["Id"])
    text = {"<reference>": reference, "<address>": f"https://x.example/#/edit/{reference}?y=1"}.get(text, text)
    sandbox.forget_calls()
    page = _search(admin, world, text)
    assert "Norrsken Elteknik AB (1005)" in page
    assert "556845-6718 · Luleå" in page
    assert _address(world, customer) in page
    assert "1 customer found." in page
    assert not sandbox.calls()


def test_as_one_types_only_the_answers_and_their_number_are_sent(
    admin: Client, world: World, filled: Connection
) -> None:
    part = _search(admin, world, "kockar", **TYPING)
    assert "<html" not in part
    assert 'hx-swap-oob="innerHTML"' in part
    assert "Tre Kockar i Malmö AB (1008)" in part
    assert "Inactive in Visma eAccounting" in part


def test_before_anything_is_typed_customers_that_could_be_the_company_are_shown(
    admin: Client, world: World, sandbox: Sandbox, connection: Connection
) -> None:
    same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    fill_index(connection)
    page = _search(admin, world, "")
    assert "These customers could be this company:" in page
    assert "Norrsken Elteknik AB (1005)" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("999999", "No customer in Nordvik Bygg AB has the number 999999."),
        ("Qxz", "No customer in Nordvik Bygg AB matches “Qxz”."),
        ("38fe43cc-c843-", "That is not a Visma reference. It looks like 38fe43cc-c843-48e0-9efe-fa7b262a8191."),
        ("38fe43cc-c843-48e0-9efe-fa7b262a8191", "There is no customer with that reference in Nordvik Bygg AB."),
    ],
)
def test_what_is_not_found_is_said(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox, text: str, words: str
) -> None:
    page = _search(admin, world, text)
    assert words in page


def test_before_the_index_is_filled_it_is_said_that_some_are_missing(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    page = _search(admin, world, "1005")
    assert "has the number 1005." in page
    assert "The customers have not been fetched from Visma eAccounting yet." in page
    assert "If it was added in Visma eAccounting just now, paste the address of its page." in page
    assert "Norrsken Elteknik AB" in _search(admin, world, str(_named(sandbox, "Norrsken Elteknik AB")["Id"]))


def test_a_customer_of_an_earlier_connection_is_told_from_one_that_is_nowhere(
    admin: Client, world: World, filled: Connection
) -> None:
    earlier = world.connect(name="Nordvik Måleri AB", is_current=False, state=Connection.State.DISCONNECTED)
    other = world.link(earlier)
    page = _search(admin, world, str(other.reference))
    assert "That is a customer of Nordvik Måleri AB, but your account is connected to Nordvik Bygg AB." in page


def test_a_customer_that_is_linked_cannot_be_chosen_and_leads_to_its_company(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox
) -> None:
    other, customer = world.add_company("Acme Holding"), _named(sandbox, "Norrsken Elteknik AB")
    _link_row(world, filled, customer, other)
    page = _search(admin, world, "1005")
    assert f'<a href="/companies/{other.pk}/">Acme Holding</a>' in page
    assert _address(world, customer) not in page


def _link_row(world: World, connection: Connection, customer: Document, company: Company, **fields: object) -> None:
    row = RemoteCustomer.objects.get(connection=connection, customer_id=str(customer["Id"]))
    CustomerLink.objects.create(
        account=world.account,
        connection=connection,
        company=company,
        customer=row,
        linked_at=NOW,
        origin=Origin.PASTED,
        **fields,
    )


def test_rows_of_another_account_are_never_found(
    as_user: Callable[[User], Client], olav: User, world: World, filled: Connection, sandbox: Sandbox
) -> None:
    theirs = Company.add(account=olav.account, now=NOW, values={"name": "Øyblikk AS", "country": "NO"})
    client = as_user(olav)
    assert client.get(f"/companies/{world.company.pk}/visma-eaccounting/link/").status_code == 404
    page = client.get(f"/companies/{theirs.pk}/visma-eaccounting/link/", {"q": "1005"}).content.decode()
    assert sentence("not_connected") in page
    assert "Norrsken" not in page


def test_what_keeps_a_company_from_being_linked_is_said_instead(admin: Client, world: World) -> None:
    assert sentence("not_connected") in _search(admin, world, "1005")
    push = world.push(world.connect(), wait_reason=WaitReason.RETRY, next_attempt_at=LATER)
    assert "This company is already being added by Anna Ek." in _search(admin, world, "1005")
    push.cancel(now=NOW)
    world.company.archive(now=NOW)
    assert sentence("archived") in _search(admin, world, "1005")
    page = admin.get(_address(world, str(uuid4()))).content.decode()
    assert sentence("archived") in page
    assert 'name="do"' not in page


# --- Who it is -----------------------------------------------------------------------------------


def test_who_it_is_stands_beside_the_company(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    sandbox.forget_calls()
    page = admin.get(_address(world, customer), headers=DIALOG).content.decode()
    assert "Is it Norrsken Elteknik AB (1005)?" in page
    assert "Älvstrand Snickeri AB" in page
    assert "The registration numbers differ" not in page  # they are written otherwise
    assert re.search(r"<dt>Registration number</dt>\s+<dd><div>5560160680</div>", page)
    assert len(sandbox.calls()) == 1
    assert not CustomerLink.objects.exists()


def test_link_only_links_and_changes_nothing_there(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox, anna: User
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    before = sandbox.customers()
    page = _post(admin, _address(world, customer, query="1005"), Name="ours")
    assert "The company is linked to Norrsken Elteknik AB (1005). Nothing was changed in Visma eAccounting." in page
    link = CustomerLink.objects.get()
    assert (str(link.reference), link.origin, link.linked_by) == (customer["Id"], Origin.MATCHED, anna)
    assert (link.sent, link.answered, link.kept) == ({}, {}, [])
    assert not Push.objects.exists()
    assert sandbox.customers() == before


def test_a_pasted_reference_is_remembered_as_such(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    _post(admin, _address(world, customer, query=str(customer["Id"])))
    assert CustomerLink.objects.get().origin == Origin.PASTED


def test_link_and_update_sends_what_was_chosen_and_keeps_the_rest(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    rest = {"address": "theirs", "Telephone": "theirs", "EmailAddress": "theirs", "WwwAddress": "theirs"}
    page = _post(admin, _address(world, customer), do="update", Name="ours", **rest)
    assert "The company is linked to Norrsken Elteknik AB (1005), which is being updated." in page
    push, link = Push.objects.get(), CustomerLink.objects.get()
    assert push.confirmed == {"Name": "Älvstrand Snickeri AB"}
    assert push.based_on == {"Name": "Norrsken Elteknik AB"}
    assert "Telephone" in link.kept
    assert "Name" not in link.kept


def test_without_a_choice_the_row_is_named_and_nothing_is_linked(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    assert "Choose one of the two." in _post(admin, _address(world, customer), do="update")
    assert not CustomerLink.objects.exists()


def test_another_registration_number_has_to_be_confirmed(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    address = _address(world, _named(sandbox, "Norrsken Elteknik AB"))
    warning = "The registration numbers differ: 556016-0680 in Lime Go, 556845-6718 in Visma eAccounting."
    assert warning in admin.get(address).content.decode()
    page = _post(admin, address)
    assert "Tick this if it is still the same company." in page
    assert not CustomerLink.objects.exists()
    _post(admin, address, anyway="on")
    assert CustomerLink.objects.exists()


@pytest.mark.parametrize("here", ["", "556845-6718"])
def test_a_blank_or_an_equal_registration_number_needs_no_tick(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox, here: str
) -> None:
    world.company.save_changes(now=NOW, values={"registration_number": here})
    page = _post(admin, _address(world, _named(sandbox, "Norrsken Elteknik AB")))
    assert "is linked to" in page
    assert CustomerLink.objects.exists()


def test_an_inactive_customer_is_linked_but_not_updated(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    address = _address(world, _named(sandbox, "Tre Kockar i Malmö AB"))
    page = admin.get(address).content.decode()
    assert "This customer is inactive in Visma eAccounting." in page
    assert 'value="update"' not in page
    _post(admin, address, anyway="on", do="update", Name="ours")
    assert not Push.objects.exists()


@pytest.mark.parametrize("side", ["here", "there"])
def test_what_was_changed_after_it_was_shown_is_shown_again_instead_of_linked(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox, side: str
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    address = _address(world, customer)
    carried = _carried(admin, address)
    if side == "here":
        world.company.save_changes(now=NOW, values={"phone": "+46 90 12 34 56"})
    else:
        sandbox.edit_customer(customer_id=str(customer["Id"]), Telephone="090-12 34 56")
    page = said(admin, address, {**carried, "do": "only"})
    assert "Somebody changed this after you opened it, so nothing was linked. Check it again." in page
    assert "34 56" in page
    assert not CustomerLink.objects.exists()
    assert "is linked to" in _post(admin, address)


def test_a_customer_that_nobody_has_or_had_is_said_to_be_none(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    address = _address(world, str(uuid4()))
    for page in (admin.get(address).content.decode(), said(admin, address, {"do": "only"})):
        assert "There is no customer with that reference in Nordvik Bygg AB." in page
    assert not CustomerLink.objects.exists()


def test_without_an_answer_the_index_shows_who_it_is_and_nothing_is_linked(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox
) -> None:
    address = _address(world, _named(sandbox, "Norrsken Elteknik AB"))
    carried = _carried(admin, address)
    sandbox.fault(kind="status", status=503, path="/v2/customers/.*", when="before", count=None)
    page = admin.get(address).content.decode()
    assert "Visma eAccounting is not answering right now. Try again in a moment." in page
    assert "These values were read just now." in page
    assert "Is it Norrsken Elteknik AB (1005)?" in page
    page = said(admin, address, {**carried, "do": "only", "anyway": "on", "Name": "ours"})
    assert "Nothing was linked. Visma eAccounting is not answering right now." in page
    assert re.search(r'value="ours"\s+id="id_Name_ours" checked', page)
    unknown = admin.get(_address(world, str(uuid4()))).content.decode()
    assert "is not answering right now." in unknown
    assert 'name="do"' not in unknown
    assert not CustomerLink.objects.exists()


def test_a_customer_of_another_company_is_never_linked_twice(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox
) -> None:
    customer = _named(sandbox, "Norrsken Elteknik AB")
    address = _address(world, customer)
    carried = _carried(admin, address)
    _link_row(world, filled, customer, world.add_company("Acme Holding"))
    for page in (admin.get(address).content.decode(), said(admin, address, {**carried, "do": "only", "anyway": "on"})):
        assert "That customer is already linked to Acme Holding." in page
        assert "Open Acme Holding" in page
    assert CustomerLink.objects.count() == 1


def test_another_customer_takes_the_place_of_the_first_and_the_activity_tells_both(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    first, second = (same_number(sandbox, customer) for customer in sandbox.customers()[:2])
    _post(admin, _address(world, first))
    _post(admin, _address(world, second))
    assert str(CustomerLink.objects.get().reference) == second["Id"]
    told = [(event.kind, event.parameters["number"]) for event in Event.objects.filter(company=world.company)]
    assert sorted(told) == [(EventKind.LINKED, "1001"), (EventKind.LINKED, "1002"), (EventKind.UNLINKED, "1001")]


def test_a_link_that_was_made_meanwhile_is_told_before_another_takes_its_place(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox, ulf: User
) -> None:
    first, second = (same_number(sandbox, customer) for customer in sandbox.customers()[:2])
    address = _address(world, second)
    stale = _carried(admin, address)
    _link_row(world, filled, first, world.company, linked_by=ulf)
    made = CustomerLink.objects.get()
    page = said(admin, address, {**stale, "do": "only"})
    told = escape(f"Meanwhile the company was linked to {made.customer} by Ulf Ek at ")
    assert re.search(f"{re.escape(told)}.*[0-9]{{2}}:[0-9]{{2}}\\. Nothing was done\\.", page)
    assert CustomerLink.objects.get() == made
    _post(admin, address)
    assert str(CustomerLink.objects.get().reference) == second["Id"]


def test_a_link_that_was_taken_away_meanwhile_is_told(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox
) -> None:
    first, second = (same_number(sandbox, customer) for customer in sandbox.customers()[:2])
    _link_row(world, filled, first, world.company)
    stale = _carried(admin, _address(world, second))
    CustomerLink.objects.all().delete()
    page = said(admin, _address(world, second), {**stale, "do": "only"})
    assert sentence("unlinked_meanwhile") in page
    assert not CustomerLink.objects.exists()


def test_a_broken_link_to_a_customer_that_is_back_is_mended_by_linking_again(
    admin: Client, world: World, filled: Connection, sandbox: Sandbox
) -> None:
    customer = _named(sandbox, "Norrsken Elteknik AB")
    _link_row(world, filled, customer, world.company, broken="inactive")
    assert _address(world, customer) in _search(admin, world, "1005")
    _post(admin, _address(world, customer), anyway="on")
    assert CustomerLink.objects.get().broken == ""
    assert not Event.objects.filter(kind=EventKind.UNLINKED).exists()
    assert "This company is already linked to that customer." in _search(admin, world, "1005")


# --- A wish that waits for this decision ---------------------------------------------------------


def _deciding(world: World, connection: Connection, customer: Document, **fields: object) -> Push:
    candidate = {"id": str(customer["Id"]), "name": customer["Name"], "number": customer["CustomerNumber"]}
    values = {"wait_reason": WaitReason.DECISION, "candidates": [candidate], "next_attempt_at": None}
    return world.push(connection, **{**values, **fields})


def test_linking_instead_ends_the_wish_to_add_the_company(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    push = _deciding(world, connection, customer)
    address = _address(world, customer)
    assert f'href="{address}"' in admin.get(f"/companies/{world.company.pk}/").content.decode()
    assert "Nothing was changed in Visma eAccounting." in _post(admin, address)
    push.refresh_from_db()
    assert push.state == PushState.DONE
    assert CustomerLink.objects.get().origin == Origin.MATCHED


def test_a_wish_that_was_decided_meanwhile_is_not_linked_over(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    customer = same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB"))
    push = _deciding(world, connection, customer)
    carried = _carried(admin, _address(world, customer))
    assert push.decide_create_anyway(now=NOW)
    page = said(admin, _address(world, customer), {**carried, "do": "only"})
    assert escape("This company is already being added by Anna Ek.") in page
    assert not CustomerLink.objects.exists()


def test_after_linking_the_dialog_leads_to_the_card(
    admin: Client, world: World, connection: Connection, sandbox: Sandbox
) -> None:
    address = _address(world, same_number(sandbox, _named(sandbox, "Norrsken Elteknik AB")))
    answer = admin.post(address, {**_carried(admin, address), "do": "only"}, headers=DIALOG)
    assert answer.headers["HX-Redirect"] == f"/companies/{world.company.pk}/"
