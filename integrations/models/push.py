"""The outbox: one wish of a person, and how far it has come. The row is the truth, a message only a poke."""

from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User
from companies.models import Company, Contact
from integrations.models.connection import Connection, TermsOfPayment

CRASHES_ALLOWED = 3


class LostLease(Exception):
    """Another worker has taken this row over: nothing may be written or sent any more."""


class Kind(models.TextChoices):
    CREATE = "create", _("Add as customer")
    UPDATE = "update", _("Update the information")


class PushState(models.TextChoices):
    """WAITING → SENDING → DONE, or UNKNOWN (bytes left, no readable answer), FAILED, CANCELLED."""

    WAITING = "waiting", _("Waiting")
    SENDING = "sending", _("Sending")
    UNKNOWN = "unknown", _("Checking")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


OPEN = (PushState.WAITING, PushState.SENDING, PushState.UNKNOWN)


class WaitReason(models.TextChoices):
    """Why an open push does not move now. The last three only move when a person does something."""

    RETRY = "retry", _("Visma eAccounting could not be reached")
    BUDGET = "budget", _("Too many calls at the moment")
    SETTLING = "settling", _("The answer was lost")
    TWIN = "twin", _("An equal customer is being created")
    DECISION = "decision", _("A person has to decide")
    CONNECTION = "connection", _("The connection does not work")
    TERMS = "terms", _("Terms of payment have to be chosen")


class Push(models.Model):
    """A create or an update of one customer.

    A worker holds the row by a lease and a fence: each claim raises the fence, and every write of a
    worker names the fence it holds, so that a worker that was frozen past its lease writes nothing.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="+")
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    groups = models.JSONField(default=list)  # of an update: which parts of the customer it carries
    state = models.CharField(max_length=10, choices=PushState.choices, default=PushState.WAITING)
    wait_reason = models.CharField(max_length=20, choices=WaitReason.choices, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)  # None: only a person or an event moves it
    again_at = models.DateTimeField(null=True, blank=True)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(auto_now_add=True)

    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)

    contact = models.ForeignKey(Contact, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    terms = models.ForeignKey(TermsOfPayment, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    create_anyway = models.BooleanField(default=False)
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
            models.UniqueConstraint(fields=["company"], condition=Q(state__in=OPEN), name="push_one_open_per_company"),
            models.UniqueConstraint(
                fields=["connection", "fingerprint"],
                condition=Q(kind="create", state__in=("sending", "unknown")),
                name="push_no_twin_create",
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(state__in=OPEN), name="push_due"),
            models.Index(fields=["connection"], condition=Q(state__in=OPEN), name="push_open_of_connection"),
            models.Index(fields=["company", "-id"], name="push_company"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.state})"

    @property
    def is_open(self) -> bool:
        """Whether this wish is still under way."""
        return self.state in OPEN

    # --- Which rows -------------------------------------------------------------------------------

    @classmethod
    def open_of(cls, company: Company) -> "Push | None":
        """Return the company's push that is under way, or None."""
        return cls.objects.filter(company=company, state__in=OPEN).first()

    @classmethod
    def due(cls, *, now: datetime, limit: int) -> list[int]:
        """Return the ids of rows that a worker can move now, the longest waiting first."""
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        rows = cls.objects.filter(free, state__in=OPEN, next_attempt_at__lte=now)
        return list(rows.order_by("next_attempt_at").values_list("pk", flat=True)[:limit])

    @classmethod
    def pull_forward(cls, *, connection: Connection, now: datetime) -> None:
        """Make the rows that wait for this connection due at once."""
        waiting = cls.objects.filter(connection=connection, state__in=OPEN, lease_until=None)
        waiting.filter(Q(wait_reason=WaitReason.CONNECTION) | Q(wait_reason=WaitReason.RETRY)).update(
            next_attempt_at=now
        )

    @classmethod
    def waiting_on(cls, connection: Connection) -> models.QuerySet["Push"]:
        """The rows of a connection of which nothing has been sent."""
        return cls.objects.filter(connection=connection, state=PushState.WAITING, unknown_since=None)

    @classmethod
    def cancel_waiting(cls, *, connection: Connection, now: datetime) -> int:
        """Cancel what has not been sent; what was sent goes on. Return how many."""
        return cls.waiting_on(connection).update(
            state=PushState.CANCELLED, finished_at=now, lease_until=None, fence=F("fence") + 1
        )

    @classmethod
    def claim(cls, push_id: int, *, now: datetime, seconds: float) -> "Push | None":
        """Take the row for this worker, or return None: finished, not due, or held by another.

        A row whose last holder let its lease run out while SENDING becomes UNKNOWN: its bytes may have left.
        """
        free = Q(lease_until=None) | Q(lease_until__lt=now)
        with transaction.atomic():
            rows = cls.objects.select_for_update(skip_locked=True).filter(
                free, state__in=OPEN, next_attempt_at__lte=now
            )
            push = rows.filter(pk=push_id).first()
            if push is None:
                return None
            if push.state == PushState.SENDING:
                push.state, push.unknown_since = PushState.UNKNOWN, push.send_by
            push.crashes += push.lease_until is not None
            push.fence += 1
            push.attempts += 1
            push.lease_until = now + timedelta(seconds=seconds)
            push.save(update_fields=["state", "unknown_since", "crashes", "fence", "attempts", "lease_until"])
        return push

    # --- What a worker that holds the row may do ----------------------------------------------------

    def hold(self) -> None:
        """Lock the row for the rest of this transaction. Raises LostLease when it is another's by now."""
        mine = Push.objects.select_for_update().filter(pk=self.pk, fence=self.fence, state__in=OPEN)
        if not mine.exists():
            raise LostLease

    def _write(self, **fields: Any) -> None:  # any column
        if not Push.objects.filter(pk=self.pk, fence=self.fence, state__in=OPEN).update(**fields):
            raise LostLease
        for name, value in fields.items():
            setattr(self, name, value)

    def renew(self, *, now: datetime, seconds: float) -> None:
        """Hold the row for this much longer, from now. Raises LostLease."""
        self._write(lease_until=now + timedelta(seconds=seconds))

    def remember_look(self, *, looked_at: datetime, seen_ids: list[str]) -> None:
        """Keep eAccounting's clock and the customers that were there before a create. Raises LostLease."""
        self._write(looked_at=looked_at, seen_ids=seen_ids)

    def begin_sending(
        self, *, payload: dict[str, Any] | None, values: dict[str, str], fingerprint: str, send_by: datetime
    ) -> None:
        """Record that the bytes are about to leave. Raises LostLease, IntegrityError for a twin create."""
        self._write(
            state=PushState.SENDING,
            payload=payload,
            values=values,
            fingerprint=fingerprint,
            send_by=send_by,
            unknown_since=None,
            wait_reason="",
        )

    def wait(self, reason: WaitReason, *, until: datetime | None, failure: dict[str, Any] | None = None) -> None:
        """Give the row back until a time, or until something moves it. Raises LostLease."""
        state = self.state if self.state == PushState.UNKNOWN else PushState.WAITING
        why = failure or {"failure": "", "failure_parameters": {}, "failure_detail": "", "error_id": ""}
        self._write(state=state, wait_reason=reason, next_attempt_at=until, lease_until=None, crashes=0, **why)

    def lose_answer(self, *, now: datetime, until: datetime, failure: dict[str, Any]) -> None:
        """Record that the bytes left and nobody knows what became of them. Raises LostLease."""
        self._write(
            state=PushState.UNKNOWN,
            unknown_since=now,
            wait_reason=WaitReason.SETTLING,
            next_attempt_at=until,
            lease_until=None,
            crashes=0,
            **failure,
        )

    def prove_absent(self) -> None:
        """Leave UNKNOWN: it is certain that nothing was stored, so it may be sent again. Raises LostLease."""
        self._write(state=PushState.WAITING, unknown_since=None, payload=None, fingerprint="", candidates=[])

    def ask_person(self, *, candidates: list[dict[str, Any]]) -> None:
        """Stop until a person decides between these customers. Raises LostLease."""
        self.wait(WaitReason.DECISION, until=None)
        Push.objects.filter(pk=self.pk).update(candidates=candidates)

    def finish(self, *, now: datetime) -> None:
        """Record that eAccounting holds what was wished. Raises LostLease."""
        self._write(
            state=PushState.DONE, finished_at=now, lease_until=None, wait_reason="", next_attempt_at=None, failure=""
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

    def decide_create_anyway(self, *, now: datetime) -> bool:
        """A person saw the candidates and wants a new customer all the same."""
        rows = Push.objects.filter(state__in=OPEN, wait_reason=WaitReason.DECISION)
        return self._decide(
            rows,
            state=PushState.WAITING,
            create_anyway=True,
            wait_reason="",
            next_attempt_at=now,
            unknown_since=None,
            candidates=[],
        )

    def decide_link(self, *, now: datetime) -> bool:
        """A person chose one of the candidates; the link is made in the same transaction."""
        rows = Push.objects.filter(state__in=OPEN, wait_reason=WaitReason.DECISION)
        return self._decide(rows, state=PushState.DONE, finished_at=now, wait_reason="", next_attempt_at=None)

    def look_again(self, *, now: datetime) -> bool:
        """A person wants another look at what became of bytes that left."""
        rows = Push.objects.filter(state=PushState.UNKNOWN, wait_reason=WaitReason.DECISION)
        return self._decide(rows, wait_reason=WaitReason.SETTLING, next_attempt_at=now, crashes=0)

    def cancel(self, *, now: datetime) -> bool:
        """Take the wish back while nothing was sent. What is UNKNOWN can never be cancelled."""
        rows = Push.objects.filter(state=PushState.WAITING, unknown_since=None, lease_until=None)
        return self._decide(rows, state=PushState.CANCELLED, finished_at=now, next_attempt_at=None)

    def replace_wish(self, *, groups: list[str], contact: Contact | None, user: User, now: datetime) -> bool:
        """A newer click on a waiting update: the newest wish wins."""
        rows = Push.objects.filter(kind=Kind.UPDATE, state=PushState.WAITING, lease_until=None)
        wish = {"groups": sorted({*self.groups, *groups}), "contact": contact, "requested_by": user}
        return bool(rows.filter(pk=self.pk).update(**wish, next_attempt_at=now))

    def ask_again(self, *, groups: list[str], contact: Contact | None, now: datetime) -> None:
        """A newer click on an update that is being sent: the finishing transaction opens the next one."""
        wish = {"groups": sorted({*self.groups, *groups}), "contact": contact}
        Push.objects.filter(pk=self.pk, state__in=OPEN).update(again_at=now, **wish)
