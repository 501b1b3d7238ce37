"""How far the index of a connection's customers has come (delivery/indexing.py)."""

from datetime import datetime, timedelta

from django.db import models

LONGEST_FAILURE = 50
FULL_EVERY = timedelta(hours=24)


class Pass(models.TextChoices):
    """What the index is being read for."""

    FULL = "full"  # every customer
    CHANGES = "changes"  # those that eAccounting changed since the watermark
    MISSING = "missing"  # those that a full pass did not come by, one after the other


class IndexState(models.Model):
    """The state of the index. A pass reads page after page; whoever comes next goes on where it stands.

    `index_due_at` is when the next page may be read, and at the same time the mark of who may read it: whoever takes a
    step writes a moment of its own there, and stores nothing once it finds another.
    """

    index_pass = models.CharField(max_length=10, choices=Pass.choices, blank=True, default="", db_default="")
    index_page = models.PositiveIntegerField(default=0, db_default=0)  # of the pass under way: what is read next
    index_total = models.PositiveIntegerField(null=True, blank=True)  # customers, as eAccounting last said
    index_skipped = models.PositiveIntegerField(default=0, db_default=0)  # in this pass: rows that nobody can read
    index_began_at = models.DateTimeField(null=True, blank=True)  # the pass under way, or the last one
    # eAccounting's clock: from where the next reading of changes has to begin, and the same once this pass is done.
    index_watermark = models.DateTimeField(null=True, blank=True)
    index_next_watermark = models.DateTimeField(null=True, blank=True)
    index_read_at = models.DateTimeField(null=True, blank=True)  # as of when it is up to date
    index_full_at = models.DateTimeField(null=True, blank=True)  # when the last full pass began that came to its end
    index_due_at = models.DateTimeField(null=True, blank=True)  # None: at once
    index_failure = models.CharField(max_length=LONGEST_FAILURE, blank=True, default="", db_default="")

    class Meta:
        abstract = True

    @property
    def is_index_filled(self) -> bool:
        """Whether every customer was read at least once."""
        return self.index_full_at is not None

    def needs_full_pass(self, *, now: datetime) -> bool:
        """Whether all customers are to be read, not only the changed ones."""
        return self.index_full_at is None or self.index_watermark is None or now >= self.index_full_at + FULL_EVERY
