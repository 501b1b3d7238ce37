"""Updating a customer: nothing that is not ours is lost, the newest wish wins. Judged by the customer at the end."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.delivery import calls
from integrations.delivery.worker import deliver
from integrations.domain.mapping import BY_PROPERTY
from integrations.eaccounting.errors import Intercepted
from integrations.eaccounting.jsontext import Json, encode
from integrations.eaccounting.types import READ_ONLY_PROPERTIES
from integrations.exceptions import AlreadyUnderWay, NotLinked
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
    WaitReason,
    push_queue,
)
from integrations.panel.waiting import waiting_count
from integrations.services import connect
from integrations.services.link import link_company, unlink_company
from integrations.services.update import check_remote
from tests import sheets
from tests.holding import held
from tests.integrations.conftest import AddCompany, MovableClock, Run, call_seconds, connect_as, puts
from tests.integrations.threads import in_thread

BJORK = "1001"  # the sandbox's customer with everything: notes, labels, delivery address, numbers beyond a float


def customer_there(sandbox: Sandbox, number: str = BJORK) -> Document:
    return next(row for row in sandbox.customers() if row["CustomerNumber"] == number)


@pytest.fixture
def there(sandbox: Sandbox) -> Document:
    """The customer as it is before anything is sent."""
    return customer_there(sandbox)


@pytest.fixture
def linked(ready: Connection, company: Company, ulf: User, sandbox: Sandbox, there: Document) -> CustomerLink:
    """The company is linked to the customer; they differ in nearly everything."""
    link = link_to(there, company=company, connection=ready, user=ulf)
    sandbox.forget_calls()
    return link


def link_to(row: Document, *, company: Company, connection: Connection, user: User) -> CustomerLink:
    customer = calls.read_customer(connection, customer_id=str(row["Id"]))
    return link_company(user=user, company=company, connection=connection, customer=customer, origin=Origin.PASTED)


@pytest.fixture
def wish(linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox) -> Push:
    push = sheets.update_all(user=ulf, company=company)
    sandbox.forget_calls()
    return push


def foreign(row: Document) -> Document:
    """Everything that is not ours to write, and does not move by itself."""
    moving = {"ChangedUtc"}
    return {name: value for name, value in row.items() if name not in BY_PROPERTY and name not in moving}


def edit(company: Company, **values: str) -> None:
    company.save_changes(now=timezone.now(), values=values)


def test_an_update_writes_our_values_and_keeps_everything_else(
    wish: Push, company: Company, sandbox: Sandbox, run: Run, there: Document
) -> None:
    assert run(wish).state == PushState.DONE
    now = customer_there(sandbox)
    assert (now["Name"], now["InvoiceCity"], now["EmailAddress"]) == (company.name, "Stockholm", company.email)
    assert foreign(now) == foreign(there)
    assert now["TermsOfPaymentId"] == there["TermsOfPaymentId"]
    assert now["CreditRating"] == there["CreditRating"]
    assert now["ContactPersonName"] == "Eva Björk"  # nobody was chosen: their person stays
    assert [call.method for call in sandbox.calls(path="/v2/customers")] == ["GET", "PUT"]
    assert sandbox.calls(method="PUT")[0].remarks == ()  # no read-only property was sent


def test_a_property_that_eaccounting_invents_tomorrow_is_kept(wish: Push, sandbox: Sandbox, run: Run) -> None:
    news: dict[str, Json] = {"LoyaltyTier": {"Level": 3, "Since": "2026-01-01"}, "Beta": 1e-7}
    sandbox.edit_customer(customer_id=str(customer_there(sandbox)["Id"]), **news)
    assert run(wish).state == PushState.DONE
    now = customer_there(sandbox)
    assert {name: now[name] for name in news} == news


def test_a_second_update_with_equal_values_reads_and_writes_nothing(
    wish: Push, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    other_tab = sheets.update_page(company)
    run(wish)
    second = other_tab.confirm_all(user=ulf)
    sandbox.forget_calls()
    assert second is not None
    assert run(second).state == PushState.DONE
    assert [call.method for call in sandbox.calls(path="/v2/customers")] == ["GET"]
    assert Event.objects.filter(kind=EventKind.UNCHANGED, company=company).count() == 1


def test_what_eaccounting_reformatted_is_not_sent_again(
    wish: Push, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    sandbox.switch(reformat_on_store=True)
    other_tab = sheets.update_page(company)
    run(wish)
    sandbox.forget_calls()
    second = other_tab.confirm_all(user=ulf)
    assert second is not None
    assert run(second).state == PushState.DONE
    assert puts(sandbox) == 0


def test_a_persons_edit_before_our_read_is_kept(wish: Push, sandbox: Sandbox, run: Run) -> None:
    sandbox.edit_customer(customer_id=str(customer_there(sandbox)["Id"]), Note="Edited by a person", MobilePhone="070")
    run(wish)
    now = customer_there(sandbox)
    assert (now["Note"], now["MobilePhone"]) == ("Edited by a person", "070")


def test_blank_values_here_leave_the_values_there(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    edit(company, phone="", email="", website="")
    run(sheets.update_all(user=ulf, company=company))
    now = customer_there(sandbox)
    assert now["Telephone"] == "08-123 45 67"
    assert now["EmailAddress"] == "faktura@bjorkmaleri.example"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "fault",
    [{"kind": "reset"}, {"kind": "no_answer"}, {"kind": "status", "status": 500}, {"kind": "truncated"}],
    ids=lambda fault: str(fault["kind"]),
)
def test_a_lost_answer_ends_with_our_values_and_nothing_else_changed(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, there: Document,
    fault: dict[str, Any], when: str,
) -> None:  # fmt: skip
    settings.EACCOUNTING_CALL_SECONDS = call_seconds(fault["kind"])
    sandbox.fault(method="PUT", when=when, **fault)
    unsure = run(wish)
    assert (unsure.state, unsure.wait_reason) == (PushState.UNKNOWN, WaitReason.SETTLING)
    assert settle(wish).state == PushState.DONE
    now = customer_there(sandbox)
    assert now["Name"] == wish.company.name
    assert foreign(now) == foreign(there)
    assert puts(sandbox) == (2 if when == "before" else 1)


def test_while_a_lost_write_may_still_be_stored_nothing_is_written(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, company: Company, ulf: User
) -> None:
    sandbox.fault(method="PUT", kind="reset", when="before")
    run(wish)
    edit(company, city="Uppsala")
    assert sheets.update_all(user=ulf, company=company) == wish
    for _ in range(4):
        run(wish, forward=0.5)
        assert puts(sandbox) == 1
    assert settle(wish).state == PushState.DONE
    assert customer_there(sandbox)["InvoiceCity"] == "Uppsala"


def test_a_persons_edit_after_a_lost_write_is_kept(wish: Push, sandbox: Sandbox, run: Run, settle: Run) -> None:
    sandbox.fault(method="PUT", kind="reset", when="after")
    run(wish)
    sandbox.edit_customer(customer_id=str(customer_there(sandbox)["Id"]), Note="Edited meanwhile")
    settle(wish)
    assert customer_there(sandbox)["Note"] == "Edited meanwhile"
    assert puts(sandbox) == 1


def test_killed_between_reading_and_writing_it_is_done_again(
    wish: Push, sandbox: Sandbox, clock: MovableClock, settle: Run
) -> None:
    claimed = push_queue.claim(wish.pk, now=clock(), seconds=5)
    assert claimed is not None
    claimed.begin_sending(values={"Name": "x"}, send_by=clock(), lease_until=clock() + timedelta(seconds=5))
    assert settle(wish).state == PushState.DONE
    assert customer_there(sandbox)["Name"] == wish.company.name


# --- The newest wish wins ----------------------------------------------------------------------------------


def test_a_click_on_a_waiting_update_replaces_it(
    wish: Push, linked: CustomerLink, company: Company, contact: Contact, anna: User, sandbox: Sandbox, run: Run
) -> None:
    again = sheets.choose_contact(user=anna, company=company, contact=contact)
    assert again.pk == wish.pk
    run(wish)
    now = customer_there(sandbox)
    assert (now["ContactPersonName"], now["Name"]) == ("Åsa Öberg", company.name)
    assert puts(sandbox) == 1
    assert Push.objects.get().requested_by == anna


@pytest.mark.django_db(transaction=True)
def test_three_edits_with_a_click_each_while_one_is_sent_end_with_the_last_value(
    wish: Push, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    with held(sandbox, method="PUT", path=".*") as request:
        worker = in_thread(lambda: run(wish))
        request.wait_for()
        for city in ("Uppsala", "Västerås", "Örebro"):
            edit(company, city=city)
            sheets.update_all(user=anna, company=company)
    worker.result(60)
    following = Push.objects.get(state=PushState.WAITING)
    assert following.requested_by == anna
    run(following)
    assert customer_there(sandbox)["InvoiceCity"] == "Örebro"
    assert puts(sandbox) == 2
    assert Push.open_of(company) is None


@pytest.mark.django_db(transaction=True)
def test_a_newer_wish_outlives_the_failure_of_the_one_before(
    wish: Push, company: Company, ulf: User, sandbox: Sandbox, run: Run, there: Document
) -> None:
    """The terms of payment that the customer refers to are gone for a while: what is sent then is refused."""
    terms = str(there["TermsOfPaymentId"])
    row = sandbox.world.row("terms", "1", terms)
    assert row is not None
    newer = sheets.update_page(company)
    with held(sandbox, method="PUT", path=".*") as request:
        worker = in_thread(lambda: run(wish))
        request.wait_for()
        sandbox.world.remove("terms", "1", terms)
        newer.confirm_all(user=ulf)
    worker.result(60)
    sandbox.world.put("terms", "1", row)
    wish.refresh_from_db()
    assert (wish.state, wish.failure) == (PushState.FAILED, "customer_refers_to_missing")
    following = Push.objects.get(state=PushState.WAITING)
    assert run(following).state == PushState.DONE
    assert customer_there(sandbox)["Name"] == company.name


def test_an_update_of_a_company_that_is_being_created_is_refused(
    ready: Connection, company: Company, ulf: User
) -> None:
    sheets.create(user=ulf, company=company)
    with pytest.raises(NotLinked):
        sheets.update_all(user=ulf, company=company)


def test_characters_that_no_column_holds_are_left_out_and_sent_back_exactly(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, there: Document, run: Run
) -> None:
    odd = {"InvoiceAddress2": "Hus \0 och \ud800", "Note": "\0 \udfff"}
    sandbox.edit_customer(customer_id=str(there["Id"]), **odd)
    linked = link_to(customer_there(sandbox), company=company, connection=ready, user=ulf)
    push = run(sheets.update_all(user=ulf, company=company))
    assert push.state == PushState.DONE
    assert push.before is not None
    assert push.before["InvoiceAddress2"] == "Hus  och ?"
    linked.refresh_from_db()
    assert linked.answered["InvoiceAddress2"] == ""
    assert customer_there(sandbox)["Note"] == odd["Note"]


# --- What cannot be updated --------------------------------------------------------------------------------


def test_a_customer_that_was_deleted_there_is_told_and_never_made_anew(
    wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run, there: Document
) -> None:
    sandbox.world.remove("customer", "1", str(there["Id"]))
    push = run(wish)
    assert (push.state, push.failure) == (PushState.FAILED, "customer_deleted")
    linked.refresh_from_db()
    assert linked.broken == CustomerLink.Broken.DELETED
    assert linked.customer.gone_at is not None
    assert sandbox.calls(method="POST", path="/v2") == []


# What something between us and eAccounting answers; `there` is the customer, which its address does not show.
LISTS_THAT_TELL_NOTHING: dict[str, dict[str, Json]] = {
    "404": {"kind": "status", "status": 404},
    "403": {"kind": "status", "status": 403},
    "500": {"kind": "status", "status": 500},
    "page": {"kind": "html"},
    "no such list": {"kind": "error", "error_code": 3000, "status": 404},
    "no such filter": {"kind": "error", "error_code": 6000},
    "not all of it": {"kind": "answer_also", "body": '"Data": []'},
    "more pages": {"kind": "answer_also", "about": "Data", "body": '"Data": [{"Id": 5}]'},
}


@pytest.mark.parametrize("status", [403, 404])
def test_a_customer_that_something_on_the_way_hides_is_waited_for(
    wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run, there: Document, status: int
) -> None:
    sandbox.fault(kind="status", status=status, method="GET", path=f"/v2/customers/{there['Id']}")
    push = run(wish)
    assert (push.state, push.wait_reason, push.failure) == (PushState.WAITING, WaitReason.RETRY, "intercepted")
    looks = [call.path for call in sandbox.calls(path="/v2")]
    assert looks == [f"/v2/customers/{there['Id']}", *["/v2/customers"] * (status == 404)]
    linked.refresh_from_db()
    assert (linked.broken, linked.customer.gone_at, Connection.objects.get().blocked_reason) == ("", None, "")
    assert run(push, forward=10).state == PushState.DONE


@pytest.mark.parametrize("status", [404, 400])
@pytest.mark.parametrize("has_body", [True, False])
def test_a_customer_that_neither_its_address_nor_the_list_shows_is_deleted(
    wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run, there: Document, status: int, has_body: bool
) -> None:
    sandbox.switch(unknown_id_status=status, unknown_id_body=has_body)
    sandbox.world.remove("customer", "1", str(there["Id"]))
    push = run(wish)
    if status == 400 and not has_body:
        assert (push.state, push.failure) == (PushState.FAILED, "refused")
        return
    assert (push.state, push.failure) == (PushState.FAILED, "customer_deleted")
    linked.refresh_from_db()
    assert linked.broken == CustomerLink.Broken.DELETED
    assert len(sandbox.calls(path="/v2")) == (1 if has_body else 2)


@pytest.mark.parametrize("list_answers", LISTS_THAT_TELL_NOTHING.values(), ids=LISTS_THAT_TELL_NOTHING)
def test_a_list_that_tells_nothing_deletes_nobody(
    wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run, there: Document, list_answers: dict[str, Json]
) -> None:
    sandbox.fault(kind="status", status=404, method="GET", path=f"/v2/customers/{there['Id']}")
    sandbox.fault(method="GET", path="/v2/customers", **list_answers)
    push = run(wish)
    assert (push.wait_reason, push.failure) == (WaitReason.RETRY, "intercepted")
    linked.refresh_from_db()
    assert (linked.broken, linked.customer.gone_at, Connection.objects.get().blocked_reason) == ("", None, "")
    assert run(push, forward=10).state == PushState.DONE


def test_a_customer_without_a_known_number_is_not_looked_for_in_the_list(
    wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run, there: Document
) -> None:
    RemoteCustomer.objects.update(number="")
    sandbox.fault(kind="status", status=404, method="GET", path=f"/v2/customers/{there['Id']}")
    assert run(wish).failure == "intercepted"
    assert len(sandbox.calls(path="/v2")) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_write_that_something_on_the_way_refused_may_have_been_stored(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, status: int
) -> None:
    sandbox.fault(kind="status", status=status, method="PUT", when="before")
    push = run(wish)
    assert (push.state, push.failure) == (PushState.UNKNOWN, "intercepted")
    assert settle(push).state == PushState.DONE
    assert puts(sandbox) == 2


@pytest.mark.parametrize("is_there", [True, False])
def test_a_live_look_at_a_customer_whose_address_says_404_asks_the_list(
    ready: Connection, linked: CustomerLink, sandbox: Sandbox, there: Document, is_there: bool
) -> None:
    if not is_there:
        sandbox.world.remove("customer", "1", str(there["Id"]))
    sandbox.fault(kind="status", status=404, method="GET", path=f"/v2/customers/{there['Id']}")
    if is_there:
        with pytest.raises(Intercepted):
            check_remote(link=linked, connection=ready)
    else:
        assert check_remote(link=linked, connection=ready) is None
    linked.refresh_from_db()
    assert linked.broken == ("" if is_there else CustomerLink.Broken.DELETED)


def test_deleted_after_a_lost_write_it_ends_too(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, there: Document
) -> None:
    """Nothing is left to decide: the update may not stay open and lock the company for ever."""
    sandbox.fault(method="PUT", kind="reset", when="before")
    run(wish)
    sandbox.world.remove("customer", "1", str(there["Id"]))
    push = settle(wish)
    assert (push.state, push.failure) == (PushState.FAILED, "customer_deleted")


def test_terms_of_the_customer_that_are_gone_there_are_told_and_the_link_stays(
    wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run, there: Document
) -> None:
    """It was read a moment before: what eAccounting does not find is not the customer."""
    sandbox.world.remove("terms", "1", str(there["TermsOfPaymentId"]))
    push = run(wish)
    assert (push.state, push.failure, puts(sandbox)) == (PushState.FAILED, "customer_refers_to_missing", 1)
    linked.refresh_from_db()
    assert linked.broken == ""
    assert linked.customer.gone_at is None


# --- Answers about another customer ------------------------------------------------------------------------


def _another(sandbox: Sandbox) -> Document:
    return customer_there(sandbox, "1002")


def test_another_customer_that_is_answered_when_ours_is_read_is_not_overwritten(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    another = _another(sandbox)
    sandbox.fault(kind="status", status=200, method="GET", path="/v2/customers/.+", body=encode(another).decode())
    push = run(wish)
    assert (push.wait_reason, push.failure) == (WaitReason.RETRY, "answer_unreadable")
    assert puts(sandbox) == 0
    assert settle(wish).state == PushState.DONE
    assert _another(sandbox) == another


def test_another_customer_that_is_answered_to_an_update_is_not_taken_for_ours(
    wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    body = encode(_another(sandbox)).decode()
    sandbox.fault(kind="status", status=200, method="PUT", path="/v2/customers/.+", body=body)
    push = run(wish)
    assert (push.state, push.failure) == (PushState.UNKNOWN, "answer_unreadable")
    assert settle(wish).state == PushState.DONE
    linked.refresh_from_db()
    assert linked.answered["Name"] == customer_there(sandbox)["Name"] == wish.company.name
    assert puts(sandbox) == 1


def test_an_inactive_customer_is_told(wish: Push, linked: CustomerLink, sandbox: Sandbox, run: Run) -> None:
    sandbox.edit_customer(customer_id=str(linked.reference), IsActive=False)
    push = run(wish)
    assert (push.state, push.failure, puts(sandbox)) == (PushState.FAILED, "customer_inactive", 0)
    linked.refresh_from_db()
    assert linked.broken == CustomerLink.Broken.INACTIVE


def test_a_postal_code_that_is_missing_there_comes_from_here(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, there: Document, run: Run
) -> None:
    sandbox.edit_customer(customer_id=str(there["Id"]), InvoicePostalCode=None, InvoiceCity=None)
    link_to(there, company=company, connection=ready, user=ulf)
    assert run(sheets.choose_contact(user=ulf, company=company, contact=contact)).state == PushState.DONE
    now = customer_there(sandbox)
    assert (now["InvoicePostalCode"], now["InvoiceCity"]) == ("111 22", "Stockholm")
    assert (now["ContactPersonName"], now["Name"]) == ("Åsa Öberg", there["Name"])


def test_missing_on_both_sides_it_is_named(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, there: Document, run: Run
) -> None:
    company = add_company(address_line1="", postal_code="", city="")
    sandbox.edit_customer(customer_id=str(there["Id"]), InvoicePostalCode=None)
    link_to(there, company=company, connection=ready, user=ulf)
    push = run(sheets.update_all(user=ulf, company=company))
    assert (push.state, push.failure) == (PushState.FAILED, "values")
    assert push.failure_parameters == {"problems": [["InvoicePostalCode", "missing", 0]]}
    assert puts(sandbox) == 0


def test_missing_terms_there_are_never_set_by_us(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, there: Document, run: Run
) -> None:
    sandbox.edit_customer(customer_id=str(there["Id"]), TermsOfPaymentId=None)
    link_to(there, company=company, connection=ready, user=ulf)
    push = run(sheets.update_all(user=ulf, company=company))
    assert (push.state, push.failure, puts(sandbox)) == (PushState.FAILED, "customer_without_terms", 0)


def test_an_archived_company_is_not_sent(wish: Push, company: Company, sandbox: Sandbox, run: Run) -> None:
    company.archive(now=timezone.now())
    push = run(wish)
    assert (push.state, push.failure, puts(sandbox)) == (PushState.FAILED, "archived", 0)


def test_a_contact_person_that_was_removed_before_it_was_sent_is_told(
    linked: CustomerLink, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.choose_contact(user=ulf, company=company, contact=contact)
    contact.delete()
    push = run(push)
    assert (push.state, push.failure, puts(sandbox)) == (PushState.FAILED, "contact_gone", 0)


def test_without_the_removed_person_the_rest_is_sent(
    linked: CustomerLink, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    linked.choose_contact(contact)
    push = sheets.update_all(user=ulf, company=company)
    contact.delete()
    assert run(push).state == PushState.DONE
    now = customer_there(sandbox)
    assert (now["Name"], now["ContactPersonName"]) == (company.name, "Eva Björk")


def test_the_company_cannot_be_unlinked_while_it_is_being_updated(wish: Push, company: Company, ulf: User) -> None:
    with pytest.raises(AlreadyUnderWay):
        unlink_company(user=ulf, company=company)


@pytest.mark.django_db(transaction=True)
def test_reconnected_while_reading_it_is_sent_with_the_new_grant(
    wish: Push, sandbox: Sandbox, run: Run, anna: User
) -> None:
    with held(sandbox, method="GET", path="/v2/customers/.*") as request:
        worker = in_thread(lambda: run(wish))
        request.wait_for()
        generation = connect_as(anna).generation
    worker.result(60)
    wish.refresh_from_db()
    assert wish.state == PushState.DONE
    assert generation == 2
    assert len(sandbox.calls(method="GET", path="/v2/customers/")) == 2  # the first read was for the old grant


def test_disconnected_it_is_cancelled(wish: Push, sandbox: Sandbox, run: Run, anna: User, ready: Connection) -> None:
    assert waiting_count(ready) == 1
    assert connect.disconnect(user=anna, connection=ready) == 1
    assert run(wish).state == PushState.CANCELLED
    assert puts(sandbox) == 0


def test_the_read_only_properties_are_those_of_the_contract() -> None:
    assert "TermsOfPaymentId" not in READ_ONLY_PROPERTIES
    assert not READ_ONLY_PROPERTIES & set(BY_PROPERTY)


def test_deliver_of_a_row_that_is_not_there_does_nothing(ready: Connection) -> None:
    deliver(0)
