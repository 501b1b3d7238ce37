"""The connection breaks while the create sheet is open: what was typed stays, and is sent later."""

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from accounts.models import User
from dev.sandbox.core import Sandbox
from integrations.models import Connection, Push
from tests.browser.conftest import LogIn, assert_accessible
from tests.browser.eaccounting import ADD, SETTLED, customer_named, open_card
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.browser, pytest.mark.workers, pytest.mark.django_db(transaction=True)]

LONG = "Mälarstrand Fastighetsförvaltning och Fastighetsutveckling i Västerås AB"
SHORT = "Mälarstrand Fastighet AB"
CREATE = "Create customer in Visma eAccounting"
STAYS = "Nothing was sent. What you chose and typed is still here."


def _type(page: Page) -> Locator:
    """Open the sheet and give the long name a shorter form."""
    open_card(page, LONG)
    page.wait_for_load_state()
    page.get_by_role("link", name=ADD).click()
    name = page.get_by_role("textbox", name="Company name")
    expect(name).to_have_value(LONG)
    name.fill(SHORT)
    return name


def _revoke() -> None:
    Connection.objects.update(state=Connection.State.NEEDS_RECONNECT, broken_at=timezone.now())


def _mend() -> None:
    Connection.objects.update(state=Connection.State.CONNECTED, broken_at=None)


def test_a_user_asks_an_admin_with_what_was_typed(
    page: Page, connected: Connection, demo: dict[str, User], eaccounting: Sandbox, log_in: LogIn
) -> None:
    log_in(page, demo["ulf"])
    name = _type(page)
    connected.terms.update(gone_at=timezone.now())
    page.get_by_role("button", name=CREATE).click()
    expect(page.get_by_role("alert")).to_contain_text(STAYS)
    expect(page.get_by_role("alert")).to_contain_text("no longer exist in Visma eAccounting")
    expect(name).to_have_value(SHORT)
    assert_accessible(page)
    assert not Push.objects.exists()
    page.get_by_role("button", name="Ask an admin").click()
    expect(page.get_by_role("status").first).to_contain_text("Asked. An e-mail is on its way to Anna Ek.")
    assert Push.objects.get().confirmed["Name"] == SHORT


@pytest.mark.parametrize("scripts", mostly_thorough([True, False], but=True), ids=["scripts", "no scripts"])
def test_an_admin_reconnects_in_another_tab_and_creates_what_was_typed(
    browser: Browser, browser_context_args: dict[str, object], connected: Connection, eaccounting: Sandbox,
    log_in: LogIn, scripts: bool,
) -> None:  # fmt: skip
    context = browser.new_context(**{**browser_context_args, "java_script_enabled": scripts})
    page = context.new_page()
    log_in(page, connected.connected_by)
    name = _type(page)
    _revoke()
    page.get_by_role("button", name=CREATE).click()
    expect(page.get_by_role("alert")).to_contain_text(STAYS)
    expect(name).to_have_value(SHORT)
    with context.expect_page() as opened:
        page.get_by_role("link", name="Fix the connection (new tab)").click()
    expect(opened.value.get_by_role("button", name="Reconnect")).to_be_visible()
    _mend()
    page.get_by_role("button", name=CREATE).click()
    expect(page.get_by_role("region", name="Visma eAccounting")).to_be_visible()
    for _ in range(SETTLED // 500):
        if Push.objects.filter(state="done").exists():
            break
        page.wait_for_timeout(500)
    assert customer_named(eaccounting, SHORT)
    context.close()


def test_when_lime_go_itself_does_not_answer_the_sheet_stays(
    page: Page, connected: Connection, eaccounting: Sandbox, log_in: LogIn
) -> None:
    log_in(page, connected.connected_by)
    name = _type(page)
    page.route("**/create/", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    for _ in range(2):
        page.get_by_role("button", name=CREATE).click()
        expect(page.get_by_role("alert")).to_have_count(1)
        expect(page.get_by_role("alert")).to_contain_text("What you chose and typed is still here.")
    expect(name).to_have_value(SHORT)
    assert_accessible(page)
    page.unroute("**/create/")
    page.get_by_role("button", name=CREATE).click()
    expect(page.get_by_role("region", name="Visma eAccounting")).to_contain_text("created", timeout=SETTLED)
    assert customer_named(eaccounting, SHORT)
