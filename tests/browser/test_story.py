"""The whole story in one: see before you write, as one admin lives it, from a duplicate to a contact who leaves."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from dev.sandbox.world import TERMS
from integrations.models import Connection, RemoteCustomer
from tests.browser.conftest import LogIn, assert_accessible
from tests.browser.eaccounting import SETTLED, customer_named, open_card, open_edit

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

LONG = "Mälarstrand Fastighetsförvaltning och Fastighetsutveckling i Västerås AB"
SHORT = "Mälarstrand Fastigheter i Västerås AB"
UP_TO_DATE = "In Visma eAccounting, up to date"


@pytest.mark.thorough  # the other files of this folder show each of its steps
def test_see_before_you_write(page: Page, connected: Connection, eaccounting: Sandbox, log_in: LogIn) -> None:
    log_in(page, connected.connected_by)
    _wait_for_the_index(page, connected, eaccounting)
    _a_duplicate_is_found_and_linked_instead(page, eaccounting)
    _a_customer_is_created_with_a_shorter_name(page, eaccounting)
    _edits_on_both_sides_are_settled_field_by_field_and_undone(page, eaccounting)
    _terms_vanish(page, eaccounting)
    _a_contact_leaves(page, eaccounting)


def _wait_for_the_index(page: Page, connection: Connection, eaccounting: Sandbox) -> None:
    """A worker copies the customers by itself."""
    for _ in range(SETTLED // 200):
        if RemoteCustomer.objects.filter(connection=connection).count() >= len(eaccounting.customers()):
            return
        page.wait_for_timeout(200)
    pytest.fail("The index was not filled.")


def _panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Visma eAccounting", exact=True)


def _sheet(page: Page, heading: str | re.Pattern[str]) -> Locator:
    sheet = page.get_by_role("dialog", name=heading)
    expect(sheet).to_be_visible()
    assert_accessible(page)
    return sheet


def _add(page: Page) -> Locator:
    page.get_by_role("link", name="+ Add as customer in Visma eAccounting").click()
    return _sheet(page, "Add as customer in Visma eAccounting")


def _a_duplicate_is_found_and_linked_instead(page: Page, eaccounting: Sandbox) -> None:
    before, count = customer_named(eaccounting, "Björk & Son Måleri AB"), len(eaccounting.customers())
    open_card(page, "Björk & Son Måleri AB")
    sheet = _add(page)
    expect(sheet).to_contain_text("Same registration number")
    sheet.get_by_role("link", name=re.compile("Link instead: Björk & Son Måleri AB")).click()
    sheet = _sheet(page, "Is it Björk & Son Måleri AB (1001)?")
    sheet.get_by_role("group", name=re.compile("Phone number")).get_by_role(
        "radio", name=re.compile("Use Lime Go's")
    ).check()
    sheet.get_by_role("button", name="Link and update 1 field").click()
    expect(_panel(page)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    after = customer_named(eaccounting, "Björk & Son Måleri AB")
    assert {name for name in before if before[name] != after[name]} == {"Telephone", "ChangedUtc"}
    assert len(eaccounting.customers()) == count


def _a_customer_is_created_with_a_shorter_name(page: Page, eaccounting: Sandbox) -> None:
    open_card(page, LONG)
    sheet = _add(page)
    expect(sheet).to_contain_text("72 of 50 characters")
    sheet.get_by_role("button", name="Create customer in Visma").click()
    expect(sheet.get_by_label("Company name")).to_have_attribute("aria-invalid", "true")
    assert not [row for row in eaccounting.customers() if str(row["Name"]).startswith("Mälarstrand")]
    sheet.get_by_label("Company name").fill(SHORT)
    sheet.get_by_role("button", name="Create customer in Visma").click()
    expect(_panel(page)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    expect(_panel(page)).to_contain_text(f"Customer {customer_named(eaccounting, SHORT)['CustomerNumber']} created")
    expect(page.get_by_role("heading", level=1)).to_have_text(LONG)
    assert_accessible(page)


def _there(eaccounting: Sandbox) -> Document:
    return customer_named(eaccounting, SHORT)


def _edits_on_both_sides_are_settled_field_by_field_and_undone(page: Page, eaccounting: Sandbox) -> None:
    customer_id, terms = str(_there(eaccounting)["Id"]), _there(eaccounting)["TermsOfPaymentId"]
    eaccounting.edit_customer(customer_id=customer_id, Telephone="021-22 22 22", WwwAddress="https://theirs.example")
    open_edit(page)
    page.get_by_label("Phone number").fill("021-11 11 11")
    page.get_by_label("E-mail").fill("ours@malarstrand.example")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(_panel(page)).to_contain_text("2 fields changed in Lime Go")
    page.get_by_role("link", name="Update the information in Visma eAccounting").click()
    sheet = _sheet(page, "Update the information in Visma eAccounting")
    phone = sheet.get_by_role("group", name=re.compile("Phone number"))
    expect(phone).to_contain_text("Changed in both systems")
    expect(phone.get_by_role("radio", checked=True)).to_have_count(0)
    expect(sheet.get_by_role("group", name=re.compile("Website"))).to_contain_text("Changed in Visma eAccounting")
    phone.get_by_role("radio", name=re.compile("Use Lime Go's")).check()
    sheet.get_by_role("button", name="Update 2 fields in Visma eAccounting").click()
    expect(_panel(page)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    now = _there(eaccounting)
    assert (now["Telephone"], now["EmailAddress"]) == ("+46 21 11 11 11", "ours@malarstrand.example")
    assert (now["WwwAddress"], now["TermsOfPaymentId"]) == ("https://theirs.example", terms)

    page.get_by_role("link", name="Previous values").first.click()
    sheet = _sheet(page, "Previous values")
    expect(sheet).to_contain_text("021-22 22 22")
    sheet.get_by_role("button", name="Put back 2 fields").click()
    expect(_panel(page)).to_contain_text("Kept as in Visma eAccounting: Phone number, E-mail", timeout=SETTLED)
    now = _there(eaccounting)
    assert (now["Telephone"], now["WwwAddress"]) == ("021-22 22 22", "https://theirs.example")


def _terms_vanish(page: Page, eaccounting: Sandbox) -> None:
    default = next(row for row in eaccounting.world.rows(TERMS, "1") if row["NameEnglish"] == "30 days")
    eaccounting.world.remove(TERMS, "1", str(default["Id"]))
    for words in ("Settings", "Integrations", "Visma eAccounting"):
        page.get_by_role("link", name=words, exact=True).click()
    page.get_by_role("button", name="Reload terms of payment").click()
    expect(page.get_by_text("no longer exist").first).to_be_visible()
    assert_accessible(page)
    open_card(page, "Brovakten Säkerhet AB")
    expect(page.get_by_text("no longer exist").first).to_be_visible()
    expect(page.get_by_role("link", name="+ Add as customer in Visma eAccounting")).to_have_count(0)
    _panel(page).get_by_role("link", name="Check the terms of payment").click()
    choice = page.get_by_role("group", name=re.compile("Terms of payment for new customers"))
    choice.get_by_role("radio", name=re.compile("^15 days")).check()
    page.locator("#terms").get_by_role("button", name="Save").click()
    open_card(page, "Brovakten Säkerhet AB")
    _add(page).get_by_role("button", name="Create customer in Visma").click()
    expect(_panel(page)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")["TermsOfPayment"]["NameEnglish"] == "15 days"


def _a_contact_leaves(page: Page, eaccounting: Sandbox) -> None:
    open_card(page, "Brovakten Säkerhet AB")
    contacts = page.get_by_role("region", name="Contacts")
    leaver = contacts.get_by_role("heading", level=3).first.inner_text()
    page.get_by_role("button", name="Add a contact person").click()
    sheet = _sheet(page, "Add a contact person")
    sheet.get_by_role("radio", name=re.compile(leaver)).check()
    sheet.get_by_role("button", name="Save", exact=True).click()
    expect(_panel(page)).to_contain_text(leaver)  # the card anew, not the one behind the sheet
    expect(_panel(page)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")["ContactPersonName"] == leaver
    contacts.get_by_role("button", name=f"Actions for {leaver}").click()
    page.get_by_role("button", name="Mark as having left").click()
    expect(_panel(page)).to_contain_text(f"{leaver} has left. Visma eAccounting still has: {leaver}")
    assert_accessible(page)
    page.get_by_role("link", name="Choose a new contact person").click()
    sheet = _sheet(page, "Add a contact person")
    sheet.get_by_role("radio", name="Nobody: clear the contact person in Visma eAccounting").check()
    sheet.get_by_role("button", name="Save", exact=True).click()
    expect(_panel(page)).not_to_contain_text("has left", timeout=SETTLED)
    expect(_panel(page)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")["ContactPersonName"] is None
