"""The database's own clock, moved by hand: every `database_now()` of the product reads it, and nobody waits.

The engine's time is PostgreSQL's `clock_timestamp()`. A function of that name in a schema that comes before
pg_catalog answers instead, for this database only: no line of the product knows of it. It counts in a sequence, so
it runs on by a millisecond with each look, in all connections, whatever is rolled back, and the same in each run.
The schema `kept` is for the rows that every run begins with. Python's clock (the sandbox's, and `auto_now_add`) is
set to the same time at each step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import time_machine
from django.db import connection

START = datetime(2030, 3, 4, 8, tzinfo=UTC)
_SETUP = f"""
create schema machine;
create schema kept;
create sequence machine.ticks minvalue 0;
create function machine.clock_timestamp() returns timestamptz language sql volatile as
$$ select timestamptz '{START.isoformat()}' + nextval('machine.ticks') * interval '1 millisecond' $$;
"""


class HandClock:
    """The one clock of a run."""

    def __init__(self, python: time_machine.Traveller) -> None:
        self._python = python

    def start_over(self) -> None:
        """Go back to a minute after the beginning, which lies after all that was prepared."""
        self._set("select setval('machine.ticks', 60000)")

    def forward(self, seconds: float) -> datetime:
        """Let time pass; return what it is then."""
        return self._set(f"select setval('machine.ticks', nextval('machine.ticks') + {max(0, int(seconds * 1000))})")

    def now(self) -> datetime:
        """Return the time, and set Python's clock to it."""
        return self.forward(0)

    def _set(self, statement: str) -> datetime:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            now = START + timedelta(milliseconds=cursor.fetchone()[0])
        self._python.move_to(now)
        return now


@contextmanager
def hand_clock() -> Iterator[HandClock]:
    """Put the clock into the test database, and take it out again."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute("drop schema if exists machine, kept cascade")
        cursor.execute(_SETUP)
        cursor.execute(f"alter database {name} set search_path = machine, pg_catalog, public")
    connection.close()  # the next session begins with that path
    try:
        with time_machine.travel(START, tick=False) as python:
            yield HandClock(python)
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(f"alter database {name} reset search_path")
            cursor.execute("drop schema machine, kept cascade")
        connection.close()
