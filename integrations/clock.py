"""The clock of deliveries: the database's, so that all hosts agree on what is due."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Clock = Callable[[], datetime]


def database_now() -> datetime:
    """Return the database's time, also inside a transaction (where now() stands still)."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def ticking() -> Clock:
    """Return a clock that asks the database once and then counts on its own, for the seconds that a delivery takes.

    It also counts the time that the host was asleep, where the system offers such a clock (Linux).
    """
    read, began = database_now(), time.clock_gettime(_SINCE_BOOT)
    return lambda: read + timedelta(seconds=time.clock_gettime(_SINCE_BOOT) - began)
