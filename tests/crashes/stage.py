"""What a case of the crash tests plays on: an account, eAccounting, and a worker whose processes die on command.

Nobody waits for leases and settle times: `pass_time` moves the times on the rows back instead, which is the same as
a later clock. eAccounting's own clock goes on as it is.
"""

import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import psutil
from celery import current_app
from django.db import connection as database
from django.db import transaction
from django.db.models import F
from kombu import Connection as Broker

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.identity import GRANT, REFRESH
from integrations import tasks
from integrations.clock import database_now
from integrations.crash_points import Point
from integrations.models import Connection, CustomerIndex, Push
from integrations.models.push import HEAD_START
from tests import sheets
from tests.crashes.orders import AT_WORK, MET, TRACE, Fate, armed, store
from tests.integrations.workers import LONGEST, until

QUEUES = ("clicks", "bulk", "sweep", "upkeep")
MEETS_SECONDS, MEETS_TRIES = 0.5, 120
OTHERS_SECONDS = 1.0  # how long others may take to move a row while a process is frozen, perhaps holding its lock
SEND_BY_SECONDS = 0.4
FROZEN_SECONDS = 0.6  # longer than send_by
R4_SECONDS = 60.0
PUSH_TIMES = ("lease_until", "next_attempt_at", "send_by", "unknown_since", "requested_at", "retrying_since")
CONNECTION_TIMES = ("issued_at", "expires_at", "refresh_intent_at", "refused_at", "probe_at", "last_ok_at")
INDEX_TIMES = ("due_at", "lease_until", "began_at", "read_at", "full_at")


@dataclass(kw_only=True)
class Stage:
    """One case's world; the worker is shared by all of them."""

    user: User
    newcomer: User  # of an account without a connection
    company: Company
    connection: Connection
    sandbox: Sandbox
    broker: Broker
    passed: float = 0.0  # seconds on the rows' clock since the fate was met

    # --- Fates --------------------------------------------------------------------------------------

    def arm(self, point: Point, fate: Fate, *, times: int = 1) -> None:
        """Let the next processes that come by a point meet this fate."""
        store().rpush(armed(point), *[fate] * times)

    def met(self) -> int:
        """Wait until a fate is met; return the process that met it."""
        for _ in range(MEETS_TRIES):
            answer = store().blpop([MET], timeout=MEETS_SECONDS)
            if answer:
                return int(answer[1])  # type: ignore[index]  # a pair, when not asked asynchronously
            self.wait_for_turn()
        raise AssertionError("nobody came by the armed point")

    def suffer(self, fate: Fate, *, meanwhile: Callable[["Stage"], None]) -> None:
        """Wait until the fate is met and over: dead, given back, or frozen until others have tried."""
        process = self.met()
        if fate == Fate.TERM:  # it does its task to the end first
            self.see_through(fate, process)
            meanwhile(self)
        else:
            meanwhile(self)
            self.see_through(fate, process)

    def see_through(self, fate: Fate, process: int) -> None:
        """Wait until a fate that was met is over."""
        if fate == Fate.HANG:
            self.outlast(process)
        elif fate in {Fate.KILL, Fate.TERM}:
            until(lambda: not alive(process), what="the end of the process")
        self.quiet()

    def outlast(self, process: int) -> None:
        """Let others try while a process is frozen, past its lease and its send_by; then let it go on."""
        until(lambda: frozen(process), what="the freeze")
        began = time.monotonic()
        with suppress(AssertionError):
            self.settle(within=R4_SECONDS, patience=OTHERS_SECONDS)
        time.sleep(max(0.0, began + FROZEN_SECONDS - time.monotonic()))
        closed, sent = not self.moving(), self.sent()
        os.kill(process, signal.SIGCONT)
        self.quiet()
        assert not closed or self.sent() == sent, "a process that was frozen sent what others had settled"

    def end_transactions(self) -> int:
        """Do what PostgreSQL does by itself after ten seconds (limego_visma/dead_peers.py); return to how many."""
        with database.cursor() as cursor:
            cursor.execute(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where datname = current_database() and state = 'idle in transaction' and pid <> pg_backend_pid()"
            )
            return int(cursor.fetchone()[0])

    def reached(self) -> list[str]:
        """Return the points that were reached, in their order."""
        return [str(point) for point in store().lrange(TRACE, 0, -1)]  # type: ignore[union-attr]  # as in met

    # --- Time and work --------------------------------------------------------------------------------

    def send(self, task: str, **arguments: object) -> None:
        """Send a message to the worker."""
        queue = "sweep" if task.endswith(".sweep") else "upkeep"
        current_app.send_task(task, kwargs=arguments, queue=queue, connection=self.broker)

    def sweep(self) -> None:
        self.send("integrations.tasks.sweep")

    def ask_upkeep(self) -> None:
        self.send("integrations.tasks.look_after_connections")

    def wish_unheard(self) -> Push:
        """Record a wish whose poke is lost."""
        tasks._quiet["until"] = time.monotonic() + 60
        push = sheets.create(user=self.user, company=self.company)
        tasks._quiet["until"] = 0.0
        return push

    def quiet(self) -> None:
        """Wait until no process works and no message waits."""
        until(lambda: idle() and idle(), what=f"the worker to be idle: {at_work()}")

    def pass_time(self, seconds: float) -> None:
        """Let so many seconds pass; rows that a frozen process has locked stay in its time."""
        earlier, self.passed = timedelta(seconds=seconds), self.passed + seconds
        for model, names in ((Push, PUSH_TIMES), (Connection, CONNECTION_TIMES), (CustomerIndex, INDEX_TIMES)):
            with transaction.atomic():
                free = model.objects.select_for_update(skip_locked=True, no_key=True).order_by("pk")
                ids = list(free.values_list("pk", flat=True))
                model.objects.filter(pk__in=ids).update(**{name: F(name) - earlier for name in names})

    def moving(self) -> Push | None:
        """Return the push that moves by itself some time, or None."""
        return Push.objects.filter(finished_at=None, next_attempt_at__isnull=False).order_by("pk").first()

    def settle(self, *, within: float = R4_SECONDS, patience: float = LONGEST) -> None:
        """Let time pass and the sweeper sweep until no push moves by itself any more."""
        while (push := self.moving()) is not None:
            self.pass_time(_seconds_until_turn(push))
            assert self.passed <= within, f"{push} is not settled within {within:.0f} s: {push.failure}"
            self._sweep_until_moved(push, end=time.monotonic() + patience)

    def wait_for_turn(self) -> None:
        """Let the time pass that a row waits which nobody holds, and sweep."""
        push = self.moving()
        if push and (push.lease_until is None or not at_work()):
            self.pass_time(_seconds_until_turn(push))
        self.sweep()

    def come_by(self, points: Collection[Point]) -> None:
        """Let workers work until they came by all these points."""
        for _ in range(MEETS_TRIES):
            with suppress(AssertionError):
                until(lambda: set(points) <= set(self.reached()), seconds=MEETS_SECONDS, what="the points")
                return
            self.wait_for_turn()
        raise AssertionError(f"nobody came by {set(points) - set(self.reached())}")

    def _sweep_until_moved(self, before: Push, *, end: float) -> None:
        """Sweep again and again, as beat does: a message can get lost with the process that dies beside it."""
        while True:
            self.sweep()
            with suppress(AssertionError):
                until(lambda: self._has_moved(before), seconds=min(1.0, end - time.monotonic()), what="moving")
                return
            assert time.monotonic() < end, f"nobody moved {before}"

    def _has_moved(self, before: Push) -> bool:
        now = Push.objects.get(pk=before.pk)
        return now.finished_at is not None or (now.fence > before.fence and now.lease_until is None)

    def upkeep_until(self, true: Callable[[], bool]) -> None:
        """Let workers look after the connections until something is true."""
        for _ in range(60):
            self.ask_upkeep()
            with suppress(AssertionError):
                until(true, seconds=1, what="upkeep")
                break
        self.quiet()
        assert true()

    # --- What came of it --------------------------------------------------------------------------------

    def sent(self) -> int:
        """Count the writes that reached eAccounting."""
        return sum(len(self.sandbox.calls(method=method, path="/v2/customers")) for method in ("POST", "PUT"))

    def refreshes(self) -> int:
        """Count the exchanges of tokens."""
        return len(self.sandbox.calls(method="POST", path="/connect/token"))

    def holds_good_tokens(self, connection: Connection) -> bool:
        """Tell whether the stored refresh token is the one that eAccounting accepts next."""
        return holds_good_tokens(connection, self.sandbox)


def holds_good_tokens(connection: Connection, sandbox: Sandbox) -> bool:
    """Tell whether the stored refresh token is the one that eAccounting accepts next."""
    row = Connection.objects.get(pk=connection.pk)
    kept = sandbox.world.store.get(REFRESH, row.refresh_token)
    granted = kept and sandbox.world.store.get(GRANT, str(kept["grant"]))
    return bool(row.is_connected and kept and not kept["superseded"] and granted)


def _seconds_until_turn(push: Push) -> float:
    """Return when those who pull may take the row: a new one is left to its poke for a while."""
    now = database_now()
    due = max(push.next_attempt_at or now, push.lease_until or now) + (HEAD_START if push.fence == 0 else timedelta())
    return max(0.0, (due - now).total_seconds()) + 0.02


def at_work() -> set[int]:
    """Return the processes that are at a task and alive."""
    return {int(process) for process in store().smembers(AT_WORK) if alive(int(process))}  # type: ignore[union-attr]  # as above


def idle() -> bool:
    """Tell whether nobody works and nothing waits, for a moment."""
    time.sleep(0.02)
    waiting = sum(int(store().llen(queue)) for queue in QUEUES) + int(store().hlen("unacked"))  # type: ignore[arg-type]  # as above
    return not waiting and not at_work()


def _state(process: int) -> str:
    try:
        return str(psutil.Process(process).status())
    except psutil.NoSuchProcess:
        return psutil.STATUS_DEAD


def alive(process: int) -> bool:
    """Tell whether a process lives, frozen or not."""
    return _state(process) not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}


def frozen(process: int) -> bool:
    """Tell whether a process is stopped."""
    return _state(process) == psutil.STATUS_STOPPED


def thaw_all() -> None:
    """Let every frozen process of the worker go on."""
    for process in at_work():
        if frozen(process):
            os.kill(process, signal.SIGCONT)
