"""One holder at a time for an account's tokens, across all hosts; and no refresh is interrupted halfway."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, connections

from integrations.database import sqlstate_of

_LOCK_TIMEOUT = "55P03"
# The first half of our advisory locks' keys.
_TOKENS = 0x656163  # "eac"
_CREATES = 0x656164


class LockTaken(Exception):
    """Somebody else held the lock for as long as the caller was willing to wait."""


@contextmanager
def token_lock(account_id: int, *, patience: float) -> Iterator[None]:
    """Hold the lock on the tokens of an account's connections, waiting at most `patience` seconds for it.

    It is a session lock on a database connection of its own: it outlives transactions and dies with its
    holder. (A pooler in transaction mode between us and PostgreSQL would break it.) Raises LockTaken, and
    OperationalError when the database is away.
    """
    session = connections.create_connection("default")
    try:
        with session.cursor() as cursor:
            cursor.execute("select set_config('lock_timeout', %s, false)", [f"{max(1, int(patience * 1000))}ms"])
            try:
                cursor.execute("select pg_advisory_lock(%s, %s)", [_TOKENS, account_id])
            except OperationalError as error:
                if sqlstate_of(error) != _LOCK_TIMEOUT:
                    raise
                raise LockTaken from error
            yield
    finally:
        session.close()  # and so the lock


def lock_creates(connection_id: int) -> None:
    """Wait until no other transaction is about to begin a create on this connection; held until ours ends."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%s, %s)", [_CREATES, connection_id])


# What supervisors, terminals and Celery (its soft time limit) send. They are delivered when the shield is gone.
_HELD_BACK = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1}


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back every signal that asks this thread to stop, until the block ends. SIGKILL cannot be held back.

    A supervisor that signals a whole process group (systemd does by default) reaches the worker's children directly,
    and these stop at once: Celery lets only its parent process wait for them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
