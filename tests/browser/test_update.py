"""The update sheet as a person uses it: what changed here, there and on both sides, and when eAccounting is silent."""

import re
import time

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.access import rate_limit
from integrations.models import Connection, Push, PushState
from tests import sheets
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.browser.eaccounting import SETTLED, customer_named
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

NAME = "Bergtagen Friluft AB"
UP_TO_DATE = "In Visma eAccounting, up to date"
UPDATE = "Update the information in Visma eAccounting"
REVIEW = "Review the differences"
HERE, THERE = "+46 8 555 00 11", "08-999 99 99"


@pytest.fixture
def company(connected: Connection) -> Company:
    """A company that was added from here a moment ago: both sides are equal."""
    found = Company.objects.get(name=NAME)
    push = sheets.create(user=connected.connected_by, company=found)
    end = time.monotonic() + SETTLED / 1000
    while Push.objects.get(pk=push.pk).state != PushState.DONE:
        assert time.monotonic() < end, "no worker created it"
        time.sleep(0.1)
    return found


@pytest.fixture
def desk(page: Page, connected: Connection, log_in: LogIn) -> Page:
    log_in(page, connected.connected_by)
    return page


def edit(company: Company, **values: str) -> None:
    company.save_changes(now=timezone.now(), values=values)


def edit_there(eaccounting: Sandbox, **values: str) -> None:
    eaccounting.edit_customer(customer_id=str(customer_named(eaccounting, NAME)["Id"]), **values)


def card_of(company: Company) -> str:
    return f"/companies/{company.pk}/"


def panel_on(page: Page) -> Locator:
    return page.get_by_role("region", name="Visma eAccounting")


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name=re.compile(f"^{name}"))


def test_by_keyboard_alone_what_changed_on_each_side_is_resolved_field_by_field(
    desk: Page, company: Company, eaccounting: Sandbox
) -> None:
    edit(company, phone=HERE, email="ny@bergtagen-friluft.example")
    edit_there(eaccounting, Telephone=THERE, WwwAddress="https://there.example", Note="A person's")
    desk.goto(card_of(company))
    # Whether the index has read of the changes there already decides what the button is called.
    press_to(desk, panel_on(desk).get_by_role("link", name=re.compile(f"^({UPDATE}|{REVIEW})$")))
    desk.keyboard.press("Enter")
    sheet = desk.get_by_role("dialog", name=UPDATE)
    expect(sheet.get_by_role("heading", name=UPDATE)).to_be_focused()
    expect(row(desk, "Phone number")).to_contain_text("Changed in both systems")
    expect(row(desk, "E-mail")).to_contain_text("Changed in Lime Go")
    expect(row(desk, "Website")).to_contain_text("Changed in Visma eAccounting")
    expect(sheet.get_by_role("radio", name="Use Lime Go's: ny@bergtagen-friluft.example")).to_be_checked()
    expect(sheet.get_by_role("radio", name="Keep Visma eAccounting's: https://there.example")).to_be_checked()
    assert_accessible(desk)

    # Nobody has chosen about the phone number: that is said at its field.
    send = sheet.get_by_role("button", name="Update 1 field in Visma eAccounting")
    press_to(desk, send)
    desk.keyboard.press("Enter")
    expect(row(desk, "Phone number")).to_have_accessible_description("Choose one of the two.")
    expect(sheet.get_by_role("radio", name=f"Use Lime Go's: {HERE}")).to_be_focused()
    assert_accessible(desk)
    desk.keyboard.press("Space")
    expect(sheet.get_by_role("status")).to_have_text(
        "Will be written: Phone number, E-mail. Everything else stays as it is."
    )
    send = sheet.get_by_role("button", name="Update 2 fields in Visma eAccounting")
    press_to(desk, send)
    desk.keyboard.press("Enter")
    expect(panel_on(desk)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    expect(panel_on(desk)).to_contain_text("Kept as in Visma eAccounting: Website.")
    now = customer_named(eaccounting, NAME)
    assert (now["Telephone"], now["EmailAddress"]) == (HERE, "ny@bergtagen-friluft.example")
    assert (now["WwwAddress"], now["Note"]) == ("https://there.example", "A person's")


def press_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus."""
    expect(target).to_be_visible()
    for _ in range(120):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail("Tab does not reach it.")


def test_nothing_to_do_is_said_and_checking_finds_what_changed_there(
    desk: Page, company: Company, eaccounting: Sandbox
) -> None:
    desk.goto(card_of(company))
    panel = panel_on(desk)
    update = panel.get_by_role("button", name=UPDATE)
    expect(update).to_be_disabled()
    expect(update).to_have_accessible_description(re.compile("eAccounting already has these values"))
    press_to(desk, update)  # the reason can be reached
    panel.get_by_role("button", name="Check eAccounting now").click()
    said = desk.get_by_role("status").first
    expect(said).to_contain_text("Checked just now: Visma eAccounting has the same values as Lime Go.")
    edit_there(eaccounting, Telephone=THERE)
    panel.get_by_role("button", name="Check eAccounting now").click()
    expect(said).to_contain_text("Checked just now: 1 field differs")
    expect(panel).to_contain_text("1 field changed in Visma eAccounting")
    assert_accessible(desk)
    desk.goto("/companies/")
    expect(desk.get_by_role("row", name=re.compile(NAME))).to_contain_text("1 field changed in Visma eAccounting")
    desk.goto(card_of(company))
    panel.get_by_role("link", name=REVIEW).click()
    desk.get_by_role("button", name="Keep what Visma eAccounting has").click()
    expect(said).to_contain_text("Nothing was sent. Visma eAccounting keeps its values.")
    expect(panel).to_contain_text(UP_TO_DATE)
    assert customer_named(eaccounting, NAME)["Telephone"] == THERE


@pytest.mark.parametrize("busy", mostly_thorough([False, True], but=False))
def test_when_eaccounting_is_silent_the_sheet_opens_with_what_is_known(
    desk: Page, company: Company, eaccounting: Sandbox, busy: bool
) -> None:
    edit(company, phone=HERE)
    if busy:
        for _ in range(20):
            rate_limit.count_live_read(company.account_id)
    else:
        eaccounting.fault(kind="status", status=500, when="before", count=None, path="/v2/customers/.*")
    desk.goto(card_of(company))
    panel_on(desk).get_by_role("link", name=UPDATE).click()
    sheet = desk.get_by_role("dialog", name=UPDATE)
    why = sheet.get_by_role("alert")
    expect(why).to_contain_text("Try again in a moment. The values in Visma eAccounting were read")
    expect(sheet.get_by_role("radio", name=f"Use Lime Go's: {HERE}")).to_be_checked()
    assert_accessible(desk)
    eaccounting.faults.clear()
    rate_limit._redis().flushdb()
    sheet.get_by_role("link", name="Try again").click()
    expect(why).to_have_count(0)
    sheet.get_by_role("button", name="Update 1 field in Visma eAccounting").click()
    expect(panel_on(desk)).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, NAME)["Telephone"] == HERE


def test_what_somebody_changed_there_meanwhile_comes_back_for_a_review(
    desk: Page, company: Company, eaccounting: Sandbox
) -> None:
    edit(company, phone=HERE)
    desk.goto(card_of(company))
    panel = panel_on(desk)
    panel.get_by_role("link", name=UPDATE).click()
    send = desk.get_by_role("button", name="Update 1 field in Visma eAccounting")
    expect(send).to_be_visible()
    edit_there(eaccounting, Telephone=THERE)
    send.click()
    expect(panel).to_contain_text("Somebody changed this in Visma eAccounting after you opened it", timeout=SETTLED)
    assert_accessible(desk)
    panel.get_by_role("link", name=REVIEW).click()
    expect(row(desk, "Phone number")).to_contain_text("Changed in both systems")
    desk.get_by_role("radio", name=f"Use Lime Go's: {HERE}").check()
    send.click()
    expect(panel).to_contain_text(UP_TO_DATE, timeout=SETTLED)
    assert customer_named(eaccounting, NAME)["Telephone"] == HERE


def test_on_a_phone_a_long_name_is_shortened_and_an_incomplete_address_named(
    phone: Page, connected: Connection, company: Company, eaccounting: Sandbox, log_in: LogIn
) -> None:
    log_in(phone, connected.connected_by)
    edit(company, name="Bergtagen Friluft och Fjällutrustning i Östersund med omnejd AB", postal_code="")
    phone.goto(card_of(company))
    assert_accessible(phone)
    assert_no_blocked_script(phone, lambda: panel_on(phone).get_by_role("link", name=UPDATE).click())
    address = row(phone, "Postal address")
    expect(address).to_contain_text("Postal code is missing.")
    expect(address.get_by_role("radio", name=re.compile("^Use Lime Go's"))).to_be_disabled()
    expect(address.get_by_role("link", name="Correct it: Postal code is missing.")).to_be_visible()
    shorter = phone.get_by_label("Company name, shorter for Visma eAccounting")
    expect(shorter).to_have_accessible_description(re.compile("At most 50 characters. The whole value has 63."))
    assert_accessible(phone)
    phone.get_by_role("button", name="Update 1 field in Visma eAccounting").click()
    expect(shorter).to_have_accessible_description(re.compile("has 63 characters; Visma eAccounting allows at most 50"))
    shorter.fill("Bergtagen Friluft i Östersund AB")
    expect(row(phone, "Company name")).to_contain_text("32 / 50")
    phone.get_by_role("button", name="Update 1 field in Visma eAccounting").click()
    expect(panel_on(phone)).to_contain_text("1 field changed in Lime Go", timeout=SETTLED)  # the address
    assert customer_named(eaccounting, "Bergtagen Friluft i Östersund AB")


def test_without_javascript_the_sheet_is_a_page(
    browser: Browser,
    browser_context_args: dict[str, object],
    connected: Connection,
    company: Company,
    eaccounting: Sandbox,
    log_in: LogIn,
) -> None:
    edit(company, phone=HERE)
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    page = context.new_page()
    log_in(page, connected.connected_by)
    page.goto(card_of(company))
    panel_on(page).get_by_role("link", name=UPDATE).click()
    expect(page.get_by_role("heading", name=UPDATE, level=1)).to_be_visible()
    expect(page.get_by_role("status")).to_have_text(
        "Only where you choose Lime Go's value is it written. Everything else stays as it is in Visma eAccounting."
    )
    page.get_by_role("button", name="Update the chosen fields in Visma eAccounting").click()
    expect(page.get_by_role("heading", name=NAME, level=1)).to_be_visible()
    for _ in range(SETTLED // 250):
        if UP_TO_DATE in panel_on(page).inner_text():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(panel_on(page)).to_contain_text(UP_TO_DATE)
    assert customer_named(eaccounting, NAME)["Telephone"] == HERE
    context.close()
