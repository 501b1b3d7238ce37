"""Putting back what an update overwrote, and the one contact person: as people do it, with real workers."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from integrations.delivery import calls
from integrations.models import Connection, Origin, Push
from integrations.models.push import OPEN
from integrations.services.link import link_company
from tests import sheets
from tests.browser.conftest import LogIn, assert_accessible
from tests.browser.eaccounting import SETTLED, open_card

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

BROVAKTEN = "Brovakten Säkerhet AB"
BEFORE = "Previous values"
ADD = "Add a contact person"


def _there(eaccounting: Sandbox) -> dict[str, object]:
    """Return the customer that the company is linked to."""
    return next(row for row in eaccounting.customers() if row["CustomerNumber"] == "1001")


def _edit_there(eaccounting: Sandbox, **values: str) -> None:
    eaccounting.edit_customer(customer_id=str(_there(eaccounting)["Id"]), **values)


def _wait_for(page: Page, eaccounting: Sandbox, name: str, value: str | None) -> None:
    """Wait until a worker has written it, and noted that."""
    for _ in range(SETTLED // 100):
        is_open = Push.objects.filter(state__in=OPEN).exists()
        if not is_open and (_there(eaccounting)[name] or None) == value:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"{name} is {_there(eaccounting)[name]}, not {value}.")


@pytest.fixture
def company(connected: Connection, eaccounting: Sandbox) -> Company:
    """A company that was linked to a customer with a contact person of its own."""
    company = Company.objects.get(name=BROVAKTEN)
    customer = calls.read_customer(connected, customer_id=str(_there(eaccounting)["Id"]))
    user = connected.connected_by
    link_company(user=user, company=company, connection=connected, customer=customer, origin=Origin.PASTED)
    return company


@pytest.fixture
def user(company: Company, connected: Connection) -> User:
    """Who clicks."""
    return connected.connected_by


@pytest.fixture
def desk(page: Page, user: User, log_in: LogIn) -> Page:
    """Their screen."""
    log_in(page, user)
    return page


def _person(company: Company, first_name: str, **values: str) -> Contact:
    name = {"first_name": first_name, "last_name": "Öberg"}
    return company.add_contact(now=timezone.now(), values={**name, **values})


def _panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Visma eAccounting")


def _sheet(page: Page, name: str) -> Locator:
    sheet = page.get_by_role("dialog", name=name)
    expect(sheet).to_be_visible()
    return sheet


def _settled(page: Page) -> None:
    """Open the card; wait until nothing is on its way any more."""
    expect(page.get_by_role("dialog")).to_be_hidden()  # a sheet that was sent leads to the card by itself
    open_card(page, BROVAKTEN)
    expect(_panel(page)).not_to_contain_text(re.compile("Sending|is being"), timeout=SETTLED)


def _update(page: Page, user: User, company: Company) -> None:
    sheets.update_all(user=user, company=company)
    _settled(page)


def test_an_update_is_looked_at_and_put_back_from_card_and_activity(
    desk: Page, company: Company, user: User, eaccounting: Sandbox
) -> None:
    before = _there(eaccounting)
    _update(desk, user, company)
    _panel(desk).get_by_role("link", name=BEFORE).click()
    sheet = _sheet(desk, BEFORE)
    expect(sheet).to_contain_text(str(before["Name"]))
    assert_accessible(desk)
    button = sheet.get_by_role("button", name=re.compile(r"Put back \d fields"))
    for box in sheet.get_by_role("checkbox").all():
        box.uncheck()
    expect(sheet.get_by_role("button", name="Tick what to put back")).to_be_visible()
    sheet.get_by_role("checkbox", name="Put back: Company name").check()
    expect(sheet.get_by_role("status")).to_contain_text("Will be put back: Company name.")
    sheet.get_by_role("checkbox", name="Put back: Postal address").check()
    expect(button).to_have_text("Put back 2 fields")
    button.click()
    expect(desk.get_by_role("region", name="Activity")).to_contain_text("Asked to put the previous values back")
    _wait_for(desk, eaccounting, "Name", str(before["Name"]))
    assert _there(eaccounting)["InvoiceAddress1"] == before["InvoiceAddress1"]
    assert _there(eaccounting)["Telephone"] != before["Telephone"]

    # The undo is an update like any other: from the activity it is undone.
    _settled(desk)
    desk.get_by_role("region", name="Activity").get_by_role("link", name=BEFORE).first.click()
    _sheet(desk, BEFORE).get_by_role("button", name="Put back 2 fields").click()
    _wait_for(desk, eaccounting, "Name", BROVAKTEN)


def test_by_keyboard_what_somebody_changed_since_is_shown_and_left_alone(
    desk: Page, phone: Page, company: Company, user: User, eaccounting: Sandbox, log_in: LogIn
) -> None:
    before = _there(eaccounting)
    _update(desk, user, company)
    _edit_there(eaccounting, Name="Björk i Umeå AB")
    _tab_to(desk, _panel(desk).get_by_role("link", name=BEFORE))
    desk.keyboard.press("Enter")
    sheet = _sheet(desk, BEFORE)
    expect(sheet).to_contain_text("Changed since then")
    expect(sheet).to_contain_text("Björk i Umeå AB")
    expect(sheet.get_by_role("checkbox", name="Put back: Company name")).not_to_be_checked()
    _tab_to(desk, sheet.get_by_role("checkbox", name="Put back: Website"))
    desk.keyboard.press("Space")
    _tab_to(desk, sheet.get_by_role("button", name=re.compile("Put back")))
    desk.keyboard.press("Enter")
    _wait_for(desk, eaccounting, "Telephone", str(before["Telephone"]))
    assert _there(eaccounting)["Name"] == "Björk i Umeå AB"
    assert _there(eaccounting)["WwwAddress"] != before["WwwAddress"]

    # Nothing is left to put back; the sheet is a page as well.
    _settled(desk)
    _edit_there(eaccounting, Name=str(before["Name"]), WwwAddress=str(before["WwwAddress"] or ""))
    log_in(phone, user)
    open_card(phone, BROVAKTEN)
    address = phone.get_by_role("region", name="Activity").get_by_role("link", name=BEFORE).last.get_attribute("href")
    assert address
    phone.goto(address)
    expect(phone.get_by_text("Visma eAccounting already has the previous values.")).to_be_visible()
    expect(phone.get_by_role("button", name="Put back")).to_be_disabled()
    assert_accessible(phone)


def test_without_an_answer_the_sheet_shows_what_was_read_last(
    desk: Page, company: Company, user: User, eaccounting: Sandbox
) -> None:
    _update(desk, user, company)
    eaccounting.fault(kind="status", status=503, when="before", count=1, path="/v2/customers/.*")
    _panel(desk).get_by_role("link", name=BEFORE).click()
    sheet = _sheet(desk, BEFORE)
    expect(sheet).to_contain_text("The current values could not be read, so these are the values from")
    expect(sheet).to_contain_text("Sent, and the same when last read")
    assert_accessible(desk)


def test_a_contact_person_is_chosen_by_keyboard(desk: Page, company: Company, eaccounting: Sandbox) -> None:
    Contact.objects.filter(company=company).delete()
    _person(company, "Åsa", email="asa@brovakten.example", mobile="+46 70 174 06 05")
    _person(company, "Bo")
    open_card(desk, BROVAKTEN)
    _tab_to(desk, _panel(desk).get_by_role("button", name=ADD))
    desk.keyboard.press("Enter")
    sheet = _sheet(desk, ADD)
    assert_accessible(desk)
    _tab_to(desk, sheet.get_by_role("radio").first)
    desk.keyboard.press("Space")
    expect(sheet.get_by_role("table")).to_contain_text("asa@brovakten.example")
    expect(sheet.get_by_role("table")).to_contain_text("Eva Björk")
    desk.keyboard.press("ArrowDown")
    expect(sheet.get_by_role("table")).to_contain_text("Bo Öberg")
    expect(sheet.get_by_role("radio", name="Bo Öberg")).to_be_focused()
    assert_accessible(desk)
    _tab_to(desk, sheet.get_by_role("button", name="Save"))
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("region", name="Activity")).to_contain_text("Chose the contact person (Bo Öberg)")
    _wait_for(desk, eaccounting, "ContactPersonName", "Bo Öberg")
    assert not _there(eaccounting)["ContactPersonMobile"]  # never Bo with Eva's number


def _tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus."""
    for _ in range(120):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail("Tab does not reach it.")


def _choose_asa(page: Page, company: Company, user: User, eaccounting: Sandbox) -> Contact:
    person = _person(company, "Åsa", email="asa@brovakten.example")
    sheets.choose_contact(user=user, company=company, contact=person)
    _wait_for(page, eaccounting, "ContactPersonName", "Åsa Öberg")
    _settled(page)
    return person


STILL = "Visma eAccounting still has: Åsa Öberg, asa@brovakten.example."


def test_a_page_of_its_own_works_like_the_dialog(
    phone: Page, company: Company, user: User, eaccounting: Sandbox, log_in: LogIn
) -> None:
    _person(company, "Åsa")
    log_in(phone, user)
    phone.goto(f"/companies/{company.pk}/visma-eaccounting/contact-person/")
    phone.get_by_role("radio", name="Åsa Öberg").check()
    expect(phone.get_by_role("table")).to_contain_text("Eva Björk")
    assert_accessible(phone)
    phone.get_by_role("button", name="Save").click()
    expect(phone.get_by_role("heading", name=BROVAKTEN, level=1)).to_be_visible()
    _wait_for(phone, eaccounting, "ContactPersonName", "Åsa Öberg")


def test_who_leaves_is_succeeded_by_a_new_person(
    desk: Page, company: Company, user: User, eaccounting: Sandbox
) -> None:
    _choose_asa(desk, company, user, eaccounting)
    desk.get_by_role("button", name="Actions for Åsa Öberg").click()
    desk.get_by_role("button", name="Mark as having left").click()
    expect(_panel(desk)).to_contain_text(f"Åsa Öberg has left. {STILL}")
    assert_accessible(desk)
    desk.get_by_role("link", name="Choose a new contact person").click()
    sheet = _sheet(desk, ADD)
    sheet.get_by_role("radio", name="A new person").check()
    sheet.get_by_label("First name").fill("Göran")
    sheet.get_by_role("textbox", name="Mobile").fill("x")
    assert_accessible(desk)
    sheet.get_by_role("button", name="Save").click()
    expect(sheet.get_by_role("textbox", name="Mobile")).to_be_focused()  # the sheet stays, with what was typed
    expect(sheet.get_by_label("First name")).to_have_value("Göran")
    sheet.get_by_role("textbox", name="Mobile").fill("070-174 06 05")
    sheet.get_by_role("button", name="Save").click()
    _wait_for(desk, eaccounting, "ContactPersonName", "Göran")
    assert _there(eaccounting)["ContactPersonMobile"] == "+46 70 174 06 05"
    _settled(desk)
    expect(_panel(desk)).not_to_contain_text("still has")


def test_who_is_removed_is_told_before_and_after_and_nobody_may_follow(
    desk: Page, company: Company, user: User, eaccounting: Sandbox
) -> None:
    _choose_asa(desk, company, user, eaccounting)
    desk.get_by_role("button", name="Actions for Åsa Öberg").click()
    desk.get_by_role("link", name="Remove").click()
    expect(desk.get_by_role("alert")).to_contain_text("Åsa Öberg is the contact person in Visma eAccounting")
    assert_accessible(desk)
    desk.get_by_role("button", name="Remove").click()
    expect(_panel(desk)).to_contain_text(STILL)
    assert_accessible(desk)
    desk.get_by_role("link", name="Choose a new contact person").click()
    sheet = _sheet(desk, ADD)
    sheet.get_by_role("radio", name="Nobody: clear the contact person in Visma eAccounting").check()
    expect(sheet.get_by_role("table")).to_contain_text("blank")
    sheet.get_by_role("button", name="Save").click()
    _wait_for(desk, eaccounting, "ContactPersonName", None)
    _settled(desk)
    expect(_panel(desk)).not_to_contain_text("still has")


def test_without_javascript_both_sheets_are_pages(
    browser: Browser,
    browser_context_args: dict[str, object],
    company: Company,
    user: User,
    eaccounting: Sandbox,
    log_in: LogIn,
) -> None:
    Contact.objects.filter(company=company).delete()
    _person(company, "Åsa")
    _person(company, "Bo")
    name = str(_there(eaccounting)["Name"])
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    page = context.new_page()
    log_in(page, user)
    open_card(page, BROVAKTEN)
    page.get_by_role("button", name=ADD).click()
    page.get_by_role("radio", name="Åsa Öberg").check()
    page.get_by_role("button", name="Show what will be written").click()
    page.get_by_role("radio", name="Bo Öberg").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing has been sent yet. Check what will be written, then save.")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    _wait_for(page, eaccounting, "ContactPersonName", "Bo Öberg")
    sheets.update_all(user=user, company=company)
    _wait_for(page, eaccounting, "Name", BROVAKTEN)
    page.reload()
    page.get_by_role("link", name=BEFORE).first.click()
    expect(page.get_by_role("heading", name=BEFORE, level=1)).to_be_visible()
    page.get_by_role("button", name="Put back what is ticked").click()
    _wait_for(page, eaccounting, "Name", name)
    context.close()
