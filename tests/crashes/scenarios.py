"""What is under way when a process dies, the points that this reaches, and what must have come of it in the end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from dev.sandbox.store import Document
from integrations.clock import database_now
from integrations.crash_points import Point
from integrations.delivery import calls
from integrations.delivery.customer_index import LONGEST_PAUSE, lease_seconds
from integrations.domain.diff import Side
from integrations.models import (
    BlockedReason,
    Connection,
    CustomerIndex,
    CustomerLink,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
    WaitReason,
)
from integrations.services import connect
from integrations.services.link import link_company
from integrations.services.requests import current_connection
from tests import sheets
from tests.crashes.orders import Fate
from tests.crashes.stage import Stage
from tests.integrations.conftest import CUSTOMERS, connect_as, granted_code, named, posts, puts
from tests.integrations.workers import until

NEW_PHONE = "+46 8 765 43 21"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`begin` sets a worker to work; `judge` looks at eAccounting and the rows once all is settled."""

    points: tuple[Point, ...]
    prepare: Callable[[Stage], None] = lambda _: None
    begin: Callable[[Stage], None]
    meanwhile: Callable[[Stage], None] = lambda _: None
    judge: Callable[[Stage, Point | None, Fate | None], None]


def _click(stage: Stage) -> None:
    stage.send("tests.crashes.tasks.click", user_id=stage.user.pk, company_id=stage.company.pk)


def _created(stage: Stage, *, sent: int = 1) -> None:
    push = Push.objects.get()
    assert (push.state, push.failure) == (PushState.DONE, "")
    there = named(stage.sandbox)
    assert (len(there), posts(stage.sandbox)) == (1, sent)
    assert str(CustomerLink.objects.get().reference) == there[0]["Id"]
    assert stage.holds_good_tokens(stage.connection)


def _judge_create(stage: Stage, _point: Point | None, _fate: Fate | None) -> None:
    _created(stage)
    assert stage.refreshes() == 0


def _refuse_create(stage: Stage) -> None:
    stage.sandbox.fault(kind="error", when="before", method="POST", path=CUSTOMERS, error_code=4000, status=400)


def _judge_refused_create(stage: Stage, _point: Point | None, fate: Fate | None) -> None:
    """A refusal that died with its process is asked for again, once it is proven that nothing was stored."""
    if fate not in {None, Fate.TERM}:
        _created(stage, sent=2)
        return
    push = Push.objects.get()
    assert (push.state, push.failure) == (PushState.FAILED, "conflict")
    assert (named(stage.sandbox), posts(stage.sandbox)) == ([], 1)


# --- Updates ---------------------------------------------------------------------------------------------


def _theirs(stage: Stage) -> Document:
    return next(row for row in stage.sandbox.customers() if row["CustomerNumber"] == "1001")


def _link(stage: Stage) -> None:
    """Link the company to a customer, equal in everything, then edit its phone number here."""
    customer = calls.read_customer(stage.connection, customer_id=str(_theirs(stage)["Id"]))
    link_company(
        user=stage.user, company=stage.company, connection=stage.connection, customer=customer, origin=Origin.PASTED
    )
    stage.company.save_changes(now=timezone.now(), values={"phone": NEW_PHONE})
    stage.sandbox.forget_calls()


def _ask_for_update(stage: Stage) -> None:
    sheets.update(user=stage.user, company=stage.company, Telephone=Side.OURS)


def _edit_there(stage: Stage) -> None:
    """A person edits the customer while our process is dead or frozen."""
    stage.sandbox.edit_customer(customer_id=str(_theirs(stage)["Id"]), Note="Ring Bo", ChaosUnknown="kept")


def _judge_update(stage: Stage, _point: Point | None, fate: Fate | None) -> None:
    push, there = Push.objects.get(), _theirs(stage)
    assert (push.state, push.failure) == (PushState.DONE, "")
    assert there["Telephone"] == NEW_PHONE
    assert puts(stage.sandbox) == 1
    if fate:
        assert (there["Note"], there["ChaosUnknown"]) == ("Ring Bo", "kept")


# --- Tokens ----------------------------------------------------------------------------------------------


def _expire(stage: Stage) -> None:
    """The access token is over, and the row knows it."""
    stage.sandbox.expire_access_tokens()
    now = database_now()
    times = {"issued_at": now - timedelta(hours=1), "expires_at": now - timedelta(seconds=1)}
    Connection.objects.filter(pk=stage.connection.pk).update(**times)


def _expire_reusable(stage: Stage) -> None:
    stage.sandbox.switch(rotate_refresh_tokens=False, answer_same_refresh_token=False)
    _expire(stage)


def _judge_rotation(stage: Stage, point: Point | None, fate: Fate | None) -> None:
    """A token that was received and died with its process is the one loss that no program can prevent."""
    if point == Point.TOKENS_RECEIVED and fate in {Fate.KILL, Fate.RAISE}:
        push, connection = Push.objects.get(), Connection.objects.get(pk=stage.connection.pk)
        assert connection.state == Connection.State.NEEDS_RECONNECT
        assert (push.state, push.wait_reason) == (PushState.WAITING, WaitReason.CONNECTION)
        # The old one was tried twice. What eAccounting answers late it also notes late.
        until(lambda: stage.refreshes() == 3, what="its token calls")
        connect_as(stage.user)
        stage.settle()
    else:
        assert stage.refreshes() == 1
    _created(stage)


def _judge_reusable(stage: Stage, point: Point | None, fate: Fate | None) -> None:
    again = point == Point.TOKENS_RECEIVED and fate in {Fate.KILL, Fate.RAISE}
    until(lambda: stage.refreshes() == (2 if again else 1), what="its token calls")
    _created(stage)


def _refuse_token(stage: Stage) -> None:
    """EAccounting forgets the access token before its time."""
    stage.sandbox.expire_access_tokens()


def _judge_refused(stage: Stage, _point: Point | None, _fate: Fate | None) -> None:
    assert stage.refreshes() == 1
    _created(stage)


# --- Lost answers ------------------------------------------------------------------------------------------


def _lose_answer(stage: Stage) -> None:
    stage.sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")


def _lose_request(stage: Stage) -> None:
    stage.sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")


def _judge_lost_request(stage: Stage, _point: Point | None, _fate: Fate | None) -> None:
    _created(stage, sent=2)


def _lose_answer_to_update(stage: Stage) -> None:
    _link(stage)
    stage.sandbox.fault(kind="reset", method="PUT", path=f"{CUSTOMERS}/.*", when="after")


# --- What workers do by themselves ---------------------------------------------------------------------------


def _wish_unheard(stage: Stage) -> None:
    stage.wish_unheard()


def _block(stage: Stage) -> None:
    stage.connection.block(reason=BlockedReason.STARTUP_GUIDE, now=database_now() - timedelta(hours=1))
    push = stage.wish_unheard()
    Push.objects.filter(pk=push.pk).update(next_attempt_at=None, wait_reason=WaitReason.CONNECTION)


def _judge_probe(stage: Stage, _point: Point | None, fate: Fate | None) -> None:
    """A probe that died is made again after a quarter of an hour, as any other."""
    if fate in {Fate.KILL, Fate.RAISE}:
        assert not Connection.objects.get(pk=stage.connection.pk).is_usable
        stage.pass_time(15 * 60)
        stage.upkeep_until(lambda: Connection.objects.get(pk=stage.connection.pk).is_usable)
        stage.passed = 0.0
        stage.settle()
    assert Connection.objects.get(pk=stage.connection.pk).is_usable
    _created(stage)


def _forget_terms(stage: Stage) -> None:
    stage.connection.reread_terms()


def _judge_terms(stage: Stage, _point: Point | None, _fate: Fate | None) -> None:
    stage.pass_time(60)
    stage.upkeep_until(lambda: Connection.objects.get(pk=stage.connection.pk).terms_read_at is not None)
    connection = Connection.objects.get(pk=stage.connection.pk)
    assert connection.choosable_terms().exists()


def _others_index(stage: Stage) -> None:
    """The lease of a dead or frozen process is over, or the pause after an error of ours: another one does the work."""
    stage.pass_time(max(lease_seconds(), LONGEST_PAUSE))
    stage.ask_upkeep()
    until(lambda: _is_indexed(stage), what="the index")


def _is_indexed(stage: Stage) -> bool:
    index = CustomerIndex.objects.get(connection=stage.connection)
    return index.is_filled and not index.reading


def _judge_index(stage: Stage, _point: Point | None, _fate: Fate | None) -> None:
    """Every customer is there, and no step is held by anybody."""
    stage.upkeep_until(lambda: _is_indexed(stage))
    index = CustomerIndex.objects.get(connection=stage.connection)
    assert (index.lease_until, index.failure) == (None, "")
    known = RemoteCustomer.objects.filter(connection=stage.connection, gone_at=None)
    assert {str(row.customer_id) for row in known} == {row["Id"] for row in stage.sandbox.customers()}


# --- The connection page --------------------------------------------------------------------------------------


def _connect(stage: Stage) -> None:
    code, verifier = granted_code(company="2")
    stage.send("tests.crashes.tasks.connect", user_id=stage.newcomer.pk, code=code, verifier=verifier, started=None)


def _judge_connect(stage: Stage, _point: Point | None, fate: Fate | None) -> None:
    """Either it is connected, or nothing is and the person connects again."""
    connection = current_connection(stage.newcomer.account_id)
    assert (connection is None) == (fate in {Fate.KILL, Fate.RAISE})
    connection = connection or connect_as(stage.newcomer, company="2")
    assert stage.holds_good_tokens(connection)
    assert connect.test(connection) == ""


def _reconnect(stage: Stage) -> None:
    code, verifier = granted_code()
    started = [stage.connection.pk, stage.connection.generation]
    stage.send("tests.crashes.tasks.connect", user_id=stage.user.pk, code=code, verifier=verifier, started=started)


def _judge_reconnect(stage: Stage, _point: Point | None, fate: Fate | None) -> None:
    """The old grant works until the new one is stored."""
    generation = Connection.objects.get(pk=stage.connection.pk).generation
    died = fate in {Fate.KILL, Fate.RAISE}
    assert generation == stage.connection.generation + (0 if died else 1)
    assert stage.holds_good_tokens(stage.connection)
    sheets.create(user=stage.user, company=stage.company)
    stage.settle()
    _created(stage)


def _disconnect(stage: Stage) -> None:
    stage.wish_unheard()
    stage.send("tests.crashes.tasks.disconnect", user_id=stage.user.pk, connection_id=stage.connection.pk)


def _judge_disconnect(stage: Stage, _point: Point | None, _fate: Fate | None) -> None:
    connection = Connection.objects.get(pk=stage.connection.pk)
    assert (connection.state, connection.refresh_token) == (Connection.State.DISCONNECTED, "")
    assert Push.objects.get().state == PushState.CANCELLED
    assert posts(stage.sandbox) == 0
    assert stage.holds_good_tokens(connect_as(stage.user))


def _start_over(stage: Stage) -> None:
    """Another company is connected after the first one was disconnected."""
    connect.disconnect(user=stage.user, connection=stage.connection)
    code, verifier = granted_code(company="2")
    left = Connection.objects.get(pk=stage.connection.pk)
    started = [left.pk, left.generation]
    stage.send("tests.crashes.tasks.connect", user_id=stage.user.pk, code=code, verifier=verifier, started=started)


def _judge_start_over(stage: Stage, _point: Point | None, fate: Fate | None) -> None:
    """Either the other company has taken the place of the first, or nothing has changed and the person goes again."""
    left = Connection.objects.get(pk=stage.connection.pk)
    connection = current_connection(stage.user.account_id)
    assert left.state == Connection.State.DISCONNECTED
    assert (connection == left) == (fate in {Fate.KILL, Fate.RAISE})
    if connection is None or connection == left:
        connection = connect_as(stage.user, company="2")
    assert Connection.objects.get(is_current=True, account=stage.user.account) == connection
    assert stage.holds_good_tokens(connection)
    assert connect.test(connection) == ""


SCENARIOS = {
    "create": Scenario(
        points=(
            Point.WISH_COMMITTED,
            Point.DELIVERY_BEGUN,
            Point.CLAIMED,
            Point.TOKEN_WANTED,
            Point.LOOK_BEGUN,
            Point.LOOKED,
            Point.SLOT_BOOKED,
            Point.SENDING_UNCOMMITTED,
            Point.SENDING_COMMITTED,
            Point.ANSWERED,
            Point.SAVING,
            Point.SAVED,
        ),
        begin=_click,
        judge=_judge_create,
    ),
    "refused create": Scenario(
        points=(Point.REFUSED,), prepare=_refuse_create, begin=_click, judge=_judge_refused_create
    ),
    "update": Scenario(
        points=(
            Point.TOKEN_WANTED,
            Point.SLOT_BOOKED,
            Point.CUSTOMER_READ,
            Point.SENDING_UNCOMMITTED,
            Point.SENDING_COMMITTED,
            Point.ANSWERED,
            Point.SAVING,
            Point.SAVED,
        ),
        prepare=_link,
        begin=_ask_for_update,
        meanwhile=_edit_there,
        judge=_judge_update,
    ),
    "rotating refresh": Scenario(
        points=(Point.REFRESH_INTENDED, Point.TOKENS_RECEIVED, Point.TOKENS_STORED),
        prepare=_expire,
        begin=_click,
        judge=_judge_rotation,
    ),
    "reusable refresh": Scenario(
        points=(Point.REFRESH_INTENDED, Point.TOKENS_RECEIVED, Point.TOKENS_STORED),
        prepare=_expire_reusable,
        begin=_click,
        judge=_judge_reusable,
    ),
    "refused token": Scenario(points=(Point.TOKEN_REFUSED,), prepare=_refuse_token, begin=_click, judge=_judge_refused),
    "lost answer": Scenario(
        points=(Point.ANSWER_LOST, Point.FOUND, Point.ADOPTED), prepare=_lose_answer, begin=_click, judge=_judge_create
    ),
    "lost request": Scenario(
        points=(Point.ANSWER_LOST, Point.ABSENCE_PROVEN), prepare=_lose_request, begin=_click, judge=_judge_lost_request
    ),
    "lost answer to an update": Scenario(
        points=(Point.ANSWER_LOST,),
        prepare=_lose_answer_to_update,
        begin=_ask_for_update,
        meanwhile=_edit_there,
        judge=_judge_update,
    ),
    "sweep": Scenario(
        points=(Point.SWEEP_FOUND, Point.PULL_BEGUN), prepare=_wish_unheard, begin=Stage.sweep, judge=_judge_create
    ),
    "probe": Scenario(points=(Point.PROBE_ANSWERED,), prepare=_block, begin=Stage.ask_upkeep, judge=_judge_probe),
    "terms": Scenario(
        points=(Point.TERMS_ANSWERED,), prepare=_forget_terms, begin=Stage.ask_upkeep, judge=_judge_terms
    ),
    "index": Scenario(
        points=(Point.INDEX_PAGE_READ, Point.INDEX_PAGE_STORED),
        begin=Stage.ask_upkeep,
        meanwhile=_others_index,
        judge=_judge_index,
    ),
    "connect": Scenario(points=(Point.CODE_EXCHANGED, Point.CONNECTION_SAVING), begin=_connect, judge=_judge_connect),
    "reconnect": Scenario(
        points=(Point.CODE_EXCHANGED, Point.CONNECTION_SAVING), begin=_reconnect, judge=_judge_reconnect
    ),
    "start over": Scenario(points=(Point.CONNECTION_SAVING,), begin=_start_over, judge=_judge_start_over),
    "disconnect": Scenario(points=(Point.DISCONNECT_COMMITTED,), begin=_disconnect, judge=_judge_disconnect),
}
