"""The copy of the customers fills by itself after connecting, says its age, and goes when an admin wants it to."""

import pytest
from playwright.sync_api import Page, expect

from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.delivery import calls
from integrations.models import Connection, CustomerIndex, Origin, RemoteCustomer
from integrations.services.customer_index import unlinked_count
from integrations.services.link import link_company
from tests.browser.conftest import LogIn, assert_accessible
from tests.browser.eaccounting import customer_named
from tests.integrations.workers import until

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

CONNECTION_PAGE = "/settings/integrations/visma-eaccounting/"


def test_the_copy_fills_by_itself_and_is_erased_when_an_admin_wants_it(
    page: Page, phone: Page, connected: Connection, eaccounting: Sandbox, log_in: LogIn
) -> None:
    for screen in (page, phone):
        log_in(screen, connected.connected_by)
    until(lambda: CustomerIndex.objects.get().is_filled, what="the index")
    assert RemoteCustomer.objects.count() == len(eaccounting.customers())
    page.goto(CONNECTION_PAGE)
    expect(page.get_by_text("The customers were last fetched from Visma eAccounting just now.")).to_be_visible()
    brovakten = Company.objects.get(name="Brovakten Säkerhet AB")
    there = calls.read_customer(connected, customer_id=str(customer_named(eaccounting, "Norrsken Elteknik AB")["Id"]))
    linked = link_company(
        user=connected.connected_by, company=brovakten, connection=connected, customer=there, origin=Origin.PASTED
    )

    for screen in (phone, page):
        screen.goto(f"{CONNECTION_PAGE}disconnect/")
        assert_accessible(screen)
    choice = page.get_by_role("checkbox", name="Also erase the copy of the")
    expect(choice).not_to_be_checked()
    choice.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Disconnect", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("is being erased")
    until(lambda: unlinked_count(connected) == 0, what="the erasing")
    assert list(RemoteCustomer.objects.all()) == [linked.customer]
