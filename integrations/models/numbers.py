"""Who numbers new customers: eAccounting with its series, or we with a prefix and the push's id."""

import re
from datetime import datetime

from django.db import models

LONGEST_NUMBER = 16  # docs/eaccounting/openapi.yaml, CustomerNumber
LONGEST_PREFIX = 5
# A letter first keeps our numbers out of eAccounting's own series, no digit last keeps prefix and id apart.
PREFIX = re.compile(r"[A-Z](?:[A-Z0-9-]{0,3}[A-Z-])?", re.ASCII)
MOST_NUMBERS = 5  # tried for one customer before a person is told


def number_of(*, prefix: str, push_id: int, given_up: int) -> str:
    """Return the customer number of a push after some were found taken: LG17, LG17-2 …; blank when none is left."""
    number = f"{prefix}{push_id}" + (f"-{given_up + 1}" if given_up else "")
    return number if given_up < MOST_NUMBERS and len(number) <= LONGEST_NUMBER else ""


class NumberSeries(models.Model):
    """What a connection knows about customer numbers, and what its admin chose."""

    number_prefix = models.CharField(max_length=LONGEST_PREFIX, blank=True, default="", db_default="")
    # Whether eAccounting refuses a number that is in use; `eaccounting_smoke --write` finds out. None: never asked.
    duplicates_refused = models.BooleanField(null=True, blank=True)
    duplicates_asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def own_prefix(self) -> str:
        """The prefix of our own customer numbers; blank when eAccounting numbers new customers."""
        return self.number_prefix if self.duplicates_refused else ""

    def note_duplicates(self, *, refused: bool, now: datetime) -> None:
        """Record whether eAccounting refuses a customer number in use. Without that our numbers prove nothing."""
        self.duplicates_refused, self.duplicates_asked_at = refused, now
        self.save(update_fields=["duplicates_refused", "duplicates_asked_at"])

    def choose_numbers(self, *, prefix: str) -> None:
        """Let new customers get numbers with this prefix; blank lets eAccounting number them."""
        self.number_prefix = prefix
        self.save(update_fields=["number_prefix"])
