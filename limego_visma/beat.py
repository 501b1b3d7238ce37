"""The scheduler of periodic tasks. It counts elapsed seconds and ignores the time of day."""

import logging
import math
import time

from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.schedules import schedstate, schedule
from django.core.exceptions import ImproperlyConfigured
from kombu import Producer

TOLERANCE = 0.05  # seconds that Celery may ask too early
logger = logging.getLogger(__name__)


class SteadyScheduler(Scheduler):
    """Sends each task every so many seconds, even when the host's clock is set back or forward.

    Celery's own scheduler compares times of day: set back by an hour, it would not sweep for an hour. Nothing is kept
    on disk; after a start everything is due within its interval. (`_when` and `is_due` are how Celery 5.7 asks.)
    """

    def setup_schedule(self) -> None:
        """Load the schedule from the settings."""
        self._ran_at: dict[str, float] = {}
        self._is_broken = False
        self.merge_inplace(self.app.conf.beat_schedule)

    def apply_entry(self, entry: ScheduleEntry, producer: Producer | None = None) -> None:
        """Send a task; log one line when that stops working, and one when it works again.

        Celery's own scheduler logs 14 KB for each message that it cannot send: 74 MB in half an hour without a broker.
        """
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except SchedulingError as error:
            if not self._is_broken:
                logger.error("Nothing is asked for until this works again: %s", error)  # noqa: TRY400  # no traceback
            self._is_broken = True
        else:
            if self._is_broken:
                logger.warning("Periodic tasks are asked for again.")
            self._is_broken = False

    def is_due(self, entry: ScheduleEntry) -> schedstate:
        """Return whether an entry is due, and in how many seconds to ask again."""
        every = self._seconds(entry)
        left = self._ran_at.get(str(entry.name), -math.inf) + every - time.monotonic()
        if left > TOLERANCE:
            return schedstate(is_due=False, next=left)
        self._ran_at[str(entry.name)] = time.monotonic()
        return schedstate(is_due=True, next=every)

    @staticmethod
    def _seconds(entry: ScheduleEntry) -> float:
        if not isinstance(entry.schedule, schedule):
            raise ImproperlyConfigured(f"{entry.name} has to be asked for every so many seconds")
        seconds: float = entry.schedule.run_every.total_seconds()  # type: ignore[attr-defined]  # missing in the stubs
        return seconds

    def _when(self, entry: ScheduleEntry, next_time_to_run: float | None, mktime: object = None) -> float:  # noqa: ARG002  # Celery's signature
        """Return the sort key of an entry."""
        return time.monotonic() + (next_time_to_run or 0)
