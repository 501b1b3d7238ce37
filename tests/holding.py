"""Hold requests at eAccounting until a test lets them go on: for the order of things, which no clock decides."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dev.sandbox.core import Sandbox
from dev.sandbox.faults import Answer, Fault
from dev.sandbox.messages import Delivery, Response

LONGEST = 120.0  # seconds; a net: a test that ends badly lets go on at once


@dataclass(kw_only=True)
class Held(Fault):
    """Requests that have arrived: not carried out yet (`when` is "before"), or carried out and not answered."""

    kind: str = "delay"
    _here: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0), init=False, repr=False)
    _gone_on: threading.Event = field(default_factory=threading.Event, init=False, repr=False)

    def carry_out(self, answer: Answer) -> Response:
        """Say that it is here, and wait until it may go on."""
        done = answer() if self.when == "after" else None
        self._here.release()
        self._gone_on.wait(LONGEST)
        return done or answer()

    def wait_for(self, count: int = 1) -> None:
        """Wait until so many (more) requests are here. Raises AssertionError."""
        for _ in range(count):
            assert self._here.acquire(timeout=LONGEST), "no request came"

    def go_on(self) -> None:
        """Let those that are here go on, and all that come."""
        self._gone_on.set()


@dataclass(kw_only=True)
class LateCommit(Held):
    """Requests whose connection is cut, or never answered (`how`), and that are carried out once they may go on."""

    kind: str = "late_commit"

    def carry_out(self, answer: Answer) -> Response:
        """Say that it is here, and carry it out later."""

        def commit() -> None:
            self._gone_on.wait(LONGEST)
            answer()

        self._here.release()
        delivery = Delivery.RESET if self.how == "reset" else Delivery.HOLD
        return Response(status=0, delivery=delivery, afterwards=commit)


@contextmanager
def committed_late(sandbox: Sandbox, *, method: str, path: str = ".*", how: str) -> Iterator[LateCommit]:
    """Let a write be carried out long after its connection has ended: at the latest at the end of the block."""
    fault = LateCommit(method=method, path=path, how=how)
    sandbox.faults.append(fault)
    try:
        yield fault
    finally:
        fault.go_on()


@contextmanager
def held(
    sandbox: Sandbox, *, method: str = "", path: str, when: str = "before", count: int | None = 1
) -> Iterator[Held]:
    """Hold requests as a fault does, at the latest until the end of the block."""
    fault = Held(method=method, path=path, when=when, count=count)
    sandbox.faults.append(fault)
    try:
        yield fault
    finally:
        fault.go_on()
