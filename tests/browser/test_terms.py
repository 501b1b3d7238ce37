"""Terms of payment that vanish: admins are told everywhere, a user asks one of them, and it goes on by itself."""

import re

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from accounts.mail import send_due
from accounts.models import User
from dev.sandbox.core import Sandbox
from integrations.clock import database_now
from integrations.models import Connection
from tests.browser.conftest import LogIn, assert_accessible
from tests.browser.eaccounting import SETTLED, customer_named, open_card

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

SETTINGS = "/settings/integrations/visma-eaccounting/"
LIST = "Terms of payment for new customers"
NAME = "Brovakten Säkerhet AB"


def _as(page: Page, log_in: LogIn, user: User) -> None:
    page.context.clear_cookies()
    log_in(page, user)


def test_terms_vanish_a_user_asks_an_admin_and_the_customer_is_created_by_itself(
    page: Page, connected: Connection, demo: dict[str, User], eaccounting: Sandbox, log_in: LogIn
) -> None:
    chosen = connected.default_terms
    assert chosen is not None
    eaccounting.world.remove("terms", "1", str(chosen.remote_id))
    _as(page, log_in, demo["anna"])
    page.goto(SETTINGS)
    page.get_by_role("button", name="Reload terms of payment").click()
    words = "The chosen terms of payment “30 days” no longer exist in Visma eAccounting."
    expect(page.get_by_role("region", name="Terms of payment")).to_contain_text(words)
    assert_accessible(page)
    page.goto("/companies/")
    banner = page.get_by_role("region", name="Customers cannot be added to Visma eAccounting")
    expect(banner).to_contain_text(words)
    assert_accessible(page)

    _as(page, log_in, demo["ulf"])
    open_card(page, NAME)
    expect(banner).to_have_count(0)
    panel = page.get_by_role("region", name="Visma eAccounting")
    expect(panel).to_contain_text(words)
    page.wait_for_load_state()
    panel.get_by_role("button", name="Ask an admin").click()
    sheet = page.get_by_role("dialog", name="Add as customer in Visma eAccounting")
    expect(sheet.get_by_role("alert")).to_contain_text(words)
    expect(sheet.get_by_role("button", name="Create customer in Visma")).to_have_count(0)
    assert_accessible(page)
    sheet.get_by_role("textbox", name="City").fill("Mölndal")
    sheet.get_by_role("button", name="Ask an admin").click()
    expect(page.get_by_role("status").first).to_contain_text("Asked. An e-mail is on its way to Anna Ek.")
    expect(panel).to_contain_text("It is sent automatically when an admin has chosen the terms of payment.")
    assert_accessible(page)
    send_due(now=database_now())
    link = re.search(r"http://\S+#terms", str(mail.outbox[-1].body))
    assert link

    _as(page, log_in, demo["anna"])
    page.goto(link[0])
    expect(page.get_by_role("region", name="Waiting to be sent")).to_contain_text("1 company is waiting to be added")
    terms = page.get_by_label(LIST)
    terms.get_by_role("radio", name="20 days", exact=True).check()
    terms.get_by_role("checkbox", name="Can also be chosen when a customer is added (10 days)").check()
    page.get_by_role("region", name="Terms of payment").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("New customers get the terms of payment 20 days.")
    expect(terms.get_by_role("checkbox", checked=True)).to_have_count(1)
    open_card(page, NAME)
    expect(banner).to_have_count(0)
    expect(panel).to_contain_text("In Visma eAccounting, up to date", timeout=SETTLED)
    created = customer_named(eaccounting, NAME)
    assert (created["TermsOfPayment"]["NameEnglish"], created["InvoiceCity"]) == ("20 days", "Mölndal")


def test_terms_are_chosen_by_keyboard_alone(page: Page, connected: Connection, log_in: LogIn) -> None:
    log_in(page, connected.connected_by)
    page.goto(SETTINGS)
    terms = page.get_by_label(LIST)
    terms.get_by_role("radio", name="30 days", exact=True).focus()
    page.keyboard.press("ArrowDown")
    expect(terms.get_by_role("radio", name="Current month end")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("New customers get the terms of payment Current month end")
