"""Creating a customer: at most once, whatever becomes of the call. Judged by what eAccounting holds at the end."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from companies.models import Company, Contact, FieldValue
from dev.sandbox.core import Sandbox
from dev.sandbox.world import TERMS
from integrations.access import rate_limit
from integrations.clock import database_now
from integrations.delivery import create, upkeep
from integrations.delivery.calls import Calls, read_customer
from integrations.delivery.worker import deliver
from integrations.domain import mapping
from integrations.eaccounting.client import Endpoint
from integrations.exceptions import NothingToDecide, TermsNotConfirmed
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
    TermsOfPayment,
    WaitReason,
    push_queue,
)
from integrations.services import connect
from integrations.services.create import confirm_create_anyway, request_create
from integrations.services.link import link_possible_duplicate
from integrations.services.requests import cancel_push, recheck_push
from tests import sheets
from tests.holding import committed_late
from tests.integrations.conftest import (
    CUSTOMERS,
    SWEDISH_30_DAYS,
    AddCompany,
    MovableClock,
    Run,
    call_seconds,
    forget_gateway,
    named,
    posts,
)
from tests.integrations.workers import until

KNOWN_NUMBER = "559987-1018"  # of a customer that the sandbox has from the start


@pytest.fixture
def wish(ready: Connection, company: Company, ulf: User) -> Push:
    """Ulf wants the company to be a customer; no worker has looked at it yet."""
    return sheets.create(user=ulf, company=company)


def assert_created_once(sandbox: Sandbox, push: Push) -> None:
    assert push.state == PushState.DONE
    [customer] = named(sandbox)
    assert customer["TermsOfPaymentId"] == SWEDISH_30_DAYS
    assert customer["CustomerNumber"] == "1013"  # the next of its series
    assert str(CustomerLink.objects.get(company=push.company).reference) == customer["Id"]


def test_a_create_ends_with_one_customer_a_link_and_the_chosen_terms(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = run(sheets.create(user=ulf, company=company, contact=contact))
    assert_created_once(sandbox, push)
    assert named(sandbox)[0]["ContactPersonName"] == "Åsa Öberg"
    link = CustomerLink.objects.get(company=company)
    assert (link.origin, link.contact, link.sent_by) == (Origin.CREATED, contact, ulf)
    assert [call.method for call in sandbox.calls(path=CUSTOMERS)] == ["GET", "POST"]


def test_a_finished_push_calls_nobody_again(wish: Push, sandbox: Sandbox, run: Run) -> None:
    run(wish)
    before = len(sandbox.calls())
    run(wish, times=3)
    assert len(sandbox.calls()) == before


# --- No readable answer ------------------------------------------------------------------------------------

LOST: list[dict[str, Any]] = [
    {"kind": "no_answer"},
    {"kind": "reset"},
    {"kind": "cut_short"},
    {"kind": "drip", "seconds": 0.1},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 503},
    {"kind": "error", "error_code": 5001},
    {"kind": "truncated"},
    {"kind": "html"},
    {"kind": "empty"},
    {"kind": "redirect"},
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=lambda fault: str(fault.get("status", fault["kind"])))
def test_a_lost_answer_never_doubles_and_never_loses(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, fault: dict[str, Any], when: str
) -> None:
    settings.EACCOUNTING_CALL_SECONDS = call_seconds(fault["kind"])
    sandbox.fault(method="POST", path=CUSTOMERS, when=when, **fault)
    unsure = run(wish)
    assert (unsure.state, unsure.wait_reason) == (PushState.UNKNOWN, WaitReason.SETTLING)
    assert_created_once(sandbox, settle(wish))
    # Sent a second time only when it is certain that the first one came to nothing.
    assert posts(sandbox) == (2 if when == "before" else 1)
    origin = CustomerLink.objects.get(company=wish.company).origin
    assert origin == (Origin.CREATED if when == "before" else Origin.ADOPTED)


@pytest.mark.parametrize("how", ["no_answer", "reset"])
def test_a_customer_that_is_stored_after_our_first_look_is_adopted(
    wish: Push, sandbox: Sandbox, settle: Run, settings: Settings, how: str
) -> None:
    settings.EACCOUNTING_CALL_SECONDS = call_seconds(how)
    with committed_late(sandbox, method="POST", path=CUSTOMERS, how=how):
        deliver(wish.pk)
        Push.objects.update(next_attempt_at=timezone.now())
        deliver(wish.pk)  # the first look: nothing is there yet
        assert named(sandbox) == []
        assert Push.objects.get().state == PushState.UNKNOWN
    until(lambda: bool(named(sandbox)), what="the late commit")
    assert_created_once(sandbox, settle(wish))
    assert posts(sandbox) == 1


def test_the_adopted_one_is_doubted_when_a_second_equal_customer_turns_up(
    wish: Push, sandbox: Sandbox, run: Run, clock: MovableClock, settle: Run
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    run(wish, forward=2.1)  # the first look adopts
    assert CustomerLink.objects.filter(company=wish.company).exists()
    [customer] = named(sandbox)
    twin = {**customer, "Id": "00000000-0000-4000-8000-00000000000a", "CustomerNumber": "7777"}
    sandbox.world.put("customer", "1", twin)
    sandbox.edit_customer(customer_id=str(twin["Id"]))
    push = settle(wish)
    assert (push.state, push.wait_reason) == (PushState.UNKNOWN, WaitReason.DECISION)
    assert {candidate["id"] for candidate in push.candidates} == {customer["Id"], twin["Id"]}
    assert not CustomerLink.objects.filter(company=wish.company).exists()
    assert posts(sandbox) == 1


def test_a_customer_that_comes_near_is_a_persons_to_judge(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, ulf: User
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    [customer] = named(sandbox)
    sandbox.edit_customer(customer_id=str(customer["Id"]), EmailAddress="somebody@changed.example")
    push = settle(wish)
    assert (push.state, push.wait_reason) == (PushState.UNKNOWN, WaitReason.DECISION)
    assert [candidate["id"] for candidate in push.candidates] == [customer["Id"]]
    assert posts(sandbox) == 1
    with pytest.raises(NothingToDecide):
        cancel_push(user=ulf, push=push)  # bytes have left: never cancelled


def test_customers_that_were_there_before_are_never_taken_for_ours(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    """A person decided for a new one beside an equal old one; the old one may not be adopted for it."""
    first = run(sheets.create(user=ulf, company=add_company()))
    CustomerLink.objects.all().delete()
    RemoteCustomer.objects.all().delete()
    [old] = named(sandbox)
    push = run(sheets.create(user=ulf, company=add_company()))
    assert push.wait_reason == WaitReason.DECISION
    confirm_create_anyway(user=ulf, push=push)
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")
    run(push)
    sandbox.edit_customer(customer_id=str(old["Id"]))
    push = settle(push)
    assert push.state == PushState.DONE
    assert len(named(sandbox)) == 2
    assert str(CustomerLink.objects.get(company=push.company).reference) != old["Id"]
    assert first.state == PushState.DONE


def test_what_eaccounting_reformats_is_still_ours(wish: Push, sandbox: Sandbox, run: Run, settle: Run) -> None:
    sandbox.switch(reformat_on_store=True)
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    assert_created_once(sandbox, settle(wish))
    assert posts(sandbox) == 1


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 503}, {"kind": "html"}])
def test_an_outage_during_the_looks_proves_nothing(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, fault: dict[str, Any]
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    sandbox.fault(method="GET", path=CUSTOMERS, skip=1, count=3, **fault)
    run(wish)
    assert_created_once(sandbox, settle(wish, seconds=400))
    assert posts(sandbox) == 1


def test_an_archived_company_gets_its_lost_customer_all_the_same(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    wish.company.archive(now=timezone.now())
    assert_created_once(sandbox, settle(wish))


def test_an_unknown_create_waits_out_a_disconnect(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, anna: User, ready: Connection
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    assert connect.disconnect(user=anna, connection=ready) == 0
    push = run(wish, forward=30)
    assert (push.state, push.wait_reason, push.next_attempt_at) == (PushState.UNKNOWN, WaitReason.CONNECTION, None)


# --- A worker that dies ------------------------------------------------------------------------------------


def kill_while_sending(push: Push, *, at: MovableClock) -> None:
    """Leave the row as a worker does that is killed after SENDING was committed."""
    claimed = push_queue.claim(push.pk, now=at(), seconds=5)
    assert claimed is not None
    values = {"Name": claimed.company.name}
    claimed.begin_sending(
        payload={"Name": "x"},
        values=values,
        fingerprint=f"f{push.pk}",
        send_by=at(),
        lease_until=at() + timedelta(seconds=5),
        looked_at=database_now(),
        seen_ids=[],
    )


def test_killed_before_the_bytes_left_it_is_sent_once(
    wish: Push, sandbox: Sandbox, clock: MovableClock, settle: Run
) -> None:
    kill_while_sending(wish, at=clock)
    assert_created_once(sandbox, settle(wish))
    assert posts(sandbox) == 1


def test_killed_before_anything_was_sent_it_goes_on(
    wish: Push, sandbox: Sandbox, clock: MovableClock, run: Run
) -> None:
    push_queue.claim(wish.pk, now=clock(), seconds=5)
    assert run(wish).state == PushState.WAITING  # another's lease
    assert_created_once(sandbox, run(wish, forward=5.1))


def test_a_row_that_kills_three_workers_before_sending_fails(
    wish: Push, sandbox: Sandbox, clock: MovableClock, run: Run
) -> None:
    for _ in range(3):
        push_queue.claim(wish.pk, now=clock(), seconds=1)
        clock.forward(1.1)
    push = run(wish)
    assert (push.state, push.failure) == (PushState.FAILED, "crashed")
    assert posts(sandbox) == 0


def test_a_row_that_kills_every_worker_that_sends_it_ends_with_a_person(
    wish: Push, sandbox: Sandbox, clock: MovableClock, run: Run, ready: Connection
) -> None:
    for _ in range(2):
        kill_while_sending(wish, at=clock)
        clock.forward(60)
        survivor = push_queue.claim(wish.pk, now=clock(), seconds=60)
        assert survivor is not None
        create.run(survivor, Calls(connection=ready, clock=clock))
        assert Push.objects.get().state == PushState.WAITING  # its absence is proven, it may be sent again
    kill_while_sending(wish, at=clock)
    push = run(wish, forward=60)
    assert (push.state, push.wait_reason, push.failure) == (PushState.UNKNOWN, WaitReason.DECISION, "crashed")
    assert posts(sandbox) == 0


def test_nothing_can_be_created_beside_bytes_that_nobody_looked_after(
    wish: Push, clock: MovableClock, run: Run, ulf: User
) -> None:
    """UNKNOWN and crashing: there are no candidates, so "create anyway" would be a guess."""
    Push.objects.update(crashes=2)
    kill_while_sending(wish, at=clock)
    push = run(wish, forward=6)
    assert (push.wait_reason, push.failure) == (WaitReason.DECISION, "crashed")
    with pytest.raises(NothingToDecide):
        confirm_create_anyway(user=ulf, push=push)
    recheck_push(push=push)
    assert Push.objects.get().crashes == 0


def test_a_fault_in_our_program_gives_the_row_back_and_counts(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    Push.objects.update(values={"NoSuchProperty": "x"})  # as a release with another mapping might have left it
    with pytest.raises(KeyError):
        run(wish, forward=30)
    push = Push.objects.get()
    assert (push.state, push.lease_until, push.crashes) == (PushState.UNKNOWN, None, 1)


# --- Refusals ----------------------------------------------------------------------------------------------


def test_an_answer_with_another_name_is_told_and_nothing_is_sent_again(wish: Push, sandbox: Sandbox, run: Run) -> None:
    sandbox.fault(kind="answer_other_name", method="POST", path=CUSTOMERS, text="Somebody Else AB")
    assert run(wish).state == PushState.DONE
    assert posts(sandbox) == 1
    told = Event.objects.get(kind=EventKind.ANSWERED_OTHERWISE)
    assert told.parameters == {"fields": ["Name"]}


@pytest.mark.parametrize(
    ("error_code", "failure"),
    [(2000, "validation"), (4000, "conflict"), (4002, "cannot_be_saved"), (4008, "control_digit")],
)
def test_a_refusal_ends_the_wish_and_is_not_repeated(
    wish: Push, sandbox: Sandbox, run: Run, error_code: int, failure: str
) -> None:
    sandbox.fault(
        kind="error",
        when="before",
        method="POST",
        path=CUSTOMERS,
        error_code=error_code,
        status=400,
        text="Not like this.",
    )
    push = run(wish, times=3, forward=100)
    assert (push.state, push.failure, push.failure_detail) == (PushState.FAILED, failure, "Not like this.")
    assert push.error_id
    assert posts(sandbox) == 1
    assert named(sandbox) == []
    assert Event.objects.filter(kind=EventKind.FAILED, company=wish.company).count() == 1


def test_an_external_check_that_is_away_is_tried_again(wish: Push, sandbox: Sandbox, run: Run, settle: Run) -> None:
    sandbox.fault(kind="error", when="before", method="POST", path=CUSTOMERS, error_code=4100, status=400)
    assert run(wish).wait_reason == WaitReason.RETRY
    assert_created_once(sandbox, settle(wish))


def test_terms_that_are_gone_are_told_and_read_again(
    wish: Push, sandbox: Sandbox, run: Run, ready: Connection, ulf: User
) -> None:
    sandbox.world.remove(TERMS, "1", SWEDISH_30_DAYS)
    push = run(wish)
    assert (push.state, push.failure) == (PushState.FAILED, "terms_gone")
    upkeep.look_after(now=database_now())
    assert TermsOfPayment.objects.get(remote_id=SWEDISH_30_DAYS).gone_at is not None
    with pytest.raises(TermsNotConfirmed):
        sheets.create(user=ulf, company=wish.company)


def test_terms_that_we_know_to_be_gone_send_nothing(wish: Push, sandbox: Sandbox, run: Run) -> None:
    TermsOfPayment.objects.update(gone_at=timezone.now())
    push = run(wish)
    assert (push.state, push.failure) == (PushState.FAILED, "terms_gone")
    assert posts(sandbox) == 0


def test_an_archived_company_is_not_created(wish: Push, sandbox: Sandbox, run: Run) -> None:
    wish.company.archive(now=timezone.now())
    push = run(wish)
    assert (push.state, push.failure, posts(sandbox)) == (PushState.FAILED, "archived", 0)


def test_a_person_who_may_no_longer_do_it_sends_nothing(wish: Push, sandbox: Sandbox, run: Run, ulf: User) -> None:
    ulf.is_active = False
    ulf.save()
    push = run(wish)
    assert (push.state, push.failure, len(sandbox.calls())) == (PushState.FAILED, "requester_may_not", 0)


def test_a_value_that_became_too_long_here_is_sent_as_it_was_confirmed(wish: Push, sandbox: Sandbox, run: Run) -> None:
    wish.company.save_changes(now=timezone.now(), values={"name": "N" * 51})
    assert run(wish).state == PushState.DONE
    assert len(named(sandbox)) == posts(sandbox) == 1


def test_a_customer_that_was_linked_to_another_company_in_the_same_moment_is_told(
    wish: Push, sandbox: Sandbox, run: Run, add_company: AddCompany, ulf: User, ready: Connection
) -> None:
    other = add_company(name="Annan AB", registration_number="")

    def take(*_: object) -> None:
        [row] = named(sandbox)
        remote = RemoteCustomer.objects.create(
            account=other.account, connection=ready, customer_id=row["Id"], seen_at=timezone.now()
        )
        CustomerLink.objects.create(
            account=other.account, connection=ready, company=other, customer=remote,
            origin=Origin.PASTED, linked_at=timezone.now(),
        )  # fmt: skip

    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    take()
    push = run(wish, forward=2.1)
    assert push.state == PushState.UNKNOWN  # another's customer is not ours
    assert not CustomerLink.objects.filter(company=wish.company).exists()


# --- Possible duplicates -----------------------------------------------------------------------------------


@pytest.fixture
def duplicate(ready: Connection, add_company: AddCompany, ulf: User, run: Run) -> Push:
    """A wish for a company whose registration number a customer has already."""
    return run(sheets.create(user=ulf, company=add_company(registration_number=KNOWN_NUMBER)))


def test_a_registration_number_that_is_there_already_stops_for_a_person(duplicate: Push, sandbox: Sandbox) -> None:
    assert (duplicate.state, duplicate.wait_reason) == (PushState.WAITING, WaitReason.DECISION)
    assert [candidate["number"] for candidate in duplicate.candidates] == ["1001"]
    assert posts(sandbox) == 0
    assert duplicate.next_attempt_at is None


@pytest.mark.parametrize("written", ["5599871018", "559987-1018", "165599871018", "16559987-1018"])
def test_a_number_is_found_in_each_written_form(
    ready: Connection, add_company: AddCompany, ulf: User, run: Run, sandbox: Sandbox, written: str
) -> None:
    [known] = [row for row in sandbox.customers() if row["CustomerNumber"] == "1001"]
    sandbox.edit_customer(customer_id=str(known["Id"]), CorporateIdentityNumber=written)
    push = run(sheets.create(user=ulf, company=add_company(registration_number=KNOWN_NUMBER)))
    assert push.wait_reason == WaitReason.DECISION


def test_without_a_number_the_name_is_looked_for(
    ready: Connection, add_company: AddCompany, ulf: User, run: Run
) -> None:
    company = add_company(name="Havsvik Konsult AB", registration_number="")
    push = run(sheets.create(user=ulf, company=company))
    assert [candidate["number"] for candidate in push.candidates] == ["1002"]


def test_linking_instead_creates_nothing(duplicate: Push, sandbox: Sandbox, ulf: User, run: Run) -> None:
    [known] = [row for row in sandbox.customers() if row["CustomerNumber"] == "1001"]
    from_there = read_customer(duplicate.connection, customer_id=str(known["Id"]))
    link_possible_duplicate(user=ulf, push=duplicate, customer=from_there)
    push = run(duplicate)
    assert push.state == PushState.DONE
    link = CustomerLink.objects.get(company=push.company)
    assert (str(link.reference), link.origin, link.sent) == (known["Id"], Origin.MATCHED, {})
    assert posts(sandbox) == 0
    with pytest.raises(NothingToDecide):
        confirm_create_anyway(user=ulf, push=push)


def test_creating_anyway_creates_one_more(duplicate: Push, sandbox: Sandbox, ulf: User, run: Run) -> None:
    confirm_create_anyway(user=ulf, push=duplicate)
    assert_created_once(sandbox, run(duplicate))
    assert posts(sandbox) == 1
    numbers = [row["CorporateIdentityNumber"] for row in sandbox.customers()]
    assert numbers.count(KNOWN_NUMBER) == 2


# --- eAccounting away, or unwilling ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"), [("http://127.0.0.1:9/v2", "connection"), ("https://eaccounting.invalid/v2", "name")]
)
def test_what_cannot_be_reached_is_sent_later(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, url: str, reason: str
) -> None:
    there = settings.EACCOUNTING_API_URL
    settings.EACCOUNTING_API_URL = url
    forget_gateway()
    push = run(wish)
    assert (push.state, push.wait_reason, push.failure) == (PushState.WAITING, WaitReason.RETRY, "unreachable")
    assert push.failure_parameters["reason"] == reason
    settings.EACCOUNTING_API_URL = there
    forget_gateway()
    assert_created_once(sandbox, settle(wish))


def test_a_byte_a_second_does_not_hold_a_worker(wish: Push, sandbox: Sandbox, run: Run, settings: Settings) -> None:
    """The answer never stops coming; who waited for its end would have it."""
    settings.EACCOUNTING_CALL_SECONDS = 1
    sandbox.fault(kind="drip", path=CUSTOMERS, seconds=0.2)
    push = run(wish)
    assert (push.wait_reason, push.failure_parameters["reason"]) == (WaitReason.RETRY, "timeout")


def test_a_redirect_is_not_followed_and_the_token_stays_here(wish: Push, sandbox: Sandbox, run: Run) -> None:
    sandbox.fault(kind="redirect", path=CUSTOMERS, method="GET", url="http://127.0.0.1:9/elsewhere")
    push = run(wish)
    assert (push.wait_reason, push.failure) == (WaitReason.RETRY, "redirected")


@pytest.mark.parametrize(
    ("error_code", "reason"),
    [
        (4003, "startup_guide"),
        (4004, "company_inactive"),
        (4006, "scope"),
        (4007, "permission"),
        (4009, "product_variant"),
        (4011, "user"),
        (4012, "licence"),
        (4019, "read_only_user"),
        (4034, "sandbox_client"),
    ],
)
def test_a_refusal_of_the_whole_connection_lets_all_its_rows_wait(
    wish: Push, sandbox: Sandbox, run: Run, ready: Connection, ulf: User, add_company: AddCompany,
    error_code: int, reason: str,
) -> None:  # fmt: skip
    sandbox.fault(kind="error", path="/v2/.*", error_code=error_code, status=403, count=None)
    push = run(wish)
    assert (push.state, push.wait_reason, push.next_attempt_at) == (PushState.WAITING, WaitReason.CONNECTION, None)
    ready.refresh_from_db()
    assert ready.blocked_reason == reason
    calls = len(sandbox.calls(path="/v2"))
    other = run(sheets.create(user=ulf, company=add_company(registration_number="")))
    assert (other.wait_reason, other.failure) == (WaitReason.CONNECTION, reason)
    assert len(sandbox.calls(path="/v2")) == calls  # one row met it, the others do not ask
    assert Event.objects.filter(kind=EventKind.BLOCKED).count() == 1


def test_a_blocked_connection_is_probed_once_in_a_while_and_everything_resumes(
    wish: Push, sandbox: Sandbox, run: Run, ready: Connection, clock: MovableClock
) -> None:
    sandbox.fault(kind="error", path="/v2/.*", error_code=4012, status=403, count=2)
    run(wish)
    calls = len(sandbox.calls(path="/v2"))
    upkeep.look_after(now=clock())
    assert len(sandbox.calls(path="/v2")) == calls  # not due yet
    clock.forward(16 * 60)
    for _ in range(3):
        upkeep.look_after(now=clock())
    assert len(sandbox.calls(path="/v2/companysettings")) == 1  # still refused; the next one is booked
    clock.forward(16 * 60)
    upkeep.look_after(now=clock())
    ready.refresh_from_db()
    assert ready.blocked_reason == ""
    assert Event.objects.filter(kind=EventKind.UNBLOCKED).count() == 1
    assert_created_once(sandbox, run(wish))


def test_a_429_lets_the_row_wait_as_long_as_told_and_silences_the_endpoint(
    wish: Push, sandbox: Sandbox, run: Run, ulf: User, add_company: AddCompany, clock: MovableClock
) -> None:
    text = "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 55 seconds."
    sandbox.fault(kind="error", path=CUSTOMERS, error_code=4010, status=429, text=text)
    before = clock()
    push = run(wish)
    assert (push.wait_reason, push.failure) == (WaitReason.BUDGET, "rate_limited")
    assert push.next_attempt_at is not None
    told = timedelta(seconds=55)
    assert before + told <= push.next_attempt_at <= clock() + told
    calls = len(sandbox.calls())
    other = run(sheets.create(user=ulf, company=add_company(registration_number="")))
    assert (other.wait_reason, other.failure) == (WaitReason.BUDGET, "budget")
    assert len(sandbox.calls()) == calls


def test_without_redis_rows_wait(wish: Push, sandbox: Sandbox, run: Run, settings: Settings) -> None:
    from_redis = settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    rate_limit._redis.cache_clear()
    push = run(wish)
    settings.REDIS_URL = from_redis
    rate_limit._redis.cache_clear()
    assert (push.wait_reason, push.failure) == (WaitReason.BUDGET, "budget_unknown")
    assert sandbox.calls(path="/v2") == []


def test_after_seven_days_it_is_given_up_with_a_sentence(
    wish: Push, sandbox: Sandbox, run: Run, clock: MovableClock
) -> None:
    sandbox.fault(kind="status", status=503, method="GET", path=CUSTOMERS, count=None)
    assert run(wish).state == PushState.WAITING
    push = run(wish, forward=8 * 24 * 3600)
    assert (push.state, push.failure) == (PushState.FAILED, "gave_up")


def test_waiting_long_for_a_person_is_not_taken_for_a_long_outage(
    ready: Connection, wish: Push, sandbox: Sandbox, run: Run, clock: MovableClock
) -> None:
    sandbox.fault(kind="error", error_code=4004, method="GET", path=CUSTOMERS)
    assert run(wish).wait_reason == WaitReason.CONNECTION
    clock.forward(8 * 24 * 3600)
    Connection.objects.update(blocked_reason="")
    push_queue.pull_forward(connection=ready, now=clock())
    asked = run(wish)
    assert (asked.wait_reason, asked.failure) == (WaitReason.DECISION, "asked_long_ago")
    assert asked.send_after_all(user=wish.requested_by, now=clock())
    sandbox.fault(kind="status", status=503, method="GET", path=CUSTOMERS)
    push = run(wish)
    assert (push.state, push.wait_reason) == (PushState.WAITING, WaitReason.RETRY)
    assert run(wish, forward=60).state == PushState.DONE


def test_refused_tokens_with_good_answers_between_them_do_not_end_the_connection(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    """A push that ends with a person's decision has had a good answer too."""
    for number in range(3):
        sandbox.expire_access_tokens()
        company = add_company(name=f"Firma {number} AB", registration_number="559987-1018")
        push = run(sheets.create(user=ulf, company=company), times=2)
        assert push.wait_reason == WaitReason.DECISION
    ready.refresh_from_db()
    assert ready.is_connected


def test_the_first_answer_after_a_silence_wakes_what_waited_for_it(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, clock: MovableClock
) -> None:
    sandbox.fault(kind="status", status=503, method="GET", path=CUSTOMERS, count=8)
    first = sheets.create(user=ulf, company=add_company(registration_number=""))
    push = first
    for _ in range(8):
        before = clock()
        push = run(first, forward=1000)
    assert push.attempts == 8
    assert push.next_attempt_at is not None
    assert push.next_attempt_at > before + timedelta(seconds=1000 + 100)
    other = add_company(name="Annan AB", registration_number="")
    assert run(sheets.create(user=ulf, company=other)).state == PushState.DONE
    assert run(first).state == PushState.DONE


def test_a_success_amid_others_wakes_nobody(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, clock: MovableClock
) -> None:
    """Else every answer would repeat every row that fails by itself."""
    run(sheets.create(user=ulf, company=add_company(name="Ett AB", registration_number="")))
    sandbox.fault(kind="status", status=503, method="GET", path=CUSTOMERS)
    failing = run(sheets.create(user=ulf, company=add_company(name="Två AB", registration_number="")))
    run(sheets.create(user=ulf, company=add_company(name="Tre AB", registration_number="")))
    assert Push.objects.get(pk=failing.pk).next_attempt_at == failing.next_attempt_at


# --- Twins -------------------------------------------------------------------------------------------------


def test_an_equal_create_waits_for_its_twin(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")
    first = run(sheets.create(user=ulf, company=add_company()))
    twin = run(sheets.create(user=ulf, company=add_company()))
    assert (twin.state, twin.wait_reason) == (PushState.WAITING, WaitReason.TWIN)
    assert settle(first).state == PushState.DONE
    twin = settle(twin)
    assert twin.wait_reason == WaitReason.DECISION  # by now a customer with this number is there
    assert len(named(sandbox)) == 1


def test_a_branch_waits_for_the_other_and_is_then_a_persons_to_judge(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    """Branches share a registration number: the second one's look has to see what the first one created."""
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")
    first = run(sheets.create(user=ulf, company=add_company()))
    branch = run(sheets.create(user=ulf, company=add_company(name="Älvstrand Umeå", city="Umeå")))
    assert (branch.state, branch.wait_reason) == (PushState.WAITING, WaitReason.TWIN)
    assert settle(first).state == PushState.DONE
    branch = settle(branch)
    assert branch.wait_reason == WaitReason.DECISION
    assert [candidate["name"] for candidate in branch.candidates] == ["Älvstrand Snickeri AB"]
    confirm_create_anyway(user=ulf, push=branch)
    assert settle(branch).state == PushState.DONE
    assert (len(named(sandbox)), len(named(sandbox, "Älvstrand Umeå"))) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [
        {"registration_number": ""},
        {"registration_number": "556677-8899"},
        {"registration_number": "", "name": "älvstrand  SNICKERI ab"},
        {"country": "NO", "name": "Älvstrand Norge", "postal_code": "0150"},  # the Swedish number, of a branch there
    ],
)
def test_the_same_name_or_number_is_a_twin_whatever_else_differs(
    ready: Connection,
    add_company: AddCompany,
    ulf: User,
    sandbox: Sandbox,
    run: Run,
    settle: Run,
    other: dict[str, FieldValue],
) -> None:
    """One company is here twice, with its number and without: both are added while the first answer is lost."""
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")
    first = run(sheets.create(user=ulf, company=add_company()))
    company = add_company(**other)
    values = mapping.values_of(company, None, groups=mapping.groups_for(None))
    twin = run(request_create(user=ulf, company=company, confirmed=values))
    assert (first.state, twin.wait_reason) == (PushState.UNKNOWN, WaitReason.TWIN)
    assert settle(first).state == PushState.DONE
    assert settle(twin).wait_reason == WaitReason.DECISION
    assert posts(sandbox) == 2  # one of them was reset


def test_one_of_the_same_name_that_looked_too_early_looks_again(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, clock: MovableClock, run: Run
) -> None:
    first = sheets.create(user=ulf, company=add_company())
    second = sheets.create(user=ulf, company=add_company(registration_number=""))

    class WhileItWaits(Calls):
        def book(self, endpoint: Endpoint) -> None:
            super().book(endpoint)
            if endpoint == Endpoint.CUSTOMERS and len(sandbox.calls(path=CUSTOMERS)) == 1:
                assert run(first).state == PushState.DONE

    claimed = push_queue.claim(second.pk, now=clock(), seconds=60)
    assert claimed is not None
    create.run(claimed, WhileItWaits(connection=ready, clock=clock))
    assert Push.objects.get(pk=second.pk).wait_reason == WaitReason.TWIN
    assert run(second).wait_reason == WaitReason.DECISION
    assert posts(sandbox) == 1


def test_a_branch_that_looked_before_the_other_was_created_looks_again(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, clock: MovableClock, run: Run
) -> None:
    """Both looked and found nothing; the first one was created before the second one came to its turn."""
    first = sheets.create(user=ulf, company=add_company())
    branch = sheets.create(user=ulf, company=add_company(name="Älvstrand Umeå"))

    class WhileItWaits(Calls):
        def book(self, endpoint: Endpoint) -> None:
            super().book(endpoint)
            if endpoint == Endpoint.CUSTOMERS and len(sandbox.calls(path=CUSTOMERS)) == 1:
                assert run(first).state == PushState.DONE

    claimed = push_queue.claim(branch.pk, now=clock(), seconds=60)
    assert claimed is not None
    create.run(claimed, WhileItWaits(connection=ready, clock=clock))
    waiting = Push.objects.get(pk=branch.pk)
    assert (waiting.state, waiting.wait_reason) == (PushState.WAITING, WaitReason.TWIN)
    assert run(branch).wait_reason == WaitReason.DECISION
    assert posts(sandbox) == 1
