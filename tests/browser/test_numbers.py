"""Choosing who numbers new customers, by keyboard and on a phone."""

from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import Account, User
from companies.models import Company
from integrations.models import Connection
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.integrations.pages.conftest import COMPLETE, NOW, World
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGE = "/settings/integrations/visma-eaccounting/"
CHANGE = "Change customer numbers…"
Open = Callable[[Page], Page]


@pytest.fixture
def world(account: Account, anna: User) -> World:
    """The account with one company; nothing is connected."""
    return World(account, anna, Company.add(account=account, now=NOW, values=COMPLETE))


@pytest.fixture
def settings_page(world: World, anna: User, log_in: LogIn) -> Open:
    """Return a function that opens the connection's settings as an admin."""

    def open_it(page: Page) -> Page:
        log_in(page, anna)
        page.goto(PAGE)
        return page

    return open_it


@pytest.mark.parametrize("width", mostly_thorough([1280, 360], but=360))
def test_before_it_is_known_to_be_safe_the_reason_stands_beside_the_choice(
    page: Page, world: World, settings_page: Open, width: int
) -> None:
    world.connect()
    page.set_viewport_size({"width": width, "height": 800})
    settings_page(page)
    expect(page.get_by_role("button", name=CHANGE)).to_be_disabled()
    expect(page.get_by_role("button", name=CHANGE)).to_have_accessible_description(
        "It is not known yet whether Visma eAccounting refuses a customer number that is in use. "
        "The operator of Lime Go can find out for this company."
    )
    assert_accessible(page)
    page.goto(f"{PAGE}numbers/")
    expect(page.get_by_role("textbox", name="Prefix")).to_be_disabled()
    expect(page.get_by_role("radio", name="Lime Go gives")).to_be_disabled()
    assert_accessible(page)


@pytest.mark.parametrize("width", mostly_thorough([1280, 360], but=360))
def test_a_prefix_is_chosen_by_keyboard_and_a_mistake_is_told_at_its_field(
    page: Page, world: World, settings_page: Open, width: int
) -> None:
    connection = world.connect()
    connection.note_duplicates(refused=True, now=timezone.now())
    page.set_viewport_size({"width": width, "height": 800})
    settings_page(page)
    assert_accessible(page)
    page.get_by_role("link", name=CHANGE).press("Enter")
    expect(page.get_by_role("radio", name="Visma eAccounting gives")).to_be_checked()
    assert_no_blocked_script(page, lambda: page.get_by_role("radio", name="Lime Go gives").press("Space"))
    page.get_by_role("textbox", name="Prefix").fill("L1")
    page.get_by_role("textbox", name="Prefix").press("Enter")
    expect(page.get_by_role("textbox", name="Prefix")).to_have_value("L1")
    expect(page.get_by_text("That cannot be a prefix.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("textbox", name="Prefix").fill("lg")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_text("New customers get numbers that begin with LG.")).to_be_visible()
    assert Connection.objects.get().own_prefix == "LG"
    assert_accessible(page)
