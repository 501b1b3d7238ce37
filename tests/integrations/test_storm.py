"""Many creates and updates under random faults and many hands: no company twice, none lost, no field lost."""

import random
import threading
import time

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.access import rate_limit
from integrations.clock import database_now
from integrations.delivery import calls
from integrations.delivery.worker import deliver
from integrations.models import Connection, CustomerLink, Origin, Push, PushState, WaitReason, push_queue
from integrations.services.link import link_company
from tests import sheets
from tests.integrations.conftest import AddCompany, forget_gateway, named
from tests.integrations.threads import in_thread
from tests.integrations.workers import LONGEST
from tests.thorough import mostly_thorough

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 6
FAULTS: list[dict[str, object]] = [
    {"kind": "reset", "when": "before"},
    {"kind": "reset", "when": "after"},
    {"kind": "no_answer", "when": "after"},
    {"kind": "status", "status": 500, "when": "after"},
    {"kind": "status", "status": 502, "when": "before"},
    {"kind": "truncated", "when": "after"},
    {"kind": "empty", "when": "after"},
    {"kind": "html", "when": "before"},
    {"kind": "late_commit", "seconds": 0.3, "how": "reset"},
    {"kind": "late_commit", "seconds": 0.5, "how": "no_answer"},
    {"kind": "error", "error_code": 4005, "status": 401, "when": "before"},
]


@pytest.fixture
def impatient(settings: Settings, sandbox: Sandbox) -> None:
    """Short calls; faults are met by about a third of all writes and a few reads.

    The settle time outlasts the late commits by far: on a busy machine they come later than they were told to.
    """
    settings.EACCOUNTING_CALL_SECONDS = 1
    settings.EACCOUNTING_SEND_BY_SECONDS = 1
    settings.EACCOUNTING_SETTLE_SECONDS = 4
    forget_gateway()
    for place, fault in enumerate(FAULTS):
        for method in ("POST", "PUT"):
            sandbox.fault(**fault, method=method, path="/v2/.*", count=None, probability=0.04, seed=place)  # type: ignore[arg-type]
    sandbox.fault(kind="status", status=503, method="GET", path="/v2/.*", count=None, probability=0.05, seed=99)


def storm() -> None:
    """Let workers pick due rows at random, twice at once too, until nothing is open; back-offs are shortened."""
    stop = threading.Event()

    def work() -> None:
        dice = random.Random()  # noqa: S311  # no secret
        while not stop.is_set():
            due = list(push_queue.due(now=database_now()).order_by("next_attempt_at").values_list("pk", flat=True)[:20])
            for push_id in dice.sample(due, min(3, len(due))):
                deliver(push_id)
            stop.wait(0.01)

    hands = [in_thread(work) for _ in range(WORKERS)]
    end = time.monotonic() + LONGEST
    open_rows = Push.objects.filter(state__in=(PushState.WAITING, PushState.SENDING, PushState.UNKNOWN))
    while open_rows.exclude(wait_reason=WaitReason.DECISION).exists() and time.monotonic() < end:
        # Only what nobody has sent: the settle time of the others is what is tested.
        open_rows.filter(wait_reason=WaitReason.RETRY, unknown_since=None).update(next_attempt_at=timezone.now())
        time.sleep(0.1)
    stop.set()
    for hand in hands:
        hand.result(60)


@pytest.mark.parametrize("companies", mostly_thorough([30, 120], but=30))
def test_no_company_is_created_twice_and_none_is_lost(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, impatient: None, companies: int
) -> None:
    names = [f"Storm {number} AB" for number in range(companies)]
    for name in names:
        sheets.create(user=ulf, company=add_company(name=name, registration_number="", email="", phone=""))
    storm()
    ends = {push.company.name: (push.state, push.wait_reason, push.failure) for push in Push.objects.all()}
    assert {name: ends[name] for name in names if ends[name][0] != PushState.DONE} == {}
    assert {name: len(named(sandbox, name)) for name in names if len(named(sandbox, name)) != 1} == {}
    links = {link.company.name: str(link.reference) for link in CustomerLink.objects.select_related("company")}
    assert links == {name: named(sandbox, name)[0]["Id"] for name in names}


def test_no_update_loses_what_is_not_ours(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, impatient: None
) -> None:
    sandbox_faults, sandbox.faults[:] = list(sandbox.faults), []
    companies: dict[str, Company] = {}
    before = {str(row["Id"]): row for row in sandbox.customers()}
    for customer_id, row in before.items():
        if not row["IsActive"] or not row["InvoicePostalCode"]:
            continue
        rate_limit._redis().flushdb()  # nobody opens so many sheets at once, and the others wait for the next minute
        company = add_company(name=f"Ny {row['CustomerNumber']}", registration_number="")
        customer = calls.read_customer(ready, customer_id=customer_id)
        link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
        sheets.update_all(user=ulf, company=company)
        companies[customer_id] = company
    sandbox.faults[:] = sandbox_faults
    storm()
    assert len(companies) >= 8
    assert set(Push.objects.values_list("state", flat=True)) == {PushState.DONE}
    after = {str(row["Id"]): row for row in sandbox.customers()}
    for customer_id, company in companies.items():
        assert after[customer_id]["Name"] == company.name
        kept = ("Note", "VatNumber", "TermsOfPaymentId", "DiscountPercentage", "CreditRating", "ContactPersonName")
        changed = [name for name in kept if after[customer_id].get(name) != before[customer_id].get(name)]
        assert changed == []
