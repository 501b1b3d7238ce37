"""Kills, graceful stops, wipes of the broker and early ends of tokens, at moments that the seed decides."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import redis

from benchmarks.chaos.eaccounting import CUSTOMER, CUSTOMERS, Chance, EAccounting
from benchmarks.chaos.stage import Node

WHOLE_NODE = 0.3  # so many of the kills meet a node with all its processes, the others one process


@dataclass
class Disturber:
    """Call `act` often, from the thread that starts processes: they end with the thread that started them."""

    nodes: list[Node]
    eaccounting: EAccounting
    redis_url: str
    chance: Chance
    kills: list[float] = field(default_factory=list)
    wipes: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    expiries: list[float] = field(default_factory=list)
    silences: int = 0
    restarts: int = 0
    _due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def plan(self, *, kills: int, wipes: int, stops: int, others: int) -> None:
        """Deal these over the progress from 0 to 1; `others` early ends of tokens and as many 429."""
        acts = [(self._kill, kills), (self._wipe, wipes), (self._stop, stops)]
        acts += [(self._expire, others), (self._say_too_many, others)]
        self._due = [(self.chance.uniform(0.02, 0.98), act) for act, count in acts for _ in range(count)]
        self._due.sort(key=lambda planned: planned[0])

    def act(self, *, progress: float) -> None:
        """Do the next thing that is due at this progress, if any."""
        self.restarts += sum(node.supervise() for node in self.nodes)
        if self._due and self._due[0][0] <= progress:
            self._due.pop(0)[1]()

    def finish(self) -> None:
        """Do what is left."""
        while self._due:
            self._due.pop(0)[1]()
            time.sleep(0.3)

    def _workers(self) -> list[Node]:
        return [node for node in self.nodes if node.name.startswith(("clicks", "bulk"))]

    def _kill(self) -> None:
        if self.chance.uniform(0, 1) < WHOLE_NODE:
            # Now and then the sweeper's worker or the clock, else a node that sends.
            self.nodes[self.chance.below(len(self.nodes))].kill()
        else:
            workers = self._workers()
            pool = workers[self.chance.below(len(workers))].children()
            if not pool:
                workers[0].kill()
            else:
                with suppress(ProcessLookupError):
                    os.kill(pool[self.chance.below(len(pool))], signal.SIGKILL)
        self.kills.append(time.monotonic())

    def _stop(self) -> None:
        workers = self._workers()
        workers[self.chance.below(len(workers))].stop_gracefully()
        self.stops.append(time.monotonic())

    def _wipe(self) -> None:
        with redis.Redis.from_url(self.redis_url) as broker:
            broker.flushall()
        self.wipes.append(time.monotonic())

    def _expire(self) -> None:
        self.expiries.append(self.eaccounting.expire_tokens())

    def _say_too_many(self) -> None:
        self.eaccounting.say_too_many(path=CUSTOMERS if self.chance.below(2) else CUSTOMER)
        self.silences += 1
