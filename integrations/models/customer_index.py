"""The state of the index: how far the copy of a connection's customers is (delivery/customer_index.py)."""

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from integrations.models.connection import Connection

LONGEST_FAILURE = 50
FULL_EVERY = timedelta(hours=24)
_START: dict[str, Any] = {
    "reading": "",
    "page": 0,
    "total": None,
    "skipped": 0,
    "began_at": None,
    "watermark": None,
    "next_watermark": None,
    "read_at": None,
    "full_at": None,
    "due_at": None,
    "lease_until": None,
    "failure": "",
}


class Pass(models.TextChoices):
    """What the index is being read for."""

    FULL = "full"  # every customer
    CHANGES = "changes"  # those that eAccounting changed since the watermark
    MISSING = "missing"  # those that no page of a full pass returned, one by one


class Overtaken(Exception):
    """Somebody else holds this step now, or it is no longer wanted: nothing may be stored."""


class CustomerIndex(models.Model):
    """The state of a connection's index. A pass goes page after page; the next step goes on where it stands.

    A row of its own beside the connection's, because every click locks that one while a page may take long to store. A
    step is held by a lease. Its end also identifies the holder: every change names the lease that it was made under,
    so that a holder who was frozen past its end, or whose index was erased, stores nothing.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="customer_index")
    # The pass under way; "" between two passes.
    reading = models.CharField(max_length=10, choices=Pass.choices, blank=True, default="", db_default="")
    # The page to read next; in a MISSING pass, how many customers have been asked for.
    page = models.PositiveIntegerField(default=0, db_default=0)
    total = models.PositiveIntegerField(null=True, blank=True)  # customers in all, as eAccounting last answered
    skipped = models.PositiveIntegerField(default=0, db_default=0)  # rows of this pass that could not be read
    began_at = models.DateTimeField(null=True, blank=True)  # of the pass under way, or of the last one
    # By eAccounting's clock: from when to read changes next, and the same once this pass is done.
    watermark = models.DateTimeField(null=True, blank=True)
    next_watermark = models.DateTimeField(null=True, blank=True)
    # The time as of which it is complete; until it is filled, when the last incomplete pass began.
    read_at = models.DateTimeField(null=True, blank=True)
    full_at = models.DateTimeField(null=True, blank=True)  # when the last completed full pass began
    due_at = models.DateTimeField(null=True, blank=True)  # None: due at once
    lease_until = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=LONGEST_FAILURE, blank=True, default="", db_default="")
    erasing = models.BooleanField(default=False, db_default=False)  # set when an admin wants the copy erased

    def __str__(self) -> str:
        return f"index of connection {self.connection_id}"

    @classmethod
    def of(cls, connection: Connection) -> "CustomerIndex":
        """Return the index that was loaded with a connection; a new, unsaved one for a connection that never had one.

        No further query if the connection was loaded with `customer_index`.
        """
        known = getattr(connection, "customer_index", None)
        return known or cls(account_id=connection.account_id, connection=connection)

    @classmethod
    def resume(cls, connection: Connection) -> None:
        """Begin the index of a company that was just connected, or go on at once where it stopped.

        A copy that an admin wanted erased is fetched again.
        """
        CustomerIndex.objects.bulk_create(
            [CustomerIndex(account_id=connection.account_id, connection=connection)],
            update_conflicts=True,
            unique_fields=["connection"],
            update_fields=["erasing", "due_at", "failure"],
        )

    @classmethod
    def due(cls, *, now: datetime) -> models.QuerySet["CustomerIndex"]:
        """Return the indexes whose next step may be taken: after terms were read, and only while calls can be made."""
        is_time = Q(due_at=None) | Q(due_at__lte=now)
        works = Q(
            connection__state=Connection.State.CONNECTED,
            connection__blocked_reason="",
            connection__terms_read_at__isnull=False,
        )
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        rows = cls.objects.filter(works & is_time | Q(erasing=True), free)
        return rows.order_by(F("due_at").asc(nulls_first=True), "connection")

    @classmethod
    def with_connection(cls) -> models.QuerySet["CustomerIndex"]:
        """Return the rows with their connections, these without tokens (`Connection.without_tokens`)."""
        rows = cls.objects.select_related("connection")
        return rows.defer("connection__access_token", "connection__refresh_token")

    @property
    def is_filled(self) -> bool:
        """Whether every customer was read at least once."""
        return self.full_at is not None

    def next_pass(self, *, now: datetime) -> Pass:
        """Return the pass to go on with: the one under way, or a new one."""
        if self.reading:
            return Pass(self.reading)
        is_fresh = self.full_at is not None and now < self.full_at + FULL_EVERY
        return Pass.CHANGES if is_fresh and self.watermark else Pass.FULL

    def book_step(self, *, now: datetime, seconds: float) -> bool:
        """Book the next step. Return False when somebody was faster."""
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        self.lease_until = now + timedelta(seconds=seconds)
        rows = CustomerIndex.objects.filter(free, pk=self.pk)
        return bool(rows.update(lease_until=self.lease_until))

    def hold_step(self, *, lease: datetime, now: datetime, seconds: float) -> bool:
        """Begin the step that was booked under this lease. Return False when somebody else holds it now."""
        self.lease_until = lease
        return self._write(lease_until=now + timedelta(seconds=seconds))

    def go_on(self, *, now: datetime, seconds: float, **fields: Any) -> None:  # values for any column of this class
        """Record the result of this step, and hold the next one. Raises Overtaken."""
        self._write_or_stop(failure="", lease_until=now + timedelta(seconds=seconds), **fields)

    def lock_step(self) -> None:
        """Lock this row until the end of the transaction, if the step is still ours. Raises Overtaken."""
        ours = CustomerIndex.objects.filter(pk=self.pk, lease_until=self.lease_until)
        held = ours.select_for_update(no_key=True).order_by("pk").values_list("pk")
        if self.lease_until is None or not held:
            raise Overtaken

    def end_pass(self, *, due: datetime) -> None:
        """End the pass: the index is complete as of its beginning. Raises Overtaken."""
        self._write_or_stop(
            reading="",
            page=0,
            watermark=self.next_watermark,
            read_at=self.began_at,
            due_at=due,
            lease_until=None,
            failure="",
        )

    def note_filled(self) -> None:
        """Record that every page of a full pass was read. Raises Overtaken."""
        self._write_or_stop(full_at=self.began_at, read_at=self.began_at, watermark=self.next_watermark)

    def postpone_step(self, *, due: datetime, failure: str, anew: bool = False) -> None:
        """Try the same step again later, or begin the pass `anew`. Does nothing when somebody else holds the step."""
        start: dict[str, Any] = {"reading": "", "page": 0} if anew else {}
        self._write(due_at=due, failure=failure[:LONGEST_FAILURE], lease_until=None, **start)

    @classmethod
    def begin_erasing(cls, connection: Connection) -> None:
        """Forget how far the index has come, so that whoever holds a step stores nothing any more."""
        cls.objects.filter(connection=connection).update(**_START, erasing=True)

    def end_erasing(self) -> None:
        """Record that everything to be erased is erased. Raises Overtaken."""
        self._write_or_stop(erasing=False, lease_until=None)

    def _write_or_stop(self, **fields: Any) -> None:
        if not self._write(**fields):
            raise Overtaken

    def _write(self, **fields: Any) -> bool:
        """Write these columns if the step is still ours."""
        rows = CustomerIndex.objects.filter(pk=self.pk, lease_until=self.lease_until)
        if self.lease_until is None or not rows.update(**fields):
            return False
        for name, value in fields.items():
            setattr(self, name, value)
        return True
