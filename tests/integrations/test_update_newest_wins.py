"""Two people in two tabs: the newest sheet wins, our own write is nobody's change, and nobody's edit is lost.

Each tab is a sheet as it was opened (tests/sheets.py); confirming it is about all that it shows, ticked or not.
"""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.clock import database_now
from integrations.delivery import calls, outcomes
from integrations.delivery.outcomes import failure_of
from integrations.domain import mapping, previous_values
from integrations.domain.diff import Side
from integrations.domain.mapping import Group
from integrations.exceptions import AlreadyUnderWay
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Event, EventKind, Origin, Push, PushState, push_queue
from integrations.services.link import link_company
from integrations.services.undo import request_undo
from tests import sheets
from tests.holding import held
from tests.integrations.conftest import Run, puts
from tests.integrations.test_update_sheet import post, seen_on, sheet_of
from tests.integrations.threads import in_thread
from tests.sheets import UpdatePage

BJORK = "1001"
WAS, FIRST, SECOND, SOMEBODYS = "08-123 45 67", "+46 8 555 00 11", "+46 8 555 00 22", "08-999 99 99"
OURS, THEIRS = Side.OURS, Side.THEIRS


def there(sandbox: Sandbox) -> Document:
    return next(row for row in sandbox.customers() if row["CustomerNumber"] == BJORK)


def edit_there(sandbox: Sandbox, **values: str) -> None:
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), **values)


def edit(company: Company, **values: str) -> None:
    company.save_changes(now=timezone.now(), values=values)


@pytest.fixture
def linked(ready: Connection, company: Company, ulf: User, sandbox: Sandbox) -> CustomerLink:
    """The company is linked to a customer that differs in nearly everything; nothing was sent."""
    edit(company, phone=FIRST)
    customer = calls.read_customer(ready, customer_id=str(there(sandbox)["Id"]))
    made = link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    sandbox.forget_calls()
    return made


@pytest.fixture
def first(linked: CustomerLink, company: Company, ulf: User) -> Push:
    """Ulf has confirmed the first phone number; it waits."""
    return confirmed(sheets.update_page(company), ulf, Telephone=OURS)


def confirmed(page: UpdatePage, user: User, **sides: Side) -> Push:
    push = page.confirm(user=user, **sides)
    assert push is not None
    return push


def second_tab(company: Company) -> UpdatePage:
    """Somebody opens the sheet after the phone number was changed once more."""
    edit(company, phone=SECOND)
    return sheets.update_page(company)


def following(push: Push) -> Push:
    return Push.objects.exclude(pk=push.pk).get(state=PushState.WAITING)


# --- Our own write is the base of the next -----------------------------------------------------------


def test_a_sheet_opened_before_an_update_was_sent_is_good_after_it(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run
) -> None:
    tab = second_tab(company)
    assert run(first).state == PushState.DONE
    second = run(confirmed(tab, anna, Telephone=OURS))
    assert (second.state, there(sandbox)["Telephone"]) == (PushState.DONE, SECOND)
    assert (second.before, second.requested_by) == ({"Telephone": FIRST}, anna)


def test_a_sheet_is_good_after_two_updates_that_were_sent_since(
    first: Push, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    tab = second_tab(company)
    run(first)
    edit(company, phone="+46 8 555 00 33")
    assert run(confirmed(sheets.update_page(company), ulf, Telephone=OURS)).state == PushState.DONE
    edit(company, phone=SECOND)
    assert run(confirmed(tab, anna, Telephone=OURS)).state == PushState.DONE
    assert there(sandbox)["Telephone"] == SECOND


def test_what_eaccounting_made_of_our_write_is_our_write(
    linked: CustomerLink, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    """It answers another name than was sent, and whichever of the two it stored, nobody else has written it."""
    sandbox.fault(kind="answer_other_name", method="PUT", text="Älvstrand (spärrad)")
    first = confirmed(sheets.update_page(company), ulf, Name=OURS)
    edit(company, name="Älvstrand Bygg AB")
    tab = sheets.update_page(company)
    assert run(first).after == {"Name": "Älvstrand (spärrad)"}
    edit_there(sandbox, Name="Älvstrand (spärrad)")  # what it answered, as if it had been stored
    assert run(confirmed(tab, anna, Name=OURS)).state == PushState.DONE
    assert there(sandbox)["Name"] == "Älvstrand Bygg AB"


@pytest.mark.django_db(transaction=True)
def test_confirmed_while_the_first_is_being_sent_the_second_follows_it(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run
) -> None:
    tab = second_tab(company)
    with held(sandbox, method="PUT", path=".*") as request:
        worker = in_thread(lambda: run(first))
        request.wait_for()
        assert confirmed(tab, anna, Telephone=OURS) == first
    worker.result(60)
    next_one = following(first)
    assert (next_one.confirmed, next_one.requested_by) == ({"Telephone": SECOND}, anna)
    assert run(next_one).state == PushState.DONE
    assert (there(sandbox)["Telephone"], puts(sandbox)) == (SECOND, 2)


def test_confirmed_while_nobody_knows_whether_the_first_was_stored_and_it_was(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    sandbox.fault(method="PUT", kind="reset", when="after")
    assert run(first).state == PushState.UNKNOWN
    assert confirmed(second_tab(company), anna, Telephone=OURS) == first
    done = settle(first)
    assert (done.state, done.before, done.after) == (PushState.DONE, {"Telephone": WAS}, {"Telephone": FIRST})
    second = run(following(first))
    assert (second.state, second.before) == (PushState.DONE, {"Telephone": FIRST})
    assert (there(sandbox)["Telephone"], puts(sandbox)) == (SECOND, 2)


def test_confirmed_while_nobody_knows_whether_the_first_was_stored_and_it_was_not(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    """What nobody wants any more is not sent once more."""
    sandbox.fault(method="PUT", kind="reset", when="before")
    assert run(first).state == PushState.UNKNOWN
    assert confirmed(second_tab(company), anna, Telephone=OURS) == first
    done = settle(first)
    assert (done.state, done.before, done.values) == (PushState.DONE, {"Telephone": WAS}, {"Telephone": SECOND})
    assert Push.objects.get() == first
    assert (there(sandbox)["Telephone"], puts(sandbox)) == (SECOND, 2)


def test_a_sheet_opened_before_a_lost_answer_is_good_after_it(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    tab = second_tab(company)
    sandbox.fault(method="PUT", kind="reset", when="after")
    run(first)
    assert settle(first).state == PushState.DONE
    assert run(confirmed(tab, anna, Telephone=OURS)).state == PushState.DONE
    assert there(sandbox)["Telephone"] == SECOND


# --- Nobody's edit is lost ---------------------------------------------------------------------------


def test_somebodys_edit_after_our_write_is_found(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run
) -> None:
    tab = second_tab(company)
    run(first)
    edit_there(sandbox, Telephone=SOMEBODYS)
    second = run(confirmed(tab, anna, Telephone=OURS))
    assert (second.state, second.failure) == (PushState.FAILED, "changed_there")
    assert there(sandbox)["Telephone"] == SOMEBODYS


def test_our_write_from_before_the_sheet_is_no_base_when_somebody_repeats_it(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run
) -> None:
    run(first)
    edit_there(sandbox, Telephone=WAS)
    tab = second_tab(company)
    edit_there(sandbox, Telephone=FIRST)  # somebody's, though it was ours once
    second = run(confirmed(tab, anna, Telephone=OURS))
    assert (second.state, second.failure) == (PushState.FAILED, "changed_there")
    assert there(sandbox)["Telephone"] == FIRST


def test_somebodys_edit_while_nobody_knows_what_became_of_our_write_is_found(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    sandbox.fault(method="PUT", kind="reset", when="after")
    run(first)
    confirmed(second_tab(company), anna, Telephone=OURS)
    edit_there(sandbox, Telephone=SOMEBODYS)
    settle(first)
    for push in Push.objects.filter(state=PushState.WAITING):
        run(push)
    ends = set(Push.objects.values_list("state", "failure"))
    assert ends == {(PushState.FAILED, "changed_there")}
    assert there(sandbox)["Telephone"] == SOMEBODYS


def test_a_value_set_back_after_a_lost_write_is_not_written_again(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    """The other value tells that the write was stored: what stands there as before is somebody's decision."""
    push = confirmed(sheets.update_page(company), ulf, Telephone=OURS, EmailAddress=OURS)
    sandbox.fault(method="PUT", kind="reset", when="after")
    run(push)
    edit_there(sandbox, Telephone=WAS)
    ended = settle(push)
    assert (ended.state, ended.failure) == (PushState.FAILED, "changed_there")
    assert ended.failure_parameters == {"fields": ["Telephone"], "was_sent": True}
    assert (there(sandbox)["Telephone"], puts(sandbox)) == (WAS, 1)


def test_a_value_that_only_looks_otherwise_tells_nothing_of_a_lost_write(
    linked: CustomerLink, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    """The contact group has no country of its own: its numbers are read by the rules of the customer's."""
    edit_there(sandbox, ContactPersonMobile="070-174 06 05")
    push = sheets.choose_contact(user=ulf, company=company, contact=contact)
    sandbox.fault(method="PUT", kind="reset", when="before")
    assert run(push).state == PushState.UNKNOWN
    assert settle(push).state == PushState.DONE
    assert there(sandbox)["ContactPersonName"] == "Åsa Öberg"


def test_a_second_update_goes_on_after_somebody_changed_part_of_the_first(
    linked: CustomerLink, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    first = confirmed(sheets.update_page(company), ulf, Telephone=OURS, EmailAddress=OURS)
    sandbox.fault(method="PUT", kind="reset", when="after")
    run(first)
    edit(company, email="ny@alvstrand.example")
    tab = sheets.update_page(company)  # it shows both as they were sent
    assert {row.key for row in tab.rows} & {"Telephone", "EmailAddress"} == {"EmailAddress"}
    confirmed(tab, anna, EmailAddress=OURS)
    edit_there(sandbox, Telephone=SOMEBODYS)
    assert settle(first).state == PushState.FAILED
    assert run(following(first)).state == PushState.DONE
    now = there(sandbox)
    assert (now["Telephone"], now["EmailAddress"]) == (SOMEBODYS, "ny@alvstrand.example")


def test_putting_back_does_not_go_over_what_a_colleague_wrote_meanwhile(
    first: Push, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    done = run(first)
    formers = previous_values.formers_of(done, mapping.owned(there(sandbox)))
    put_back = previous_values.decide(formers, ["Telephone"])
    assert run(confirmed(second_tab(company), anna, Telephone=OURS)).state == PushState.DONE
    undo = request_undo(user=ulf, push=done, decision=put_back)
    assert undo is not None
    assert run(undo).failure == "changed_there"
    assert there(sandbox)["Telephone"] == SECOND


# --- What the newer sheet showed replaces what waits ---------------------------------------------------


def test_what_a_newer_sheet_shows_and_leaves_is_taken_out_of_what_waits(
    linked: CustomerLink, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    push = confirmed(sheets.update_page(company), ulf, Telephone=OURS, Name=OURS)
    confirmed(sheets.update_page(company), anna, Telephone=THEIRS, Name=THEIRS, EmailAddress=OURS)
    assert run(push).values == {"EmailAddress": company.email}
    now = there(sandbox)
    assert (now["Telephone"], now["Name"]) == (WAS, "Björk & Son Måleri AB")


def test_what_a_newer_sheet_shows_as_equal_is_taken_out_of_what_waits(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run
) -> None:
    edit(company, phone=WAS)
    tab = sheets.update_page(company)
    assert "Telephone" not in tab.suggested
    confirmed(tab, anna, EmailAddress=OURS)
    assert run(first).values == {"EmailAddress": company.email}
    assert there(sandbox)["Telephone"] == WAS


def test_who_leaves_all_that_waits_cancels_it_and_that_is_told(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run
) -> None:
    before = there(sandbox)
    assert sheets.update(user=anna, company=company) is None
    assert run(first).state == PushState.CANCELLED
    assert Event.objects.get(kind=EventKind.CANCELLED).actor == anna
    assert there(sandbox) == before


def test_who_leaves_what_waits_of_the_company_leaves_the_contact_person_waiting(
    first: Push, company: Company, contact: Contact, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    assert sheets.choose_contact(user=ulf, company=company, contact=contact) == first
    CustomerLink.objects.update(contact=None)  # so that the next sheet is about the company alone
    assert sheets.update(user=anna, company=company) is None
    CustomerLink.objects.update(contact=contact)
    done = run(first)
    assert (done.state, done.requested_by) == (PushState.DONE, ulf)
    assert (there(sandbox)["Telephone"], there(sandbox)["ContactPersonName"]) == (WAS, "Åsa Öberg")


@pytest.mark.parametrize("confirms_more", [True, False])
def test_what_is_being_sent_cannot_be_left_as_it_was_and_that_is_told(
    first: Push, company: Company, anna: User, sandbox: Sandbox, run: Run, confirms_more: bool
) -> None:
    sandbox.fault(method="PUT", kind="reset", when="before")
    assert run(first).state == PushState.UNKNOWN
    more = {"EmailAddress": OURS} if confirms_more else {}
    with pytest.raises(AlreadyUnderWay) as refused:
        sheets.update(user=anna, company=company, Telephone=THEIRS, **more)
    told = sentence(refused.value.code, refused.value.parameters)
    assert told == "This is already being sent, requested by Ulf Ek. Wait until it is done."
    assert Push.objects.get().confirmed == {"Telephone": FIRST}


def test_what_follows_a_refused_update_is_only_what_was_confirmed_meanwhile(
    first: Push, company: Company, contact: Contact, ulf: User, anna: User
) -> None:
    holder = push_queue.claim(first.pk, now=database_now(), seconds=60)
    assert holder is not None
    holder.reload_request()
    sent = {"values": {"Telephone": FIRST}, "before": {"Telephone": WAS}}
    holder.begin_sending(**sent, send_by=database_now(), lease_until=database_now())
    sheets.choose_contact(user=anna, company=company, contact=contact)
    outcomes.refuse(holder, failure=failure_of("validation"), now=database_now())
    next_one = following(first)
    assert next_one.confirmed == mapping.values_of(company, contact, groups=[Group.CONTACT])
    assert next_one.requested_by == anna


# --- By the pages --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_people_who_confirm_sheets_at_once_both_get_what_they_chose(
    linked: CustomerLink, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run,
    as_user: Callable[[User], Client],
) -> None:  # fmt: skip
    desks = {user: as_user(user) for user in (ulf, anna)}
    pages = {user: desk.get(sheet_of(company)).content.decode() for user, desk in desks.items()}
    assert all(seen_on(page) for page in pages.values())
    tab = {"address": "theirs", "WwwAddress": "theirs", "CorporateIdentityNumber": "theirs"}
    post(desks[ulf], company, pages[ulf], **tab, Telephone="ours", Name="theirs", EmailAddress="theirs")
    first = Push.objects.get()
    with held(sandbox, method="PUT", path=".*") as request:
        worker = in_thread(lambda: run(first))
        request.wait_for()
        post(desks[anna], company, pages[anna], **tab, Telephone="ours", Name="ours", EmailAddress="theirs")
    worker.result(60)
    assert run(following(first)).state == PushState.DONE
    assert [push.state for push in Push.objects.order_by("pk")] == [PushState.DONE, PushState.DONE]
    assert (there(sandbox)["Telephone"], there(sandbox)["Name"]) == (FIRST, company.name)
