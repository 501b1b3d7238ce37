"""Faults of the stores and of clocks, and people who change things while a push is in flight."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import time_machine
from django.conf import settings as configuration
from django.core.management import call_command
from django.db import DatabaseError
from django.db import connection as database
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from companies.models import Company, Contact
from dev.launcher.stores import Store, postgres
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations import tasks
from integrations.access import rate_limit
from integrations.clock import database_now
from integrations.delivery.worker import deliver
from integrations.models import Connection, CustomerLink, Push, PushState
from integrations.services.try_again import repeat_push
from tests import sheets
from tests.faults.processes import FaultyWorkers
from tests.faults.reading import UP_TO_DATE, Card, assert_one_customer, panel_words
from tests.faults.runs import assert_run_is_over, begin_run, done, wait_for
from tests.holding import held
from tests.integrations.conftest import AddCompany, Run, named, posts
from tests.integrations.threads import in_thread
from tests.integrations.workers import SHORT_LEASES, until
from tests.proxy import Proxy
from tests.thorough import mostly_thorough

real_threads = pytest.mark.django_db(transaction=True)


# --- PostgreSQL --------------------------------------------------------------------------------------------


@pytest.fixture
def own_database(transactional_db: None, tmp_path: Path) -> Iterator[Store]:
    """A PostgreSQL that only this test uses, so that it can be restarted."""
    stored, before = database.settings_dict, dict(database.settings_dict)
    with postgres(tmp_path / "postgres") as store:
        database.close()
        place = psycopg.conninfo.conninfo_to_dict(store.url)
        names = {"HOST": "host", "PORT": "port", "NAME": "dbname", "USER": "user", "PASSWORD": "password"}
        stored.update({ours: str(place[theirs]) for ours, theirs in names.items()})
        call_command("migrate", verbosity=0)
        yield store
        database.close()
        stored.update(before)


def restart(store: Store) -> None:
    """Kill one of its backends: the server drops every session, recovers from its log and starts anew."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(store.url) as session:
        os.kill(session.info.backend_pid, signal.SIGKILL)
        session.execute("select 1")


@pytest.mark.workers
@real_threads
@pytest.mark.parametrize("rows", mostly_thorough([30, 120], but=30))
def test_a_database_that_restarts_in_a_run_loses_and_doubles_nothing(
    own_database: Store, ready: Connection, ulf: User, sandbox: Sandbox, server: SandboxServer, tmp_path: Path,
    rows: int,
) -> None:  # fmt: skip
    """What was in flight is looked after when its lease is over."""
    names = begin_run(ready, ulf, count=rows)
    sandbox.fault(kind="delay", method="POST", path="/v2/customers", seconds=0.05, when="after", count=None)
    with FaultyWorkers(folder=tmp_path, server=server, environment=SHORT_LEASES):
        for count in (rows // 6, rows // 3, rows // 2):
            wait_for_despite_restarts(count)
            restart(own_database)
        wait_for_despite_restarts(rows)
    assert_run_is_over(sandbox, names)


def wait_for_despite_restarts(count: int) -> None:
    def are_done() -> bool:
        try:
            database.close_if_unusable_or_obsolete()
            return done() >= count
        except DatabaseError:
            database.close()
            return False

    until(are_done, what=f"{count} to be done")


@pytest.mark.workers
@real_threads
@pytest.mark.parametrize("trouble", ["silence", "reset", "slow bytes"])
def test_a_bad_line_to_the_database_loses_and_doubles_nothing(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle: Run, trouble: str
) -> None:
    """It breaks while the answer of eAccounting is under way: nobody can write down what became of it."""
    push = sheets.create(user=ulf, company=company)
    stored, before = database.settings_dict, dict(database.settings_dict)
    with (
        Proxy(stored["HOST"], int(stored["PORT"])) as line,
        held(sandbox, method="POST", path="/v2/customers", when="after") as request,
    ):
        stored.update(HOST="127.0.0.1", PORT=str(line.port))
        worker = in_thread(lambda: deliver(push.pk))
        request.wait_for()
        stored.update(before)
        line.to_client.silent = trouble == "silence"
        line.to_client.seconds_per_byte = 60.0 if trouble == "slow bytes" else 0.0
        if trouble == "reset":
            line.reset()
        request.go_on()
        threading.Timer(1.0, line.reset).start()
        assert worker.exception(60) is not None
    assert Push.objects.get().state in {PushState.SENDING, PushState.UNKNOWN}
    settle(push)
    assert_one_customer(sandbox, company, sent=1)


# --- The broker --------------------------------------------------------------------------------------------


@pytest.mark.workers
@real_threads
@pytest.mark.parametrize("rows", mostly_thorough([60, 500], but=60))
def test_a_broker_that_is_wiped_again_and_again_while_many_wait_loses_nothing(
    ready: Connection, ulf: User, sandbox: Sandbox, server: SandboxServer, tmp_path: Path, rows: int
) -> None:
    """Poked for and wiped before the worker starts and while it works."""
    names = begin_run(ready, ulf, count=rows)
    for push_id in Push.objects.values_list("pk", flat=True):
        tasks.deliver_push.apply_async(kwargs={"push_id": push_id})
    assert rate_limit._redis().llen("clicks") == rows
    rate_limit._redis().flushdb()
    over = threading.Event()

    def wipe() -> None:
        while not over.wait(0.7):
            rate_limit._redis().flushdb()

    wiping = in_thread(wipe)
    with FaultyWorkers(folder=tmp_path, server=server):
        wait_for(rows)
        over.set()
    wiping.result(60)
    assert_run_is_over(sandbox, names)
    assert posts(sandbox) == rows


# --- Clocks ------------------------------------------------------------------------------------------------


@pytest.mark.workers
@real_threads
@pytest.mark.parametrize("hours", mostly_thorough([1, -1], but=1), ids=["ahead", "behind"])
def test_a_worker_whose_clock_is_an_hour_off_does_what_the_others_do(
    ready: Connection, company: Company, add_company: AddCompany, ulf: User, sandbox: Sandbox, server: SandboxServer,
    tmp_path: Path, hours: int,
) -> None:  # fmt: skip
    """Its pokes and sweeps come from a host whose clock is right. A fresh click, a lost poke, a lost answer."""
    clicked, unpoked = company, add_company(name="Utan puff AB", registration_number="", email="")
    sandbox.fault(kind="reset", method="POST", path="/v2/customers", when="after")
    tasks._quiet["until"] = float("inf")
    sheets.create(user=ulf, company=unpoked)
    tasks._quiet["until"] = 0.0
    with FaultyWorkers(folder=tmp_path, server=server, hours=hours, beat=False, environment=SHORT_LEASES):
        sheets.create(user=ulf, company=clicked)
        sweep = configuration.CELERY_BEAT_SCHEDULE["sweep"]

        def swept() -> bool:
            tasks.sweep.apply_async(**sweep["options"])  # what beat sends
            time.sleep(0.3)
            return not Push.objects.exclude(state=PushState.DONE).exists()

        until(swept, what="all of it")
    for each in (clicked, unpoked):
        assert_one_customer(sandbox, each)
    assert posts(sandbox) == 2


@pytest.mark.parametrize("hours", [1, -1], ids=["ahead", "behind"])
def test_a_push_of_a_web_host_whose_clock_is_an_hour_off_is_sent_as_any_other(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, as_user: Callable[[User], Client], hours: int
) -> None:
    browser = as_user(ulf)
    before = database_now()
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        sheets.create(user=ulf, company=company)
    push = Push.objects.get()
    assert push.next_attempt_at is not None
    assert before <= push.requested_at <= push.next_attempt_at <= database_now()
    deliver(push.pk)
    assert_one_customer(sandbox, company, sent=1)
    assert UP_TO_DATE in panel_words(browser.get(f"/companies/{company.pk}/").content.decode())


# --- People ------------------------------------------------------------------------------------------------


@real_threads
def test_a_company_archived_while_its_create_is_in_flight_keeps_its_customer(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, card: Card
) -> None:
    push = sheets.create(user=ulf, company=company)
    with held(sandbox, method="POST", path="/v2/customers", when="after") as request:
        worker = in_thread(lambda: deliver(push.pk))
        request.wait_for()
        company.archive(now=timezone.now())
    worker.result(60)
    assert_one_customer(sandbox, company, sent=1)
    assert UP_TO_DATE in card(ulf, company)


def test_a_company_archived_before_it_was_sent_is_not_sent_and_told(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    push = sheets.create(user=ulf, company=company)
    company.archive(now=timezone.now())
    run(push)
    assert (Push.objects.get().state, posts(sandbox)) == (PushState.FAILED, 0)
    assert "This company is archived. Restore it first." in card(ulf, company)


@real_threads
def test_a_contact_erased_while_it_is_in_flight_was_sent_and_is_not_shown_as_chosen(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, card: Card
) -> None:
    push = sheets.create(user=ulf, company=company, contact=contact)
    with held(sandbox, method="POST", path="/v2/customers", when="after") as request:
        worker = in_thread(lambda: deliver(push.pk))
        request.wait_for()
        contact.delete()
    worker.result(60)
    assert_one_customer(sandbox, company, sent=1)
    assert CustomerLink.objects.get().contact is None
    assert "Contact person None chosen" in card(ulf, company)


def test_a_contact_erased_before_it_was_sent_is_told(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    run(sheets.create(user=ulf, company=company))
    push = sheets.choose_contact(user=ulf, company=company, contact=contact)
    contact.delete()
    run(push)
    assert "The chosen contact person no longer exists. Choose somebody else." in card(ulf, company)
    assert named(sandbox)[0]["ContactPersonName"] is None


def test_a_user_deactivated_in_a_run_stops_what_was_not_sent_and_others_can_go_on(
    ready: Connection, add_company: AddCompany, ulf: User, anna: User, sandbox: Sandbox, run: Run, settle: Run,
    card: Card,
) -> None:  # fmt: skip
    companies = [add_company(name=f"Nr {n} AB", registration_number="", email="") for n in range(4)]
    pushes = [sheets.create(user=ulf, company=company) for company in companies]
    run(pushes[0])
    sandbox.fault(kind="reset", method="POST", path="/v2/customers", when="after")
    run(pushes[1])  # its bytes have left
    ulf.deactivate()
    settle(pushes[1])
    for push in pushes[2:]:
        run(push)
        told = "The person who requested this is no longer allowed to do it. Ask somebody else to send it again."
        assert f"Not sent {told}" in card(anna, push.company)
    for company in companies[:2]:
        assert_one_customer(sandbox, company)
    assert posts(sandbox) == 2
    run(repeat_push(user=anna, push=Push.objects.get(pk=pushes[2].pk)))
    assert len(named(sandbox, companies[2].name)) == 1


# --- Another account's ids ---------------------------------------------------------------------------------


def test_tasks_with_ids_of_nobody_or_of_another_account_change_nothing_of_ours(
    ready: Connection, company: Company, ulf: User, olav: User, sandbox: Sandbox, settings: Settings
) -> None:
    """A task takes the id of a row and nothing else: whose it is stands in the row. URLs: tests/test_rights.py."""
    push = sheets.create(user=ulf, company=company)
    Push.objects.update(next_attempt_at=None)
    left = Push.objects.values().get()
    for number in (0, -1, push.pk + 1, 10**15):
        tasks.deliver_push.run(push_id=number)
    tasks.deliver_push.run(push_id=push.pk, account_id=olav.account_id, company_id=company.pk)
    tasks.pull.run(push_id=push.pk, account_id=olav.account_id)
    tasks.sweep.run(account_id=olav.account_id)
    tasks.look_after_connections.run(connection_id=ready.pk)
    assert Push.objects.values().get() == left
    assert posts(sandbox) == 0


@pytest.mark.parametrize(
    "button",
    ["create", "update", "create-anyway", "look-again", "cancel", "try-again", "unlink", "contact-person"],
)
def test_every_button_with_another_accounts_company_is_404_and_changes_nothing(
    ready: Connection, company: Company, ulf: User, olav: User, sandbox: Sandbox, button: str
) -> None:
    push = sheets.create(user=ulf, company=company)
    left = Push.objects.values().get()
    browser = Client()
    browser.force_login(olav, backend="django.contrib.auth.backends.ModelBackend")
    answer = browser.post(f"/companies/{company.pk}/visma-eaccounting/{button}/", {"contact": "1", "push": push.pk})
    assert answer.status_code == 404
    assert (Push.objects.values().get(), sandbox.calls(path="/v2")) == (left, [])
