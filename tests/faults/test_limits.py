"""Faults around the budget of calls, and one account's run beside another's clicks."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from django.conf import settings as configuration
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations.access import rate_limit
from integrations.delivery.worker import deliver, deliver_next
from integrations.models import Connection, Push, PushState, WaitReason, push_queue
from tests import sheets
from tests.faults.processes import FaultyWorkers
from tests.faults.reading import Card, assert_one_customer
from tests.faults.runs import assert_run_is_over, begin_run, wait_for
from tests.integrations.conftest import CUSTOMERS, AddCompany, MovableClock, Run, confirm_terms, connect_as
from tests.integrations.threads import at_once, in_thread
from tests.integrations.workers import until
from tests.proxy import Proxy
from tests.sheets import confirmed

LESS_OFTEN = "Visma eAccounting asked Lime Go to call less often for a moment. This is sent again automatically."
AWAY = "Part of Lime Go is not available right now. This is sent automatically as soon as it is back."
API_SECONDS = 0.15


@pytest.fixture
def wish(ready: Connection, company: Company, ulf: User) -> Push:
    return sheets.create(user=ulf, company=company)


# --- 429 ---------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_429_with_text_only_quiets_all_workers_for_that_endpoint(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card, add_company: AddCompany, clock: MovableClock
) -> None:
    text = "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 55 seconds."
    sandbox.fault(kind="error", path=CUSTOMERS, error_code=4010, status=429, text=text, when="before")
    run(wish)
    assert f"Waiting {LESS_OFTEN} Next attempt" in card(ulf, wish.company)
    others = [sheets.create(user=ulf, company=add_company(name=f"Nr {n} AB", registration_number="")) for n in range(4)]
    at_once([lambda push=push: deliver(push.pk) for push in others])
    assert len(sandbox.calls(path=CUSTOMERS)) == 1
    assert "Many calls to Visma eAccounting are waiting." in card(ulf, others[0].company)
    rate_limit._redis().flushdb()  # 55 seconds later
    for push in (wish, *others):
        run(push, forward=60)
        assert_one_customer(sandbox, push.company)


def _in(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (lambda: "30", 30),
        (lambda: _in(30), 30),
        (lambda: _in(-30), 1),
        (lambda: "0", 1),
        (lambda: "-1", 1),
        (lambda: "abc", 55),
        (lambda: "99999", 3600),
    ],
    ids=["seconds", "date", "past-date", "zero", "negative", "nonsense", "huge"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_retry_after_is_taken_as_it_is_written_and_clamped(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card, clock: MovableClock,
    method: str, header: Callable[[], str], seconds: int,
) -> None:  # fmt: skip
    text = "Try again in 55 seconds."
    told = {"error_code": 4010, "status": 429, "text": text, "retry_after": header()}
    sandbox.fault(kind="error", method=method, path=CUSTOMERS, when="before", **told)
    before = clock()
    row = run(wish)
    assert row.next_attempt_at is not None
    assert (row.state, row.wait_reason) == (PushState.WAITING, WaitReason.BUDGET)
    silent = rate_limit._redis().pttl(rate_limit._keys(CUSTOMERS.removeprefix("/v2"), 0)[1]) / 1000
    passed = (clock() - before).total_seconds() + 1  # the header tells whole seconds, and was made a moment before
    assert -passed < (row.next_attempt_at - before).total_seconds() - seconds < passed
    assert -passed < silent - seconds <= 0
    assert LESS_OFTEN in card(ulf, wish.company)
    rate_limit._redis().flushdb()
    run(wish, forward=seconds + 1)
    assert_one_customer(sandbox, wish.company)


# --- Redis -------------------------------------------------------------------------------------------------


@pytest.fixture
def line_to_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The store of the budget, behind a line that can break."""
    monkeypatch.setattr(rate_limit, "ANSWER_SECONDS", 1.0)
    with Proxy.before(configuration.REDIS_URL) as line:
        settings.REDIS_URL = line.url
        rate_limit._redis.cache_clear()
        yield line
        rate_limit._redis().close()
        rate_limit._redis.cache_clear()


@pytest.mark.parametrize("trouble", ["silence", "reset", "closed", "slow bytes"])
def test_without_the_budget_nothing_is_called_and_the_card_says_so(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, card: Card, line_to_redis: Proxy, trouble: str
) -> None:
    line_to_redis.to_client.silent = trouble == "silence"
    line_to_redis.to_client.seconds_per_byte = 60.0 if trouble == "slow bytes" else 0.0
    if trouble == "reset":
        line_to_redis.to_client.end_after(0, how="reset")
    if trouble == "closed":
        line_to_redis.down()
    run(wish)
    assert f"Waiting {AWAY} Next attempt" in card(ulf, wish.company)
    assert sandbox.calls(path="/v2") == []
    line_to_redis.heal()
    line_to_redis.reset()
    if trouble == "closed":
        line_to_redis.up()
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=1)


@pytest.mark.django_db(transaction=True)
def test_a_budget_wiped_in_a_run_costs_nothing(
    ready: Connection, ulf: User, sandbox: Sandbox, settings: Settings
) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 3000
    names, over = begin_run(ready, ulf, count=30), threading.Event()
    Push.objects.update(fence=1)

    def wipe() -> None:
        while not over.wait(0.1):
            rate_limit._redis().flushdb()

    def pull() -> None:
        while deliver_next() or push_queue.unattended(now=datetime.now(UTC)).exists():
            pass

    wiping = in_thread(wipe)
    ends = at_once([pull] * 4)
    over.set()
    wiping.result(60)
    assert [end for end in ends if end is not None] == []
    assert_run_is_over(sandbox, names)
    assert [call for call in sandbox.calls() if call.status == 429] == []


# --- One account's run and another's clicks ----------------------------------------------------------------


@pytest.fixture
def theirs(ready: Connection, olav: User, sandbox: Sandbox) -> Connection:
    """Another account's connection, to another eAccounting company."""
    connection = connect_as(olav, company="2")
    confirm_terms(connection, olav)
    sandbox.forget_calls()
    return connection


@pytest.mark.workers
@pytest.mark.django_db(transaction=True)
def test_the_run_and_the_broken_token_of_one_account_do_not_hold_up_another(
    ready: Connection, theirs: Connection, ulf: User, anna: User, olav: User, sandbox: Sandbox, server: SandboxServer,
    add_company: AddCompany, as_user: Callable[[User], Client], tmp_path: Path, card: Card,
) -> None:  # fmt: skip
    """Scaled: 300 rows at 30 calls a second instead of 10,000 at ten. First come, first served is after all of them."""
    names = begin_run(ready, ulf, count=300)
    sandbox.fault(kind="delay", path="/v2/customers.*", seconds=API_SECONDS, when="before", count=None)
    limit = {"EACCOUNTING_RATE_LIMIT": "1800"}
    clicked = [add_company(to=olav.account, name=f"Olav {n} AB", registration_number="") for n in range(8)]
    with (
        FaultyWorkers(folder=tmp_path, server=server, queues="clicks", beat=False, environment=limit),
        FaultyWorkers(folder=tmp_path, server=server, queues="bulk,sweep,upkeep", environment=limit),
    ):
        wait_for(5)
        for company in clicked[:4]:
            click_and_wait(olav, company, as_user(olav))
        assert Push.objects.filter(connection=ready, state=PushState.WAITING).count() > 100
        sandbox.revoke_grants(company="1")
        until(
            lambda: Connection.objects.get(pk=ready.pk).state == Connection.State.NEEDS_RECONNECT,
            what="the broken token to be met",
        )
        for company in clicked[4:]:
            click_and_wait(olav, company, as_user(olav))
        calls = len(sandbox.calls(path="/connect/token"))
        time.sleep(1.0)
        assert len(sandbox.calls(path="/connect/token")) == calls  # nobody asks for each of its rows
    for company in clicked:
        assert len([row for row in sandbox.customers(company="2") if row["Name"] == company.name]) == 1
    open_rows = Push.objects.filter(connection=ready, state__in=(PushState.SENDING, PushState.UNKNOWN))
    assert not open_rows.exists()
    waiting = Push.objects.filter(connection=ready, state=PushState.WAITING).select_related("company")
    assert waiting.count() > 100
    told = waiting.filter(wait_reason=WaitReason.CONNECTION)  # another one may not have come to its next attempt yet
    assert "Visma eAccounting has not accepted the connection since" in card(ulf, told.earliest("pk").company)
    doubled = [row["Name"] for row in sandbox.customers() if row["Name"] in names]
    assert len(doubled) == len(set(doubled)) == Push.objects.filter(connection=ready, state=PushState.DONE).count()
    # One may have met the revoked token at its POST: refused, and nothing was created.
    created = [call for call in sandbox.calls(method="POST", path=CUSTOMERS) if call.status == 201]
    assert len(created) == len(doubled) + len(clicked)


def click_and_wait(user: User, company: Company, browser: Client) -> None:
    """Click Create customer in Visma, and wait until the customer is there."""
    assert browser.post(f"/companies/{company.pk}/visma-eaccounting/create/", confirmed(company)).status_code == 302
    until(lambda: Push.objects.filter(company=company, state=PushState.DONE).exists(), what=f"{company} to be done")
