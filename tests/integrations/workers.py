"""Real Celery workers, as processes against the database, Redis and sandbox of the tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

LONGEST = 120.0  # seconds; a net for what never comes, not a measure: a busy machine may take its time
# For tests that wait until the lease of a worker that was killed is over. A busy machine may end a call sooner than a
# fault does: then it is found out what became of it, as after any other call without an answer.
SHORT_LEASES = {
    "EACCOUNTING_CALL_SECONDS": "2",
    "EACCOUNTING_TOKEN_SECONDS": "3",
    "EACCOUNTING_SEND_BY_SECONDS": "1",
}
QUEUES = "clicks,bulk,sweep,upkeep"


def until(true: Callable[[], bool], *, what: str, seconds: float = LONGEST) -> None:
    """Wait until something is true, no longer than it takes. Raises AssertionError when it never comes."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for: {what}"
        time.sleep(0.05)


class Workers:
    """One worker with some processes, and on wish the clock (beat) that lets the sweeper run every second."""

    def __init__(
        self,
        *,
        folder: Path,
        api_url: str,
        identity_url: str,
        processes: int = 2,
        beat: bool = True,
        app: str = "limego_visma",
        settings: Mapping[str, str] | None = None,
        queues: str = QUEUES,
    ) -> None:
        self._log = folder / f"worker-{time.monotonic_ns()}.log"
        self._beat = ["--beat"] if beat else []
        self._processes, self._app, self._queues = processes, app, queues
        self._environment = {
            **os.environ,
            "DATABASE_URL": self.database_url(),
            "EACCOUNTING_API_URL": api_url,
            "EACCOUNTING_IDENTITY_URL": identity_url,
            "EACCOUNTING_RATE_LIMIT": "600000",
            "EACCOUNTING_SWEEP_SECONDS": "1",
            **(settings or {}),
        }

    @staticmethod
    def database_url() -> str:
        """The address of the database that the tests use, not of the one it was made from."""
        parts = urlsplit(os.environ["DATABASE_URL"])
        return urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to work beside these workers."""
        return self._environment

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "celery", "--app", self._app, "worker", "--loglevel", "INFO"]
        command += ["--queues", self._queues, "--concurrency", str(self._processes), *self._beat]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        until(lambda: b" ready." in self._log.read_bytes(), what="the worker to start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it and its children at once, as a power cut does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self, *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Ask it to end, as a release does; calls in flight end first."""
        self.ask_to_stop(os.kill, meanwhile=meanwhile)

    def ask_to_stop(self, send: Callable[[int, int], None], *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Ask its parent process (os.kill) or the whole group with its children (os.killpg), and wait for the end.

        `meanwhile` is done once it was asked.
        """
        send(self._process.pid, signal.SIGTERM)
        meanwhile()
        self._process.wait(60)
