"""The outbox: one wish of a person, and how far it has come. The row is the truth, a message only a poke."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q

from accounts.models import User
from integrations.models.push_queue import HEAD_START, PushQueue
from integrations.models.push_row import ASKED_LONG_AGO
from integrations.models.states import OPEN, Kind, PushState, WaitReason

CRASHES_ALLOWED = 3
NO_TRIES: dict[str, Any] = {"attempts": 0, "retrying_since": None}
WISH_PARTS = ("confirmed", "based_on", "shorter")  # of a wish, property by property
_WISH = (*WISH_PARTS, "read_at", "contact_id", "undoes_id", "requested_by_id")  # what is wanted, and by whom
NO_FAILURE: dict[str, Any] = {"failure": "", "failure_parameters": {}, "failure_detail": "", "error_id": ""}


class LostLease(Exception):
    """Another worker has taken this row over: nothing may be written or sent any more."""


class Push(PushQueue):
    """A create or an update of one customer.

    A worker holds the row by a lease and a fence: each claim raises the fence, and every write of a
    worker names the fence it holds, so that a worker that was frozen past its lease writes nothing.
    """

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company"], condition=Q(state__in=OPEN), name="push_one_open_per_company"),
            models.UniqueConstraint(
                fields=["connection", "fingerprint"],
                condition=Q(kind="create", state__in=("sending", "unknown")),
                name="push_no_twin_create",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state__in=OPEN), name="push_due"),
            models.Index(
                fields=["connection", "next_attempt_at"], condition=Q(state__in=OPEN), name="push_due_of_connection"
            ),
            models.Index(
                fields=["connection"],
                condition=Q(state__in=OPEN, lease_until__isnull=False),
                name="push_held_of_connection",
            ),
            models.Index(
                fields=["wait_reason", "connection"],
                condition=Q(state__in=OPEN, next_attempt_at__isnull=True),
                name="push_without_time",
            ),
            models.Index(fields=["company", "-id"], name="push_company"),
            models.Index(
                fields=["connection", "fingerprint"], condition=Q(kind="create", state="done"), name="push_done_create"
            ),
        ]

    # --- What a worker that holds the row may do ----------------------------------------------------

    def hold(self) -> None:
        """Lock the row for the rest of this transaction. Raises LostLease when it is another's by now.

        The company is locked before: a contact person who was erased since the claim is not written any more.
        """
        mine = Push.objects.select_for_update(no_key=True).filter(pk=self.pk, fence=self.fence, state__in=OPEN)
        contacts = list(mine.values_list("contact_id", flat=True))
        if not contacts:
            raise LostLease
        self.contact_id = contacts[0]

    def _write(self, **fields: Any) -> None:  # any column
        if not Push.objects.filter(pk=self.pk, fence=self.fence, state__in=OPEN).update(**fields):
            raise LostLease
        for name, value in fields.items():
            setattr(self, name, value)

    def keep(self, *, now: datetime, seconds: float) -> None:
        """Hold the row for at least this much longer, from now. Raises LostLease."""
        until = now + timedelta(seconds=seconds)
        if self.lease_until is None or self.lease_until < until:
            self._write(lease_until=until)

    def take_back(self, *, now: datetime, seconds: float) -> None:
        """Leave SENDING: the answer says that nothing was done with what was sent. Raises LostLease."""
        state = PushState.WAITING if self.state == PushState.SENDING else self.state
        self._write(state=state, lease_until=now + timedelta(seconds=seconds))

    def take_up(self) -> None:
        """Make what is wanted by now what will be sent; the company is locked. Raises LostLease.

        It is certain by then that nothing of an earlier try was stored.
        """
        self._write(again=[], values=None, before=None)
        self.refresh_from_db(fields=_WISH)

    def stumble(self, *, until: datetime) -> None:
        """Give the row back after a fault in our own program, and count it like a crash. Raises LostLease.

        What is stored counts, not this picture of it: the transaction that changed both may have failed.
        """
        with transaction.atomic():
            self.hold()
            self.refresh_from_db(fields=["state", "unknown_since", "send_by", "crashes"])
            self.doubt()
            self._write(
                state=self.state,
                unknown_since=self.unknown_since,
                crashes=self.crashes + 1,
                lease_until=None,
                next_attempt_at=until,
            )

    def begin_sending(self, *, values: dict[str, str], send_by: datetime, lease_until: datetime, **more: Any) -> None:
        """Record that the bytes are about to leave. Raises LostLease, IntegrityError for a twin create.

        `more`: of an update what it overwrites (before); of a create its payload and fingerprint, and of the look
        before it eAccounting's clock (looked_at) and the customers that were there (seen_ids).
        """
        self._write(
            state=PushState.SENDING,
            lease_until=lease_until,
            values=values,
            send_by=send_by,
            unknown_since=None,
            wait_reason="",
            **more,
        )

    def wait(self, reason: WaitReason, *, until: datetime | None, failure: dict[str, Any] | None = None) -> None:
        """Give the row back until a time, or until something moves it. Raises LostLease.

        Only failed tries count as attempts; looks and waiting for the budget do not. What waited for a person or
        for the connection begins its tries anew: it was not eAccounting that failed.
        Crashes before the bytes left are forgotten: a worker has come through. Those after it are not, or a row
        that kills each worker that sends it would be sent for ever.
        """
        tries = {} if reason in {WaitReason.SETTLING, WaitReason.BUDGET} else NO_TRIES
        self._give_back(reason, until=until, failure=failure, **tries)

    def wait_to_retry(
        self, reason: WaitReason, *, now: datetime, until: datetime, failure: dict[str, Any] | None = None
    ) -> None:
        """Count a try that failed, and give the row back until a time. Raises LostLease."""
        since = self.retrying_since or now
        self._give_back(reason, until=until, failure=failure, attempts=self.attempts + 1, retrying_since=since)

    def _give_back(
        self, reason: WaitReason, *, until: datetime | None, failure: dict[str, Any] | None, **tries: Any
    ) -> None:
        unknown = self.state == PushState.UNKNOWN
        state, crashes = (self.state, self.crashes) if unknown else (PushState.WAITING, 0)
        self._write(
            state=state,
            wait_reason=reason,
            next_attempt_at=until,
            lease_until=None,
            crashes=crashes,
            **tries,
            **(failure or NO_FAILURE),
        )

    def cancel_left(self, *, now: datetime) -> None:
        """End a wish of which nothing was sent, because its eAccounting company was left. Raises LostLease."""
        self._write(state=PushState.CANCELLED, finished_at=now, lease_until=None, next_attempt_at=None, wait_reason="")

    def lose_answer(self, *, now: datetime, until: datetime, failure: dict[str, Any]) -> None:
        """Record that the bytes left and nobody knows what became of them. Raises LostLease."""
        self._write(
            state=PushState.UNKNOWN,
            unknown_since=now,
            attempts=self.attempts + 1,
            retrying_since=self.retrying_since or now,
            wait_reason=WaitReason.SETTLING,
            next_attempt_at=until,
            lease_until=None,
            **failure,
        )

    def prove_absent(self, *, until: datetime) -> None:
        """Leave UNKNOWN: it is certain that nothing was stored, so it may be sent again then. Raises LostLease."""
        self._write(
            state=PushState.WAITING,
            unknown_since=None,
            # Answers that are lost again and again are given up some day; a single one begins anew.
            retrying_since=self.retrying_since if self.attempts > 1 else None,
            payload=None,
            fingerprint="",
            candidates=[],
            wait_reason=WaitReason.RETRY,
            next_attempt_at=until,
            lease_until=None,
            **NO_FAILURE,
        )

    def ask_person(self, *, candidates: list[dict[str, Any]]) -> None:
        """Stop until a person decides between these customers. Raises LostLease."""
        self._write(candidates=candidates)
        self.wait(WaitReason.DECISION, until=None)

    def finish(self, *, now: datetime, after: Mapping[str, str] | None = None) -> None:
        """Record that eAccounting holds what was wished; `after`: as it answered an update. Raises LostLease."""
        self._write(
            after=after,
            state=PushState.DONE,
            finished_at=now,
            lease_until=None,
            wait_reason="",
            next_attempt_at=None,
            **NO_FAILURE,
        )

    def fail(self, *, now: datetime, failure: dict[str, Any]) -> None:
        """Record a refusal that only a person can mend. Raises LostLease."""
        self._write(
            state=PushState.FAILED,
            finished_at=now,
            lease_until=None,
            wait_reason="",
            next_attempt_at=None,
            **failure,
        )

    # --- What a person may do; each returns whether the row was still in a state that allows it ------

    def _decide(self, rows: models.QuerySet["Push"], **fields: Any) -> bool:  # any column
        return bool(rows.filter(pk=self.pk).update(fence=F("fence") + 1, lease_until=None, **fields))

    def decide_create_anyway(self, *, now: datetime, **wish: Any) -> bool:  # any column
        """A person saw the candidates and wants a new customer all the same; of others they are asked again.

        Without candidates nobody saw any: bytes may have left, and what became of them has to be found out first. Nor
        did anybody see those that came since this row was read. `wish`: what was confirmed only now.
        """
        rows = Push.objects.filter(kind=Kind.CREATE, state__in=OPEN, wait_reason=WaitReason.DECISION)
        rows = rows.filter(candidates=self.candidates).exclude(candidates=[])
        return self._decide(
            rows,
            **wish,
            state=PushState.WAITING,
            create_anyway=True,
            seen_ids=[*self.seen_ids, *(candidate["id"] for candidate in self.candidates)],
            wait_reason="",
            next_attempt_at=now,
            unknown_since=None,
            candidates=[],
            crashes=0,
        )

    def decide_link(self, *, now: datetime) -> bool:
        """A person chose one of the candidates; the link is made in the same transaction."""
        rows = Push.objects.filter(kind=Kind.CREATE, state__in=OPEN, wait_reason=WaitReason.DECISION)
        return self._decide(rows, state=PushState.DONE, finished_at=now, wait_reason="", next_attempt_at=None)

    def look_again(self, *, now: datetime) -> bool:
        """A person wants another look at what became of bytes that left."""
        rows = Push.objects.filter(state=PushState.UNKNOWN, wait_reason=WaitReason.DECISION)
        return self._decide(rows, wait_reason=WaitReason.SETTLING, next_attempt_at=now, crashes=0)

    def renew(self, *, user: User, now: datetime) -> None:
        """Somebody wants what waits for an admin, still or anew; it is their wish from now on."""
        rows = Push.objects.filter(state=PushState.WAITING, wait_reason__in=(WaitReason.CONNECTION, WaitReason.TERMS))
        rows.filter(pk=self.pk).update(requested_by=user, requested_at=now)

    def send_after_all(self, *, user: User, now: datetime) -> bool:
        """A person says that what waited long for an admin is still wanted; it is their wish from now on."""
        rows = Push.objects.filter(state=PushState.WAITING, wait_reason=WaitReason.DECISION, failure=ASKED_LONG_AGO)
        wish = {"requested_by": user, "requested_at": now, "next_attempt_at": now}
        return self._decide(rows, wait_reason="", **wish, **NO_TRIES, **NO_FAILURE)

    def cancel(self, *, now: datetime) -> bool:
        """Take the wish back while nothing was sent. What is UNKNOWN can never be cancelled."""
        rows = Push.objects.filter(state=PushState.WAITING, unknown_since=None, lease_until=None)
        return self._decide(rows, state=PushState.CANCELLED, finished_at=now, next_attempt_at=None)

    def replace_wish(self, wish: Mapping[str, object], *, now: datetime) -> bool:
        """A newer sheet about an update of which nothing is under way. `wish`: the columns that say what is wanted."""
        rows = Push.objects.filter(kind=Kind.UPDATE, state=PushState.WAITING, lease_until=None)
        anew = {"requested_at": now, "next_attempt_at": now, "wait_reason": ""}
        return bool(rows.filter(pk=self.pk).update(**wish, **anew, **NO_TRIES, **NO_FAILURE))

    def reduce_wish(self, wish: Mapping[str, object]) -> bool:
        """A newer sheet leaves a part of a waiting update as it is there; the rest waits on. As `replace_wish`."""
        rows = Push.objects.filter(kind=Kind.UPDATE, state=PushState.WAITING)
        return bool(rows.filter(pk=self.pk).update(**wish))

    def ask_again(self, wish: Mapping[str, object], *, names: Collection[str]) -> bool:
        """A newer sheet confirmed these properties while a worker is at an update; the company is locked.

        Who has not sent yet sends the newer wish; else the transaction that ends this push opens the next one.
        """
        rows = Push.objects.filter(pk=self.pk, kind=Kind.UPDATE, state__in=OPEN)
        return bool(rows.update(**wish, again=sorted({*self.again, *names})))

    def open_next(self, *, now: datetime) -> None:
        """Open the push that carries what newer sheets confirmed while this one was sent. The company is locked."""
        ended = Push.objects.filter(pk=self.pk).exclude(again=[]).first()
        if ended is None:
            return
        wish = {name: getattr(ended, name) for name in _WISH}
        for part in WISH_PARTS:
            wish[part] = {name: value for name, value in wish[part].items() if name in ended.again}
        Push.objects.create(
            account_id=ended.account_id,
            connection_id=ended.connection_id,
            company_id=ended.company_id,
            kind=Kind.UPDATE,
            requested_at=now,
            next_attempt_at=now - HEAD_START,  # nobody is poked for it
            **wish,
        )
