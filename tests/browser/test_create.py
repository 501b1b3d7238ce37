"""The create sheet as people use it: real workers, the sandbox, by role and accessible name."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings as DjangoSettings

from companies.models import Company
from dev.sandbox import customers
from dev.sandbox.core import Sandbox
from integrations.models import Connection, CustomerLink, Push
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.browser.eaccounting import ADD, SETTLED, add_customer, customer_named, open_card

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

UP_TO_DATE = "In Visma eAccounting, up to date"
PANEL = "Visma eAccounting"
CREATE = "Create customer in Visma"
LONG = "Mälarstrand Fastighetsförvaltning och Fastighetsutveckling i Västerås AB"
NOTHING_ALIKE = "Visma eAccounting has no customer with this registration number"


@pytest.fixture
def desk(page: Page, connected: Connection, log_in: LogIn) -> Iterator[Page]:
    """The admin's page; the account is connected."""
    log_in(page, connected.connected_by)
    return page


def _open(page: Page, name: str) -> None:
    open_card(page, name)
    page.wait_for_load_state()  # the scripts that open sheets run by then
    page.get_by_role("link", name=ADD).click()
    expect(page.get_by_role("dialog", name="Add as customer in Visma eAccounting")).to_be_visible()
    expect(page.get_by_text("Checking Visma eAccounting…")).not_to_be_visible(timeout=SETTLED)


def _twin(eaccounting: Sandbox, company: str, customer: str) -> str:
    """Let a customer there have the company's registration number, in another form; return its id."""
    reference = str(customer_named(eaccounting, customer)["Id"])
    number = Company.objects.get(name=company).registration_number.replace("-", "")
    eaccounting.edit_customer(customer_id=reference, CorporateIdentityNumber=number)
    return reference


def test_a_name_over_the_limit_gets_a_shorter_form_for_eaccounting_only(desk: Page, eaccounting: Sandbox) -> None:
    assert_no_blocked_script(desk, lambda: _open(desk, LONG))
    name = desk.get_by_role("textbox", name="Company name")
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description(re.compile("72 of 50 characters."))
    desk.get_by_role("button", name=CREATE).click()
    expect(desk.get_by_role("alert")).to_contain_text("Nothing was sent. Correct what is marked below.")
    expect(name).to_have_value(LONG)
    expect(name).to_be_focused()
    assert_accessible(desk)
    name.fill("Mälarstrand Fastighet AB")
    expect(name).to_have_accessible_description(re.compile("24 of 50 characters."))
    desk.get_by_role("button", name=CREATE).click()
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("created", timeout=SETTLED)
    expect(panel).to_contain_text(UP_TO_DATE)  # the shorter form is remembered: nothing counts as changed
    created = customer_named(eaccounting, "Mälarstrand Fastighet AB")
    expect(panel).to_contain_text(f"Customer {created['CustomerNumber']} created")
    expect(desk.get_by_role("heading", name=LONG, level=1)).to_be_visible()
    assert CustomerLink.objects.get().shorter["Name"]["here"] == LONG


def test_a_missing_postal_code_is_asked_for_first_and_sent_once(desk: Page, eaccounting: Sandbox) -> None:
    _open(desk, "Kvistabo Lantbruk")
    code = desk.get_by_role("textbox", name="Postal code")
    expect(code).to_be_focused()
    desk.get_by_role("button", name=CREATE).click()
    expect(code).to_have_accessible_description(re.compile("Postal code is missing."))
    code.fill("59693")
    desk.get_by_role("button", name=CREATE).click()
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text("created", timeout=SETTLED)
    assert customer_named(eaccounting, "Kvistabo Lantbruk")["InvoicePostalCode"] == "596 93"
    assert Company.objects.get(name="Kvistabo Lantbruk").postal_code == ""


def test_a_customer_that_it_could_be_is_shown_and_has_to_be_judged_once(desk: Page, eaccounting: Sandbox) -> None:
    _twin(eaccounting, "Brovakten Säkerhet AB", "Tre Kockar i Malmö AB")
    _open(desk, "Brovakten Säkerhet AB")
    dialog = desk.get_by_role("dialog")
    expect(dialog).to_contain_text("Tre Kockar i Malmö AB (1008)")
    expect(dialog).to_contain_text("Same registration number")
    expect(dialog).to_contain_text("inactive")
    assert_accessible(desk)
    desk.get_by_role("textbox", name="Phone number").fill("08-123 45 67")
    desk.get_by_role("button", name=CREATE).click()
    expect(desk.get_by_role("alert")).to_contain_text(
        "Confirm that none of these is this company, or link one instead."
    )
    expect(desk.get_by_role("textbox", name="Phone number")).to_have_value("08-123 45 67")
    assert not Push.objects.exists()
    desk.get_by_role("checkbox", name="None of these is this company").check()
    desk.get_by_role("button", name=CREATE).click()
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("created", timeout=SETTLED)  # without being asked again
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")["Telephone"] == "+46 8 123 45 67"


def test_a_customer_that_it_is_gets_linked_instead(desk: Page, eaccounting: Sandbox) -> None:
    reference = _twin(eaccounting, "Brovakten Säkerhet AB", "Ekdala Trä & Form AB")
    before = len(eaccounting.customers())
    _open(desk, "Brovakten Säkerhet AB")
    desk.get_by_role("link", name=re.compile("Link instead: Ekdala Trä & Form AB")).click()
    desk.get_by_role("button", name="Link only").click()
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text(reference)
    assert len(eaccounting.customers()) == before


def test_another_registration_number_is_asked_for_again(desk: Page, eaccounting: Sandbox) -> None:
    _twin(eaccounting, "Brovakten Säkerhet AB", "Tre Kockar i Malmö AB")
    _open(desk, "Bergtagen Friluft AB")
    dialog = desk.get_by_role("dialog")
    expect(dialog).to_contain_text(NOTHING_ALIKE)
    desk.get_by_role("textbox", name="Registration number").fill("559400-1801")
    desk.get_by_role("textbox", name="Phone number").focus()
    expect(dialog).to_contain_text("Tre Kockar i Malmö AB (1008)")
    desk.get_by_role("textbox", name="Registration number").fill("")
    desk.get_by_role("textbox", name="Phone number").focus()
    expect(dialog).to_contain_text("Visma eAccounting has no customer with this name")


def test_when_eaccounting_does_not_answer_the_sheet_works_all_the_same(desk: Page, eaccounting: Sandbox) -> None:
    eaccounting.fault(kind="status", status=503, when="before", count=None, path="/v2/customers")
    _open(desk, "Brovakten Säkerhet AB")
    dialog = desk.get_by_role("dialog")
    expect(dialog).to_contain_text(
        "Visma eAccounting could not be checked now. It is checked again before anything is created.", timeout=SETTLED
    )
    assert_accessible(desk)
    eaccounting.faults.clear()
    desk.get_by_role("button", name="Search in Visma eAccounting now").click()
    expect(dialog).to_contain_text(NOTHING_ALIKE)
    desk.get_by_role("button", name=CREATE).click()
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text("created", timeout=SETTLED)


def test_the_persons_values_and_the_terms_follow_the_choice(
    desk: Page, connected: Connection, eaccounting: Sandbox
) -> None:
    connected.terms.filter(name_english="10 days").update(offered=True)
    _open(desk, "Brovakten Säkerhet AB")
    desk.get_by_role("textbox", name="City").fill("Mölndal")
    people = desk.get_by_label("Contact person", exact=True)
    people.select_option("Erik Öberg")
    expect(desk.get_by_label("Contact person's name")).to_have_value("Erik Öberg")
    people.select_option("Maj Sørensen")
    expect(desk.get_by_label("Contact person's name")).to_have_value("Maj Sørensen")
    expect(desk.get_by_role("textbox", name="City")).to_have_value("Mölndal")
    desk.get_by_role("radio", name=re.compile("10 days: an invoice dated today would be due")).check()
    desk.get_by_role("button", name=CREATE).click()
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text("created", timeout=SETTLED)
    created = customer_named(eaccounting, "Brovakten Säkerhet AB")
    assert created["TermsOfPayment"]["NameEnglish"] == "10 days"
    assert created["ContactPersonName"] == "Maj Sørensen"
    assert created["InvoiceCity"] == "Mölndal"


def test_what_eaccounting_refused_is_mended_on_the_same_sheet(
    desk: Page, eaccounting: Sandbox, settings: DjangoSettings
) -> None:
    root = eaccounting.world.settings.issuer
    settings.EACCOUNTING_CUSTOMER_URL = f"{root}/customers/edit/{{id}}"
    refusal = {"status": 400, "error_code": 2000, "about": "InvoiceCity", "text": "That city is not known."}
    eaccounting.fault(kind="error", when="before", method="POST", **refusal)
    _open(desk, "Brovakten Säkerhet AB")
    desk.get_by_role("textbox", name="City").fill("Götborg")
    desk.get_by_role("button", name=CREATE).click()
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("Not sent", timeout=SETTLED)
    assert_accessible(desk)
    panel.get_by_role("link", name="Fix and send again").click()
    city = desk.get_by_role("textbox", name="City")
    expect(city).to_have_value("Götborg")
    expect(city).to_have_accessible_description(
        re.compile("Visma eAccounting did not accept this: That city is not known.")
    )
    expect(city).to_be_focused()
    desk.get_by_role("dialog").get_by_text("Technical details").click()
    assert_accessible(desk)
    city.fill("Göteborg")
    desk.get_by_role("button", name=CREATE).click()
    expect(panel).to_contain_text("created", timeout=SETTLED)
    assert_accessible(desk)
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="Copy reference").click()
    expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    created = customer_named(eaccounting, "Brovakten Säkerhet AB")
    assert desk.evaluate("navigator.clipboard.readText()") == created["Id"]
    panel.get_by_role("link", name="Open in Visma eAccounting").click()
    expect(desk.get_by_role("heading", name="Brovakten Säkerhet AB")).to_be_visible()


def test_enter_in_a_field_creates_the_customer(desk: Page, eaccounting: Sandbox) -> None:
    _open(desk, "Kvistabo Lantbruk")
    desk.keyboard.type("596 93")
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text("created", timeout=SETTLED)
    assert customer_named(eaccounting, "Kvistabo Lantbruk")


def test_escape_and_cancel_send_nothing(desk: Page, eaccounting: Sandbox) -> None:
    _open(desk, "Brovakten Säkerhet AB")
    desk.keyboard.press("Escape")
    expect(desk.get_by_role("dialog")).not_to_be_visible()
    expect(desk.get_by_role("link", name=ADD)).to_be_focused()
    desk.get_by_role("link", name=ADD).click()
    desk.get_by_role("dialog").get_by_role("link", name="Cancel").click()
    expect(desk.get_by_role("link", name=ADD)).to_be_visible()
    assert not Push.objects.exists()


def test_only_a_click_that_begins_and_ends_beside_the_sheet_closes_it(desk: Page, eaccounting: Sandbox) -> None:
    _open(desk, "Brovakten Säkerhet AB")
    name = desk.get_by_role("textbox", name="Company name")
    box = name.bounding_box()
    assert box
    desk.mouse.move(box["x"] + 20, box["y"] + 10)
    desk.mouse.down()  # selects words of the name, and lets go beside the sheet
    desk.mouse.move(20, box["y"] + 10)
    desk.mouse.up()
    expect(name).to_be_visible()
    desk.mouse.click(20, 400)
    expect(desk.get_by_role("dialog")).not_to_be_visible()


def test_the_sheet_as_a_page_of_its_own_works_too(desk: Page, eaccounting: Sandbox) -> None:
    company = Company.objects.get(name="Brovakten Säkerhet AB")
    address = f"/companies/{company.pk}/visma-eaccounting/create/"
    assert_no_blocked_script(desk, lambda: desk.goto(address))
    expect(desk.get_by_role("main")).to_contain_text(NOTHING_ALIKE)
    assert_accessible(desk)
    desk.get_by_role("button", name=CREATE).click()
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text("created", timeout=SETTLED)


def test_without_javascript_everything_is_a_button(
    browser: Browser,
    browser_context_args: dict[str, object],
    connected: Connection,
    eaccounting: Sandbox,
    log_in: LogIn,
) -> None:
    _twin(eaccounting, "Brovakten Säkerhet AB", "Tre Kockar i Malmö AB")
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    page = context.new_page()
    log_in(page, connected.connected_by)
    open_card(page, "Brovakten Säkerhet AB")
    page.get_by_role("link", name=ADD).click()
    page.get_by_role("textbox", name="City").fill("Mölndal")
    page.get_by_role("button", name="Search in Visma eAccounting now").click()
    expect(page.get_by_role("main")).to_contain_text("Tre Kockar i Malmö AB (1008)")
    page.get_by_label("Contact person", exact=True).select_option("Erik Öberg")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("Contact person's name")).to_have_value("Erik Öberg")
    expect(page.get_by_role("textbox", name="City")).to_have_value("Mölndal")
    page.get_by_role("button", name=CREATE).click()
    expect(page.get_by_role("alert")).to_contain_text("Confirm that none of these is this company")
    page.get_by_role("checkbox", name="None of these is this company").check()
    page.get_by_role("button", name=CREATE).click()
    panel = page.get_by_role("region", name=PANEL)
    for _ in range(SETTLED // 250):
        if "created" in panel.inner_text():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(panel).to_contain_text("created")
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")["InvoiceCity"] == "Mölndal"
    context.close()


def test_a_customer_that_was_deleted_there_is_created_anew(desk: Page, eaccounting: Sandbox) -> None:
    open_card(desk, "Brovakten Säkerhet AB")
    add_customer(desk)
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("created", timeout=SETTLED)
    first = str(customer_named(eaccounting, "Brovakten Säkerhet AB")["Id"])
    customers.delete(world=eaccounting.world, company="1", customer_id=first)
    CustomerLink.objects.get().mark_broken(CustomerLink.Broken.DELETED)
    company = Company.objects.get(name="Brovakten Säkerhet AB")
    desk.goto(f"/companies/{company.pk}/visma-eaccounting/create/")
    expect(desk.get_by_role("main")).to_contain_text("The new customer replaces Brovakten Säkerhet AB")
    desk.get_by_role("button", name=CREATE).click()
    expect(panel).to_contain_text("created", timeout=SETTLED)
    assert str(customer_named(eaccounting, "Brovakten Säkerhet AB")["Id"]) != first
