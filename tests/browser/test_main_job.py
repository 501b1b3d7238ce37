"""The main job, M1 to M8, as a person does it: by role and accessible name, with real workers and the sandbox."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from accounts.models import User
from dev.launcher.environment import FIRST_PATH, LOGINS, PASSWORD
from dev.sandbox.core import Sandbox
from integrations.models import Connection
from tests.browser.conftest import LogIn, assert_accessible
from tests.browser.eaccounting import ADD, SETTLED, add_customer, customer_named, open_card, open_edit

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

UP_TO_DATE = "In Visma eAccounting, up to date"
REVIEW = "Review the differences"


def _settings(page: Page) -> None:
    for words in ("Settings", "Integrations", "Visma eAccounting"):
        page.get_by_role("link", name=words, exact=True).click()
    expect(page.get_by_role("heading", name="Visma eAccounting", level=1)).to_be_visible()


def _connect_and_choose_terms(page: Page) -> None:
    _settings(page)
    expect(page.get_by_text("Visma Integration add-on")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Connect to Visma eAccounting").click()
    page.get_by_role("radio", name=re.compile("Nordvik Bygg AB")).check()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_text("Connected to Nordvik Bygg AB (556677-8899)")).to_be_visible()
    terms = page.get_by_label("Terms of payment for new customers")
    expect(terms).to_be_visible(timeout=SETTLED)  # fetched by a worker, shown without a reload
    expect(terms.get_by_role("radio", name="30 days", exact=True)).to_be_checked()  # eAccounting's own default
    assert_accessible(page)
    terms.get_by_role("radio", name="20 days", exact=True).check()
    page.locator("#terms").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("New customers get the terms of payment 20 days.")


def test_the_first_path_that_make_run_prints_can_be_clicked(
    page: Page, demo: dict[str, User], eaccounting: Sandbox
) -> None:
    page.goto("/login/")
    page.get_by_label("E-mail").fill(LOGINS[0][1])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    for name in " > ".join(FIRST_PATH).split(" > "):
        link, button, heading = (
            page.get_by_role(role, name=name, exact=True) for role in ("link", "button", "heading")
        )
        page.wait_for_load_state()
        expect(page.get_by_text("Checking Visma eAccounting…")).not_to_be_visible(timeout=SETTLED)
        link.or_(button).or_(heading).first.click(timeout=SETTLED)
    expect(page.get_by_role("region", name="Visma eAccounting")).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")


def test_connect_add_link_choose_a_person_and_update(page: Page, demo: dict[str, User], eaccounting: Sandbox) -> None:
    page.goto("/login/")
    page.get_by_label("E-mail").fill("anna@nordvik.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    _connect_and_choose_terms(page)

    # M4: the company becomes a customer, and the panel says so without a reload.
    open_card(page, "Brovakten Säkerhet AB")
    assert_accessible(page)
    add_customer(page)
    panel = page.get_by_role("region", name="Visma eAccounting")
    expect(panel).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    created = customer_named(eaccounting, "Brovakten Säkerhet AB")
    assert created["TermsOfPayment"]["NameEnglish"] == "20 days"
    expect(panel).to_contain_text(str(created["CustomerNumber"]))
    expect(panel).to_contain_text(str(created["Id"]))
    assert_accessible(page)

    # M5: another company is linked to a customer that exists, by the end of its page's address.
    reference = _copy_reference(page, eaccounting, "Havsvik Konsult AB")
    open_card(page, "Havsvik Konsult AB")
    open_edit(page)
    page.get_by_label("Company Reference").fill(reference)
    assert_accessible(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(panel).to_contain_text("1002")
    before = customer_named(eaccounting, "Havsvik Konsult AB")

    # M6: a person fills the reference person's fields, and nothing else changes.
    person = page.get_by_role("list").get_by_role("heading", level=3).first.inner_text()
    page.get_by_role("button", name="Add a contact person").click()
    assert_accessible(page)
    page.get_by_role("radio", name=person).check()
    expect(page.get_by_role("table", name="What will be written")).to_contain_text(person)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("region", name="Activity")).to_contain_text("Chose the contact person")
    expect(panel).not_to_contain_text("Sending", timeout=SETTLED)
    after = customer_named(eaccounting, "Havsvik Konsult AB")
    assert after["ContactPersonName"] == person
    assert _without_contact(after) == _without_contact(before)

    # M7 and M8: what is ours is overwritten there; terms of payment and everything else stay.
    open_edit(page)
    page.get_by_label("Phone number").fill("08-123 45 67")
    page.get_by_label("Address line 1").fill("Nygatan 7")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(panel).to_contain_text("Terms of payment are never changed.")
    page.get_by_role("link", name=REVIEW).click()
    for words in ("Phone number", "Postal address"):
        row = page.get_by_role("group", name=re.compile(f"^{words}"))
        row.get_by_role("radio", name=re.compile("^Use Lime Go's")).check()
    page.get_by_role("button", name=re.compile(r"^Update \d+ fields in Visma eAccounting$")).click()
    expect(panel).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    page.goto(reference)
    for words in ("+46 8 123 45 67", "Nygatan 7", person):
        expect(page.get_by_role("table")).to_contain_text(words)
    updated = customer_named(eaccounting, "Havsvik Konsult AB")
    assert updated["TermsOfPayment"]["NameEnglish"] == "20 days"
    kept = {name for name in before if before[name] == updated[name]}
    assert {"Note", "CustomerLabels", "TermsOfPaymentId", "CustomerNumber", "IsActive", "CurrencyCode"} <= kept


def _copy_reference(page: Page, eaccounting: Sandbox, name: str) -> str:
    """Open the customer's page in eAccounting and return its address, as a person copies it."""
    customer = customer_named(eaccounting, name)
    root = eaccounting.world.settings.issuer
    page.goto(f"{root}/company/1/customers")
    page.get_by_role("link", name=name, exact=True).click()
    assert page.url.endswith(str(customer["Id"]))
    return page.url


def _without_contact(customer: dict[str, object]) -> dict[str, object]:
    ours = ("ContactPerson", "ChangedUtc")
    return {name: value for name, value in customer.items() if not name.startswith(ours)}


def test_the_main_flow_by_keyboard_alone(
    page: Page, connected: Connection, eaccounting: Sandbox, log_in: LogIn
) -> None:
    log_in(page, connected.connected_by)
    page.goto("/companies/")
    _tab_to(page, page.get_by_role("link", name="Bergtagen Friluft AB"))
    page.keyboard.press("Enter")
    _tab_to(page, page.get_by_role("link", name=ADD))
    page.keyboard.press("Enter")
    _tab_to(page, page.get_by_role("button", name="Create customer in Visma"))
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="Visma eAccounting")
    expect(panel).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    _tab_to(page, page.get_by_role("button", name="Add a contact person"))
    page.keyboard.press("Enter")
    _tab_to(page, page.get_by_role("radio").first)
    page.keyboard.press("ArrowDown")
    _tab_to(page, page.get_by_role("button", name="Save"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Activity")).to_contain_text("Chose the contact person")
    expect(panel).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, "Bergtagen Friluft AB")["ContactPersonName"]


def _tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, and see that the focus shows."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            shadow = page.evaluate("getComputedStyle(document.activeElement).boxShadow")
            assert width != "0px" or shadow != "none", "The focus cannot be seen."
            return
    pytest.fail("Tab does not reach it.")


def test_a_company_is_added_without_javascript(
    browser: Browser,
    browser_context_args: dict[str, object],
    connected: Connection,
    eaccounting: Sandbox,
    log_in: LogIn,
) -> None:
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    page = context.new_page()
    log_in(page, connected.connected_by)
    open_card(page, "Brovakten Säkerhet AB")
    add_customer(page)
    panel = page.get_by_role("region", name="Visma eAccounting")
    for _ in range(SETTLED // 250):
        if UP_TO_DATE in panel.inner_text():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(panel).to_contain_text(UP_TO_DATE)
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")["InvoiceCity"] == "Göteborg"
    context.close()
