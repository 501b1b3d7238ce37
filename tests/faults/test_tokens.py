"""Faults of the tokens, as a person meets them. What only workers see of them is proved in tests/integrations."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management import call_command
from django.db import connection as database
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Mail, User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations import crash_points
from integrations import database as database_away
from integrations.crash_points import Point
from integrations.delivery.worker import deliver
from integrations.exceptions import OtherCompanyAnswered
from integrations.models import Connection, Event, EventKind, Push, PushState, push_queue
from integrations.services import connect
from tests import sheets
from tests.faults.reading import UP_TO_DATE, Card, assert_one_customer, words_of
from tests.holding import held
from tests.integrations.conftest import (
    AddCompany,
    MovableClock,
    Run,
    call_seconds,
    connect_as,
    consent,
    forget_gateway,
    named,
)
from tests.integrations.threads import at_once, in_thread
from tests.proxy import Proxy

TOKEN = "/connect/token"  # a path
real_threads = pytest.mark.django_db(transaction=True)
SETTINGS = "/settings/integrations/visma-eaccounting/"
CONNECT = f"{SETTINGS}connect/"
CALLBACK = "/integrations/visma-eaccounting/callback/"
RECONNECT = "Visma eAccounting has not accepted the connection since"
DOUBTED = "Visma eAccounting did not renew the connection. Lime Go asks once more in a moment, "
DOUBTED += "and then this is sent automatically. If the answer is no again, an admin has to reconnect."
KEPT = "is kept. It is sent automatically as soon as the connection works."


def expire() -> None:
    now = timezone.now()
    Connection.objects.update(issued_at=now - timedelta(hours=1), expires_at=now - timedelta(seconds=1))


@pytest.fixture
def wish(ready: Connection, company: Company, ulf: User) -> Push:
    return sheets.create(user=ulf, company=company)


@pytest.fixture
def wishes(ready: Connection, add_company: AddCompany, ulf: User) -> list[Push]:
    """Eight companies to be added."""
    return [
        sheets.create(user=ulf, company=add_company(name=f"Nr {n} AB", registration_number="", email=""))
        for n in range(8)
    ]


@real_threads
@pytest.mark.parametrize("rotate", [True, False])
def test_eight_workers_that_meet_an_expired_token_make_one_token_call(
    wishes: list[Push], sandbox: Sandbox, rotate: bool
) -> None:
    sandbox.switch(rotate_refresh_tokens=rotate)
    expire()
    at_once([lambda push=push: deliver(push.pk) for push in wishes])
    assert len(sandbox.calls(path=TOKEN)) == 1
    for push in wishes:
        assert_one_customer(sandbox, push.company)


@real_threads
def test_a_slow_token_endpoint_is_waited_for_by_one_and_told_by_the_others(
    wishes: list[Push], ulf: User, sandbox: Sandbox, card: Card, run: Run
) -> None:
    expire()
    with held(sandbox, path=TOKEN) as request:
        first = in_thread(lambda: deliver(wishes[0].pk))
        request.wait_for()
        assert "Sending" in card(ulf, wishes[0].company)
    first.result(60)
    for push in wishes[1:]:
        deliver(push.pk)
    assert len(sandbox.calls(path=TOKEN)) == 1
    for push in wishes:
        assert_one_customer(sandbox, push.company)


def test_who_has_no_patience_for_anothers_refresh_is_told_that_it_goes_on(wish: Push, ulf: User, card: Card) -> None:
    claimed = push_queue.claim(wish.pk, now=timezone.now(), seconds=5)
    assert claimed is not None
    claimed.wait("retry", until=timezone.now(), failure={"failure": "refresh_under_way"})
    assert "The connection is being renewed right now. This is sent again automatically." in card(ulf, wish.company)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"kind": "status", "status": 500, "when": "before"}, "Visma eAccounting has a technical problem right now."),
        ({"kind": "no_answer", "when": "before"}, "Visma eAccounting cannot be reached."),
        ({"kind": "reset", "when": "before"}, "Visma eAccounting cannot be reached."),
        ({"kind": "invalid_client", "when": "before"}, "Visma eAccounting does not accept Lime Go itself."),
    ],
    ids=["500", "timeout", "reset", "our-client"],
)
def test_a_fault_before_the_rotation_is_told_and_the_connection_stays_good(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, card: Card,
    fault: dict[str, object], sentence: str,
) -> None:  # fmt: skip
    settings.EACCOUNTING_TOKEN_SECONDS = call_seconds(str(fault["kind"]))
    forget_gateway()
    expire()
    sandbox.fault(path=TOKEN, **fault)
    run(wish)
    assert f"Waiting {sentence}" in card(ulf, wish.company)
    assert Connection.objects.get().is_connected
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=1)
    assert UP_TO_DATE in card(ulf, wish.company)


def test_an_answer_lost_after_the_rotation_ends_in_reconnect_and_everything_resumes(
    wishes: list[Push], ulf: User, anna: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    expire()
    sandbox.fault(kind="reset", path=TOKEN, when="after")
    run(wishes[0])
    run(wishes[0], forward=5)
    for push in wishes:
        run(push, forward=2)
        shown = card(ulf, push.company)
        assert RECONNECT in shown
        assert KEPT in shown
        assert "The admins get an e-mail." in shown
    assert "Reconnect in the settings" in card(anna, wishes[0].company)
    assert len(sandbox.calls(path=TOKEN)) == 3  # the old one was tried twice
    connect_as(anna)
    for push in wishes:
        run(push)
        assert_one_customer(sandbox, push.company)


@real_threads
def test_revoked_by_the_user_is_one_banner_and_one_mail_for_all_pushes(
    wishes: list[Push], ulf: User, anna: User, sandbox: Sandbox, card: Card, clock: MovableClock
) -> None:
    def all_at_once() -> None:
        at_once([lambda push=push: deliver(push.pk, clock=clock) for push in wishes])

    expire()
    sandbox.revoke_grants()
    all_at_once()
    for push in wishes:
        assert f"Waiting {DOUBTED}" in card(ulf, push.company)
    assert not Mail.objects.exists()
    assert len(sandbox.calls(path=TOKEN)) == 1
    clock.forward(settings.EACCOUNTING_ASK_AGAIN_SECONDS)
    all_at_once()
    assert Event.objects.filter(kind=EventKind.NEEDS_RECONNECT).count() == 1
    assert list(Mail.objects.values_list("user__email", "cause")) == [(anna.email, "eaccounting-reconnect")]
    assert len(sandbox.calls(path=TOKEN)) == 2
    for push in wishes:
        assert RECONNECT in card(ulf, push.company)
    assert "Visma eAccounting har inte godtagit anslutningen sedan" in card(ulf, wishes[0].company, language="sv")


@real_threads
def test_a_grant_that_is_refused_for_half_a_minute_is_told_and_all_is_sent(
    wishes: list[Push], ulf: User, sandbox: Sandbox, card: Card, clock: MovableClock
) -> None:
    """Scaled: 30 s are 1 s."""
    expire()
    sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
    at_once([lambda push=push: deliver(push.pk, clock=clock) for push in wishes])
    for push in wishes:
        assert f"Waiting {DOUBTED} Next attempt" in card(ulf, push.company)
    assert "Nordvik Bygg AB" in str(Connection.objects.get())
    clock.forward(settings.EACCOUNTING_ASK_AGAIN_SECONDS)
    at_once([lambda push=push: deliver(push.pk, clock=clock) for push in wishes])
    assert len(sandbox.calls(path=TOKEN)) == 2
    assert not Mail.objects.exists()
    for push in wishes:
        assert_one_customer(sandbox, push.company)


@real_threads
def test_a_read_that_a_person_waits_for_says_that_the_grant_is_asked_for_once_more(
    ready: Connection, anna: User, as_user: Callable[[User], Client], sandbox: Sandbox
) -> None:
    expire()
    sandbox.fault(kind="invalid_grant", path=TOKEN, when="before")
    browser = as_user(anna)
    page = words_of(browser.post(f"{SETTINGS}test/", follow=True).content.decode())
    assert "Lime Go asks once more in half a minute. Try again then." in page
    assert Connection.objects.get().is_connected
    Connection.objects.update(grant_doubted_at=timezone.now() - timedelta(seconds=30))
    page = words_of(browser.post(f"{SETTINGS}test/", follow=True).content.decode())
    assert "The connection works" in page


def test_a_refused_token_is_used_by_nobody_while_the_token_endpoint_is_away(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, card: Card
) -> None:
    sandbox.expire_access_tokens()
    sandbox.fault(kind="status", status=500, path=TOKEN, when="before", count=3)
    run(wish, times=3, forward=20)
    assert "Waiting Visma eAccounting has a technical problem right now. This is sent again automatically." in card(
        ulf, wish.company
    )
    assert [(call.path, call.status) for call in sandbox.calls()] == [("/v2/customers", 401), *[(TOKEN, 500)] * 3]
    settle(wish)
    assert [call.status for call in sandbox.calls(path="/v2")] == [401, 200, 201]
    assert_one_customer(sandbox, wish.company, sent=1)
    assert UP_TO_DATE in card(ulf, wish.company)


def test_refused_with_a_fresh_token_too_needs_a_person_after_two_calls(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    sandbox.fault(kind="error", error_code=4005, status=401, path="/v2/.*", when="before", count=None)
    run(wish, times=5, forward=60)
    assert len(sandbox.calls(path="/v2")) == 2
    assert len(sandbox.calls(path=TOKEN)) == 1
    assert RECONNECT in card(ulf, wish.company)


@real_threads
def test_disconnecting_cancels_what_waits_and_not_what_is_being_sent(
    ready: Connection, add_company: AddCompany, ulf: User, anna: User, sandbox: Sandbox, card: Card
) -> None:
    """Scaled: 20 wait instead of 100."""
    pushes = [
        sheets.create(user=ulf, company=add_company(name=f"Nr {n} AB", registration_number="", email=""))
        for n in range(24)
    ]
    with held(sandbox, method="POST", path="/v2/customers", when="after", count=4) as requests:
        hands = [in_thread(lambda push=push: deliver(push.pk)) for push in pushes[:4]]
        requests.wait_for(4)
        assert connect.disconnect(user=anna, connection=ready) == 20
    for hand in hands:
        hand.result(60)
    for push in pushes[:4]:
        assert_one_customer(sandbox, push.company)
    assert set(Push.objects.filter(pk__in=[push.pk for push in pushes[4:]]).values_list("state", flat=True)) == {
        PushState.CANCELLED
    }
    assert [push for push in pushes[4:] if named(sandbox, push.company.name)] == []
    assert "Not connected Your account is not connected to Visma eAccounting." in card(ulf, pushes[9].company)
    for push in pushes[4:6]:
        deliver(push.pk)
    assert len(sandbox.calls(method="POST", path="/v2")) == 4


@real_threads
def test_keys_are_rotated_while_pushes_and_refreshes_go_on(
    wishes: list[Push], sandbox: Sandbox, settings: Settings
) -> None:
    old, new = settings.FIELD_ENCRYPTION_KEYS, Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *old]
    stop = threading.Event()

    def rotate() -> None:
        while not stop.is_set():
            call_command("rotate_keys")

    rotating = in_thread(rotate)
    for push in wishes:
        expire()
        deliver(push.pk)
    stop.set()
    rotating.result(60)
    call_command("rotate_keys")
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert Connection.objects.get().refresh_token
    assert len(sandbox.calls(path=TOKEN)) == len(wishes)
    for push in wishes:
        assert_one_customer(sandbox, push.company)


def test_tokens_that_no_key_reads_are_the_operators_and_told(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settings: Settings, card: Card
) -> None:
    keys, settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS, [Fernet.generate_key().decode()]
    run(wish)
    shown = card(ulf, wish.company)
    assert "Lime Go cannot read its access to Visma eAccounting. Nothing is lost. The operator of Lime Go can" in shown
    settings.FIELD_ENCRYPTION_KEYS = keys
    run(wish, forward=10)
    assert_one_customer(sandbox, wish.company, sent=1)


def test_reconnected_as_another_company_what_waits_is_not_sent_there(
    wish: Push, ulf: User, anna: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    sandbox.revoke_grants()
    expire()
    run(wish, times=2, forward=1)
    with pytest.raises(OtherCompanyAnswered):
        connect_as(anna, company="2")
    run(wish)
    assert RECONNECT in card(ulf, wish.company)
    assert named(sandbox) == []
    assert not [row for row in sandbox.customers(company="2") if row["Name"] == wish.company.name]
    connect_as(anna)
    run(wish)
    assert_one_customer(sandbox, wish.company, sent=1)


# --- The way back from the consent page, while the database goes away -----------------------------------------


def at(point: Point, act: Callable[[], object]) -> list[Callable[[Point], None]]:
    """Return what `crashpoints._armed` holds to let something happen at this point."""

    def reached(where: Point) -> None:
        if where == point:
            act()

    return [reached]


@real_threads
@pytest.mark.parametrize("company", ["1", "2"])
def test_connected_although_the_answer_to_the_commit_was_lost(
    ready: Connection, anna: User, as_user: Callable[[User], Client], sandbox: Sandbox, company: str,
    line_to_database: Proxy, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The same company is connected anew, or another one after it: it is stored, and nobody was told."""
    if company == "2":
        connect.disconnect(user=anna, connection=ready)
        sandbox.forget_calls()
    browser = as_user(anna)
    begun = browser.post(CONNECT).headers["Location"]
    query = consent(begun, company=company)
    lose_the_answer = partial(line_to_database.to_client.end_after, 0, how="reset")
    monkeypatch.setattr(crash_points, "_armed", at(Point.CONNECTION_SAVING, lose_the_answer))
    page = words_of(browser.get(CALLBACK, query, follow=True).content.decode())
    assert f"Connected to {'Nordvik Bygg AB' if company == '1' else 'Fjordlys AS'}." in page
    kept = Connection.objects.get(identity=str((sandbox.world.company(company) or {})["VismaOnlineId"]))
    assert (kept.is_connected, kept.is_current) == (True, True)
    assert sandbox._identity.grant_of(authorization=f"Bearer {kept.access_token}") is not None
    assert sandbox.calls(path="/connect/revocation") == []


@real_threads
def test_a_database_that_goes_away_before_the_commit_leaves_no_grant_behind(
    sandbox: Sandbox, anna: User, as_user: Callable[[User], Client], line_to_database: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    browser = as_user(anna)
    query = consent(browser.post(CONNECT).headers["Location"])
    monkeypatch.setattr(crash_points, "_armed", at(Point.CODE_EXCHANGED, line_to_database.reset))
    page = words_of(browser.get(CALLBACK, query, follow=True).content.decode())
    assert "nothing was connected and the access was given up. Connect again." in page
    assert not Connection.objects.exists()
    assert sandbox.world.store.all("grant") == {}


@real_threads
def test_a_database_that_stays_away_while_connecting_is_told_as_not_known(
    sandbox: Sandbox, anna: User, as_user: Callable[[User], Client], line_to_database: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    browser = as_user(anna)
    browser.raise_request_exception = False
    query = consent(browser.post(CONNECT).headers["Location"])
    monkeypatch.setattr(database_away, "PAUSES", (0.1, 0.1))

    def go_away() -> None:
        line_to_database.down()
        line_to_database.reset()

    monkeypatch.setattr(crash_points, "_armed", at(Point.CONNECTION_SAVING, go_away))
    answer = browser.get(CALLBACK, query)
    assert answer.status_code == 503
    assert "We do not know yet whether your last change was saved." in words_of(answer.content.decode())
    assert len(sandbox.world.store.all("grant")) == 1
    line_to_database.up()
    database.close()
    assert not Connection.objects.exists()
