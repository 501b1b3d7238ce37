"""Work in other threads, each with database connections of its own that end with it."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")


def in_thread(work: Callable[[], Result]) -> "Future[Result]":
    """Begin `work` in a thread; ask the future for what came of it."""
    future: Future[Result] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # handed to whoever asks the future
            future.set_exception(error)
        finally:
            connections.close_all()

    threading.Thread(target=do).start()
    return future


def at_once(works: Sequence[Callable[[], Result]]) -> list[Result | BaseException]:
    """Do all of it at the same moment; return what each came to, its exception included."""
    gate = threading.Barrier(len(works))

    def after_the_gate(work: Callable[[], Result]) -> Callable[[], Result]:
        def do() -> Result:
            gate.wait(10)
            return work()

        return do

    futures = [in_thread(after_the_gate(work)) for work in works]
    ends = [(future.exception(60), future) for future in futures]
    return [error or future.result() for error, future in ends]
