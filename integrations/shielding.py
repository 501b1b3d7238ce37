"""Work that must not be cut off halfway by being asked to stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

# What supervisors, terminals and Celery (its soft time limit) send. They are delivered when the shield is gone.
_HELD_BACK = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1}


@contextmanager
def shielded() -> Iterator[None]:
    """Hold back every signal that asks this thread to stop, until the end. SIGKILL cannot be held back.

    A supervisor that signals a whole group of processes (systemd does by default) reaches the children of a worker
    directly, and these end at once: Celery lets only its parent wait for them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
