"""What else happens to people between a company card and eAccounting: doubts, refusals, mistakes and repairs."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.models import Connection, CustomerLink
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.browser.eaccounting import ADD, SETTLED, add_customer, connect, customer_named, open_card, open_edit
from tests.thorough import mostly_thorough

thorough = pytest.mark.thorough
pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

UP_TO_DATE = "In Visma eAccounting, up to date"
UNKNOWN_REFERENCE = "38fe43cc-c843-48e0-9efe-fa7b262a8191"
CONNECTION_PAGE = "/settings/integrations/visma-eaccounting/"
PANEL = "Visma eAccounting"
CREATE = "Create customer in Visma eAccounting"


@pytest.fixture
def desk(page: Page, connected: Connection, log_in: LogIn) -> Iterator[Page]:
    """The admin's page; the account is connected."""
    log_in(page, connected.connected_by)
    return page


def _reference(eaccounting: Sandbox, name: str) -> str:
    return str(customer_named(eaccounting, name)["Id"])


def _paste(page: Page, text: str) -> None:
    page.get_by_label("Company Reference").fill(text)
    page.get_by_role("button", name="Save", exact=True).click()


def _link(page: Page, name: str, reference: str, *, pasted: str = "") -> None:
    """Link by reference; the customer may have another registration number, as long as it has one."""
    open_card(page, name)
    open_edit(page)
    page.wait_for_load_state()
    page.get_by_label("Company Reference").fill(pasted or reference)
    expect(page.get_by_role("region", name=PANEL)).to_contain_text("(10")
    anyway = page.get_by_role("checkbox", name="Link anyway")
    if anyway.count():
        anyway.check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("region", name=PANEL)).to_contain_text(reference)


def _make_duplicate(eaccounting: Sandbox, company: str, customer: str) -> str:
    """Let a customer there have the registration number that the company has here, in another form."""
    number = Company.objects.get(name=company).registration_number.replace("-", "")
    reference = _reference(eaccounting, customer)
    eaccounting.edit_customer(customer_id=reference, CorporateIdentityNumber=number)
    return reference


def test_a_duplicate_that_came_after_the_sheet_is_found_and_linked_instead(desk: Page, eaccounting: Sandbox) -> None:
    open_card(desk, "Brovakten Säkerhet AB")
    desk.get_by_role("link", name=ADD).click()
    expect(desk.get_by_role("dialog")).to_contain_text(
        "Visma eAccounting has no customer with this registration number"
    )
    reference = _make_duplicate(eaccounting, "Brovakten Säkerhet AB", "Tre Kockar i Malmö AB")
    before = customer_named(eaccounting, "Tre Kockar i Malmö AB")
    desk.get_by_role("button", name="Create customer in Visma").click()
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("Your decision", timeout=SETTLED)
    expect(panel).to_contain_text("Nothing was created.")
    expect(panel).to_contain_text("inactive")
    assert_accessible(desk)
    panel.get_by_role("link", name="Link instead: Tre Kockar i Malmö AB").click()
    desk.get_by_role("button", name="Link only").click()
    expect(panel).to_contain_text(reference)
    assert customer_named(eaccounting, "Tre Kockar i Malmö AB") == before
    assert not [c for c in eaccounting.customers() if c["Name"] == "Brovakten Säkerhet AB"]


def test_a_duplicate_that_came_after_the_sheet_is_shown_and_may_be_passed_over(
    desk: Page, eaccounting: Sandbox
) -> None:
    open_card(desk, "Brovakten Säkerhet AB")
    desk.get_by_role("link", name=ADD).click()
    expect(desk.get_by_role("dialog")).to_contain_text(
        "Visma eAccounting has no customer with this registration number"
    )
    _make_duplicate(eaccounting, "Brovakten Säkerhet AB", "Ekdala Trä & Form AB")
    desk.get_by_role("button", name="Create customer in Visma").click()
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("Your decision", timeout=SETTLED)
    panel.get_by_role("button", name="Create anyway").click()
    sheet = desk.get_by_role("dialog", name="Create a new customer anyway")
    expect(sheet).to_contain_text("Ekdala Trä & Form AB")
    expect(sheet).to_contain_text("exactly the values that were confirmed")
    assert_accessible(desk)
    sheet.get_by_role("button", name=CREATE).click()
    expect(sheet.get_by_role("alert")).to_contain_text("Confirm that none of these is this company")
    assert_accessible(desk)
    assert not [c for c in eaccounting.customers() if c["Name"] == "Brovakten Säkerhet AB"]
    sheet.get_by_role("checkbox", name="None of these is this company").check()
    sheet.get_by_role("button", name=CREATE).click()
    expect(panel).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")


def test_a_broken_link_is_undone_on_its_sheet_only(desk: Page, eaccounting: Sandbox) -> None:
    reference = _reference(eaccounting, "Norrsken Elteknik AB")
    _link(desk, "Brovakten Säkerhet AB", reference)
    CustomerLink.objects.get().mark_broken(CustomerLink.Broken.DELETED)
    desk.reload()
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("The customer was deleted in Visma eAccounting.")
    desk.wait_for_load_state()
    panel.get_by_role("button", name="Unlink").click()
    sheet = desk.get_by_role("dialog", name="Unlink Norrsken Elteknik AB")
    expect(sheet).to_contain_text(reference)
    expect(sheet).to_contain_text("Nothing is changed in Visma eAccounting.")
    assert_accessible(desk)
    sheet.get_by_role("link", name="Cancel").click()
    assert CustomerLink.objects.exists()
    desk.wait_for_load_state()
    panel.get_by_role("button", name="Unlink").click()
    sheet.get_by_role("button", name="Unlink").click()
    expect(desk.get_by_role("status").first).to_contain_text("The company is unlinked.")
    expect(desk.get_by_role("link", name=ADD)).to_be_visible()
    assert not CustomerLink.objects.exists()


def test_denying_at_the_consent_page_changes_nothing(page: Page, demo: dict[str, User], log_in: LogIn) -> None:
    log_in(page, demo["anna"])
    page.goto(CONNECTION_PAGE)
    page.get_by_role("button", name="Connect to Visma eAccounting").click()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_role("alert")).to_contain_text("You chose not to give access. Nothing was changed.")
    expect(page.get_by_role("button", name="Connect to Visma eAccounting")).to_be_visible()
    assert_accessible(page)
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("pasted", "words"),
    [
        ("<taken>", "That customer is already linked to Brovakten Säkerhet AB."),
        # The words of these are tested without a browser (integrations/pages/test_company_reference.py).
        pytest.param("1002", "That is not a Visma reference. It looks like 38fe43cc-c843-", marks=thorough),
        pytest.param("https://eaccounting.example/#/customers/", "That is not a Visma reference.", marks=thorough),
        pytest.param(UNKNOWN_REFERENCE, "There is no customer with that reference in Nordvik Bygg AB.", marks=thorough),
        pytest.param("<unreachable>", "The reference could not be checked, so nothing was saved.", marks=thorough),
    ],
)
def test_a_wrong_reference_is_said_at_the_field_and_nothing_typed_is_lost(
    desk: Page, eaccounting: Sandbox, pasted: str, words: str
) -> None:
    text = pasted
    if pasted == "<taken>":
        text = _reference(eaccounting, "Norrsken Elteknik AB")
        _link(desk, "Brovakten Säkerhet AB", text)
    if pasted == "<unreachable>":
        text = _reference(eaccounting, "Norrsken Elteknik AB")
        eaccounting.fault(kind="status", status=503, when="before", count=None, path="/v2/customers/.*")
    open_card(desk, "Havsvik Konsult AB")
    open_edit(desk)
    desk.get_by_label("City").fill("Nybro")
    _paste(desk, text)
    field = desk.get_by_label("Company Reference")
    expect(field).to_have_accessible_description(re.compile(re.escape(words)))
    expect(field).to_have_value(text)
    expect(desk.get_by_label("City")).to_have_value("Nybro")
    expect(desk.get_by_role("alert")).to_contain_text("Nothing is saved yet.")
    assert_accessible(desk)
    company = Company.objects.get(name="Havsvik Konsult AB")
    assert company.city == "Kalmar"
    assert not CustomerLink.objects.filter(company=company).exists()


def test_clearing_the_reference_unlinks_and_changes_nothing_there(desk: Page, eaccounting: Sandbox) -> None:
    reference = _reference(eaccounting, "Norrsken Elteknik AB")
    address = f"https://eaccounting.example/#/customers/edit/{reference.upper()}?tab=1"
    _link(desk, "Brovakten Säkerhet AB", reference, pasted=address)
    before = customer_named(eaccounting, "Norrsken Elteknik AB")
    open_edit(desk)
    expect(desk.get_by_label("Company Reference")).to_have_value(reference)
    _paste(desk, "")
    expect(desk.get_by_role("link", name=ADD)).to_be_visible()
    assert not CustomerLink.objects.exists()
    assert customer_named(eaccounting, "Norrsken Elteknik AB") == before


def test_a_viewer_sees_the_panel_without_buttons(
    page: Page, connected: Connection, demo: dict[str, User], eaccounting: Sandbox, log_in: LogIn
) -> None:
    log_in(page, connected.connected_by)
    _link(page, "Brovakten Säkerhet AB", _reference(eaccounting, "Norrsken Elteknik AB"))
    page.context.clear_cookies()
    log_in(page, demo["vera"])
    for name, words in (("Brovakten Säkerhet AB", "1005"), ("Bergtagen Friluft AB", "Not a customer yet")):
        open_card(page, name)
        panel = page.get_by_role("region", name=PANEL)
        expect(panel).to_contain_text(words)
        expect(panel.get_by_role("button")).to_have_count(0)
        expect(panel.get_by_role("combobox")).to_have_count(0)
        assert_accessible(page)


def test_a_user_who_is_no_admin_is_told_whom_to_ask(page: Page, demo: dict[str, User], log_in: LogIn) -> None:
    log_in(page, demo["ulf"])
    open_card(page, "Bergtagen Friluft AB")
    panel = page.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("Your account is not connected to Visma eAccounting.")
    panel.get_by_role("button", name="Ask an admin").click()
    expect(page.get_by_role("status").first).to_contain_text("Asked. An e-mail is on its way to Anna Ek.")
    assert_accessible(page)
    open_edit(page)
    expect(page.get_by_label("Company Reference")).to_be_disabled()
    assert_accessible(page)


def test_disconnecting_says_what_is_kept_and_connecting_again_brings_it_back(desk: Page, eaccounting: Sandbox) -> None:
    _link(desk, "Brovakten Säkerhet AB", _reference(eaccounting, "Norrsken Elteknik AB"))
    desk.goto(CONNECTION_PAGE)
    desk.get_by_role("button", name="Test connection").click()
    expect(desk.get_by_role("status").first).to_contain_text("The connection works")
    desk.get_by_role("button", name="Reload").click()
    expect(desk.get_by_role("status").first).to_contain_text("The terms of payment are up to date.")
    desk.get_by_role("link", name="Disconnect…").click()
    expect(desk.get_by_text("1 link is kept")).to_be_visible()
    assert_accessible(desk)
    desk.get_by_role("button", name="Disconnect", exact=True).click()
    expect(desk.get_by_role("status").first).to_contain_text("Disconnected.")
    assert_accessible(desk)
    open_card(desk, "Brovakten Säkerhet AB")
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text("Your account is not connected")
    assert_accessible(desk)
    desk.get_by_role("link", name="Connect in the settings").click()
    desk.get_by_role("button", name="Connect to Visma eAccounting").click()
    desk.get_by_role("button", name="Allow").click()
    open_card(desk, "Brovakten Säkerhet AB")
    expect(desk.get_by_role("region", name=PANEL)).to_contain_text("1005")


def test_a_broken_connection_is_shown_everywhere_and_reconnecting_keeps_the_links(
    desk: Page, eaccounting: Sandbox
) -> None:
    _link(desk, "Brovakten Säkerhet AB", _reference(eaccounting, "Norrsken Elteknik AB"))
    eaccounting.revoke_grants()
    desk.goto(CONNECTION_PAGE)
    desk.get_by_role("button", name="Test connection").click()
    expect(desk.get_by_text("Lime Go asks once more")).to_be_visible()
    Connection.objects.update(grant_doubted_at=timezone.now() - timedelta(minutes=1))
    desk.get_by_role("button", name="Test connection").click()
    expect(desk.get_by_text("Needs reconnecting")).to_be_visible()
    assert_accessible(desk)
    open_card(desk, "Brovakten Säkerhet AB")
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("Needs reconnecting")
    expect(panel).to_contain_text("All links are kept.")
    assert_accessible(desk)
    desk.get_by_role("link", name="Reconnect in the settings").click()
    desk.get_by_role("button", name="Reconnect").click()
    desk.get_by_role("radio", name=re.compile("Fjordlys AS")).check()
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_role("main")).to_contain_text(
        "You chose Fjordlys AS, but this account works with Nordvik Bygg AB."
    )
    expect(desk.get_by_role("main")).to_contain_text("1 link belongs to Nordvik Bygg AB.")
    desk.get_by_role("button", name="Reconnect").click()
    desk.get_by_role("button", name="Allow").click()
    expect(desk.get_by_role("status").first).to_contain_text("Connected to Nordvik Bygg AB.")
    open_card(desk, "Brovakten Säkerhet AB")
    expect(panel).to_contain_text("1005")
    expect(panel.get_by_role("button", name="Add a contact person")).to_be_visible()


def test_what_waits_for_eaccounting_goes_on_by_itself(desk: Page, eaccounting: Sandbox) -> None:
    eaccounting.fault(kind="status", status=503, when="before", count=None, path="/v2/customers")
    open_card(desk, "Brovakten Säkerhet AB")
    add_customer(desk)
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("Waiting", timeout=SETTLED)
    expect(panel).to_contain_text("This is sent again automatically. Next attempt")
    expect(panel.get_by_role("button", name="Cancel")).to_be_visible()
    eaccounting.faults.clear()
    expect(panel).to_contain_text(UP_TO_DATE, timeout=2 * SETTLED)
    assert customer_named(eaccounting, "Brovakten Säkerhet AB")


def test_what_eaccounting_refuses_is_told_with_its_reference(desk: Page, eaccounting: Sandbox) -> None:
    eaccounting.fault(
        kind="error", status=400, error_code=4008, when="before", text="Invalid control digit", method="POST"
    )
    open_card(desk, "Brovakten Säkerhet AB")
    add_customer(desk)
    panel = desk.get_by_role("region", name=PANEL)
    expect(panel).to_contain_text("a number has a wrong check digit", timeout=SETTLED)
    panel.get_by_text("Technical details").click()
    expect(panel).to_contain_text("Reference for Visma's support:")
    assert_accessible(desk)
    panel.get_by_role("link", name="Fix and send again").click()
    desk.get_by_role("button", name="Create customer in Visma").click()
    expect(panel).to_contain_text(UP_TO_DATE, timeout=SETTLED)


@pytest.mark.parametrize("colours", mostly_thorough(["light", "dark"], but="light"))
def test_the_pages_are_accessible_on_desk_and_phone(
    page: Page, phone: Page, demo: dict[str, User], eaccounting: Sandbox, log_in: LogIn, colours: str
) -> None:
    for screen in (page, phone):
        screen.emulate_media(color_scheme=colours)
        log_in(screen, demo["anna"])
        assert_no_blocked_script(screen, lambda screen=screen: screen.goto(CONNECTION_PAGE))
        assert_accessible(screen)
    connect(demo["anna"])
    _link(page, "Brovakten Säkerhet AB", _reference(eaccounting, "Norrsken Elteknik AB"))
    card = f"/companies/{Company.objects.get(name='Brovakten Säkerhet AB').pk}/"
    pages = [card, f"{card}edit/", f"{card}visma-eaccounting/contact-person/", CONNECTION_PAGE]
    for screen in (page, phone):
        for address in [*pages, "/settings/integrations/", f"{CONNECTION_PAGE}disconnect/"]:
            assert_no_blocked_script(screen, lambda screen=screen, address=address: screen.goto(address))
            assert_accessible(screen)
