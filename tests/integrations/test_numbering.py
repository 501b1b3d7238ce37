"""Numbers of our own: a create that is sent again, or stored late, meets its own number and never doubles."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.sandbox import customers
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.delivery import create
from integrations.delivery.calls import Calls
from integrations.eaccounting.client import Endpoint
from integrations.messages.sentences import sentence
from integrations.models import (
    Connection,
    CustomerLink,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
    WaitReason,
    push_queue,
)
from integrations.models.connection import MOST_NUMBERS, number_of
from integrations.services.create import confirm_create_anyway
from tests import sheets
from tests.integrations.conftest import CUSTOMERS, AddCompany, MovableClock, Run, named, posts


@pytest.fixture
def own(ready: Connection) -> Connection:
    """A connection whose new customers get numbers that begin with LG."""
    ready.note_duplicates(refused=True, now=timezone.now())
    ready.choose_numbers(prefix="LG")
    return ready


@pytest.fixture
def wish(own: Connection, company: Company, ulf: User) -> Push:
    """Ulf wants the company to be a customer."""
    return sheets.create(user=ulf, company=company)


def taken(sandbox: Sandbox, number: str, **values: Any) -> None:
    """Somebody else's customer has this number."""
    customer = {"Name": "Någon Annan AB", "CustomerNumber": number, **values}
    sandbox.seed({"companies": {"1": {"customers": [customer]}}})


def stored_late(sandbox: Sandbox, payload: Document) -> Document:
    """A request of long ago comes to something after all."""
    return customers.create(world=sandbox.world, company="1", body=payload)


def proven_absent(push: Push, sandbox: Sandbox, run: Run) -> Document:
    """Lose a create that stored nothing, and let its absence be proven; return what was sent."""
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")
    sent = run(push).payload
    sandbox.fault(kind="status", status=503, method="GET", path=CUSTOMERS, skip=2)  # stop before it is sent again
    row = run(push, forward=30)
    assert (row.state, row.payload) == (PushState.WAITING, None)
    assert row.number == f"LG{push.pk}"  # whatever becomes of it, it is sent with this number
    return dict(sent or {})


def assert_one(sandbox: Sandbox, push: Push, number: str) -> None:
    assert push.state == PushState.DONE
    [customer] = named(sandbox)
    assert customer["CustomerNumber"] == number
    assert str(CustomerLink.objects.get(company=push.company).reference) == customer["Id"]


def test_a_create_carries_our_number_and_eaccountings_series_goes_on(
    wish: Push, sandbox: Sandbox, run: Run, own: Connection, add_company: AddCompany, ulf: User
) -> None:
    assert_one(sandbox, run(wish), f"LG{wish.pk}")
    assert posts(sandbox) == 1
    own.choose_numbers(prefix="")
    run(sheets.create(user=ulf, company=add_company(name="Nästa AB", registration_number="")))
    assert named(sandbox, "Nästa AB")[0]["CustomerNumber"] == "1013"


def test_an_own_number_that_was_found_ends_the_doubt_at_once(wish: Push, sandbox: Sandbox, run: Run) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    assert_one(sandbox, run(wish, forward=2.1), f"LG{wish.pk}")
    assert CustomerLink.objects.get().origin == Origin.ADOPTED
    assert posts(sandbox) == 1


@pytest.mark.parametrize("code", [4000, 2000])
@pytest.mark.parametrize("status", [400, 409])
def test_a_number_that_a_stranger_has_is_passed_over(
    wish: Push, sandbox: Sandbox, run: Run, code: int, status: int
) -> None:
    sandbox.switch(duplicate_number_status=status, duplicate_number_code=code)
    taken(sandbox, f"LG{wish.pk}")
    assert_one(sandbox, run(wish), f"LG{wish.pk}-2")
    assert posts(sandbox) == 2


def test_when_every_number_is_taken_a_person_is_told(wish: Push, sandbox: Sandbox, run: Run, settle: Run) -> None:
    for given_up in range(MOST_NUMBERS):
        taken(sandbox, number_of(prefix="LG", push_id=wish.pk, given_up=given_up))
    push = settle(wish)
    assert (push.state, push.failure, posts(sandbox)) == (PushState.FAILED, "numbers_used_up", MOST_NUMBERS)
    assert "choose other numbers in the settings" in sentence(push.failure, push.failure_parameters)
    assert named(sandbox) == []


def test_a_request_that_is_stored_after_its_absence_was_proven_is_adopted(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    """The settle time was not long enough: without a number of ours this is a customer twice, or a question."""
    sent = proven_absent(wish, sandbox, run)
    stored_late(sandbox, sent)
    assert_one(sandbox, settle(wish), f"LG{wish.pk}")
    assert posts(sandbox) == 1


def test_a_request_that_is_stored_late_between_look_and_sending_is_adopted(
    wish: Push, sandbox: Sandbox, run: Run, clock: MovableClock, own: Connection
) -> None:
    sent = proven_absent(wish, sandbox, run)
    looks = len(sandbox.calls(method="GET", path=CUSTOMERS))

    class StoredMeanwhile(Calls):
        def book(self, endpoint: Endpoint) -> None:
            super().book(endpoint)
            if len(sandbox.calls(method="GET", path=CUSTOMERS)) == looks + 1 and not named(sandbox):
                stored_late(sandbox, sent)

    clock.forward(60)
    claimed = push_queue.claim(wish.pk, now=clock(), seconds=60)
    assert claimed is not None
    create.run(claimed, StoredMeanwhile(connection=own, clock=clock))
    assert_one(sandbox, Push.objects.get(), f"LG{wish.pk}")
    assert posts(sandbox) == 2  # the second one was refused: the number is taken


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "no_answer"}, {"kind": "html"}])
def test_when_nobody_tells_who_has_the_number_it_is_asked_again(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, fault: dict[str, Any]
) -> None:
    """The refusal said that nothing was stored now; what was stored before is found later."""
    taken(sandbox, f"LG{wish.pk}")
    sandbox.fault(method="GET", path=CUSTOMERS, skip=1, **fault)
    push = run(wish)
    assert (push.state, push.wait_reason) == (PushState.WAITING, WaitReason.RETRY)
    assert_one(sandbox, settle(wish), f"LG{wish.pk}-2")


def test_a_refusal_that_nobodys_number_explains_ends_the_wish(wish: Push, sandbox: Sandbox, run: Run) -> None:
    sandbox.fault(
        kind="error", when="before", method="POST", path=CUSTOMERS, error_code=4000, status=400, text="Not this one."
    )
    push = run(wish)
    assert (push.state, push.failure, push.failure_detail) == (PushState.FAILED, "conflict", "Not this one.")
    assert posts(sandbox) == 1


def test_a_customer_with_our_number_that_a_person_edited_is_a_persons_to_judge(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, ulf: User
) -> None:
    sent = proven_absent(wish, sandbox, run)
    stored_late(sandbox, {**sent, "CorporateIdentityNumber": "559987-9999", "InvoiceCity": "Umeå"})
    push = settle(wish)
    assert (push.state, push.wait_reason) == (PushState.WAITING, WaitReason.DECISION)
    assert [candidate["number"] for candidate in push.candidates] == [f"LG{wish.pk}"]
    confirm_create_anyway(user=ulf, push=push)
    assert settle(wish).state == PushState.DONE
    numbers = [row["CustomerNumber"] for row in named(sandbox)]
    assert numbers == [f"LG{wish.pk}", f"LG{wish.pk}-2"]


def test_the_customer_of_another_company_here_is_never_adopted(
    wish: Push, sandbox: Sandbox, run: Run, add_company: AddCompany, own: Connection
) -> None:
    """Equal and with our number, but linked: as after numbers were given from elsewhere."""
    other = add_company(name="Annan AB", registration_number="")
    run(wish)
    [customer] = named(sandbox)
    link = CustomerLink.objects.get()
    CustomerLink.objects.filter(pk=link.pk).update(company=other)
    Push.objects.update(state=PushState.WAITING, next_attempt_at=timezone.now(), create_anyway=True)
    push = run(wish)
    assert push.wait_reason == WaitReason.DECISION, "nobody has judged this one"
    assert push.decide_create_anyway(now=timezone.now())
    push = run(wish)
    assert push.state == PushState.DONE
    assert str(CustomerLink.objects.get(company=wish.company).reference) != customer["Id"]
    assert named(sandbox)[-1]["CustomerNumber"] == f"LG{wish.pk}-2"


def test_a_worker_that_dies_on_a_refused_number_is_followed_by_the_next_number(
    wish: Push, sandbox: Sandbox, clock: MovableClock, settle: Run, own: Connection
) -> None:
    """Nobody knows any more that it was refused: it has to be found out like any lost answer."""
    taken(sandbox, f"LG{wish.pk}")

    class Killed(Calls):
        def answered(self) -> None:
            if Push.objects.get().number:
                raise KeyboardInterrupt
            super().answered()

    claimed = push_queue.claim(wish.pk, now=clock(), seconds=5)
    assert claimed is not None
    with pytest.raises(KeyboardInterrupt):
        create.run(claimed, Killed(connection=own, clock=clock))
    Push.objects.update(state=PushState.SENDING)  # killed a moment earlier still
    clock.forward(60)
    assert_one(sandbox, settle(wish, seconds=120), f"LG{wish.pk}-2")
    assert posts(sandbox) == 3


def test_a_prefix_that_changes_meanwhile_changes_nothing_that_was_sent(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, own: Connection
) -> None:
    proven_absent(wish, sandbox, run)
    own.choose_numbers(prefix="NY")
    assert_one(sandbox, settle(wish), f"LG{wish.pk}")


@pytest.mark.parametrize("known", [None, False])
def test_without_knowing_that_duplicates_are_refused_eaccounting_numbers(
    wish: Push, sandbox: Sandbox, run: Run, own: Connection, known: bool | None
) -> None:
    Connection.objects.update(duplicates_refused=known)
    assert_one(sandbox, run(wish), "1013")


def test_numbers_fit_and_are_bounded() -> None:
    assert [number_of(prefix="LG", push_id=17, given_up=n) for n in (0, 1, 4, 5)] == ["LG17", "LG17-2", "LG17-5", ""]
    assert number_of(prefix="ABCDE", push_id=99_999_999_999, given_up=0) == "ABCDE99999999999"
    assert number_of(prefix="ABCDE", push_id=999_999_999_999, given_up=0) == ""


def test_two_with_our_number_are_a_persons_to_judge_where_eaccounting_lets_them(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    """eAccounting takes numbers twice after all: the one that equals what was sent is taken, none is added."""
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    taken(sandbox, f"LG{wish.pk}")
    assert_one(sandbox, settle(wish), f"LG{wish.pk}")
    assert RemoteCustomer.objects.count() == 1
