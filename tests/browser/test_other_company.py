"""Another eAccounting company is chosen at the consent page, then the account starts over with it, by keyboard."""

import pytest
from playwright.sync_api import Page, expect

from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.models import Connection
from tests.browser.conftest import LogIn, assert_accessible, assert_no_blocked_script
from tests.browser.eaccounting import SETTLED, customer_named, open_card, open_edit

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

CONNECTION_PAGE = "/settings/integrations/visma-eaccounting/"


def _link(page: Page, eaccounting: Sandbox) -> Company:
    open_card(page, "Brovakten Säkerhet AB")
    open_edit(page)
    page.wait_for_load_state()
    page.get_by_label("Company Reference").fill(str(customer_named(eaccounting, "Norrsken Elteknik AB")["Id"]))
    page.get_by_role("checkbox", name="Link anyway").check()
    page.get_by_role("button", name="Save", exact=True).click()
    return Company.objects.get(name="Brovakten Säkerhet AB")


def _choose_another(page: Page, button: str) -> None:
    page.goto(CONNECTION_PAGE)
    page.get_by_role("button", name=button).press("Enter")
    page.get_by_label("Fjordlys AS").check()
    page.get_by_role("button", name="Allow").press("Enter")
    page.wait_for_url(f"**{CONNECTION_PAGE}")


def test_another_company_is_refused_and_after_disconnecting_it_is_connected(
    page: Page, phone: Page, connected: Connection, log_in: LogIn, eaccounting: Sandbox
) -> None:
    for screen in (page, phone):
        log_in(screen, connected.connected_by)
    company = _link(page, eaccounting)
    for screen in (page, phone):
        assert_no_blocked_script(screen, lambda screen=screen: _choose_another(screen, "Reconnect"))
        told = screen.get_by_role("alert").first
        expect(told).to_contain_text("You chose Fjordlys AS, but this account works with Nordvik Bygg AB.")
        expect(told).to_contain_text("1 link belongs to Nordvik Bygg AB.")
        assert_accessible(screen)
    page.get_by_role("link", name="Disconnect…").press("Enter")
    page.get_by_role("button", name="Disconnect", exact=True).press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("All links are kept", timeout=SETTLED)
    _choose_another(page, "Connect to Visma eAccounting")
    expect(page.get_by_role("status").first).to_contain_text("Connected to Fjordlys AS.", timeout=SETTLED)
    for screen in (page, phone):
        screen.goto(CONNECTION_PAGE)
        expect(screen.get_by_role("main")).to_contain_text("1 link to Nordvik Bygg AB is kept")
        assert_accessible(screen)
        screen.goto(f"/companies/{company.pk}/")
        expect(screen.get_by_role("main")).to_contain_text("That link is kept; it works again when Nordvik Bygg AB")
        assert_accessible(screen)
    assert Connection.objects.get(is_current=True).name == "Fjordlys AS"
