"""The update sheet and "Check eAccounting now", from the click to what stands there in the end."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.access import rate_limit
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Event, EventKind, Push, PushState, RemoteCustomer
from integrations.panel.panel import panel_of
from integrations.panel.states import State
from integrations.services.update import check_remote
from tests import sheets
from tests.integrations.conftest import Run, named, puts

NEWER = "+46 8 555 00 11"
THERE = "+46 8 999 99 99"


@pytest.fixture
def desk(as_user: Callable[[User], Client], ulf: User) -> Client:
    return as_user(ulf)


@pytest.fixture
def linked(ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run) -> CustomerLink:
    """The company was added from here: both sides are equal."""
    run(sheets.create(user=ulf, company=company))
    sandbox.forget_calls()
    return CustomerLink.objects.get()


def there(sandbox: Sandbox) -> Document:
    [found] = named(sandbox)
    return found


def edit_there(sandbox: Sandbox, **values: object) -> None:
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), **values)


def edit(company: Company, **values: str) -> None:
    company.save_changes(now=timezone.now(), values=values)


def sheet_of(company: Company) -> str:
    return f"/companies/{company.pk}/visma-eaccounting/update/"


def opened(desk: Client, company: Company) -> str:
    answer = desk.get(sheet_of(company))
    assert answer.status_code == 200
    return answer.content.decode()


def seen_on(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return found[1]


def rows_on(page: str) -> dict[str, str]:
    """The rows that are asked about, with the side that is chosen beforehand."""
    found = re.findall(r'type="radio"\s+name="(\w+)"\s+value="(\w+)"\s+id="\w+"( checked)?', page)
    return {name: side for name, side, checked in found if checked} | {
        name: "" for name, _side, _checked in found if not any(n == name and c for n, _s, c in found)
    }


def post(desk: Client, company: Company, page: str, **choices: str) -> str:
    data = {"seen": seen_on(page), **choices}
    return desk.post(sheet_of(company), data, follow=True).content.decode()


def delivered(run: Run) -> Push:
    return run(Push.objects.order_by("-pk")[0])


def state(company: Company, user: User) -> State:
    return panel_of(company=Company.objects.get(pk=company.pk), user=user).state


def test_what_changed_here_is_written_and_nothing_else(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    edit(company, phone=NEWER)
    edit_there(sandbox, EmailAddress="new@alvstrand.example", Note="Somebody's")
    page = opened(desk, company)
    assert rows_on(page) == {"Telephone": "ours", "EmailAddress": "theirs"}
    post(desk, company, page, Telephone="ours", EmailAddress="theirs")
    assert delivered(run).state == PushState.DONE
    now = there(sandbox)
    assert (now["Telephone"], now["EmailAddress"], now["Note"]) == (NEWER, "new@alvstrand.example", "Somebody's")
    assert state(company, ulf) == State.UP_TO_DATE
    assert "nothing has changed since the differences were reviewed" in check(desk, company)
    assert "Kept as in Visma eAccounting: E-mail." in desk.get(f"/companies/{company.pk}/").content.decode()


def test_opening_the_sheet_tells_the_card_what_changed_there(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User
) -> None:
    edit_there(sandbox, Telephone=THERE)
    assert state(company, ulf) == State.UP_TO_DATE
    opened(desk, company)
    assert state(company, ulf) == State.CHANGED_THERE


def test_changed_on_both_sides_a_person_has_to_choose(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, run: Run
) -> None:
    edit(company, phone=NEWER)
    edit_there(sandbox, Telephone=THERE)
    page = opened(desk, company)
    assert rows_on(page) == {"Telephone": ""}
    again = post(desk, company, page)
    assert "Choose one of the two." in again
    assert Push.objects.count() == 1
    post(desk, company, again, Telephone="ours")
    delivered(run)
    assert there(sandbox)["Telephone"] == NEWER


def test_keeping_what_is_there_sends_nothing_and_is_remembered(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User
) -> None:
    edit_there(sandbox, Telephone=THERE)
    card = post(desk, company, opened(desk, company), Telephone="theirs")
    assert "Nothing was sent. Visma eAccounting keeps its values." in card
    assert Push.objects.count() == 1
    assert Event.objects.get(kind=EventKind.KEPT).parameters == {"fields": ["Telephone"]}
    assert state(company, ulf) == State.UP_TO_DATE
    assert there(sandbox)["Telephone"] == THERE


def test_a_blank_clears_there_only_when_its_row_is_chosen(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, run: Run
) -> None:
    edit(company, website="", phone="")
    page = opened(desk, company)
    assert rows_on(page) == {"Telephone": "theirs", "WwwAddress": "theirs"}
    post(desk, company, page, Telephone="ours", WwwAddress="theirs")
    delivered(run)
    now = there(sandbox)
    assert (now["Telephone"], now["WwwAddress"]) == (None, "https://www.alvstrand.example")


def test_what_was_seen_is_what_is_confirmed(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox
) -> None:
    edit(company, phone=NEWER)
    page = opened(desk, company)
    edit(company, phone="+46 8 555 00 22")
    again = post(desk, company, page, Telephone="ours")
    assert "Somebody changed this company after you opened this. Nothing was sent." in again
    assert "+46 8 555 00 22" in again
    assert Push.objects.count() == 1


def test_what_somebody_changed_there_after_the_look_is_not_overwritten(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    edit(company, phone=NEWER)
    page = opened(desk, company)
    edit_there(sandbox, Telephone=THERE)
    post(desk, company, page, Telephone="ours")
    failed = delivered(run)
    assert (failed.state, failed.failure) == (PushState.FAILED, "changed_there")
    assert there(sandbox)["Telephone"] == THERE
    assert "Review the differences</a>" in desk.get(f"/companies/{company.pk}/").content.decode()
    post(desk, company, opened(desk, company), Telephone="theirs")
    assert state(company, ulf) == State.UP_TO_DATE


def test_nothing_to_do_is_said_and_cannot_be_sent(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox
) -> None:
    page = opened(desk, company)
    assert "Visma eAccounting already has these values." in page
    assert 'aria-disabled="true"' in page
    assert 'type="submit" data-counted' not in page
    post(desk, company, page)
    assert Push.objects.count() == 1


@pytest.mark.parametrize("busy", [False, True])
def test_without_an_answer_the_sheet_shows_what_was_last_seen_and_why(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, run: Run, busy: bool
) -> None:
    edit(company, phone=NEWER)
    if busy:
        for _ in range(20):
            rate_limit.count_live_read(company.account_id)
    else:
        sandbox.fault(kind="status", status=500, when="before", count=None, path="/v2/customers/.*")
    page = opened(desk, company)
    words = "slow right now" if busy else "is not answering right now"
    assert f"Visma eAccounting {'is ' if busy else ''}{words}. Try again in a moment." in page
    assert "The values in Visma eAccounting were read" in page
    assert "Try again</a>" in page
    assert rows_on(page) == {"Telephone": "ours"}
    sandbox.faults.clear()
    post(desk, company, page, Telephone="ours")
    delivered(run)
    assert there(sandbox)["Telephone"] == NEWER


def test_a_value_over_its_limit_is_sent_shorter_and_remembered(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    edit(company, name="Älvstrands Snickeri och Finsnickeri med Möbelverkstad i Stockholm AB")
    page = opened(desk, company)
    assert rows_on(page) == {"Name": "ours"}
    assert "Enter a shorter value" in post(desk, company, page, Name="ours")
    post(desk, company, page, **{"Name": "ours", "shorter-Name": "Älvstrands Snickeri i Stockholm AB"})
    delivered(run)
    assert len(named(sandbox, "Älvstrands Snickeri i Stockholm AB")) == 1
    assert state(company, ulf) == State.UP_TO_DATE


def test_an_address_without_its_postal_code_cannot_be_chosen(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox
) -> None:
    edit(company, postal_code="")
    page = opened(desk, company)
    assert rows_on(page) == {"address": ""}
    assert f'href="/companies/{company.pk}/edit/#id_postal_code"' in page
    post(desk, company, page, address="ours")
    assert Push.objects.count() == 1
    assert "Nothing was sent." in post(desk, company, page)


def test_the_contact_person_goes_whole(
    desk: Client, linked: CustomerLink, company: Company, contact: Contact, sandbox: Sandbox, run: Run
) -> None:
    linked.choose_contact(contact)
    contact.save_changes(now=timezone.now(), values={"mobile": ""})
    edit_there(sandbox, ContactPersonMobile="070-1")
    page = opened(desk, company)
    assert rows_on(page) == {"contact": "theirs"}
    post(desk, company, page, contact="ours")
    delivered(run)
    now = there(sandbox)
    assert (now["ContactPersonName"], now["ContactPersonMobile"]) == ("Åsa Öberg", None)


@pytest.mark.parametrize(("gone", "broken"), [(True, "deleted"), (False, "inactive")])
def test_a_customer_that_is_gone_breaks_the_link(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User, gone: bool, broken: str
) -> None:
    if gone:
        sandbox.world.remove("customer", "1", str(there(sandbox)["Id"]))
    else:
        edit_there(sandbox, IsActive=False)
    card = desk.get(sheet_of(company), follow=True).content.decode()
    assert sentence(f"customer_{broken}") in card
    linked.refresh_from_db()
    assert linked.broken == broken
    assert state(company, ulf) == State.LINK_BROKEN


def test_a_customer_that_is_active_again_is_found_by_checking(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User
) -> None:
    linked.mark_broken(CustomerLink.Broken.INACTIVE)
    assert "Check eAccounting now" in desk.get(f"/companies/{company.pk}/").content.decode()
    assert "Checked just now: Visma eAccounting has the same values as Lime Go." in check(desk, company)
    assert state(company, ulf) == State.UP_TO_DATE


def check(desk: Client, company: Company) -> str:
    address = f"/companies/{company.pk}/visma-eaccounting/check/"
    return desk.post(address, follow=True).content.decode()


def test_checking_tells_what_changed_there_and_keeps_it(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User
) -> None:
    RemoteCustomer.objects.update(seen_at=timezone.now() - timedelta(days=2))
    edit_there(sandbox, Telephone=THERE, EmailAddress="new@alvstrand.example")
    card = check(desk, company)
    assert "Checked just now: 2 fields differ from Visma eAccounting. Review the differences." in card
    assert "2 fields changed in Visma eAccounting" in card
    remote = RemoteCustomer.objects.get()
    assert remote.answered["Telephone"] == THERE
    assert timezone.now() - remote.seen_at < timedelta(minutes=1)
    assert puts(sandbox) == 0


def test_a_check_without_an_answer_says_why_and_keeps_what_was_known(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User
) -> None:
    sandbox.fault(kind="status", status=503, when="before", count=None, path="/v2/customers/.*")
    card = check(desk, company)
    assert "Visma eAccounting could not be checked. Visma eAccounting is not answering right now." in card
    assert state(company, ulf) == State.UP_TO_DATE


def test_while_a_worker_is_at_it_what_was_read_is_not_kept(
    linked: CustomerLink, company: Company, ready: Connection, sandbox: Sandbox, ulf: User
) -> None:
    edit(company, phone=NEWER)
    sheets.update(user=ulf, company=company)
    edit_there(sandbox, Telephone=THERE)
    customer = check_remote(link=linked, connection=ready)
    assert customer is not None
    assert customer.phone == THERE
    assert RemoteCustomer.objects.get().answered["Telephone"] != THERE


def test_an_update_that_finds_its_values_there_does_not_count_as_sent(
    linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    before = CustomerLink.objects.get().sent_at
    edit(company, phone=NEWER)
    push = sheets.update_all(user=ulf, company=company)
    edit_there(sandbox, Telephone=NEWER)
    assert run(push).state == PushState.DONE
    assert CustomerLink.objects.get().sent_at == before
    assert puts(sandbox) == 0


def test_in_the_dialog_the_sheet_comes_without_its_page_and_leads_back_to_the_card(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox
) -> None:
    edit(company, phone=NEWER)
    by_htmx = {"HX-Request": "true", "HX-Target": "sheet"}
    page = desk.get(sheet_of(company), headers=by_htmx).content.decode()
    assert "<html" not in page
    data = {"seen": seen_on(page), "Telephone": "ours"}
    answer = desk.post(sheet_of(company), data, headers=by_htmx)
    assert answer.headers["HX-Redirect"] == f"/companies/{company.pk}/"


@pytest.mark.parametrize("case", ["not_connected", "not_linked", "archived", "needs_reconnect"])
def test_where_nothing_can_be_updated_the_card_says_why(
    desk: Client, ready: Connection, company: Company, sandbox: Sandbox, ulf: User, run: Run, case: str
) -> None:
    if case != "not_linked":
        run(sheets.create(user=ulf, company=company))
    if case == "archived":
        company.archive(now=timezone.now())
    if case == "not_connected":
        Connection.objects.update(is_current=False)
    if case == "needs_reconnect":
        Connection.objects.update(state=Connection.State.NEEDS_RECONNECT, broken_at=timezone.now())
    assert sentence(case) in desk.get(sheet_of(company), follow=True).content.decode()
    assert sentence(case) in check(desk, company)


def test_two_clicks_on_two_pages_end_with_the_newer_one(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, run: Run
) -> None:
    edit(company, phone=NEWER)
    page = opened(desk, company)
    post(desk, company, page, Telephone="ours")
    post(desk, company, page, Telephone="ours")
    assert delivered(run).state == PushState.DONE
    assert there(sandbox)["Telephone"] == NEWER
    assert puts(sandbox) == 1


def test_a_sheet_costs_one_call(desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox) -> None:
    opened(desk, company)
    assert [call.method for call in sandbox.calls(path="/v2/customers")] == ["GET"]


def test_what_eaccounting_stored_otherwise_is_accepted_once(
    desk: Client, linked: CustomerLink, company: Company, sandbox: Sandbox, ulf: User
) -> None:
    edit_there(sandbox, Telephone=THERE)
    linked.mark_sent(values=linked.sent, answered=linked.answered | {"Telephone": THERE}, user=ulf, now=timezone.now())
    check_remote(link=linked, connection=linked.connection)
    assert state(company, ulf) == State.OTHERWISE
    page = opened(desk, company)
    assert rows_on(page) == {"Telephone": "theirs"}
    assert "Saved differently in Visma eAccounting" in page
    post(desk, company, page, Telephone="theirs")
    assert state(company, ulf) == State.UP_TO_DATE
    assert Push.objects.count() == 1
