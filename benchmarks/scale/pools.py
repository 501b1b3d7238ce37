"""`python -m benchmarks.scale.pools`: what a worker's pool and size cost and give, by role.

For each: pushes a second, CPU of the worker a push, and memory (proportional share) of all its processes.
docs/operating.md holds the figures and what follows from them.
"""

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import django
from django.utils.module_loading import import_string

from benchmarks.chaos.eaccounting import CUSTOMERS, EAccounting, Record
from benchmarks.chaos.stage import Node, Stage, prepared

TICK = os.sysconf("SC_CLK_TCK")
PUSHES_A_SLOT = 25
LONGEST = 120.0
ACCOUNTS = 8


@dataclass(frozen=True, kw_only=True)
class Case:
    """One worker under one load."""

    role: str
    pool: str
    size: int
    delay: float

    @property
    def pushes(self) -> int:
        """How many are sent."""
        return max(50, self.size * PUSHES_A_SLOT)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a worker has used so far."""

    cpu: float
    """Seconds."""
    memory: float
    """MB; what processes share is divided among them."""


def cost(pid: int) -> Cost:
    """Add up a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = [_own(number) for number in (str(pid), *children)]
    return Cost(cpu=sum(one.cpu for one in own), memory=sum(one.memory for one in own))


def _own(number: str) -> Cost:
    times = Path("/proc", number, "stat").read_text().rpartition(")")[2].split()
    shares = Path("/proc", number, "smaps_rollup").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in shares if line.startswith("Pss:"))
    return Cost(cpu=(int(times[11]) + int(times[12])) / TICK, memory=kilobytes / 1000)


@contextmanager
def worker(case: Case, stage: Stage) -> Iterator[Node]:
    """Run the worker until its end; it has what is due before it."""
    queues = {"clicks": "clicks", "bulk": "bulk,sweep"}[case.role]
    words = ["-m", "celery", "-A", "limego_visma", "worker", "-Q", queues, "-P", case.pool, "-c", str(case.size)]
    log = stage.folder / f"{case.role}-{case.pool}-{case.size}-{case.delay}.log"
    node = Node(case.role, [sys.executable, *words, "-n", f"{log.stem}@%h", "-l", "INFO"], log)
    node.start()
    try:
        while b" ready." not in log.read_bytes():
            time.sleep(0.05)
        yield node
    finally:
        node.end()


def delayed(eaccounting: EAccounting, seconds: float) -> None:
    """Let every call take so long."""
    eaccounting.switch_off()
    slow: tuple[Record, ...] = ({"kind": "delay", "when": "before", "seconds": seconds, "probability": 1},)
    for method in ("GET", "POST"):
        eaccounting.switch_on(faults=slow, method=method, path=CUSTOMERS, seed=1)


def cases(*, quick: bool) -> Iterator[Case]:
    """Every pool and size for clicks; for bulk, whose road differs little, one size."""
    sizes, delays = ([2], [0.02]) if quick else ([1, 2, 4, 8], [0.02, 0.15])
    for delay, size, pool in itertools.product(delays, sizes, ("prefork", "threads")):
        yield Case(role="clicks", pool=pool, size=size, delay=delay)
    for delay, pool in itertools.product(delays, ("prefork", "threads")):
        yield Case(role="bulk", pool=pool, size=sizes[len(sizes) // 2], delay=delay)


def main() -> int:
    """Measure, and print the rows of a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.pools", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="limego-pools-") as folder,
        prepared(folder=Path(folder), token_lifetime=3600) as stage,
    ):
        # Django reads the environment once, and the stage has only now written it.
        django.setup()
        import_string("benchmarks.scale.pools_run.main")(stage=stage, cases=list(cases(quick=given.quick)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
