"""Companies and contacts as a person works with them, by role and accessible name."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from companies.models import Company, Contact
from dev.demo.load import load_demo
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ulf(transactional_db: None) -> User:
    """The demo's user."""
    load_demo()
    return User.objects.get(email="ulf@nordvik.example")


@pytest.fixture
def desk(page: Page, ulf: User, log_in: LogIn) -> Page:
    """Ulf's page."""
    log_in(page, ulf)
    return page


def _open(page: Page, name: str) -> None:
    page.goto("/companies/")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_the_list_is_searched_while_typing(desk: Page) -> None:
    desk.goto("/companies/")
    expect(desk.get_by_role("row")).to_have_count(41)
    desk.get_by_role("searchbox").press_sequentially("bjork maleri")
    expect(desk.get_by_role("row")).to_have_count(2)
    expect(desk.get_by_role("searchbox")).to_be_focused()
    expect(desk).to_have_url(re.compile(r"\?q=bjork"))
    desk.get_by_role("link", name="Björk & Son Måleri AB").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Björk & Son Måleri AB")
    desk.go_back()
    expect(desk.get_by_role("row")).to_have_count(2)


def test_a_company_is_edited_from_the_three_dots_by_keyboard(desk: Page) -> None:
    _open(desk, "Havsvik Konsult AB")
    desk.get_by_role("button", name="More").focus()
    desk.keyboard.press("Enter")
    expect(desk.get_by_role("link", name="Edit", exact=True)).to_be_visible()
    desk.keyboard.press("ArrowDown")
    expect(desk.get_by_role("link", name="Edit", exact=True)).to_be_focused()
    desk.keyboard.press("Enter")
    desk.get_by_label("City").fill("Nybro")
    desk.get_by_label("Postal code").fill("1")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_role("alert")).to_contain_text("Nothing is saved yet.")
    postal_code = desk.get_by_label("Postal code")
    expect(postal_code).to_have_accessible_description(re.compile("That is not a postal code in Sweden."))
    expect(desk.get_by_label("City")).to_have_value("Nybro")
    assert_accessible(desk)
    postal_code.fill("38230")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_role("status").first).to_contain_text("Havsvik Konsult AB is saved.")
    expect(desk.get_by_text("382 30 Nybro")).to_be_visible()


def test_a_company_is_archived_found_there_and_restored(desk: Page) -> None:
    _open(desk, "Stenkumla Data AB")
    desk.get_by_role("button", name="More").click()
    desk.get_by_role("button", name="Archive", exact=True).click()
    expect(desk.get_by_role("status").first).to_contain_text("Stenkumla Data AB is archived.")
    assert_accessible(desk)
    desk.get_by_role("link", name="Companies", exact=True).click()
    expect(desk.get_by_role("link", name="Stenkumla Data AB")).to_have_count(0)
    desk.get_by_role("link", name="Archived", exact=True).click()
    desk.get_by_role("link", name="Stenkumla Data AB").click()
    desk.get_by_role("button", name="Restore").click()
    expect(desk.get_by_role("status").first).to_contain_text("is back in the list of companies")


def test_people_are_added_marked_and_removed_on_the_card(desk: Page) -> None:
    _open(desk, "Björk & Son Måleri AB")
    desk.get_by_role("link", name="Add contact").click()
    assert_accessible(desk)
    desk.get_by_label("First name").fill("Göran")
    desk.get_by_label("Mobile").fill("070-174 06 05")
    desk.get_by_role("button", name="Save", exact=True).click()
    person = desk.get_by_role("listitem").filter(has=desk.get_by_role("heading", name="Göran"))
    expect(person.get_by_role("link", name="+46 70 174 06 05")).to_have_attribute("href", "tel:+46701740605")
    person.get_by_role("button", name="Actions for Göran").click()
    assert_accessible(desk)
    person.get_by_role("button", name="Mark as having left").click()
    expect(person.get_by_text("Has left")).to_be_visible()
    person.get_by_role("button", name="Actions for Göran").click()
    person.get_by_role("link", name="Remove").click()
    assert_accessible(desk)
    desk.get_by_role("button", name="Remove").click()
    expect(desk.get_by_role("heading", name="Göran")).to_have_count(0)


@pytest.mark.parametrize("colours", mostly_thorough(["light", "dark"], but="light"))
def test_pages_are_accessible_on_desk_and_phone(
    page: Page, phone: Page, ulf: User, log_in: LogIn, colours: str
) -> None:
    contact = Contact.objects.filter(account=ulf.account, left_at__isnull=False).first()
    long = Company.objects.get(name__startswith="Mälarstrand")
    assert contact is not None
    card = f"/companies/{contact.company_id}/"
    person = f"{card}contacts/{contact.pk}/"
    pages = ["/companies/", "/companies/?q=zzz", "/companies/new/", card, f"{card}edit/", f"{person}edit/"]
    for screen in (page, phone):
        screen.emulate_media(color_scheme=colours)
        log_in(screen, ulf)
        for address in [*pages, f"{person}remove/", f"/companies/{long.pk}/"]:
            assert_no_blocked_script(screen, lambda screen=screen, address=address: screen.goto(address))
            assert_accessible(screen)


def test_without_javascript_the_items_lie_open_and_search_works(
    browser: Browser, browser_context_args: dict[str, object], ulf: User, log_in: LogIn
) -> None:
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": False})
    plain = context.new_page()
    log_in(plain, ulf)
    plain.goto("/companies/")
    plain.get_by_role("searchbox").fill("havsvik")
    plain.get_by_role("button", name="Search").click()
    plain.get_by_role("link", name="Havsvik Konsult AB").click()
    expect(plain.get_by_role("link", name="Edit", exact=True)).to_be_visible()
    plain.get_by_role("button", name="Archive", exact=True).click()
    expect(plain.get_by_role("status").first).to_contain_text("Havsvik Konsult AB is archived.")
    context.close()
