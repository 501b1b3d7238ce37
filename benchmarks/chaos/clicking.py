"""People who click: threads that record wishes through the product's own services."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from django.db import connections

from integrations.exceptions import Refusal
from integrations.models import Push, WaitReason
from integrations.models.push import OPEN

Job = Callable[[], list[int]]
CLICKERS = 2
MOST_OPEN = 250  # so many wishes under way at once: people, not an import


@dataclass
class Clicks:
    """What became of the clicks themselves."""

    accepted: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    done: int = 0


def moving() -> int:
    """Count the wishes that a worker can still move; those that wait for a person are not among them."""
    return Push.objects.filter(state__in=OPEN).exclude(wait_reason=WaitReason.DECISION).count()


def click(*, jobs: Iterable[Job], ends_at: float, tick: Callable[[Clicks], None]) -> Clicks:
    """Do the jobs, each of which returns the ids of its pushes, as fast as the workers settle them.

    `tick` is called about ten times a second from this thread. Past `ends_at` nothing new is begun.
    """
    clicks, waiting = Clicks(), queue.Queue[Job | None](maxsize=CLICKERS * 2)
    threads = [threading.Thread(target=_work, args=(waiting, clicks), daemon=True) for _ in range(CLICKERS)]
    for thread in threads:
        thread.start()
    counted = Pacer(tick, clicks)
    for job in jobs:
        if time.monotonic() > ends_at:
            break
        counted.wait()
        _put(waiting, job, counted)
    for _ in threads:
        _put(waiting, None, counted)
    for thread in threads:
        thread.join()
    return clicks


@dataclass
class Pacer:
    """Holds the clicks back while too much is under way, and gives the disturber its turns."""

    tick: Callable[[Clicks], None]
    clicks: Clicks
    _next: float = 0.0
    _free: int = 0

    def wait(self) -> None:
        """Return when another click may be made."""
        self.breathe()
        while self._free <= 0:
            self._free = MOST_OPEN - moving()
            if self._free <= 0:
                time.sleep(0.05)
            self.breathe()
        self._free -= 1

    def breathe(self) -> None:
        """Call `tick` when a tenth of a second is over."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 0.1
            self.tick(self.clicks)


def _put(waiting: "queue.Queue[Job | None]", job: Job | None, pacer: Pacer) -> None:
    while True:
        try:
            waiting.put(job, timeout=0.1)
        except queue.Full:
            pacer.breathe()
        else:
            return


def _work(waiting: "queue.Queue[Job | None]", clicks: Clicks) -> None:
    try:
        while job := waiting.get():
            try:
                clicks.accepted += job()
            except Refusal as refusal:
                clicks.refused.append(refusal.code)
            except Exception as fault:  # noqa: BLE001  # whatever it is, it is reported as a broken click
                clicks.broken.append(repr(fault))
            clicks.done += 1
    finally:
        connections.close_all()
