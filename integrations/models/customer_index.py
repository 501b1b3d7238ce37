"""How far the index of a connection's customers has come (delivery/indexing.py)."""

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
    MISSING = "missing"  # those that a full pass did not come by, one after the other


class Overtaken(Exception):
    """Somebody else does this step by now, or it is not wanted any more: nothing may be stored."""


class CustomerIndex(models.Model):
    """The state of the index. A pass goes page after page; whoever takes the next step goes on where it stands.

    A row of its own beside the connection's, which every click locks: a page is stored while this one is held.
    A step is held by a lease. Its end is the mark of its holder too: every change here names the lease it was made
    under, so that whoever was frozen past it, or erased under it, stores nothing.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="customer_index")
    # The pass under way; "" between two of them.
    reading = models.CharField(max_length=10, choices=Pass.choices, blank=True, default="", db_default="")
    # Of the pass under way, what is read next; of MISSING, how many have been looked for.
    page = models.PositiveIntegerField(default=0, db_default=0)
    total = models.PositiveIntegerField(null=True, blank=True)  # customers, as eAccounting last said
    skipped = models.PositiveIntegerField(default=0, db_default=0)  # in this pass: rows that nobody can read
    began_at = models.DateTimeField(null=True, blank=True)  # the pass under way, or the last one
    # eAccounting's clock: from where the next reading of changes has to begin, and the same once this pass is done.
    watermark = models.DateTimeField(null=True, blank=True)
    next_watermark = models.DateTimeField(null=True, blank=True)
    # As of when it is up to date; before it is filled: when the last pass began that did not name all.
    read_at = models.DateTimeField(null=True, blank=True)
    full_at = models.DateTimeField(null=True, blank=True)  # when the last full pass began that came to its end
    due_at = models.DateTimeField(null=True, blank=True)  # None: at once
    lease_until = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=LONGEST_FAILURE, blank=True, default="", db_default="")
    erasing = models.BooleanField(default=False, db_default=False)  # an admin wanted the copy erased

    def __str__(self) -> str:
        return f"index of connection {self.connection_id}"

    @classmethod
    def of(cls, connection: Connection) -> "CustomerIndex":
        """Return the index of a connection as it was when that was read; one never connected has one not begun.

        No further query where the connection was read with `customer_index`.
        """
        known = getattr(connection, "customer_index", None)
        return known or cls(account_id=connection.account_id, connection=connection)

    @classmethod
    def resume(cls, connection: Connection) -> None:
        """Let the index of a company that was connected just now begin, or go on at once where it stood.

        What an admin wanted erased is fetched anew from now on.
        """
        CustomerIndex.objects.bulk_create(
            [CustomerIndex(account_id=connection.account_id, connection=connection)],
            update_conflicts=True,
            unique_fields=["connection"],
            update_fields=["erasing", "due_at", "failure"],
        )

    @classmethod
    def due(cls, *, now: datetime) -> models.QuerySet["CustomerIndex"]:
        """Those whose next step may be taken: terms come first, a blocked connection waits."""
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
        """The rows with their connections, without the tokens of these (`Connection.without_tokens`)."""
        rows = cls.objects.select_related("connection")
        return rows.defer("connection__access_token", "connection__refresh_token")

    @property
    def is_filled(self) -> bool:
        """Whether every customer was read at least once."""
        return self.full_at is not None

    def next_pass(self, *, now: datetime) -> Pass:
        """Return what to read for: the pass under way, or a new one."""
        if self.reading:
            return Pass(self.reading)
        is_fresh = self.full_at is not None and now < self.full_at + FULL_EVERY
        return Pass.CHANGES if is_fresh and self.watermark else Pass.FULL

    def book_step(self, *, now: datetime, seconds: float) -> bool:
        """Take the next step, which is due. Return False when somebody was faster."""
        free = Q(lease_until=None) | Q(lease_until__lte=now)
        self.lease_until = now + timedelta(seconds=seconds)
        rows = CustomerIndex.objects.filter(free, pk=self.pk)
        return bool(rows.update(lease_until=self.lease_until))

    def hold_step(self, *, lease: datetime, now: datetime, seconds: float) -> bool:
        """Begin the step that was booked under this lease. Return False when it is somebody else's by now."""
        self.lease_until = lease
        return self._write(lease_until=now + timedelta(seconds=seconds))

    def go_on(self, *, now: datetime, seconds: float, **fields: Any) -> None:  # any column of this class
        """Record what this step did and hold the next one. Raises Overtaken."""
        self._write_or_stop(failure="", lease_until=now + timedelta(seconds=seconds), **fields)

    def lock_step(self) -> None:
        """Hold this row until the end of the transaction, while the step is ours. Raises Overtaken."""
        ours = CustomerIndex.objects.filter(pk=self.pk, lease_until=self.lease_until)
        held = ours.select_for_update(no_key=True).order_by("pk").values_list("pk")
        if self.lease_until is None or not held:
            raise Overtaken

    def end_pass(self, *, due: datetime) -> None:
        """The index is as new as the beginning of this pass. Raises Overtaken."""
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
        """Every page of a full pass was read. Raises Overtaken."""
        self._write_or_stop(full_at=self.began_at, read_at=self.began_at, watermark=self.next_watermark)

    def postpone_step(self, *, due: datetime, failure: str, anew: bool = False) -> None:
        """Try the same step again later, or begin the pass `anew`. Nothing happens when it is somebody else's."""
        start: dict[str, Any] = {"reading": "", "page": 0} if anew else {}
        self._write(due_at=due, failure=failure[:LONGEST_FAILURE], lease_until=None, **start)

    @classmethod
    def begin_erasing(cls, connection: Connection) -> None:
        """Forget how far the index had come; whoever is at a step stores nothing any more."""
        cls.objects.filter(connection=connection).update(**_START, erasing=True)

    def end_erasing(self) -> None:
        """What was to be erased is erased. Raises Overtaken."""
        self._write_or_stop(erasing=False, lease_until=None)

    def _write_or_stop(self, **fields: Any) -> None:
        if not self._write(**fields):
            raise Overtaken

    def _write(self, **fields: Any) -> bool:
        """Write these columns while the step is ours."""
        rows = CustomerIndex.objects.filter(pk=self.pk, lease_until=self.lease_until)
        if self.lease_until is None or not rows.update(**fields):
            return False
        for name, value in fields.items():
            setattr(self, name, value)
        return True
