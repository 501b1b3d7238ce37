"""What the buttons mean: each refusal has its reason, and a double click does nothing twice."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from integrations import tasks
from integrations.delivery import calls
from integrations.delivery.worker import deliver
from integrations.exceptions import (
    AlreadyLinked,
    AlreadyUnderWay,
    Archived,
    CannotSendValues,
    ContactGone,
    LinkedElsewhere,
    NotConnected,
    NothingConfirmed,
    NothingToDecide,
    NotLinked,
    Refusal,
    TermsNotConfirmed,
)
from integrations.forms.contact_person import slot_of
from integrations.messages.sentences import sentence
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Kind,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
)
from integrations.services import ask_admin, connect
from integrations.services.contact_person import request_contact_person
from integrations.services.create import confirm_create_anyway, request_create
from integrations.services.link import link_company, unlink_company
from integrations.services.requests import cancel_push, recheck_push
from integrations.services.try_again import repeat_push
from tests import sheets
from tests.integrations.conftest import AddCompany, Run, connect_as, named, posts
from tests.integrations.threads import at_once, in_thread
from tests.sheets import seen_by_asking


def seeded(connection: Connection, sandbox: Sandbox, number: str = "1001") -> calls.Customer:
    row = next(row for row in sandbox.customers() if row["CustomerNumber"] == number)
    return calls.read_customer(connection, customer_id=str(row["Id"]))


def link(user: User, company: Company, connection: Connection, sandbox: Sandbox) -> CustomerLink:
    customer = seeded(connection, sandbox)
    return link_company(user=user, company=company, connection=connection, customer=customer, origin=Origin.PASTED)


def test_without_a_connection_nothing_is_recorded(company: Company, ulf: User) -> None:
    with pytest.raises(NotConnected) as refused:
        sheets.create(user=ulf, company=company)
    assert refused.value.code == "not_connected"
    assert not Push.objects.exists()


@pytest.mark.parametrize("state", [Connection.State.NEEDS_RECONNECT, Connection.State.DISCONNECTED])
def test_with_a_connection_that_needs_a_person_the_reason_is_told(
    ready: Connection, company: Company, ulf: User, state: str
) -> None:
    Connection.objects.update(state=state)
    with pytest.raises(NotConnected) as refused:
        sheets.create(user=ulf, company=company)
    assert refused.value.code == state


def test_a_blocked_connection_takes_wishes_and_lets_them_wait(
    ready: Connection, company: Company, ulf: User, run: Run
) -> None:
    ready.block(reason="licence", now=timezone.now())
    push = run(sheets.create(user=ulf, company=company))
    assert (push.state, push.failure) == (PushState.WAITING, "licence")


def test_terms_that_nobody_confirmed_create_nothing(connection: Connection, company: Company, ulf: User) -> None:
    with pytest.raises(TermsNotConfirmed):
        sheets.create(user=ulf, company=company)


def test_what_is_missing_or_too_long_is_named_before_anything_is_sent(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox
) -> None:
    company = add_company(name="N" * 51, postal_code="", city="")
    with pytest.raises(CannotSendValues) as refused:
        request_create(user=ulf, company=company, confirmed={})
    assert sorted(refused.value.parameters["problems"]) == [  # type: ignore[call-overload]  # a list of triples
        ("InvoiceCity", "missing", 0),
        ("InvoicePostalCode", "missing", 0),
        ("Name", "too_long", 51),
    ]
    assert sandbox.calls() == []


def test_a_linked_company_is_not_created(ready: Connection, company: Company, ulf: User, sandbox: Sandbox) -> None:
    link(ulf, company, ready, sandbox)
    with pytest.raises(AlreadyLinked):
        sheets.create(user=ulf, company=company)


def test_an_archived_company_takes_no_wish(ready: Connection, company: Company, ulf: User) -> None:
    company.archive(now=timezone.now())
    with pytest.raises(Archived):
        sheets.create(user=ulf, company=company)


def test_the_second_click_is_told_who_was_faster(ready: Connection, company: Company, ulf: User, anna: User) -> None:
    sheets.create(user=ulf, company=company)
    with pytest.raises(AlreadyUnderWay) as refused:
        sheets.create(user=anna, company=company)
    assert refused.value.parameters == {"by": str(ulf), "kind": "create", "left": ""}


def test_an_unlinked_company_is_not_updated(ready: Connection, company: Company, contact: Contact, ulf: User) -> None:
    with pytest.raises(NotLinked):
        sheets.update_all(user=ulf, company=company)
    with pytest.raises(NotLinked):
        sheets.choose_contact(user=ulf, company=company, contact=contact)
    with pytest.raises(NotLinked):
        unlink_company(user=ulf, company=company)


def test_choosing_a_contact_person_is_refused_as_a_whole(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox
) -> None:
    found = link(ulf, company, ready, sandbox)
    contact.save_changes(now=timezone.now(), values={"first_name": "Å" * 90, "last_name": "Ö" * 20})
    with pytest.raises(CannotSendValues):
        choose(contact, seen=found, user=ulf)
    found.refresh_from_db()
    assert found.contact is None
    assert not Event.objects.filter(kind=EventKind.CONTACT_CHOSEN).exists()


def test_a_customer_that_another_company_has_is_refused_and_named(
    ready: Connection, company: Company, add_company: AddCompany, ulf: User, sandbox: Sandbox
) -> None:
    other = add_company(name="Annan AB")
    link(ulf, other, ready, sandbox)
    with pytest.raises(LinkedElsewhere) as refused:
        link(ulf, company, ready, sandbox)
    assert refused.value.parameters == {"company_id": other.pk, "name": "Annan AB"}


def test_linking_again_takes_the_place_of_the_link_before(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    link(ulf, company, ready, sandbox)
    link_company(
        user=ulf, company=company, connection=ready, customer=seeded(ready, sandbox, "1002"), origin=Origin.PASTED
    )
    assert CustomerLink.objects.get().customer.number == "1002"
    unlink_company(user=ulf, company=company)
    assert not CustomerLink.objects.exists()
    assert Event.objects.filter(kind=EventKind.UNLINKED).count() == 2  # by relinking, then by hand


def test_a_link_takes_the_place_only_of_the_one_that_was_seen(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox
) -> None:
    made = link(anna, company, ready, sandbox)
    with pytest.raises(Refusal) as refused:
        link_company(
            user=ulf, company=company, connection=ready, customer=seeded(ready, sandbox, "1002"),
            origin=Origin.MATCHED, linked_to="",
        )  # fmt: skip
    told = sentence(refused.value.code, refused.value.parameters)
    assert f"linked to {made.customer} by Anna Ek at" in told
    assert CustomerLink.objects.get() == made


def _disconnect(connection: Connection, user: User) -> None:
    connect.disconnect(user=user, connection=connection)


def _connect_another(connection: Connection, user: User) -> None:
    _disconnect(connection, user)
    connect_as(user, company="2")


@pytest.mark.parametrize(("leave", "code"), [(_disconnect, "disconnected"), (_connect_another, "connection_replaced")])
def test_a_customer_read_before_the_connection_was_changed_is_not_linked(
    ready: Connection, company: Company, anna: User, sandbox: Sandbox,
    leave: Callable[[Connection, User], None], code: str,
) -> None:  # fmt: skip
    customer = seeded(ready, sandbox)
    leave(ready, anna)
    with pytest.raises(NotConnected) as refused:
        link_company(user=anna, company=company, connection=ready, customer=customer, origin=Origin.MATCHED)
    assert refused.value.code == code
    assert not CustomerLink.objects.exists()


def test_linking_and_unlinking_wait_until_a_push_is_done(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    sheets.create(user=ulf, company=company)
    with pytest.raises(AlreadyUnderWay):
        link(ulf, company, ready, sandbox)


def test_a_failed_wish_is_repeated_as_it_was_confirmed(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    sandbox.fault(kind="error", error_code=2000, status=400, method="POST", path="/v2/customers", when="before")
    failed = run(sheets.create(user=ulf, company=company))
    company.save_changes(now=timezone.now(), values={"city": "Uppsala"})
    assert run(repeat_push(user=ulf, push=failed)).state == PushState.DONE
    assert named(sandbox)[0]["InvoiceCity"] == "Stockholm"
    with pytest.raises(NothingToDecide):
        repeat_push(user=ulf, push=Push.objects.get(state=PushState.DONE))


@pytest.mark.parametrize("kind", Kind)
def test_what_nobody_confirmed_is_not_repeated(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, kind: Kind
) -> None:
    link(ulf, company, ready, sandbox)
    row = {"account": ready.account, "connection": ready, "company": company, "requested_by": ulf}
    failed = Push.objects.create(**row, kind=kind, state=PushState.FAILED, confirmed={}, finished_at=timezone.now())
    with pytest.raises(NothingConfirmed):
        repeat_push(user=ulf, push=failed)
    assert Push.objects.get() == failed


def choose(contact: Contact | None, *, seen: CustomerLink, user: User) -> Push:
    """Confirm the contact person past the sheet, which would refuse before the service does."""
    decision = slot_of(seen.company, contact, there=seen.customer.answered).decision()
    return request_contact_person(user=user, company=seen.company, contact=contact, decision=decision, seen=seen)


def _create(user: User, company: Company, contact: Contact) -> None:
    request_create(user=user, company=company, contact=contact, confirmed={})


def _ask(user: User, company: Company, contact: Contact) -> None:
    Connection.objects.update(state=Connection.State.NEEDS_RECONNECT)
    ask_admin.ask_admins(user=user, company=company, **seen_by_asking(company, contact=contact))


def _choose(user: User, company: Company, contact: Contact) -> None:
    connection = Connection.objects.get()
    customer = RemoteCustomer.objects.create(
        account=company.account, connection=connection, customer_id=uuid4(), name="Älvstrand", seen_at=timezone.now()
    )
    made = CustomerLink.objects.create(
        account=company.account, connection=connection, company=company, customer=customer, linked_at=timezone.now()
    )
    choose(contact, seen=made, user=user)


@pytest.mark.parametrize("wish", [_create, _ask, _choose])
def test_a_person_who_was_removed_meanwhile_is_told_of_and_nothing_is_recorded(
    ready: Connection, company: Company, contact: Contact, ulf: User, wish: Callable[[User, Company, Contact], None]
) -> None:
    Contact.objects.get(pk=contact.pk).remove(now=timezone.now())
    with pytest.raises(ContactGone):
        wish(ulf, company, contact)
    assert not Push.objects.exists()
    assert not Event.objects.filter(company=company).exists()


def test_a_contact_person_is_replaced_only_as_they_were_seen(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox
) -> None:
    seen = link(ulf, company, ready, sandbox)
    choose(contact, seen=seen, user=ulf)
    with pytest.raises(Refusal) as refused:
        choose(None, seen=seen, user=ulf)
    assert str(contact) in sentence(refused.value.code, refused.value.parameters)
    assert CustomerLink.objects.get().contact == contact


def test_a_person_of_another_company_is_nobody_here(
    ready: Connection, company: Company, contact: Contact, add_company: AddCompany, ulf: User
) -> None:
    with pytest.raises(ContactGone):
        request_create(user=ulf, company=add_company(name="Annan AB"), contact=contact, confirmed={})


@pytest.mark.parametrize("decide", [confirm_create_anyway, cancel_push])
def test_what_was_decided_meanwhile_is_not_decided_again(
    ready: Connection, company: Company, ulf: User, run: Run, decide: Callable[..., None]
) -> None:
    push = run(sheets.create(user=ulf, company=company))
    with pytest.raises(NothingToDecide):
        decide(user=ulf, push=push)
    with pytest.raises(NothingToDecide):
        recheck_push(push=push)


@pytest.mark.django_db(transaction=True)
def test_twenty_clicks_at_once_make_one_row_and_one_customer(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    tasks._quiet["until"] = float("inf")  # no worker listens here: the test delivers by itself
    ends = at_once([lambda: sheets.create(user=ulf, company=company)] * 20)
    tasks._quiet["until"] = 0.0
    assert sorted({type(end).__name__ for end in ends}) == ["AlreadyUnderWay", "Push"]
    push = Push.objects.get()
    at_once([lambda: deliver(push.pk)] * 8)
    assert (len(named(sandbox)), posts(sandbox)) == (1, 1)
    assert CustomerLink.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_wish_waits_for_whoever_links_or_sends_the_company(ready: Connection, company: Company, ulf: User) -> None:
    with transaction.atomic():
        company.lock()
        wish = in_thread(lambda: sheets.create(user=ulf, company=company))
        with pytest.raises(TimeoutError):
            wish.result(0.3)
        company.archive(now=timezone.now())
    assert isinstance(wish.exception(60), Archived)


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_fails_leaves_no_half_wish(ready: Connection, company: Company, ulf: User) -> None:
    before = Event.objects.count()
    ulf.pk = 10**9  # no such person: foreign keys are checked at the commit
    with pytest.raises(IntegrityError):
        sheets.create(user=ulf, company=company)
    assert Event.objects.count() == before
    assert not Push.objects.exists()


def test_a_poke_follows_the_commit_and_cannot_fail_the_click(
    ready: Connection, company: Company, ulf: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:  # fmt: skip
    with django_capture_on_commit_callbacks() as callbacks:
        sheets.create(user=ulf, company=company)
    assert len(callbacks) == 1
