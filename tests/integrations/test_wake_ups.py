"""No wake-up is lost for ever: whatever a row waits for, it moves later when something held it as that was told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from integrations import tasks
from integrations.access import rate_limit
from integrations.clock import database_now
from integrations.delivery import calls
from integrations.delivery.worker import deliver_next
from integrations.models import Connection, Push, PushState, TermsOfPayment, WaitReason, push_queue
from integrations.models.push import ASKED_LONG_AGO
from integrations.services import ask_admin, connect
from integrations.services.link import link_possible_duplicate
from tests import sheets
from tests.integrations.conftest import CUSTOMERS, AddCompany, MovableClock, confirm_terms, named
from tests.integrations.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

Wait = Callable[["Stage"], Push]
Tell = Callable[["Stage", Push], object]


class Stage:
    """A connected account whose wish can wait for anything."""

    def __init__(self, connection: Connection, admin: User, add_company: AddCompany, sandbox: Sandbox) -> None:
        self.connection, self.admin, self.add_company, self.sandbox = connection, admin, add_company, sandbox
        self.clock = MovableClock()

    def wish(self) -> Push:
        push = sheets.create(user=self.admin, company=self.add_company())
        return self.deliver(push)

    def deliver(self, push: Push) -> Push:
        self.clock.forward(5)  # past the head start of those who are poked
        deliver_next(clock=self.clock)
        return Push.objects.get(pk=push.pk)

    def park(self) -> Push:
        company = self.add_company()
        push = ask_admin.ask_admins(user=self.admin, company=company, **sheets.seen_by_asking(company)).push
        assert push is not None
        return Push.objects.get(pk=push.pk)

    def sweep_until(self, is_moved: Callable[[], bool]) -> None:
        """Do what sweeper and workers do, in moved time."""
        for _ in range(20):
            tasks.sweep()
            self.clock.forward(30)
            deliver_next(clock=self.clock)
            if is_moved():
                return
        pytest.fail("the row does not move any more")


@pytest.fixture
def stage(ready: Connection, anna: User, add_company: AddCompany, sandbox: Sandbox) -> Stage:
    return Stage(ready, anna, add_company, sandbox)


# --- What a row can wait for, and who tells that it is over ----------------------------------------------------------


def _retry(stage: Stage) -> Push:
    stage.sandbox.fault(kind="status", status=503, method="GET", path=CUSTOMERS)
    return stage.wish()


def _budget(stage: Stage) -> Push:
    stage.sandbox.fault(kind="status", status=429, method="GET", path=CUSTOMERS)
    return stage.wish()


def _settling(stage: Stage) -> Push:
    stage.sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    return stage.wish()


def _twin(stage: Stage) -> Push:
    stage.sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")
    stage.wish()
    Push.objects.update(next_attempt_at=database_now() + timedelta(days=1))  # the other one's turn comes later
    return stage.wish()


def _decision(stage: Stage) -> Push:
    customer = stage.sandbox.customers()[0]
    stage.sandbox.edit_customer(customer_id=str(customer["Id"]), CorporateIdentityNumber="556016-0680")
    return stage.wish()


def _connection(stage: Stage) -> Push:
    Connection.objects.update(blocked_reason="licence", blocked_at=database_now())
    return stage.park()


def _terms(stage: Stage) -> Push:
    Connection.objects.update(terms_confirmed_at=None)
    return stage.park()


def _it_works_again(stage: Stage, _push: Push) -> None:
    rate_limit._redis().flushdb()  # the silence after a 429 is over
    connect.test(Connection.objects.get())


def _terms_are_chosen(stage: Stage, _push: Push) -> None:
    confirm_terms(Connection.objects.get(), stage.admin)


def _a_person_decides(stage: Stage, push: Push) -> None:
    [candidate] = push.candidates
    customer = calls.read_customer(Connection.objects.get(), customer_id=candidate["id"])
    link_possible_duplicate(user=stage.admin, push=push, customer=customer)


WAITS: dict[WaitReason, tuple[Wait, Tell]] = {
    WaitReason.RETRY: (_retry, _it_works_again),
    WaitReason.BUDGET: (_budget, _it_works_again),
    WaitReason.SETTLING: (_settling, _it_works_again),
    WaitReason.TWIN: (_twin, _it_works_again),
    WaitReason.DECISION: (_decision, _a_person_decides),
    WaitReason.CONNECTION: (_connection, _it_works_again),
    WaitReason.TERMS: (_terms, _terms_are_chosen),
}


@contextmanager
def held(push: Push) -> Iterator[None]:
    """Hold the row as a contact that is being removed does: the push forgets it."""
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Push.objects.filter(pk=push.pk).update(contact=None)
            is_held.set()
            is_over.wait(30)

    holding = in_thread(hold)
    assert is_held.wait(10)
    try:
        yield
    finally:
        is_over.set()
        holding.result(60)


# --- The promise -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", WaitReason)
def test_a_row_that_something_held_when_its_wait_was_over_moves_later(stage: Stage, reason: WaitReason) -> None:
    wait, tell = WAITS[reason]
    push = wait(stage)
    assert (push.is_open, push.wait_reason) == (True, reason)
    with held(push):
        telling = in_thread(partial(tell, stage, push))
        if reason != WaitReason.DECISION:  # a person's word waits for the row; nothing else does
            telling.result(60)
    telling.result(60)

    def is_moved() -> bool:
        row = Push.objects.get(pk=push.pk)
        return not row.is_open or row.wait_reason != reason

    stage.sweep_until(is_moved)
    row = Push.objects.get(pk=push.pk)
    asks = reason == WaitReason.TWIN and row.wait_reason == WaitReason.DECISION  # it came second, and found the other
    assert asks or row.state == PushState.DONE
    assert len(named(stage.sandbox)) <= 1


@pytest.mark.parametrize("wait", [_connection, _terms])
def test_what_waited_long_for_an_admin_asks_first_however_it_is_woken(stage: Stage, wait: Wait) -> None:
    push = wait(stage)
    Push.objects.update(requested_at=database_now() - timedelta(days=8))
    with held(push):
        _it_works_again(stage, push)
        _terms_are_chosen(stage, push)
    stage.sweep_until(lambda: Push.objects.get(pk=push.pk).is_asked_about)
    assert Push.objects.get(pk=push.pk).failure == ASKED_LONG_AGO
    assert named(stage.sandbox) == []


@pytest.mark.parametrize(
    ("wait", "cause"),
    [
        (_connection, {}),
        (_connection, {"blocked_reason": "", "state": Connection.State.NEEDS_RECONNECT}),
        (_connection, {"blocked_reason": "", "state": Connection.State.DISCONNECTED}),
        (_terms, {}),
        (_terms, {"default_terms": None, "terms_confirmed_at": database_now}),
    ],
)
def test_what_still_has_its_cause_is_left_alone(stage: Stage, wait: Wait, cause: dict[str, object]) -> None:
    push = wait(stage)
    columns = {name: value() if callable(value) and name.endswith("_at") else value for name, value in cause.items()}
    Connection.objects.filter(pk=push.connection_id).update(**columns or {"is_current": True})
    before = Push.objects.filter(pk=push.pk).values().get()
    tasks.sweep()
    assert Push.objects.filter(pk=push.pk).values().get() == before
    assert not deliver_next(clock=stage.clock)


@pytest.mark.parametrize("terms", [{"gone_at": database_now}, {"for_sales": False}])
def test_terms_that_nobody_can_get_wake_nobody(stage: Stage, terms: dict[str, object]) -> None:
    push = _terms(stage)
    columns = {name: value() if callable(value) else value for name, value in terms.items()}
    TermsOfPayment.objects.update(**columns)
    Connection.objects.update(terms_confirmed_at=database_now())
    assert Connection.objects.get().terms_problem == "terms_gone"
    tasks.sweep()
    assert Push.objects.get(pk=push.pk).next_attempt_at is None


def test_who_is_removed_at_that_moment_is_the_case_that_was_met(
    stage: Stage, company: Company, contact: Contact, sandbox: Sandbox
) -> None:
    """A contact is being removed while an admin chooses the terms that its company's wish waits for."""
    other = company.add_contact(now=database_now(), values={"first_name": "Bo", "last_name": "Ek"})
    Connection.objects.update(terms_confirmed_at=None)
    push = ask_admin.ask_admins(user=stage.admin, company=company, **sheets.seen_by_asking(company, contact=other)).push
    assert push is not None
    with transaction.atomic():
        other.remove(now=database_now())
        in_thread(partial(_terms_are_chosen, stage, push)).result(60)
    assert Push.objects.get(pk=push.pk).next_attempt_at is None, "it was passed over"
    stage.sweep_until(lambda: not Push.objects.get(pk=push.pk).is_open)
    assert Push.objects.get(pk=push.pk).finished_at is not None


def test_looking_for_them_is_two_queries_by_an_index_however_many_wait(stage: Stage, add_company: AddCompany) -> None:
    Connection.objects.update(terms_confirmed_at=None)
    for _ in range(5):
        stage.park()
    now = database_now()
    with CaptureQueriesContext(database) as queries:
        push_queue.recheck(now=now)
    assert len(queries) == 2
    with database.cursor() as cursor:
        cursor.execute("set enable_seqscan = off")
        plans = []
        for query in queries:
            cursor.execute(f"explain {query['sql']}")
            plans.append("\n".join(row[0] for row in cursor.fetchall()))
        cursor.execute("reset enable_seqscan")
    assert all("push_without_time" in plan for plan in plans)
