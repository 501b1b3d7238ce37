"""Reconnected as another eAccounting company: the choice, in a browser and by keyboard."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.models import Connection
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.browser.eaccounting import SETTLED, customer_named, open_card, open_edit

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

CONNECTION_PAGE = "/settings/integrations/visma-eaccounting/"
QUESTION = "You chose another eAccounting company"


def _link(page: Page, eaccounting: Sandbox) -> Company:
    open_card(page, "Brovakten Säkerhet AB")
    open_edit(page)
    page.wait_for_load_state()
    page.get_by_label("Company Reference").fill(str(customer_named(eaccounting, "Norrsken Elteknik AB")["Id"]))
    page.get_by_role("checkbox", name="Link anyway").check()
    page.get_by_role("button", name="Save", exact=True).click()
    return Company.objects.get(name="Brovakten Säkerhet AB")


def _choose_another(page: Page) -> None:
    page.goto(CONNECTION_PAGE)
    page.get_by_role("button", name="Reconnect").click()
    page.get_by_label("Fjordlys AS").check()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", name=QUESTION, level=1)).to_be_visible()


def _picture(page: Page, name: str) -> None:
    folder = os.environ.get("PICTURES", "")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_going_back_and_then_starting_over_by_keyboard(
    page: Page, phone: Page, connected: Connection, log_in: LogIn, eaccounting: Sandbox
) -> None:
    log_in(page, connected.connected_by)
    log_in(phone, connected.connected_by)
    company = _link(page, eaccounting)
    assert_no_blocked_script(page, lambda: _choose_another(page))
    expect(page.get_by_role("main")).to_contain_text("1 link to Nordvik Bygg AB is kept but not used.")
    for screen, name in ((page, "choice-1280"), (phone, "choice-360")):
        screen.goto(f"{CONNECTION_PAGE}other-company/")
        assert_accessible(screen)
        _picture(screen, name)
    for screen, name in ((page, "open-1280"), (phone, "open-360")):
        screen.goto(CONNECTION_PAGE)
        assert_accessible(screen)
        _picture(screen, name)
    page.get_by_role("link", name="Decide").click()
    page.get_by_role("button", name="Go back").click()
    words = "you are still connected to Nordvik Bygg AB"
    expect(page.get_by_role("status").first).to_contain_text(words, timeout=SETTLED)
    _choose_another(page)
    page.get_by_role("button", name="Go back").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Start over with Fjordlys AS")).to_be_focused()
    page.keyboard.press("Enter")
    words = "Connected to Fjordlys AS. 1 link to Nordvik Bygg AB is kept"
    expect(page.get_by_role("status").first).to_contain_text(words, timeout=SETTLED)
    assert_accessible(page)
    for screen, name in ((page, "after-1280"), (phone, "after-360")):
        screen.goto(CONNECTION_PAGE)
        _picture(screen, name)
        screen.goto(f"/companies/{company.pk}/")
        expect(screen.get_by_role("main")).to_contain_text("That link is kept; it works again when Nordvik Bygg AB")
        assert_accessible(screen)
        _picture(screen, f"card-{name}")
    assert Connection.objects.get(is_current=True).name == "Fjordlys AS"
