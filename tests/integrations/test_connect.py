"""Connect, reconnect, disconnect: one company in one account, and nothing lost on the way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations import crash_points
from integrations.clock import database_now
from integrations.crash_points import Point
from integrations.delivery import upkeep
from integrations.delivery.worker import deliver
from integrations.eaccounting.errors import ConnectionRevoked, Intercepted, ServerError, UnexpectedAnswer
from integrations.exceptions import NotConnected, Superseded
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Push,
    PushState,
    TermsOfPayment,
    WaitReason,
)
from integrations.panel.waiting import waiting_count
from integrations.services import connect
from integrations.services.requests import current_connection, link_of
from tests import sheets
from tests.holding import held
from tests.integrations.conftest import (
    SWEDISH_30_DAYS,
    AddCompany,
    MovableClock,
    Run,
    confirm_terms,
    connect_as,
    granted_code,
    named,
)
from tests.integrations.threads import at_once, in_thread

REVOCATION = "/connect/revocation"
real_threads = pytest.mark.django_db(transaction=True)


def current(user: User) -> Connection:
    found = current_connection(user.account_id)
    assert found is not None
    return found


def test_the_first_connection_knows_its_company_and_who_made_it(connection: Connection, anna: User) -> None:
    found = current(anna)
    assert (str(found), found.registration_number, found.country) == ("Nordvik Bygg AB", "556677-8899", "SE")
    assert (found.state, found.blocked_reason, found.generation) == (Connection.State.CONNECTED, "", 1)
    assert (found.connected_by, found.identity_kind) == (anna, Connection.IdentityKind.CLAIM)
    assert set(found.scope.split()) == {"ea:api", "ea:sales", "offline_access"}
    assert Event.objects.get().kind == EventKind.CONNECTED


def test_an_opaque_token_is_identified_by_the_companys_settings(sandbox: Sandbox, anna: User) -> None:
    sandbox.switch(opaque_access_tokens=True)
    assert connect_as(anna).identity_kind == Connection.IdentityKind.IDENTIFIER


def test_a_code_is_used_once(sandbox: Sandbox, anna: User) -> None:
    code, verifier = granted_code()
    started = None
    kept = {"user": anna, "account": anna.account, "code": code, "code_verifier": verifier}
    connect.complete(**kept, started=started)
    with pytest.raises(Superseded):
        connect.complete(**kept, started=started)
    with pytest.raises(ConnectionRevoked):
        connect.complete(**kept, started=connect.started_from(current(anna)))


def test_reconnecting_the_same_company_keeps_terms_and_links(
    ready: Connection, company: Company, ulf: User, anna: User, run: Run, sandbox: Sandbox
) -> None:
    run(sheets.create(user=ulf, company=company))
    Connection.objects.update(state=Connection.State.NEEDS_RECONNECT)
    again = connect_as(anna)
    again.refresh_from_db()
    assert (again.pk, again.generation, again.state) == (ready.pk, 2, Connection.State.CONNECTED)
    assert again.terms_confirmed_by == anna
    assert link_of(company, again) is not None


def test_after_disconnecting_another_company_and_then_the_first_can_be_connected(
    ready: Connection, company: Company, ulf: User, anna: User, run: Run, sandbox: Sandbox
) -> None:
    run(sheets.create(user=ulf, company=company))
    connect.disconnect(user=anna, connection=ready)
    second = connect_as(anna, company="2")
    assert current(anna).pk == second.pk != ready.pk
    assert link_of(company, second) is None
    connect.disconnect(user=anna, connection=second)
    assert connect_as(anna).pk == ready.pk
    assert link_of(company, current(anna)) is not None


def test_a_company_that_another_account_has_is_stopped_and_the_grant_revoked(
    connection: Connection, olav: User, sandbox: Sandbox
) -> None:
    with pytest.raises(connect.ConnectedElsewhere):
        connect_as(olav)
    assert current_connection(olav.account_id) is None
    assert len(sandbox.calls(path=REVOCATION)) == 1
    connection.refresh_from_db()
    assert connection.is_connected


def test_a_company_that_was_disconnected_there_may_be_connected_here(
    connection: Connection, anna: User, olav: User
) -> None:
    connect.disconnect(user=anna, connection=connection)
    assert connect_as(olav).account == olav.account


@real_threads
def test_of_two_admins_at_once_one_connects_and_the_other_is_told(sandbox: Sandbox, anna: User) -> None:
    codes = [granted_code(), granted_code()]

    def come_back(code: str, verifier: str) -> Connection:
        return connect.complete(user=anna, account=anna.account, code=code, code_verifier=verifier, started=None)

    ends = at_once([lambda pair=pair: come_back(*pair) for pair in codes])
    assert sorted(type(end).__name__ for end in ends) == ["Connection", "Superseded"]
    assert current(anna).generation == 1


@real_threads
def test_of_two_accounts_at_once_one_gets_the_company(sandbox: Sandbox, anna: User, olav: User) -> None:
    def come(user: User, code: str, verifier: str) -> Connection:
        return connect.complete(user=user, account=user.account, code=code, code_verifier=verifier, started=None)

    pairs = [(anna, *granted_code()), (olav, *granted_code())]
    ends = at_once([lambda pair=pair: come(*pair) for pair in pairs])
    assert sorted(type(end).__name__ for end in ends) == ["ConnectedElsewhere", "Connection"]
    assert Connection.objects.filter(state=Connection.State.CONNECTED).count() == 1


def test_a_consent_that_took_too_long_overwrites_nothing_newer(connection: Connection, anna: User) -> None:
    with pytest.raises(Superseded):
        connect_as(anna, started=(connection.pk, connection.generation - 1))
    connection.refresh_from_db()
    assert connection.generation == 1


@pytest.mark.parametrize(("error_code", "reason"), [(4003, "startup_guide"), (4012, "licence"), (4011, "user")])
def test_a_company_that_refuses_its_settings_is_connected_and_blocked(
    sandbox: Sandbox, anna: User, error_code: int, reason: str, clock: MovableClock
) -> None:
    sandbox.fault(kind="error", error_code=error_code, status=403, path="/v2/companysettings", when="before")
    connect_as(anna)
    assert (current(anna).state, current(anna).blocked_reason) == (Connection.State.CONNECTED, reason)
    assert connect.test(current(anna)) == ""
    assert current(anna).blocked_reason == ""
    assert str(current(anna)) == "Nordvik Bygg AB"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"CompanyStatus": 0}, "company_inactive"),
        ({"CompanyStatus": 2}, "company_read_only"),
        ({"ProductVariant": 3}, "product_variant"),
    ],
)
def test_a_company_without_customers_to_write_is_blocked_at_once(
    sandbox: Sandbox, anna: User, told: dict[str, int], reason: str
) -> None:
    sandbox.world.store.put("company", "1", {**(sandbox.world.company("1") or {}), **told})
    connect_as(anna)
    assert current(anna).blocked_reason == reason
    assert connect.test(current(anna)) == reason
    assert Event.objects.filter(kind=EventKind.BLOCKED).count() == 1


def test_a_fault_while_connecting_keeps_nothing_and_revokes_the_grant(sandbox: Sandbox, anna: User) -> None:
    sandbox.fault(kind="status", status=503, path="/v2/companysettings")
    with pytest.raises(ServerError):
        connect_as(anna)
    assert current_connection(anna.account_id) is None
    assert sandbox.world.store.all("grant") == {}


SETTINGS = "/v2/companysettings"


@pytest.mark.parametrize(
    ("odd", "stored"),
    [
        (f'"Name": "{"Å" * 300}"', {"name": "Å" * 255}),
        (r'"Name": "Nord\u0000vik \ud800AB"', {"name": "Nordvik ?AB"}),
        ('"Name": ""', {"name": ""}),
        (f'"CorporateIdentityNumber": "{"5" * 60}"', {"registration_number": "5" * 50}),
        ('"CorporateIdentityNumber": 5566778899', {"registration_number": ""}),
        ('"CurrencyCode": "SEKK"', {"currency": ""}),
        ('"CurrencyCode": ["SEK"]', {"currency": ""}),
        ('"CountryCode": "Sverige"', {"country": ""}),
        (r'"CountryCode": "S\u0000E"', {"country": "SE"}),
        ('"TermsOfPaymentId": {}', {"company_terms_id": None}),
        ('"CompanyStatus": 1e300, "ProductVariant": "Pro", "ActivatedModules": 7', {"blocked_reason": ""}),
    ],
)
def test_odd_settings_of_a_company_are_cut_and_it_is_connected(
    sandbox: Sandbox, anna: User, odd: str, stored: dict[str, object]
) -> None:
    sandbox.fault(kind="answer_also", path=SETTINGS, body=odd)
    connect_as(anna)
    found = current(anna)
    assert found.is_connected
    assert {name: getattr(found, name) for name in stored} == stored
    again = connect_as(anna)
    assert (again.pk, again.name) == (found.pk, "Nordvik Bygg AB")


@pytest.mark.parametrize("length", [60, 300])
def test_a_company_is_recognized_by_what_was_cut(sandbox: Sandbox, anna: User, length: int) -> None:
    sandbox.switch(opaque_access_tokens=True)
    odd = f'"CompanyIdentifier": "{"i" * 101}", "CorporateIdentityNumber": "{"5" * length}"'
    sandbox.fault(kind="answer_also", path=SETTINGS, body=odd, count=2)
    first = connect_as(anna)
    assert (first.identity_kind, first.identity) == (Connection.IdentityKind.REGISTRATION_NUMBER, "5" * 50)
    assert connect_as(anna).pk == first.pk


@pytest.mark.parametrize("odd", ['"Name": null', '"Name": ["x"]', '"CountryCode": 46', "without Name"])
def test_settings_that_nobody_can_read_keep_nothing_and_revoke_the_grant(
    sandbox: Sandbox, anna: User, odd: str
) -> None:
    left_out = {"about": "Name"} if odd == "without Name" else {"body": odd}
    sandbox.fault(kind="answer_also", path=SETTINGS, **left_out)
    with pytest.raises(UnexpectedAnswer):
        connect_as(anna)
    assert current_connection(anna.account_id) is None
    assert sandbox.world.store.all("grant") == {}


def test_a_grant_without_a_usable_access_token_is_revoked(sandbox: Sandbox, anna: User) -> None:
    sandbox.fault(kind="answer_also", path="/connect/token", body='"access_token": ["x"]')
    with pytest.raises(UnexpectedAnswer):
        connect_as(anna)
    assert sandbox.world.store.all("grant") == {}
    assert sandbox.calls(path="/v2") == []


@pytest.mark.parametrize("reconnecting", [False, True])
@pytest.mark.parametrize("at", [Point.CODE_EXCHANGED, Point.CONNECTION_SAVING])
def test_whatever_ends_the_callback_badly_revokes_what_it_got(
    sandbox: Sandbox, anna: User, monkeypatch: pytest.MonkeyPatch, at: Point, reconnecting: bool
) -> None:
    if reconnecting:
        connect_as(anna)
    grants = dict(sandbox.world.store.all("grant"))

    def break_down(point: Point) -> None:
        if point == at:
            raise KeyError("a fault in this program")

    monkeypatch.setattr(crash_points, "_armed", [break_down])
    with pytest.raises(KeyError):
        connect_as(anna)
    assert sandbox.world.store.all("grant") == grants
    assert Connection.objects.count() == len(grants)


def test_odd_terms_are_cut_and_a_row_that_is_none_costs_the_others_nothing(
    connection: Connection, sandbox: Sandbox
) -> None:
    odd = (
        f'{{"Id": "{SWEDISH_30_DAYS}", "Name": "{"x" * 300}", "NameEnglish": ["x"], "NumberOfDays": 1e300, '
        f'"TermsOfPaymentTypeId": "0", "AvailableForSales": true}}'
    )
    rows = f'{{"Name": "without an id"}}, 5, {odd}'
    sandbox.fault(kind="answer_also", path="/v2/termsofpayments", body=f'"Data": [{rows}]')
    upkeep.read_terms(connection.pk)
    terms = TermsOfPayment.objects.get()
    assert (terms.name, terms.name_english, terms.days, terms.is_choosable) == ("x" * 255, "", None, True)


def test_terms_of_which_none_can_be_read_change_nothing(ready: Connection, sandbox: Sandbox) -> None:
    sandbox.fault(kind="answer_also", path="/v2/termsofpayments", body='"Data": [5, {"Id": "x"}]')
    with pytest.raises(UnexpectedAnswer):
        upkeep.read_terms(ready.pk)
    assert not TermsOfPayment.objects.exclude(gone_at=None).exists()


def test_a_403_of_somebody_else_is_an_outage_and_no_lack_of_rights(
    sandbox: Sandbox, anna: User, connection: Connection
) -> None:
    sandbox.fault(kind="status", status=403, path=SETTINGS, count=2)
    with pytest.raises(Intercepted):
        connect_as(anna)
    assert len(sandbox.world.store.all("grant")) == 1
    with pytest.raises(Intercepted):
        connect.test(current(anna))
    assert (current(anna).state, current(anna).blocked_reason) == (Connection.State.CONNECTED, "")
    assert connect.test(current(anna)) == ""


# --- Disconnect --------------------------------------------------------------------------------------------


def test_disconnecting_cancels_what_waits_keeps_links_and_revokes(
    ready: Connection, company: Company, add_company: AddCompany, ulf: User, anna: User, run: Run, sandbox: Sandbox
) -> None:
    run(sheets.create(user=ulf, company=company))
    for number in range(3):
        sheets.create(user=ulf, company=add_company(name=f"Nr {number}", registration_number=""))
    assert waiting_count(ready) == 3
    assert connect.disconnect(user=anna, connection=ready) == 3
    ready.refresh_from_db()
    assert (ready.state, ready.access_token, ready.refresh_token) == (Connection.State.DISCONNECTED, "", "")
    assert sandbox.world.store.all("grant") == {}
    assert link_of(company, ready) is not None
    assert Push.objects.filter(state=PushState.CANCELLED).count() == 3
    told = Event.objects.filter(kind=EventKind.CANCELLED_WITH, actor=anna, connection=ready)
    assert sorted(event.company.name for event in told) == ["Nr 0", "Nr 1", "Nr 2"]
    with pytest.raises(NotConnected) as refused:
        sheets.create(user=ulf, company=add_company(name="Sen AB", registration_number=""))
    assert refused.value.code == "disconnected"


@real_threads
def test_an_answer_to_bytes_that_left_is_recorded_although_somebody_disconnects(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox
) -> None:
    push = sheets.create(user=ulf, company=company)
    with held(sandbox, method="POST", path="/v2/customers", when="after") as request:
        worker = in_thread(lambda: deliver(push.pk))
        request.wait_for()
        assert connect.disconnect(user=anna, connection=ready) == 0
    worker.result(60)
    assert Push.objects.get().state == PushState.DONE
    assert len(named(sandbox)) == CustomerLink.objects.count() == 1


@real_threads
def test_a_request_that_arrives_after_a_disconnect_is_refused_and_cancelled(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox
) -> None:
    """SENDING stands in the row before the bytes leave; a disconnect in between takes the grant from under them."""
    push = sheets.create(user=ulf, company=company)
    with held(sandbox, method="POST", path="/v2/customers", when="before") as request:
        worker = in_thread(lambda: deliver(push.pk))
        request.wait_for()
        assert Push.objects.get().state == PushState.SENDING
        assert connect.disconnect(user=anna, connection=ready) == 0
    worker.result(60)
    assert Push.objects.get().state == PushState.CANCELLED
    assert (named(sandbox), CustomerLink.objects.count()) == ([], 0)
    assert Event.objects.filter(kind=EventKind.CANCELLED_WITH, company=company).count() == 1


def test_a_click_recorded_after_a_disconnect_is_not_possible(ready: Connection, anna: User, company: Company) -> None:
    connect.disconnect(user=anna, connection=ready)
    with pytest.raises(NotConnected):
        sheets.create(user=anna, company=company)


def test_what_waited_for_the_connection_goes_on_after_reconnecting(
    ready: Connection, company: Company, ulf: User, anna: User, run: Run, sandbox: Sandbox
) -> None:
    push = sheets.create(user=ulf, company=company)
    Connection.objects.update(state=Connection.State.NEEDS_RECONNECT)
    assert run(push).wait_reason == WaitReason.CONNECTION
    connect_as(anna)
    assert run(push).state == PushState.DONE


@real_threads
def test_a_push_that_begins_to_wait_while_its_connection_recovers_goes_on(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox
) -> None:
    """The worker has seen the blocked connection, then it is unblocked, and only then the worker writes."""
    push = sheets.create(user=ulf, company=company)
    sandbox.fault(kind="error", error_code=4012, status=403, path="/v2/customers", when="before")
    sandbox.fault(kind="delay", path="/v2/companysettings", seconds=0.05, when="before")
    for _ in range(20):
        Connection.objects.update(blocked_reason="licence", blocked_at=timezone.now())
        Push.objects.update(next_attempt_at=timezone.now(), lease_until=None, state=PushState.WAITING)
        at_once([lambda: deliver(push.pk), lambda: connect.test(current(anna))])
        row, found = Push.objects.get(), current(anna)
        stuck = found.blocked_reason == "" and row.is_open and row.next_attempt_at is None
        assert not stuck
        if row.state == PushState.DONE:
            return


# --- Terms -------------------------------------------------------------------------------------------------


def test_terms_are_fetched_by_a_worker_and_the_companys_own_is_suggested(connection: Connection, anna: User) -> None:
    upkeep.look_after(now=database_now())
    connection.refresh_from_db()
    assert connection.terms_read_at is not None
    assert TermsOfPayment.objects.filter(connection=connection).count() == 8
    suggested = connect.suggested_terms(current(anna))
    assert suggested is not None
    assert suggested.name_english == "30 days"
    assert connection.terms_confirmed_at is None  # suggested is not confirmed


def test_terms_that_failed_to_be_read_are_read_again_but_not_at_once(
    connection: Connection, sandbox: Sandbox, clock: MovableClock
) -> None:
    sandbox.fault(kind="status", status=503, path="/v2/termsofpayments")
    for _ in range(5):
        upkeep.look_after(now=clock())
    assert len(sandbox.calls(path="/v2/termsofpayments")) == 1
    clock.forward(61)
    upkeep.look_after(now=clock())
    assert TermsOfPayment.objects.count() == 8


def test_each_connection_is_looked_after_by_a_task_of_its_own(
    connection: Connection, anna: User, olav: User, sandbox: Sandbox
) -> None:
    other = connect_as(olav, company="2")
    handed_on: list[int] = []
    for _ in range(2):
        upkeep.look_after(now=database_now(), hand_on=handed_on.append)
    assert handed_on == [connection.pk, other.pk]
    assert sandbox.calls(path="/v2/termsofpayments") == []
    upkeep.look_after_one(other.pk)
    other.refresh_from_db()
    assert other.terms_read_at is not None


@real_threads
def test_a_slow_connection_does_not_hold_up_the_others(
    connection: Connection, anna: User, olav: User, sandbox: Sandbox, clock: MovableClock
) -> None:
    other = connect_as(olav, company="2")
    handed_on: list[int] = []
    upkeep.look_after(now=clock(), hand_on=handed_on.append)
    with held(sandbox, path="/v2/termsofpayments") as request:
        slow = in_thread(lambda: upkeep.look_after_one(handed_on[0]))
        request.wait_for()
        in_thread(lambda: upkeep.look_after_one(handed_on[1])).result(60)
        assert Connection.objects.get(pk=other.pk).terms_read_at is not None
        assert not slow.done()
    slow.result(60)


# --- Idle connections --------------------------------------------------------------------------------------

TOKEN = "/connect/token"  # a path


def idle(connection: Connection, *, days: float) -> None:
    issued = timezone.now() - timedelta(days=days)
    Connection.objects.filter(pk=connection.pk).update(issued_at=issued, expires_at=issued + timedelta(hours=1))


def test_a_grant_that_nobody_uses_is_kept_alive_once_a_week(
    ready: Connection, sandbox: Sandbox, clock: MovableClock
) -> None:
    before = ready.refresh_token
    idle(ready, days=6.9)
    upkeep.look_after(now=clock())
    assert sandbox.calls(path=TOKEN) == []
    idle(ready, days=7)
    for _ in range(3):
        upkeep.look_after(now=clock())
    assert len(sandbox.calls(path=TOKEN)) == 1
    assert Connection.objects.get().refresh_token != before
    clock.forward(timedelta(days=6).total_seconds())
    upkeep.look_after(now=clock())
    assert len(sandbox.calls(path=TOKEN)) == 1
    clock.forward(timedelta(days=1, minutes=1).total_seconds())
    due: list[int] = []
    upkeep.look_after(now=clock(), hand_on=due.append)
    assert due == [ready.pk]


def test_an_idle_grant_that_was_revoked_is_told_before_somebody_needs_it(ready: Connection, sandbox: Sandbox) -> None:
    idle(ready, days=8)
    sandbox.revoke_grants()
    upkeep.look_after(now=database_now())
    assert Connection.objects.get().is_connected
    Connection.objects.update(grant_doubted_at=timezone.now() - timedelta(minutes=15))
    upkeep.look_after(now=database_now() + timedelta(minutes=15))
    assert Connection.objects.get().state == Connection.State.NEEDS_RECONNECT
    assert Event.objects.filter(kind=EventKind.NEEDS_RECONNECT).count() == 1
    upkeep.look_after(now=database_now() + timedelta(minutes=30))
    assert len(sandbox.calls(path=TOKEN)) == 2


def test_a_token_endpoint_that_is_away_is_asked_again_later_for_an_idle_grant(
    ready: Connection, sandbox: Sandbox, clock: MovableClock
) -> None:
    idle(ready, days=8)
    sandbox.fault(kind="status", status=503, path=TOKEN, when="before")
    for seconds in (0, 60, 600):
        clock.forward(seconds)
        upkeep.look_after(now=clock())
    assert len(sandbox.calls(path=TOKEN)) == 1
    assert Connection.objects.get().is_connected
    clock.forward(300)
    upkeep.look_after(now=clock())
    assert Connection.objects.get().issued_at > ready.issued_at


def test_a_company_that_is_not_connected_is_left_alone(ready: Connection, sandbox: Sandbox) -> None:
    idle(ready, days=8)
    for state in (Connection.State.DISCONNECTED, Connection.State.NEEDS_RECONNECT):
        Connection.objects.update(state=state)
        upkeep.look_after(now=database_now())
    assert sandbox.calls() == []


def test_gone_terms_are_marked_and_come_back(connection: Connection, anna: User, sandbox: Sandbox) -> None:
    confirm_terms(connection, anna)
    chosen = current(anna).default_terms
    assert chosen is not None
    row = sandbox.world.row("terms", "1", str(chosen.remote_id))
    assert row is not None
    sandbox.world.remove("terms", "1", str(chosen.remote_id))
    upkeep.read_terms(connection.pk)
    chosen.refresh_from_db()
    assert not chosen.is_choosable
    assert connect.suggested_terms(current(anna)) is None
    sandbox.world.put("terms", "1", row)
    upkeep.read_terms(connection.pk)
    chosen.refresh_from_db()
    assert chosen.is_choosable


@real_threads
def test_two_workers_probe_and_fetch_once_together(connection: Connection, sandbox: Sandbox) -> None:
    now = database_now()
    at_once([lambda: upkeep.look_after(now=now)] * 4)
    assert len(sandbox.calls(path="/v2/termsofpayments")) == 1


def test_an_old_picture_of_the_connection_reverts_nothing(connection: Connection, anna: User) -> None:
    stale = Connection.objects.get()
    confirm_terms(connection, anna)
    Connection.objects.update(generation=5, access_token="newer")
    stale.block(reason="licence", now=timezone.now())
    stale.note_refusal(now=timezone.now())
    stale.succeeded(now=timezone.now())
    assert not stale.mark_needs_reconnect(now=timezone.now(), code="x")
    now = Connection.objects.get()
    assert (now.blocked_reason, now.state, now.access_token) == ("", Connection.State.CONNECTED, "newer")
    assert now.terms_confirmed_by == anna
