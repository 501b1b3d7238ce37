"""Linking an existing customer: found by whatever a person knows, seen beside the company, and linked."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.models import Connection, CustomerIndex, CustomerLink, Origin
from tests.browser.conftest import PHONE, LogIn, assert_accessible, assert_no_blocked_script
from tests.browser.eaccounting import SETTLED, customer_named, open_card, open_edit
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

LINK = "Link an existing customer"
COMPANY = "Havsvik Konsult AB"  # Visma eAccounting has it in another city
OTHER = "Brovakten Säkerhet AB"  # Visma eAccounting does not have it


@pytest.fixture
def desk(page: Page, connected: Connection, log_in: LogIn) -> Iterator[Page]:
    """The admin's page; the account is connected, and the index is filled."""
    log_in(page, connected.connected_by)
    for _ in range(SETTLED // 250):
        if CustomerIndex.objects.get(connection=connected).is_filled:
            break
        page.wait_for_timeout(250)
    assert CustomerIndex.objects.get(connection=connected).is_filled
    return page


def _sheet(page: Page) -> Locator:
    return page.get_by_role("dialog")


def _open(page: Page, name: str) -> Locator:
    open_card(page, name)
    page.wait_for_load_state()  # before its scripts run, the link would lead to the page
    page.get_by_role("link", name=LINK).click()
    expect(_sheet(page).get_by_role("heading", name=LINK)).to_be_visible()
    return _sheet(page)


def _search(sheet: Locator, text: str) -> None:
    sheet.get_by_label("Search or paste").fill(text)


def _panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Visma eAccounting")


@pytest.mark.parametrize("width", mostly_thorough([1280, 360], but=360))
def test_a_customer_is_searched_seen_linked_and_updated(desk: Page, eaccounting: Sandbox, width: int) -> None:
    desk.set_viewport_size({"width": width, "height": 800})
    before = customer_named(eaccounting, COMPANY)
    sheet = _open(desk, COMPANY)
    expect(sheet.get_by_label("Search or paste")).to_be_focused()
    expect(sheet.get_by_role("status").first).to_contain_text("These customers could be this company:")
    assert_accessible(desk)
    assert_no_blocked_script(desk, lambda: _search(sheet, "55998720"))
    expect(sheet.get_by_role("status").first).to_contain_text("1 customer found.")
    assert_accessible(desk)
    sheet.get_by_role("link", name=f"{COMPANY} (1002)").click()
    expect(sheet.get_by_role("heading", name=f"Is it {COMPANY} (1002)?")).to_be_focused()
    update = sheet.get_by_role("button", name="Link and update 0 fields")
    expect(update).to_be_disabled()
    assert_accessible(desk)
    address = sheet.get_by_role("group", name=re.compile("Postal address"))
    expect(address.get_by_role("radio", name=re.compile("^Keep"))).to_be_checked()
    address.get_by_role("radio", name=re.compile("^Use Lime Go's")).check()
    expect(sheet.get_by_text("Will be written: Postal address. Everything else stays as it is.")).to_be_visible()
    assert_accessible(desk)
    sheet.get_by_role("button", name="Link and update 1 field").click()
    expect(desk.get_by_role("status").first).to_contain_text(f"The company is linked to {COMPANY} (1002)")
    expect(_panel(desk)).to_contain_text("Last sent", timeout=SETTLED)
    after = customer_named(eaccounting, COMPANY)
    assert after["InvoiceCity"] == Company.objects.get(name=COMPANY).city != before["InvoiceCity"]
    assert after["Telephone"] == before["Telephone"]
    assert CustomerLink.objects.get().origin == Origin.MATCHED


def test_a_customer_is_linked_by_keyboard_alone(desk: Page, eaccounting: Sandbox) -> None:
    open_card(desk, COMPANY)
    desk.wait_for_load_state()
    desk.get_by_role("link", name=LINK).press("Enter")
    sheet = _sheet(desk)
    expect(sheet.get_by_label("Search or paste")).to_be_focused()
    desk.keyboard.type("1002")
    answer = sheet.get_by_role("link", name=f"{COMPANY} (1002)")
    expect(sheet.get_by_role("status").first).to_contain_text("1 customer found.")
    _tab_to(desk, answer)
    desk.keyboard.press("Enter")
    expect(sheet.get_by_role("heading", name=re.compile("Is it"))).to_be_focused()
    _tab_to(desk, sheet.get_by_role("button", name="Link only"))
    desk.keyboard.press("Enter")
    expect(_panel(desk)).to_contain_text("1002")
    assert CustomerLink.objects.get().customer.number == "1002"


def _tab_to(page: Page, target: Locator) -> None:
    for _ in range(SETTLED // 250):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail("Tab does not reach it.")


def test_linking_warns_of_another_number_and_leads_to_the_company_linked_already(
    desk: Page, eaccounting: Sandbox
) -> None:
    sheet = _open(desk, OTHER)
    _search(sheet, "norrsken")
    sheet.get_by_role("link", name="Norrsken Elteknik AB (1005)").click()
    expect(sheet.get_by_role("alert")).to_contain_text("The registration numbers differ:")
    sheet.get_by_role("button", name="Link only").click()
    tick = sheet.get_by_role("checkbox", name="Link anyway")
    expect(tick).to_have_accessible_description(re.compile("Tick this if it is still the same company."))
    expect(tick).to_be_focused()
    assert_accessible(desk)
    tick.check()
    sheet.get_by_role("button", name="Link only").click()
    expect(_panel(desk)).to_contain_text("1005")

    sheet = _open(desk, COMPANY)
    _search(sheet, "norrsken")
    expect(sheet.get_by_role("link", name=OTHER)).to_be_visible()
    expect(sheet.get_by_role("link", name="Norrsken Elteknik AB (1005)")).to_have_count(0)
    assert_accessible(desk)
    sheet.get_by_role("link", name=OTHER).click()
    expect(desk.get_by_role("heading", name=OTHER, level=1)).to_be_visible()


@pytest.mark.parametrize("width", mostly_thorough([1280, 360], but=360))
def test_what_cannot_be_found_is_said_as_one_types(desk: Page, eaccounting: Sandbox, width: int) -> None:
    desk.set_viewport_size({"width": width, "height": 800})
    sheet = _open(desk, OTHER)
    count = sheet.get_by_role("status").first
    for text, words in (
        ("Qxz", "No customer in Nordvik Bygg AB matches “Qxz”."),
        ("424242", "No customer in Nordvik Bygg AB has the number 424242."),
        ("https://eaccounting.example/#/customers/", "That is not a Visma reference."),
        ("38fe43cc-c843-48e0-9efe-fa7b262a8191", "There is no customer with that reference in Nordvik Bygg AB."),
    ):
        _search(sheet, text)
        expect(count).to_contain_text(words)
    assert_accessible(desk)
    eaccounting.fault(kind="status", status=503, when="before", count=None, path="/v2/customers/.*")
    _search(sheet, "38fe43cc-c843-48e0-9efe-fa7b262a8192")
    expect(count).to_contain_text("Visma eAccounting is not answering right now. Try again in a moment.")
    _search(sheet, "tre kockar")
    expect(sheet.get_by_text("Inactive in Visma eAccounting")).to_be_visible()
    sheet.get_by_role("link", name="Tre Kockar i Malmö AB (1008)").click()
    expect(sheet.get_by_text("These values were read")).to_be_visible()
    assert_accessible(desk)
    sheet.get_by_role("link", name="Search for another customer").click()
    expect(sheet.get_by_label("Search or paste")).to_have_value("tre kockar")


def test_a_duplicate_is_seen_beside_the_company_and_linked_instead(desk: Page, eaccounting: Sandbox) -> None:
    number = Company.objects.get(name=OTHER).registration_number.replace("-", "")
    there = customer_named(eaccounting, "Norrsken Elteknik AB")
    eaccounting.edit_customer(customer_id=str(there["Id"]), CorporateIdentityNumber=number)
    before = customer_named(eaccounting, "Norrsken Elteknik AB")
    sheet = _open(desk, OTHER)
    _search(sheet, str(there["Id"]))
    sheet.get_by_role("link", name="Norrsken Elteknik AB (1005)").click()
    sheet.get_by_role("button", name="Link only").click()
    expect(_panel(desk)).to_contain_text(str(there["Id"]))
    assert customer_named(eaccounting, "Norrsken Elteknik AB") == before
    assert CustomerLink.objects.get().origin == Origin.PASTED


def test_a_broken_link_offers_to_find_the_customer_again(desk: Page, eaccounting: Sandbox) -> None:
    sheet = _open(desk, COMPANY)
    sheet.get_by_role("link", name=f"{COMPANY} (1002)").click()
    sheet.get_by_role("button", name="Link only").click()
    expect(_panel(desk)).to_contain_text("1002")
    CustomerLink.objects.get().mark_broken("inactive")
    desk.reload()
    desk.wait_for_load_state()
    assert_accessible(desk)
    _panel(desk).get_by_role("link", name="Find it again").click()
    expect(sheet.get_by_label("Search or paste")).to_have_value("559987-2024")
    sheet.get_by_role("link", name=f"{COMPANY} (1002)").click()
    sheet.get_by_role("button", name="Link only").click()
    expect(_panel(desk)).not_to_contain_text("Link broken")
    assert CustomerLink.objects.get().broken == ""


def test_a_customer_is_linked_without_javascript(
    browser: Browser, browser_context_args: dict[str, object], desk: Page, connected: Connection, log_in: LogIn
) -> None:
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False, "viewport": PHONE})
    page = context.new_page()
    log_in(page, connected.connected_by)
    open_card(page, COMPANY)
    page.get_by_role("link", name=LINK).click()
    page.get_by_label("Search or paste").fill("havsvik")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=f"{COMPANY} (1002)").click()
    expect(page.get_by_role("heading", name=f"Is it {COMPANY} (1002)?", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="Link and update the chosen fields")).to_be_enabled()
    page.get_by_role("button", name="Link only").click()
    expect(_panel(page)).to_contain_text("1002")
    assert CustomerLink.objects.exists()
    context.close()


def test_the_sheet_works_as_a_page_of_its_own(desk: Page) -> None:
    company = Company.objects.get(name=COMPANY)
    desk.goto(f"/companies/{company.pk}/visma-eaccounting/link/")
    desk.get_by_label("Search or paste").fill("havsvik")
    desk.get_by_role("link", name=f"{COMPANY} (1002)").click()
    expect(desk.get_by_role("heading", name=f"Is it {COMPANY} (1002)?", level=1)).to_be_visible()
    assert_accessible(desk)
    desk.get_by_role("button", name="Link only").click()
    expect(_panel(desk)).to_contain_text("1002")


# --- The field of the edit page ------------------------------------------------------------------


@pytest.mark.parametrize("width", mostly_thorough([1280, 360], but=360))
def test_the_edit_page_says_who_a_reference_is_before_saving(desk: Page, eaccounting: Sandbox, width: int) -> None:
    desk.set_viewport_size({"width": width, "height": 800})
    customer = customer_named(eaccounting, "Norrsken Elteknik AB")
    open_card(desk, OTHER)
    open_edit(desk)
    field = desk.get_by_label("Company Reference")
    section = desk.get_by_role("region", name="Visma eAccounting")
    assert_no_blocked_script(desk, lambda: field.fill("1005"))
    expect(section).to_contain_text("That is not a Visma reference.")
    field.fill(f"https://eaccounting.example/#/customers/edit/{customer['Id']}")
    for words in ("Norrsken Elteknik AB (1005)", "556845-6718", "Luleå", "The registration numbers differ:"):
        expect(section).to_contain_text(words)
    assert_accessible(desk)
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(field).to_have_accessible_description(re.compile("The registration numbers differ. Tick"))
    assert_accessible(desk)
    section.get_by_role("checkbox", name="Link anyway").check()
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_text("It is linked to Norrsken Elteknik AB (1005).")).to_be_visible()
    open_edit(desk)
    field.fill("")
    expect(section).to_contain_text("Saving unlinks the company.")
