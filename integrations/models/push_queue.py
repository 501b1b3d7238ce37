"""The outbox as a queue: which rows are due, whose turn it is, and who takes one."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q

from accounts.models import User
from integrations.models.connection import Connection
from integrations.models.push import (
    ASKED_LONG_AGO,
    FOR_ADMIN,
    HEAD_START,
    OPEN,
    TRANSITIONS,
    WAITING,
    Push,
    WaitReason,
)

# What the first good answer after a silence, a reconnect or a lifted block may change.
PULLED = (WaitReason.CONNECTION, WaitReason.RETRY, WaitReason.SETTLING, WaitReason.TWIN)
# What a row may wait for without a time of its own, and when that is over; with DECISION a person ends it.
_OVER = {
    WaitReason.CONNECTION: Q(state=Connection.State.CONNECTED, blocked_reason=""),
    # As Connection.terms_problem has it.
    WaitReason.TERMS: Q(
        terms_confirmed_at__isnull=False, default_terms__for_sales=True, default_terms__gone_at__isnull=True
    ),
}
RECHECKED_AT_ONCE = 50  # connections; the others are for the next time
# What has waited for an admin for longer is not sent before somebody has said that it is still wanted.
ASK_AFTER = timedelta(days=7)
# What a worker needs of the rows beside a push; building the other columns would cost more than all the rest.
_NEEDED = {
    "connection": {"id", "account", "state", "blocked_reason", "generation", "last_ok_at", "name"},
    "requested_by": {"id", "account", "role", "is_active"},
}
_REST = [
    f"{row}__{field.name}"
    for row, model in (("connection", Connection), ("requested_by", User))
    for field in model._meta.concrete_fields  # noqa: SLF001  # public, in spite of its name
    if field.name not in _NEEDED[row]
]
AT_ONCE = 4  # rows of one connection in the hands of workers, as far as those who pull are concerned


def due(*, now: datetime) -> models.QuerySet[Push]:
    """The rows that a worker can move now."""
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return Push.objects.filter(free, state__in=TRANSITIONS["take_lease"].becomes, next_attempt_at__lte=now)


def unattended(*, now: datetime) -> models.QuerySet[Push]:
    """The due rows for which no click wakes a worker: they waited, belong to a run, or their wake was lost."""
    return due(now=now).filter(Q(fence__gt=0) | Q(next_attempt_at__lte=now - HEAD_START))


def claim(push_id: int, *, now: datetime, seconds: float) -> Push | None:
    """Take the row for this worker, or return None: finished, not due, or held by another."""
    with transaction.atomic():
        push = _one_locked(due(now=now).filter(pk=push_id))
        if push:
            push.take_lease(now=now, seconds=seconds)
    return push


def claim_in_turn(*, now: datetime, seconds: float) -> Push | None:
    """Take an unattended row of the account that was served least recently, or return None.

    None also when all such accounts have AT_ONCE rows in hand, or others are just choosing among them.
    """
    with transaction.atomic():
        connection = next_in_turn(now)
        if connection is None:
            return None
        rows = unattended(now=now).filter(~Exists(_fourth_held(now, connection.pk)), connection=connection)
        push = _one_locked(rows.order_by("next_attempt_at"))
        if push:
            push.take_lease(now=now, seconds=seconds)
        connection.note_served(now=now)
    return push


def next_in_turn(now: datetime) -> Connection | None:
    """Lock and return the connection whose turn it is."""
    rows = unattended(now=now).filter(connection=OuterRef("pk"))
    connections = Connection.objects.filter(Exists(rows), ~Exists(_fourth_held(now, OuterRef("pk")))).only("pk")
    in_turn = connections.order_by(F("served_at").asc(nulls_first=True), "pk")
    return in_turn.select_for_update(skip_locked=True, no_key=True).first()


def _fourth_held(now: datetime, connection: int | OuterRef) -> models.QuerySet[Push]:
    """What is found when AT_ONCE rows of a connection are in the hands of workers."""
    held = Push.objects.filter(connection=connection, state__in=OPEN, lease_until__gte=now)
    return held.order_by("pk")[AT_ONCE - 1 : AT_ONCE]


def _one_locked(rows: models.QuerySet[Push]) -> Push | None:
    """Lock a row, and fetch with it what a worker needs to know beside it."""
    whole = rows.select_related("connection", "company", "contact", "requested_by").defer(*_REST)
    # Not first(): sorting what is one row anyway would cost more than all the rest of the statement.
    return next(iter(whole.select_for_update(skip_locked=True, no_key=True, of=("self",))[:1]), None)


def pull_forward(*, connection: Connection, now: datetime, reasons: Collection[WaitReason] = PULLED) -> None:
    """Make the rows that wait for this connection due at once; those that a worker holds move by themselves.

    What has waited for an admin for more than ASK_AFTER waits for a person's word instead. `reasons`: what those
    rows wait for. A row that somebody holds is passed over: `recheck` comes by again.
    """
    later = Q(next_attempt_at=None) | Q(next_attempt_at__gt=now)
    states = TRANSITIONS["pull_forward"].becomes
    rows = Push.objects.filter(later, connection=connection, state__in=states, lease_until=None)
    with transaction.atomic():
        # Locked in one order and without waiting: two such updates at once would block each other for ever.
        waiting = rows.filter(wait_reason__in=reasons).order_by("pk")
        free = waiting.select_for_update(skip_locked=True, no_key=True)
        found = Push.objects.filter(pk__in=list(free.values_list("pk", flat=True)))
        old = found.filter(state=WAITING, unknown_since=None, requested_at__lt=now - ASK_AFTER)
        # What somebody wanted so long ago may not be wanted any more.
        asked = {"wait_reason": WaitReason.DECISION, "next_attempt_at": None, "failure": ASKED_LONG_AGO}
        old.filter(wait_reason__in=FOR_ADMIN).update(**asked)
        found.exclude(wait_reason=WaitReason.DECISION).update(next_attempt_at=now)


def recheck(*, now: datetime) -> None:
    """Make due what still waits although its cause is over: something held the row when that was told.

    Every other row has a time at which it is looked at again anyway, but for what a person has to decide.
    """
    for reason, is_over in _OVER.items():
        asleep = Push.objects.filter(
            connection=OuterRef("pk"), wait_reason=reason, state__in=OPEN, next_attempt_at=None, lease_until=None
        )
        connections = Connection.objects.filter(is_over, Exists(asleep)).only("pk").order_by("pk")
        for connection in connections[:RECHECKED_AT_ONCE]:
            pull_forward(connection=connection, now=now, reasons=(reason,))
