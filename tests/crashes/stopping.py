"""A process that starts children, lets them refresh a token, and asks them to stop at a moment.

It reads "connection seconds" lines and answers each with the child's exit status and how many seconds it lived; with
negative seconds nobody asks it. The children heed signals as those of a Celery worker do. The parent never opens a
database connection, so that they inherit none.
"""

import os
import signal
import sys
import time

from billiard.common import reset_signals

from integrations.access import tokens
from integrations.clock import database_now

PROGRAM = "import django; django.setup(); from tests.crashes.stopping import main; main()"
STOPPED = 3


def refresh_and_end(connection_id: int) -> None:
    """Get a token, as a delivery does; never return."""
    status = 1
    try:
        reset_signals(full=True)
        tokens.access(connection_id, clock=database_now, patience=5.0)
        status = 0
    except SystemExit:
        status = STOPPED
    finally:
        os._exit(status)


def stop_one(connection_id: int, seconds: float) -> tuple[int, float]:
    """Start a child, ask it to stop after so many seconds; return its exit status and how long it lived."""
    began, process = time.monotonic(), os.fork()
    if process == 0:
        refresh_and_end(connection_id)
    if seconds >= 0:
        time.sleep(seconds)
        os.kill(process, signal.SIGTERM)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status, time.monotonic() - began


def main() -> None:
    """Do what is asked, one line at a time, until the input ends."""
    for line in sys.stdin:
        connection_id, seconds = line.split()
        status, lived = stop_one(int(connection_id), float(seconds))
        sys.stdout.write(f"{status} {lived:.4f}\n")
        sys.stdout.flush()
