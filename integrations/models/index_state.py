"""How far the index of a connection's customers has come (delivery/indexing.py)."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Q

LONGEST_FAILURE = 50
FULL_EVERY = timedelta(hours=24)
_START: dict[str, Any] = {
    "index_pass": "",
    "index_page": 0,
    "index_total": None,
    "index_skipped": 0,
    "index_began_at": None,
    "index_watermark": None,
    "index_next_watermark": None,
    "index_read_at": None,
    "index_full_at": None,
    "index_due_at": None,
    "index_lease_until": None,
    "index_failure": "",
}


class Pass(models.TextChoices):
    """What the index is being read for."""

    FULL = "full"  # every customer
    CHANGES = "changes"  # those that eAccounting changed since the watermark
    MISSING = "missing"  # those that a full pass did not come by, one after the other


class Overtaken(Exception):
    """Somebody else does this step by now, or it is not wanted any more: nothing may be stored."""


class IndexState(models.Model):
    """The state of the index. A pass goes page after page; whoever takes the next step goes on where it stands.

    A step is held by a lease. Its end is the mark of its holder too: every change here names the lease it was made
    under, so that whoever was frozen past it, or erased under it, stores nothing.
    """

    index_pass = models.CharField(max_length=10, choices=Pass.choices, blank=True, default="", db_default="")
    # Of the pass under way, what is read next; of MISSING, how many have been looked for.
    index_page = models.PositiveIntegerField(default=0, db_default=0)
    index_total = models.PositiveIntegerField(null=True, blank=True)  # customers, as eAccounting last said
    index_skipped = models.PositiveIntegerField(default=0, db_default=0)  # in this pass: rows that nobody can read
    index_began_at = models.DateTimeField(null=True, blank=True)  # the pass under way, or the last one
    # eAccounting's clock: from where the next reading of changes has to begin, and the same once this pass is done.
    index_watermark = models.DateTimeField(null=True, blank=True)
    index_next_watermark = models.DateTimeField(null=True, blank=True)
    # As of when it is up to date; before it is filled: when the last pass began that did not name all.
    index_read_at = models.DateTimeField(null=True, blank=True)
    index_full_at = models.DateTimeField(null=True, blank=True)  # when the last full pass began that came to its end
    index_due_at = models.DateTimeField(null=True, blank=True)  # None: at once
    index_lease_until = models.DateTimeField(null=True, blank=True)
    index_failure = models.CharField(max_length=LONGEST_FAILURE, blank=True, default="", db_default="")
    index_erasing = models.BooleanField(default=False, db_default=False)  # an admin wanted the copy erased

    class Meta:
        abstract = True

    @classmethod
    def _rows(cls) -> models.QuerySet[Self]:
        return cls._default_manager.all()

    @property
    def is_index_filled(self) -> bool:
        """Whether every customer was read at least once."""
        return self.index_full_at is not None

    def next_pass(self, *, now: datetime) -> Pass:
        """Return what to read for: the pass under way, or a new one."""
        if self.index_pass:
            return Pass(self.index_pass)
        is_fresh = self.index_full_at is not None and now < self.index_full_at + FULL_EVERY
        return Pass.CHANGES if is_fresh and self.index_watermark else Pass.FULL

    def book_step(self, *, now: datetime, seconds: float) -> bool:
        """Take the next step, which is due. Return False when somebody was faster."""
        free = Q(index_lease_until=None) | Q(index_lease_until__lte=now)
        self.index_lease_until = now + timedelta(seconds=seconds)
        rows = self._rows().filter(free, pk=self.pk)
        return bool(rows.update(index_lease_until=self.index_lease_until))

    def hold_step(self, *, lease: datetime, now: datetime, seconds: float) -> bool:
        """Begin the step that was booked under this lease. Return False when it is somebody else's by now."""
        self.index_lease_until = lease
        return self._write(index_lease_until=now + timedelta(seconds=seconds))

    def go_on(self, *, now: datetime, seconds: float, **fields: Any) -> None:  # any column of this class
        """Record what this step did and hold the next one. Raises Overtaken."""
        self._write_or_stop(index_failure="", index_lease_until=now + timedelta(seconds=seconds), **fields)

    def lock_step(self) -> None:
        """Hold this row until the end of the transaction, while the step is ours. Raises Overtaken.

        A click holds it before it takes a link: whoever takes a link first, and then this row, waits for each other.
        """
        ours = self._rows().filter(pk=self.pk, index_lease_until=self.index_lease_until)
        held = ours.select_for_update(no_key=True).order_by("pk").values_list("pk")
        if self.index_lease_until is None or not held:
            raise Overtaken

    def end_pass(self, *, due: datetime) -> None:
        """The index is as new as the beginning of this pass. Raises Overtaken."""
        self._write_or_stop(
            index_pass="",
            index_page=0,
            index_watermark=self.index_next_watermark,
            index_read_at=self.index_began_at,
            index_due_at=due,
            index_lease_until=None,
            index_failure="",
        )

    def note_filled(self) -> None:
        """Every page of a full pass was read. Raises Overtaken."""
        self._write_or_stop(
            index_full_at=self.index_began_at,
            index_read_at=self.index_began_at,
            index_watermark=self.index_next_watermark,
        )

    def postpone_step(self, *, due: datetime, failure: str, anew: bool = False) -> None:
        """Try the same step again later, or begin the pass `anew`. Nothing happens when it is somebody else's."""
        start: dict[str, Any] = {"index_pass": "", "index_page": 0} if anew else {}
        self._write(index_due_at=due, index_failure=failure[:LONGEST_FAILURE], index_lease_until=None, **start)

    def begin_erasing(self) -> None:
        """Forget how far the index had come; whoever is at a step stores nothing any more."""
        rows = self._rows().filter(pk=self.pk)
        rows.update(**_START, index_erasing=True)

    def end_erasing(self) -> None:
        """What was to be erased is erased. Raises Overtaken."""
        self._write_or_stop(index_erasing=False, index_lease_until=None)

    def _write_or_stop(self, **fields: Any) -> None:
        if not self._write(**fields):
            raise Overtaken

    def _write(self, **fields: Any) -> bool:
        """Write these columns while the step is ours."""
        rows = self._rows().filter(pk=self.pk, index_lease_until=self.index_lease_until)
        if self.index_lease_until is None or not rows.update(**fields):
            return False
        for name, value in fields.items():
            setattr(self, name, value)
        return True
