"""Faults around the click itself. Whatever the broker does, the click answers before it, and its wish is kept."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings as configuration
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.launcher.stores import free_port
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations import tasks
from integrations.access import rate_limit
from integrations.delivery.worker import deliver
from integrations.models import Connection, Event, Push, PushState, push_queue
from tests import sheets
from tests.faults.processes import FaultyWorkers, database_url
from tests.faults.reading import UP_TO_DATE, Card, assert_one_customer, panel_words, words_of
from tests.holding import held
from tests.integrations.conftest import AddCompany, Run, posts
from tests.integrations.threads import at_once, in_thread
from tests.integrations.workers import until
from tests.proxy import Proxy
from tests.sheets import confirmed

pytestmark = pytest.mark.django_db(transaction=True)

SENDING = "Sending The company is being added as a customer in Visma eAccounting."


def add(company: Company) -> str:
    return f"/companies/{company.pk}/visma-eaccounting/create/"


def press(browser: Client, company: Company) -> str:
    """Press Create customer in Visma, follow, and return all the page's words."""
    answer = browser.post(add(company), confirmed(company), follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


# --- The broker --------------------------------------------------------------------------------------------


@pytest.fixture
def poked(request: pytest.FixtureRequest, poke_through: Callable[[str], None]) -> str:
    """A broker that is down, silent, or falls silent after it was spoken to."""
    url = f"redis://127.0.0.1:{free_port()}/0" if request.param == "down" else request.getfixturevalue("silent_broker")
    poke_through(url)
    return str(request.param)


@pytest.mark.parametrize("poked", ["down", "silent"], indirect=True)
def test_the_click_answers_at_once_and_the_sweeper_finds_the_wish(
    ready: Connection, company: Company, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, card: Card,
    as_user: Callable[[User], Client], poked: str,
) -> None:  # fmt: skip
    browser = as_user(ulf)
    assert browser.post(add(company), confirmed(company)).status_code == 302  # and the broker has not said a word yet
    assert tasks._quiet["until"] > 0, "the click gave the broker up, and the next ones leave it alone"
    assert SENDING in card(ulf, company)
    assert push_queue.unattended(now=timezone.now() + timedelta(seconds=3)).count() == 1
    run(Push.objects.get())
    assert_one_customer(sandbox, company, sent=1)
    assert UP_TO_DATE in card(ulf, company)


def test_a_broker_behind_a_bad_line_holds_no_click_up(
    ready: Connection, company: Company, ulf: User, as_user: Callable[[User], Client],
    poke_through: Callable[[str], None], sandbox: Sandbox, run: Run,
) -> None:  # fmt: skip
    """Each trouble in turn, on one line, and none ends by itself: the click is answered, and no wish is lost."""
    browser, sheet = as_user(ulf), confirmed(company)
    with Proxy.before(configuration.REDIS_URL) as line:
        poke_through(line.url)
        tasks.wake(0)
        for trouble in ("silence", "reset", "slow bytes", "latency"):
            line.heal()
            line.reset()
            line.to_client.silent = trouble == "silence"
            line.to_client.seconds_per_byte = 60.0 if trouble == "slow bytes" else 0.0
            line.to_client.latency = 60.0 if trouble == "latency" else 0.0
            if trouble == "reset":
                line.to_client.end_after(1, how="reset")
            tasks._quiet["until"] = 0.0
            Push.objects.update(state=PushState.CANCELLED)
            assert browser.post(add(company), sheet).status_code == 302
            # Given up rather than waited for; after a reset it may have been told on another connection at once.
            assert tasks._quiet["until"] > 0 or trouble == "reset", trouble
            assert Push.objects.filter(state=PushState.WAITING).count() == 1
    run(Push.objects.get(state=PushState.WAITING))
    assert posts(sandbox) == 1


# --- Many clicks -------------------------------------------------------------------------------------------


def test_twenty_presses_at_once_are_one_wish_and_one_customer(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, as_user: Callable[[User], Client], card: Card
) -> None:
    tasks._quiet["until"] = float("inf")
    browsers = [as_user(ulf) for _ in range(20)]
    pages = at_once([lambda browser=browser: press(browser, company) for browser in browsers])
    tasks._quiet["until"] = 0.0
    assert Push.objects.count() == 1
    assert [page for page in pages if not isinstance(page, str) or SENDING not in panel_words(page)] == []
    told = [page for page in pages if "already being added by Ulf Ek" in str(page)]
    assert len(told) == 19
    at_once([lambda: deliver(Push.objects.get().pk)] * 4)
    assert_one_customer(sandbox, company, sent=1)


def test_the_second_user_is_told_who_was_faster(
    ready: Connection, company: Company, ulf: User, anna: User, as_user: Callable[[User], Client], sandbox: Sandbox
) -> None:
    as_user(anna).post(add(company), confirmed(company))
    shown = words_of(press(as_user(ulf), company))
    assert "This company is already being added by Anna Ek. Wait until it is done." in shown
    assert "by Anna Ek" in shown.split("Requested")[1]
    assert Push.objects.count() == 1


def test_a_stale_message_for_a_finished_row_makes_no_call(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company)
    run(push)
    before = len(sandbox.calls())
    tasks.deliver_push.run(push_id=push.pk, account_id=10**9)  # what a later release may add is overlooked
    tasks.deliver_push.run(push_id=10**9)
    assert len(sandbox.calls()) == before
    assert_one_customer(sandbox, company, sent=1)


def test_a_message_delivered_twice_at_once_sends_once(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    push = sheets.create(user=ulf, company=company)
    with held(sandbox, method="GET", path="/v2/customers") as request:
        first = in_thread(lambda: tasks.deliver_push.run(push_id=push.pk))
        request.wait_for()
        tasks.deliver_push.run(push_id=push.pk)
    first.result(60)
    assert_one_customer(sandbox, company, sent=1)


# --- The database ------------------------------------------------------------------------------------------


NOT_SAVED = "Nothing was saved, and nothing was sent to Visma eAccounting. Go back and try again in a minute."
CANNOT_TELL = "We do not know yet whether your last change was saved. Reload the page in a minute to see."


def test_without_a_database_a_click_says_that_nothing_was_sent(
    ready: Connection, company: Company, ulf: User, as_user: Callable[[User], Client], sandbox: Sandbox,
    line_to_database: Proxy,
) -> None:  # fmt: skip
    browser, events, sheet = as_user(ulf), Event.objects.count(), confirmed(company)
    browser.raise_request_exception = False
    line_to_database.down()
    line_to_database.reset()
    answer = browser.post(add(company), sheet)
    assert answer.status_code == 503
    assert NOT_SAVED in words_of(answer.content.decode())
    swedish = browser.post(add(company), sheet, headers={"accept-language": "sv"}).content.decode()
    assert "Inget sparades och inget skickades till Visma eAccounting." in words_of(swedish)
    line_to_database.up()
    database.close()
    assert (Push.objects.count(), Event.objects.count(), sandbox.calls(path="/v2")) == (0, events, [])


def test_when_the_answer_to_a_commit_is_lost_the_page_claims_nothing(
    ready: Connection, company: Company, ulf: User, as_user: Callable[[User], Client], sandbox: Sandbox, run: Run,
    line_to_database: Proxy,
) -> None:  # fmt: skip
    """The line breaks before the first byte of the answer to the COMMIT: the wish is there, and nobody was told."""
    browser, sheet = as_user(ulf), confirmed(company)
    browser.raise_request_exception = False

    def break_after_the_last_statement(execute: Callable[..., object], sql: str, *rest: object) -> object:
        done = execute(sql, *rest)
        if sql.startswith('INSERT INTO "integrations_event"'):
            line_to_database.to_client.end_after(0, how="reset")
        return done

    with database.execute_wrapper(break_after_the_last_statement):
        answer = browser.post(add(company), sheet)
    assert answer.status_code == 503
    assert CANNOT_TELL in words_of(answer.content.decode())
    database.close()
    run(Push.objects.get())
    assert_one_customer(sandbox, company, sent=1)


@pytest.mark.parametrize("limit", ["idle_in_transaction_session_timeout", "transaction_timeout"])
def test_a_database_session_that_ends_in_a_click_is_told_as_a_database_away(
    ready: Connection, company: Company, ulf: User, as_user: Callable[[User], Client], limit: str
) -> None:
    """Django calls it an internal error; for the person who clicked it is none of ours."""
    browser, sheet, events = as_user(ulf), confirmed(company), Event.objects.count()
    browser.raise_request_exception = False

    def idle_after_the_wish(execute: Callable[..., object], sql: str, *rest: object) -> object:
        done = execute(sql, *rest)
        if sql.startswith('INSERT INTO "integrations_push"'):
            with database.cursor() as cursor:
                cursor.execute(f"set local {limit} = '50ms'")
            time.sleep(0.2)
        return done

    with database.execute_wrapper(idle_after_the_wish):
        answer = browser.post(add(company), sheet)
    assert answer.status_code == 503
    assert CANNOT_TELL in words_of(answer.content.decode())
    assert (Push.objects.count(), Event.objects.count()) == (0, events)


# --- The web process ---------------------------------------------------------------------------------------


def test_the_web_process_killed_between_commit_and_publish_loses_nothing(
    ready: Connection, company: Company, ulf: User, as_user: Callable[[User], Client], sandbox: Sandbox,
    server: SandboxServer, tmp_path: Path,
) -> None:  # fmt: skip
    """Its broker accepts and is silent: what it published cannot have arrived when it is killed."""
    browser = as_user(ulf)
    session = browser.cookies["sessionid"].value
    with Proxy.before(configuration.REDIS_URL) as line:
        line.to_server.silent = True
        web, port = start_web(tmp_path, redis_url=line.url)
        try:
            with posted_by_hand(port, company, session):
                until(Push.objects.exists, what="the wish to be recorded")
        finally:
            os.killpg(web.pid, signal.SIGKILL)
            web.wait()
    assert rate_limit._redis().llen("clicks") == 0
    with FaultyWorkers(folder=tmp_path, server=server):
        until(lambda: Push.objects.get().state == PushState.DONE, what="the wish to be sent")
    assert_one_customer(sandbox, company, sent=1)


def start_web(folder: Path, *, redis_url: str) -> tuple["subprocess.Popen[bytes]", int]:
    """Start a production web server; return it and its port."""
    port = free_port()
    environment = {**os.environ, "DATABASE_URL": database_url(), "REDIS_URL": redis_url}
    command = [sys.executable, "-m", "gunicorn", "limego_visma.wsgi", "--bind", f"127.0.0.1:{port}"]
    with (folder / "web.log").open("wb") as log:
        web = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    until(lambda: is_alive(port), what="the web server to start")
    return web, port


def is_alive(port: int) -> bool:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as asked:
        try:
            asked.request("GET", "/healthz", headers={"Host": "testserver"})
            return asked.getresponse().read() != b""
        except OSError:
            return False


@contextmanager
def posted_by_hand(port: int, company: Company, session: str) -> Iterator[None]:
    """Send the form and do not wait for the answer."""
    token = "x" * 32
    head = {
        "Host": "testserver",
        "Cookie": f"sessionid={session}; csrftoken={token}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    body = urlencode({**confirmed(company), "csrfmiddlewaretoken": token})
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as asked:
        asked.request("POST", add(company), body=body, headers=head)
        yield
