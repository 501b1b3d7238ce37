"""The outbox: what a person requested, and how far it has come. The row is the truth; a message only wakes a worker."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from django.db import models, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User
from companies.models import Company, Contact
from integrations.clock import database_now
from integrations.models.connection import Connection
from integrations.models.terms_of_payment import TermsOfPayment


class Kind(models.TextChoices):
    CREATE = "create", _("Add as customer")
    UPDATE = "update", _("Update the information")


class PushState(models.TextChoices):
    """UNKNOWN: bytes left, and no readable answer came."""

    WAITING = "waiting", _("Waiting")
    SENDING = "sending", _("Sending")
    UNKNOWN = "unknown", _("Checking")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


WAITING, SENDING, UNKNOWN, DONE, FAILED, CANCELLED = PushState
OPEN = (WAITING, SENDING, UNKNOWN)


class WaitReason(models.TextChoices):
    """Why an open push does not move now. The last three only move when a person does something."""

    RETRY = "retry", _("Visma eAccounting could not be reached")
    BUDGET = "budget", _("Too many calls at the moment")
    SETTLING = "settling", _("The answer was lost")
    TWIN = "twin", _("An identical customer is being created")
    DECISION = "decision", _("A person has to decide")
    CONNECTION = "connection", _("The connection does not work")
    TERMS = "terms", _("Terms of payment have to be chosen")


class Who(Enum):
    """Who may do something to a push; what somebody's role allows is asked before."""

    ANY_WORKER = "a worker, when the row is due and nobody's lease runs"
    HOLDER = "the worker that has the lease, by the number of its fence"
    SWEEPER = "the sweeper, and whoever mended what the row waits for"
    PERSON = "a user or an admin of the account, through the services"
    ADMIN = "an admin of the account, who disconnects"


class Transition(NamedTuple):
    who: Who
    becomes: dict[str, PushState]  # by the state in which it happens; in any other it is refused


NO = None
# All that can happen to a push, by the name of its method. A new row is WAITING; DONE, FAILED and CANCELLED stay.
# fmt: off
_TABLE = (
    # what happens            who may do it    while WAITING  SENDING    UNKNOWN
    ("take_lease",            Who.ANY_WORKER,  (WAITING,      UNKNOWN,   UNKNOWN)),
    ("renew_lease",           Who.HOLDER,      (WAITING,      SENDING,   UNKNOWN)),
    ("lock_lease",            Who.HOLDER,      (WAITING,      SENDING,   UNKNOWN)),
    ("reload_request",        Who.HOLDER,      (WAITING,      NO,        UNKNOWN)),
    ("begin_sending",         Who.HOLDER,      (SENDING,      NO,        SENDING)),
    ("mark_not_stored",       Who.HOLDER,      (WAITING,      WAITING,   UNKNOWN)),
    ("mark_unknown",          Who.HOLDER,      (NO,           UNKNOWN,   NO)),
    ("prove_absent",          Who.HOLDER,      (NO,           NO,        WAITING)),
    ("wait",                  Who.HOLDER,      (WAITING,      WAITING,   UNKNOWN)),
    ("wait_to_retry",         Who.HOLDER,      (WAITING,      WAITING,   UNKNOWN)),
    ("ask_person",            Who.HOLDER,      (WAITING,      NO,        UNKNOWN)),
    ("release",               Who.HOLDER,      (WAITING,      UNKNOWN,   UNKNOWN)),
    ("finish",                Who.HOLDER,      (DONE,         DONE,      DONE)),
    ("fail",                  Who.HOLDER,      (FAILED,       FAILED,    FAILED)),
    ("cancel_disconnected",   Who.HOLDER,      (CANCELLED,    CANCELLED, NO)),
    ("pull_forward",          Who.SWEEPER,     (WAITING,      NO,        UNKNOWN)),
    ("decide_create_anyway",  Who.PERSON,      (WAITING,      NO,        WAITING)),
    ("decide_link",           Who.PERSON,      (DONE,         NO,        DONE)),
    ("look_again",            Who.PERSON,      (NO,           NO,        UNKNOWN)),
    ("renew_request",         Who.PERSON,      (WAITING,      NO,        NO)),
    ("replace_request",       Who.PERSON,      (WAITING,      NO,        NO)),
    ("reduce_request",        Who.PERSON,      (WAITING,      NO,        NO)),
    ("request_next",          Who.PERSON,      (WAITING,      SENDING,   UNKNOWN)),
    ("send_after_all",        Who.PERSON,      (WAITING,      NO,        NO)),
    ("cancel",                Who.PERSON,      (CANCELLED,    NO,        NO)),
    ("cancel_waiting",        Who.ADMIN,       (CANCELLED,    NO,        NO)),
)
# fmt: on
TRANSITIONS = {
    event: Transition(who, {now: then for now, then in zip(OPEN, becomes, strict=True) if then})
    for event, who, becomes in _TABLE
}

CRASHES_ALLOWED = 3
# A new row is left to the worker that the click woke; those who pull take it when that wake seems lost.
HEAD_START = timedelta(seconds=2)
ASKED_LONG_AGO = "asked_long_ago"  # the code of its sentence
FOR_ADMIN = (WaitReason.CONNECTION, WaitReason.TERMS)
REQUEST_PARTS = ("confirmed", "based_on", "shorter")  # of a request, property by property
_REQUEST = (*REQUEST_PARTS, "read_at", "contact_id", "undoes_id", "requested_by_id")  # what is wanted, and by whom
NO_TRIES: dict[str, Any] = {"attempts": 0, "retrying_since": None}
NO_FAILURE: dict[str, Any] = {"failure": "", "failure_parameters": {}, "failure_detail": "", "error_id": ""}
_NOBODYS: dict[str, Any] = {"fence": F("fence") + 1, "lease_until": None}  # whoever held it has lost it

# What the indexes hold.
_IS_OPEN = Q(state__in=OPEN)
_IS_HELD = Q(state__in=OPEN, lease_until__isnull=False)
_IS_TIMELESS = Q(state__in=OPEN, next_attempt_at__isnull=True)
_IS_SENT = Q(kind="create", state__in=("sending", "unknown"))
_IS_CREATED = Q(kind="create", state="done")


class LostLease(Exception):
    """Another worker has taken this row over, or it has ended: nothing may be written or sent any more."""


class NotAllowed(Exception):
    """The table does not let this happen in the state of the row: a fault in our own program."""


def _becomes(event: str) -> Case:
    """What the table makes of the state of rows that nobody has read."""
    return Case(*(When(state=now, then=Value(then)) for now, then in TRANSITIONS[event].becomes.items()))


def _waits(reason: WaitReason, *, until: datetime | None) -> dict[str, Any]:
    """The columns of a row that nobody holds until then."""
    return {"wait_reason": reason, "next_attempt_at": until, "lease_until": None}


class Push(models.Model):
    """A create or an update of one customer: one row of the outbox.

    A worker holds the row by a lease and a fence: each claim raises the fence, and every write of a worker names the
    fence it holds, so that a worker that was frozen past its lease writes nothing. No method writes a state that it
    did not look up in the table above.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="+")
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=PushState.choices, default=PushState.WAITING)
    wait_reason = models.CharField(max_length=20, choices=WaitReason.choices, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)  # None: for a person, or for `recheck`
    # The properties that newer forms confirmed while a worker was at it: the push that follows carries them.
    again = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=database_now)  # by the clock that all hosts share

    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)  # since it last waited for a person or for the connection
    retrying_since = models.DateTimeField(null=True, blank=True)  # eAccounting has not been answering since
    crashes = models.PositiveIntegerField(default=0)

    contact = models.ForeignKey(Contact, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    terms = models.ForeignKey(TermsOfPayment, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    create_anyway = models.BooleanField(default=False)
    # What a person confirmed on a form: sent as confirmed, whatever the company holds by then.
    confirmed = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    is_private_person = models.BooleanField(null=True, blank=True)  # of a create
    # What the form showed: of an update the remote values, and when they were read; of a create the local ones.
    based_on = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    read_at = models.DateTimeField(null=True, blank=True)
    # Of what is confirmed in another form than eAccounting would take: as on the link.
    shorter = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    before = models.JSONField(null=True, blank=True)  # what an update overwrites, to be put back
    after = models.JSONField(null=True, blank=True)  # what eAccounting answered that it made of it
    undoes = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    payload = models.JSONField(null=True, blank=True)
    values = models.JSONField(null=True, blank=True)  # the owned values inside the payload, in the form sent
    fingerprint = models.CharField(max_length=64, blank=True)
    send_by = models.DateTimeField(null=True, blank=True)
    unknown_since = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)  # eAccounting's clock at the look before a create
    seen_ids = models.JSONField(default=list)  # customers that were there then: never taken for ours
    candidates = models.JSONField(default=list)  # what a person has to decide between

    failure = models.CharField(max_length=50, blank=True)
    failure_parameters = models.JSONField(default=dict)
    failure_detail = models.TextField(blank=True)  # eAccounting's own words
    error_id = models.CharField(max_length=50, blank=True)  # what eAccounting's support asks for
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company"], condition=_IS_OPEN, name="push_one_open_per_company"),
            models.UniqueConstraint(
                fields=["connection", "fingerprint"], condition=_IS_SENT, name="push_no_twin_create"
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=_IS_OPEN, name="push_due"),
            models.Index(fields=["connection", "next_attempt_at"], condition=_IS_OPEN, name="push_due_of_connection"),
            models.Index(fields=["connection"], condition=_IS_HELD, name="push_held_of_connection"),
            models.Index(fields=["wait_reason", "connection"], condition=_IS_TIMELESS, name="push_without_time"),
            models.Index(fields=["company", "-id"], name="push_company"),
            models.Index(fields=["connection", "fingerprint"], condition=_IS_CREATED, name="push_done_create"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.state})"

    @property
    def waits_for_admin(self) -> bool:
        """Whether nothing was sent and only an admin can let it go on."""
        return self.state == WAITING and self.wait_reason in FOR_ADMIN

    @property
    def is_parked(self) -> bool:
        """Whether it has waited for an admin from the beginning: it was recorded when one was asked."""
        return self.waits_for_admin and self.fence == 0

    @property
    def is_asked_about(self) -> bool:
        """Whether it waited so long for an admin that a person has to say whether it is still wanted."""
        return self.wait_reason == WaitReason.DECISION and self.failure == ASKED_LONG_AGO

    @property
    def is_unsent(self) -> bool:
        """Whether it waits and nothing of it was sent."""
        return self.state == WAITING and self.unknown_since is None

    @property
    def is_to_decide(self) -> bool:
        """Whether a person has to say if one of the candidates is the company."""
        return self.wait_reason == WaitReason.DECISION and bool(self.candidates)

    @property
    def is_open(self) -> bool:
        """Whether this push is still under way."""
        return self.state in OPEN

    @classmethod
    def open_of(cls, company: Company) -> "Push | None":
        """Return the company's push that is under way, or None."""
        return cls.objects.filter(company=company, state__in=OPEN).first()

    @classmethod
    def waiting_on(cls, connection: Connection) -> models.QuerySet["Push"]:
        """The rows of a connection of which nothing has been sent."""
        return cls.objects.filter(connection=connection, state=WAITING, unknown_since=None)

    # --- What a worker may do -----------------------------------------------------------------------

    def _after(self, event: str) -> PushState:
        """Return what the table makes of the state. Raises LostLease when the row has ended, NotAllowed."""
        if not self.is_open:
            raise LostLease
        after = TRANSITIONS[event].becomes.get(self.state)
        if after is None:
            raise NotAllowed(f"{event} of what is {self.state}")
        return after

    def _broken_off(self, event: str) -> tuple[PushState, datetime | None]:
        """Return state and `unknown_since` of a row that was not brought to an end: its bytes may have left."""
        return self._after(event), self.send_by if self.state == SENDING else self.unknown_since

    def _write(self, event: str, **fields: Any) -> None:  # any column
        """Write what happened as the one who holds the lease. Raises LostLease, NotAllowed."""
        fields["state"] = self._after(event)
        mine = Push.objects.filter(pk=self.pk, fence=self.fence, state=self.state)
        if not mine.update(**fields):
            raise LostLease
        for name, value in fields.items():
            setattr(self, name, value)

    def take_lease(self, *, now: datetime, seconds: float) -> None:
        """Write this worker onto the row, which is locked and due (push_queue.py)."""
        self.crashes += self.lease_until is not None
        self.state, self.unknown_since = self._broken_off("take_lease")
        self.fence += 1
        self.lease_until = now + timedelta(seconds=seconds)
        self.save(update_fields=["state", "unknown_since", "crashes", "fence", "lease_until"])

    def renew_lease(self, *, now: datetime, seconds: float) -> None:
        """Hold the row for at least this much longer, from now. Raises LostLease."""
        until = now + timedelta(seconds=seconds)
        if self.lease_until is None or self.lease_until < until:
            self._write("renew_lease", lease_until=until)

    def lock_lease(self) -> None:
        """Lock the row for the rest of this transaction. Raises LostLease when it is another's by now.

        The company is locked before: a contact person who was erased since the claim is not written any more.
        """
        mine = Push.objects.filter(pk=self.pk, fence=self.fence, state__in=TRANSITIONS["lock_lease"].becomes)
        contacts = list(mine.select_for_update(no_key=True).values_list("contact_id", flat=True))
        if not contacts:
            raise LostLease
        self.contact_id = contacts[0]

    def reload_request(self) -> None:
        """Make what is wanted by now what will be sent; the company is locked. Raises LostLease.

        It is certain by then that nothing of an earlier try was stored.
        """
        self._write("reload_request", again=[], values=None, before=None)
        self.refresh_from_db(fields=_REQUEST)

    def begin_sending(self, *, values: dict[str, str], send_by: datetime, lease_until: datetime, **more: Any) -> None:
        """Record that the bytes are about to leave. Raises LostLease, IntegrityError for a twin create.

        `more`: of an update what it overwrites (before); of a create its payload and fingerprint, and of the look
        before it eAccounting's clock (looked_at) and the customers that were there (seen_ids).
        """
        sending = {"values": values, "send_by": send_by, "lease_until": lease_until, **more}
        self._write("begin_sending", unknown_since=None, wait_reason="", **sending)

    def mark_not_stored(self, *, now: datetime, seconds: float) -> None:
        """Leave SENDING: the answer says that nothing was done with what was sent. Raises LostLease."""
        self._write("mark_not_stored", lease_until=now + timedelta(seconds=seconds))

    def mark_unknown(self, *, now: datetime, until: datetime, failure: dict[str, Any]) -> None:
        """Record that the bytes left and nobody knows what became of them. Raises LostLease."""
        waits = _waits(WaitReason.SETTLING, until=until)
        self._write("mark_unknown", unknown_since=now, **self._failed_try(now), **waits, **failure)

    def prove_absent(self, *, until: datetime) -> None:
        """Leave UNKNOWN: it is certain that nothing was stored, so it may be sent again then. Raises LostLease."""
        # Answers that are lost again and again are given up some day; a single one begins anew.
        since = self.retrying_since if self.attempts > 1 else None
        unsent = {"unknown_since": None, "payload": None, "fingerprint": "", "candidates": list[Any]()}
        self._write(
            "prove_absent", retrying_since=since, **unsent, **_waits(WaitReason.RETRY, until=until), **NO_FAILURE
        )

    def wait(self, reason: WaitReason, *, until: datetime | None, failure: dict[str, Any] | None = None) -> None:
        """Give the row back until a time, or until something moves it. Raises LostLease.

        Only failed tries count as attempts; looks and waiting for the budget do not. What waited for a person or
        for the connection begins its tries anew: it was not eAccounting that failed.
        """
        tries = {} if reason in {WaitReason.SETTLING, WaitReason.BUDGET} else NO_TRIES
        self._give_back("wait", reason, until=until, failure=failure, **tries)

    def wait_to_retry(self, *, now: datetime, until: datetime, failure: dict[str, Any]) -> None:
        """Count a try that failed, and give the row back until a time. Raises LostLease."""
        self._give_back("wait_to_retry", WaitReason.RETRY, until=until, failure=failure, **self._failed_try(now))

    def _failed_try(self, now: datetime) -> dict[str, Any]:
        return {"attempts": self.attempts + 1, "retrying_since": self.retrying_since or now}

    def _give_back(
        self, event: str, reason: WaitReason, *, until: datetime | None, failure: dict[str, Any] | None, **more: Any
    ) -> None:
        """Let go of the row until a time.

        Crashes before the bytes left are forgotten: a worker has come through. Those after it are not, or a row
        that kills each worker that sends it would be sent for ever.
        """
        more["crashes"] = self.crashes if self.state == UNKNOWN else 0
        self._write(event, **_waits(reason, until=until), **more, **(failure or NO_FAILURE))

    def ask_person(self, *, candidates: list[dict[str, Any]]) -> None:
        """Stop until a person decides between these customers. Raises LostLease."""
        asked = {"candidates": candidates, **NO_TRIES}
        self._give_back("ask_person", WaitReason.DECISION, until=None, failure=None, **asked)

    def release(self, *, until: datetime) -> None:
        """Give the row back after a fault in our own program, and count it like a crash. Raises LostLease.

        What is stored counts, not this picture of it: the transaction that changed both may have failed.
        """
        with transaction.atomic():
            self.lock_lease()
            self.refresh_from_db(fields=["state", "unknown_since", "send_by", "crashes"])
            _state, since = self._broken_off("release")
            crashed = {"unknown_since": since, "crashes": self.crashes + 1}
            self._write("release", **crashed, lease_until=None, next_attempt_at=until)

    def _end(self, event: str, *, now: datetime, **more: Any) -> None:
        self._write(event, finished_at=now, lease_until=None, wait_reason="", next_attempt_at=None, **more)

    def finish(self, *, now: datetime, after: Mapping[str, str] | None = None) -> None:
        """Record that eAccounting holds what was requested; `after`: as it answered an update. Raises LostLease."""
        self._end("finish", now=now, after=after, **NO_FAILURE)

    def fail(self, *, now: datetime, failure: dict[str, Any]) -> None:
        """Record a refusal about which only a person can do something. Raises LostLease."""
        self._end("fail", now=now, **failure)

    def cancel_disconnected(self, *, now: datetime) -> None:
        """End a request of which nothing was sent, because its eAccounting company was left. Raises LostLease."""
        self._end("cancel_disconnected", now=now)

    def open_next(self, *, now: datetime) -> None:
        """Open the push that carries what newer forms confirmed while this one was sent. The company is locked."""
        ended = Push.objects.filter(pk=self.pk).exclude(again=[]).first()
        if ended is None:
            return
        request = {name: getattr(ended, name) for name in _REQUEST}
        for part in REQUEST_PARTS:
            request[part] = {name: value for name, value in request[part].items() if name in ended.again}
        Push.objects.create(
            account_id=ended.account_id,
            connection_id=ended.connection_id,
            company_id=ended.company_id,
            kind=Kind.UPDATE,
            requested_at=now,
            next_attempt_at=now - HEAD_START,  # no worker is woken for it
            **request,
        )

    # --- What people may do; each returns whether the row was still in a state that allows it ---------

    def _decide(self, event: str, only: Q, **fields: Any) -> bool:  # any column
        """Write what somebody decided, where the stored row still is as it has to be."""
        rows = Push.objects.filter(only, pk=self.pk, state__in=TRANSITIONS[event].becomes)
        return bool(rows.update(state=_becomes(event), **fields))

    def decide_create_anyway(self, *, now: datetime, **request: Any) -> bool:  # any column
        """A person saw the candidates and wants a new customer all the same; of others they are asked again.

        Without candidates nobody saw any: bytes may have left, and what became of them has to be found out first. Nor
        did anybody see those that came since this row was read. `request`: what was confirmed only now.
        """
        asked = Q(kind=Kind.CREATE, wait_reason=WaitReason.DECISION, candidates=self.candidates) & ~Q(candidates=[])
        seen = [*self.seen_ids, *(candidate["id"] for candidate in self.candidates)]
        request |= {"create_anyway": True, "seen_ids": seen}
        anew = {"wait_reason": "", "next_attempt_at": now, "unknown_since": None, "candidates": [], "crashes": 0}
        return self._decide("decide_create_anyway", asked, **request, **anew, **_NOBODYS)

    def decide_link(self, *, now: datetime) -> bool:
        """A person chose one of the candidates; the link is made in the same transaction."""
        asked = Q(kind=Kind.CREATE, wait_reason=WaitReason.DECISION)
        return self._decide("decide_link", asked, finished_at=now, wait_reason="", next_attempt_at=None, **_NOBODYS)

    def look_again(self, *, now: datetime) -> bool:
        """A person wants another look at what became of bytes that left."""
        again = {"wait_reason": WaitReason.SETTLING, "next_attempt_at": now, "crashes": 0}
        return self._decide("look_again", Q(wait_reason=WaitReason.DECISION), **again, **_NOBODYS)

    def renew_request(self, *, user: User, now: datetime) -> bool:
        """Somebody wants what waits for an admin, still or anew; it is their request from now on."""
        return self._decide("renew_request", Q(wait_reason__in=FOR_ADMIN), requested_by=user, requested_at=now)

    def send_after_all(self, *, user: User, now: datetime) -> bool:
        """A person says that what waited long for an admin is still wanted; it is their request from now on."""
        asked = Q(wait_reason=WaitReason.DECISION, failure=ASKED_LONG_AGO)
        request = {"requested_by": user, "requested_at": now, "next_attempt_at": now, "wait_reason": ""}
        return self._decide("send_after_all", asked, **request, **NO_TRIES, **NO_FAILURE, **_NOBODYS)

    def replace_request(self, request: Mapping[str, object], *, now: datetime) -> bool:
        """A newer form about an update that no worker holds. `request`: the columns that say what is wanted."""
        anew = {"requested_at": now, "next_attempt_at": now, "wait_reason": "", **NO_TRIES, **NO_FAILURE}
        return self._decide("replace_request", Q(kind=Kind.UPDATE, lease_until=None), **request, **anew)

    def reduce_request(self, request: Mapping[str, object]) -> bool:
        """A newer form leaves a part of a waiting update as it is there; the rest waits. As `replace_request`."""
        return self._decide("reduce_request", Q(kind=Kind.UPDATE), **request)

    def request_next(self, request: Mapping[str, object], *, names: Collection[str]) -> bool:
        """A newer form confirmed these properties while a worker is at an update; the company is locked.

        Who has not sent yet sends the newer request; else the transaction that ends this push opens the next one.
        """
        return self._decide("request_next", Q(kind=Kind.UPDATE), **request, again=sorted({*self.again, *names}))

    def cancel(self, *, now: datetime) -> bool:
        """Take the request back while nothing was sent. What is UNKNOWN can never be cancelled."""
        unsent = Q(unknown_since=None, lease_until=None)
        return self._decide("cancel", unsent, finished_at=now, next_attempt_at=None, **_NOBODYS)

    @classmethod
    def cancel_waiting(cls, *, connection: Connection, now: datetime) -> list[int]:
        """Cancel what has not been sent; what was sent goes on. Return the companies it was about."""
        with transaction.atomic():
            waiting = cls.waiting_on(connection).order_by("pk").select_for_update(no_key=True)
            companies = dict(waiting.values_list("pk", "company_id"))
            rows = cls.objects.filter(pk__in=list(companies))
            rows.update(state=_becomes("cancel_waiting"), finished_at=now, **_NOBODYS)
        return list(companies.values())
