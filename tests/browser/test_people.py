"""Login, members and profile as a person uses them."""

import re

import pytest
from django.core import mail
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.mail import send_due
from accounts.models import Role, User
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.conftest import PASSWORD
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_person_logs_in_by_the_labels_and_out_again(page: Page, anna: User) -> None:
    page.goto("/login/")
    assert_accessible(page)
    page.get_by_label("E-mail", exact=True).fill("Anna@nordvik.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="Companies", exact=True)).to_be_visible()
    page.get_by_role("button", name="Anna Ek").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_wrong_password_is_told_in_an_alert(page: Page, anna: User) -> None:
    page.goto("/login/")
    page.get_by_label("E-mail").fill(anna.email)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("E-mail and password do not match.")
    assert_accessible(page)


def test_an_admin_invites_somebody_who_opens_the_mailed_link(page: Page, anna: User, log_in: LogIn) -> None:
    log_in(page, anna)
    page.goto("/settings/")
    page.get_by_role("link", name="Members").click()
    page.get_by_role("link", name="Invite somebody").click()
    assert_accessible(page)
    page.get_by_label("E-mail").fill("bo@nordvik.example")
    page.get_by_label("First name").fill("Bo")
    page.get_by_label("Viewer").check()
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("status").first).to_contain_text("Bo is invited")
    assert_accessible(page)
    link = page.get_by_role("textbox", name="Invitation link for Bo").input_value()
    page.reload()
    expect(page.get_by_role("textbox", name="Invitation link for Bo")).to_have_count(0)

    send_due(now=timezone.now())
    mailed = re.search(r"http://testserver(/password/set/\S+)", str(mail.outbox[0].body))
    assert mailed is not None
    page.context.clear_cookies()
    page.goto(link.removeprefix("http://testserver"))
    expect(page.get_by_role("heading", name="Welcome to Lime Go")).to_be_visible()
    assert_accessible(page)
    page.goto(mailed[1])
    page.get_by_label("New password", exact=True).fill("horses eat green grass")
    page.get_by_label("New password confirmation").fill("horses eat green grass")
    page.get_by_role("button", name="Save the password and log in").click()
    expect(page.get_by_role("status").first).to_contain_text("Your password is set and you are logged in.")
    bo = User.objects.get(email="bo@nordvik.example")
    assert (bo.role, bo.is_invited) == (Role.VIEWER, False)


@pytest.mark.parametrize("address", ["/settings/", "/settings/members/", "/settings/profile/", "/settings/password/"])
@pytest.mark.parametrize("colours", mostly_thorough(["light", "dark"], but="light"))
def test_pages_are_accessible_on_desk_and_phone(
    page: Page, phone: Page, anna: User, log_in: LogIn, address: str, colours: str
) -> None:
    for screen in (page, phone):
        screen.emulate_media(color_scheme=colours)
        log_in(screen, anna)
        assert_no_blocked_script(screen, lambda screen=screen: screen.goto(address))
        assert_accessible(screen)


@pytest.mark.parametrize("address", ["/login/", "/password/reset/", "/password/set/MQ/none/", "/nowhere/"])
@pytest.mark.parametrize("colours", mostly_thorough(["light", "dark"], but="light"))
def test_pages_without_login_are_accessible(phone: Page, colours: str, address: str, db: None) -> None:
    phone.emulate_media(color_scheme=colours)
    phone.goto(address)
    assert_accessible(phone)


def test_the_menu_of_a_phone_opens_by_keyboard(phone: Page, anna: User, log_in: LogIn) -> None:
    log_in(phone, anna)
    phone.goto("/settings/")
    expect(phone.get_by_role("link", name="Companies", exact=True)).to_be_hidden()
    menu = phone.get_by_role("button", name="Menu")
    menu.focus()
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("link", name="Companies", exact=True)).to_be_visible()
    expect(menu).to_have_attribute("aria-expanded", "true")
    assert_accessible(phone)


def test_the_first_tab_stop_leads_past_the_navigation(page: Page, anna: User, log_in: LogIn) -> None:
    log_in(page, anna)
    page.goto("/settings/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_the_chosen_colours_stay_after_a_reload(page: Page, anna: User, log_in: LogIn) -> None:
    log_in(page, anna)
    page.goto("/settings/")
    page.get_by_role("button", name="Anna Ek").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_a_chosen_language_holds_for_the_next_page(page: Page, anna: User, log_in: LogIn) -> None:
    log_in(page, anna)
    page.goto("/settings/profile/")
    page.get_by_label("Language").select_option("Svenska")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Din profil är sparad.")
    expect(page.locator("html")).to_have_attribute("lang", "sv")
