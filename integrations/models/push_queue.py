"""The outbox as a queue: which rows are due, whose turn it is, and who takes one."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Self

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q

from accounts.models import User
from companies.models import Company
from integrations.models.connection import Connection
from integrations.models.push_row import ASKED_LONG_AGO, PushRow
from integrations.models.states import OPEN, PushState, WaitReason

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
# A new row is left to the worker that the click poked; those who pull take it when that poke seems lost.
HEAD_START = timedelta(seconds=2)
# What a worker needs of the rows beside a push; building the other columns would cost more than all the rest.
_NEEDED = {
    "connection": {"id", "account", "state", "blocked_reason", "generation", "last_ok_at", "name"},
    "requested_by": {"id", "account", "role", "is_active"},
}
_REST = [
    f"{side}__{field.name}"
    for side, model in (("connection", Connection), ("requested_by", User))
    for field in model._meta.concrete_fields  # noqa: SLF001  # public, in spite of its name
    if field.name not in _NEEDED[side]
]
AT_ONCE = 4  # rows of one connection in the hands of workers, as far as those who pull are concerned


class PushQueue(PushRow):
    """What is asked of all rows together."""

    class Meta(PushRow.Meta):
        abstract = True

    @classmethod
    def open_of(cls, company: Company) -> Self | None:
        """Return the company's push that is under way, or None."""
        return cls._default_manager.filter(company=company, state__in=OPEN).first()

    @classmethod
    def due(cls, *, now: datetime) -> models.QuerySet[Self]:
        """The rows that a worker can move now."""
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        return cls._default_manager.filter(free, state__in=OPEN, next_attempt_at__lte=now)

    @classmethod
    def unattended(cls, *, now: datetime) -> models.QuerySet[Self]:
        """The due rows that no poke takes care of: they waited, belong to a run, or their poke was lost."""
        return cls.due(now=now).filter(Q(fence__gt=0) | Q(next_attempt_at__lte=now - HEAD_START))

    @classmethod
    def pull_forward(cls, *, connection: Connection, now: datetime, reasons: Collection[WaitReason] = PULLED) -> None:
        """Make the rows that wait for this connection due at once; those that a worker holds move by themselves.

        What has waited for an admin for more than ASK_AFTER waits for a person's word instead. `reasons`: what those
        rows wait for. A row that somebody holds is passed over: `recheck` comes by again.
        """
        later = Q(next_attempt_at=None) | Q(next_attempt_at__gt=now)
        rows = cls._default_manager.filter(later, connection=connection, state__in=OPEN, lease_until=None)
        with transaction.atomic():
            # Locked in one order and without waiting: two such updates at once would block each other for ever.
            waiting = rows.filter(wait_reason__in=reasons).order_by("pk")
            free = waiting.select_for_update(skip_locked=True, no_key=True)
            found = cls._default_manager.filter(pk__in=list(free.values_list("pk", flat=True)))
            old = found.filter(state=PushState.WAITING, unknown_since=None, requested_at__lt=now - ASK_AFTER)
            for_admin = old.filter(wait_reason__in=(WaitReason.CONNECTION, WaitReason.TERMS))
            # What somebody wanted so long ago may not be wanted any more.
            for_admin.update(wait_reason=WaitReason.DECISION, next_attempt_at=None, failure=ASKED_LONG_AGO)
            found.exclude(wait_reason=WaitReason.DECISION).update(next_attempt_at=now)

    @classmethod
    def recheck(cls, *, now: datetime) -> None:
        """Make due what still waits although its cause is over: something held the row when that was told.

        Every other row has a time at which it is looked at again anyway, but for what a person has to decide.
        """
        for reason, is_over in _OVER.items():
            asleep = cls._default_manager.filter(
                connection=OuterRef("pk"), wait_reason=reason, state__in=OPEN, next_attempt_at=None, lease_until=None
            )
            connections = Connection.objects.filter(is_over, Exists(asleep)).only("pk").order_by("pk")
            for connection in connections[:RECHECKED_AT_ONCE]:
                cls.pull_forward(connection=connection, now=now, reasons=(reason,))

    @classmethod
    def waiting_on(cls, connection: Connection) -> models.QuerySet[Self]:
        """The rows of a connection of which nothing has been sent."""
        return cls._default_manager.filter(connection=connection, state=PushState.WAITING, unknown_since=None)

    @classmethod
    def cancel_waiting(cls, *, connection: Connection, now: datetime) -> list[int]:
        """Cancel what has not been sent; what was sent goes on. Return the companies it was about."""
        with transaction.atomic():
            waiting = cls.waiting_on(connection).order_by("pk").select_for_update(no_key=True)
            companies = dict(waiting.values_list("pk", "company_id"))
            cls._default_manager.filter(pk__in=list(companies)).update(
                state=PushState.CANCELLED, finished_at=now, lease_until=None, fence=F("fence") + 1
            )
        return list(companies.values())

    @classmethod
    def claim(cls, push_id: int, *, now: datetime, seconds: float) -> Self | None:
        """Take the row for this worker, or return None: finished, not due, or held by another."""
        with transaction.atomic():
            rows = cls.due(now=now).filter(pk=push_id)
            push = cls._one_locked(rows)
            if push:
                push.take(now=now, seconds=seconds)
        return push

    @classmethod
    def claim_in_turn(cls, *, now: datetime, seconds: float) -> Self | None:
        """Take an unattended row of the account that was served least recently, or return None.

        None also when all such accounts have AT_ONCE rows in hand, or others are just choosing among them.
        """
        with transaction.atomic():
            connection = cls._next_in_turn(now)
            if connection is None:
                return None
            rows = cls.unattended(now=now).filter(~Exists(cls._fourth_held(now, connection.pk)), connection=connection)
            push = cls._one_locked(rows.order_by("next_attempt_at"))
            if push:
                push.take(now=now, seconds=seconds)
            connection.note_served(now=now)
        return push

    @classmethod
    def _next_in_turn(cls, now: datetime) -> Connection | None:
        """Lock and return the connection whose turn it is."""
        unattended = cls.unattended(now=now).filter(connection=OuterRef("pk"))
        rows = Connection.objects.filter(Exists(unattended), ~Exists(cls._fourth_held(now, OuterRef("pk")))).only("pk")
        in_turn = rows.order_by(F("served_at").asc(nulls_first=True), "pk")
        return in_turn.select_for_update(skip_locked=True, no_key=True).first()

    @classmethod
    def _fourth_held(cls, now: datetime, connection: int | OuterRef) -> models.QuerySet[Self]:
        """What is found when AT_ONCE rows of a connection are in the hands of workers."""
        held = cls._default_manager.filter(connection=connection, state__in=OPEN, lease_until__gte=now)
        return held.order_by("pk")[AT_ONCE - 1 : AT_ONCE]

    @classmethod
    def _one_locked(cls, rows: models.QuerySet[Self]) -> Self | None:
        """Lock a row, and fetch with it what a worker needs to know beside it."""
        whole = rows.select_related("connection", "company", "contact", "requested_by").defer(*_REST)
        # Not first(): sorting what is one row anyway would cost more than all the rest of the statement.
        return next(iter(whole.select_for_update(skip_locked=True, no_key=True, of=("self",))[:1]), None)

    def take(self, *, now: datetime, seconds: float) -> None:
        """Write this worker onto the locked row.

        A row whose last holder let its lease run out while SENDING becomes UNKNOWN: its bytes may have left.
        """
        self.doubt()
        self.crashes += self.lease_until is not None
        self.fence += 1
        self.lease_until = now + timedelta(seconds=seconds)
        self.save(update_fields=["state", "unknown_since", "crashes", "fence", "lease_until"])

    def doubt(self) -> None:
        """Whoever was SENDING and did not come to an end may have sent."""
        if self.state == PushState.SENDING:
            self.state, self.unknown_since = PushState.UNKNOWN, self.send_by
