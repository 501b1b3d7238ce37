"""B6 and B9: what a push costs, and how many of them the whole product carries, against bare loops."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import redis

from benchmarks.bench_browser import Bare
from benchmarks.bench_celery import noop
from benchmarks.bench_figures import Result, median, ratio
from benchmarks.bench_processes import Running, cpu_seconds, wait_for
from benchmarks.bench_rows import await_end, companies_of_all, not_done, run_of, tenants, wake
from benchmarks.bench_stack import BULK, Stack

ACCOUNTS, API_DELAY = 50, 0.020
QUEUE = "bulk"
MS = 1000.0


@dataclass
class Load:
    """What each round showed: rates in 1/s, costs in CPU seconds a push."""

    pushes: list[float] = field(default_factory=list)
    noops: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)
    others: dict[str, list[float]] = field(default_factory=dict)
    bare: list[float] = field(default_factory=list)
    noop: list[float] = field(default_factory=list)
    unfinished: int = 0

    def costs(self) -> str:
        """CPU a push, by process."""
        parts = {"worker": self.worker, **self.others}
        return ", ".join(f"{name} {MS * median(values):.1f}" for name, values in parts.items()) + " ms"


@contextmanager
def frozen(worker: Running) -> Iterator[None]:
    """Stop a worker's processes, so that work piles up, and let them go on at the end of the block."""
    worker.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.signal(signal.SIGCONT)


def rate(worker: Running, fill: Callable[[], Callable[[], object]], count: int) -> float:
    """Let so many messages pile up and return how many a second are then carried out."""
    with frozen(worker):
        wait = fill()
        begin = time.monotonic()
    wait()
    return count / (time.monotonic() - begin)


def _noop_round(stack: Stack, worker: Running, load: Load, *, count: int) -> None:
    before = cpu_seconds(worker.pid)
    load.noops.append(rate(worker, lambda: _noops(stack, count), count))
    load.noop.append((cpu_seconds(worker.pid) - before) / count)


def _noops(stack: Stack, count: int) -> Callable[[], object]:
    broker = redis.Redis.from_url(stack.valkey.url)
    for _ in range(count):
        noop.apply_async()
    return lambda: wait_for(lambda: not broker.llen(QUEUE), seconds=300, what="the end of the no-ops", pause=0.005)


def _round(stack: Stack, worker: Running, load: Load, *, count: int, upkeep: Sequence[Running]) -> None:
    pairs = companies_of_all(tenants(stack, ACCOUNTS), count)
    processes = {"PostgreSQL": stack.postgres.process.pid, "Valkey": stack.valkey.process.pid}
    processes |= {"sandbox": stack.sandbox.pid} | {f"upkeep {place}": one.pid for place, one in enumerate(upkeep)}
    made: list[int] = []
    before: dict[str, float] = {}

    def fill() -> Callable[[], object]:
        made.extend(run_of(pairs))
        wake()
        before.update({name: cpu_seconds(pid) for name, pid in processes.items()}, worker=cpu_seconds(worker.pid))
        return lambda: await_end(made, seconds=600, pause=0.1)

    load.pushes.append(rate(worker, fill, count))
    load.worker.append((cpu_seconds(worker.pid) - before["worker"]) / count)
    for name, pid in processes.items():
        load.others.setdefault(name, []).append((cpu_seconds(pid) - before[name]) / count)
    load.unfinished += not_done(made)


def _bare_round(stack: Stack, load: Load, *, count: int) -> None:
    pairs = companies_of_all(tenants(stack, ACCOUNTS), count)
    bares = {tenant.user.pk: Bare.of(tenant, f"{stack.sandbox_url}/v2") for tenant, _company in pairs}
    payloads = [bares[tenant.user.pk].payload(company) for tenant, company in pairs]
    begin = time.process_time()
    for (tenant, company), payload in zip(pairs, payloads, strict=True):
        bares[tenant.user.pk].create(company, payload)
    load.bare.append((time.process_time() - begin) / count)


def _measured(stack: Stack, quick: bool) -> Load:  # noqa: FBT001
    load, rounds, count = Load(), 2 if quick else 5, 60 if quick else 250
    with ExitStack() as running:
        worker = running.enter_context(stack.worker(BULK))
        upkeep = running.enter_context(stack.upkeep())
        stack.set_up(delay=API_DELAY)
        _round(stack, worker, Load(), count=60, upkeep=upkeep)
        for _ in range(rounds):
            _noop_round(stack, worker, load, count=10 * count)
            _round(stack, worker, load, count=count, upkeep=upkeep)
            _bare_round(stack, load, count=60)
        stack.set_up()
    return load


_kept: dict[bool, Load] = {}


def _load(stack: Stack, quick: bool) -> Load:  # noqa: FBT001
    """B6 and B9 are two views of one measurement."""
    if quick not in _kept:
        _kept[quick] = _measured(stack, quick)
    return _kept[quick]


def b6(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """CPU of the worker's processes for a create, against a bare loop of look-up and requests.post."""
    load = _load(stack, quick)
    found = ratio(load.worker, load.bare)
    everything = sum(median(values) for values in (load.worker, *load.others.values())) / median(load.bare)
    return [
        Result(
            name="B6",
            what="CPU of the worker per create ÷ bare loop",
            goal="≤ 4.5",
            figure=str(found),
            met=found.value <= 4.5,
            detail=f"bare {MS * median(load.bare):.1f} ms; {load.costs()}; of it Celery without a task "
            f"{MS * median(load.noop):.1f} ms; all of them together {everything:.1f} × bare",
        )
    ]


def b9(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001
    """Creates a second for 50 accounts, against what Celery does with a task that does nothing."""
    load = _load(stack, quick)
    found = ratio(load.pushes, load.noops)
    cpu = sum(median(values) for values in (load.worker, *load.others.values()))
    return [
        Result(
            name="B9",
            what="pushes/s, 50 accounts, API 20 ms ÷ Celery no-ops/s of the same worker",
            goal="≥ 0.20",
            figure=str(found),
            met=found.value >= 0.20 and not load.unfinished,
            detail=f"{median(load.pushes):.1f} creates/s, {median(load.noops):.0f} no-ops/s "
            f"({MS * median(load.noop):.1f} ms of the worker each), -c 4; a create takes {MS * cpu:.1f} ms of CPU in "
            f"all: {load.costs()}; {load.unfinished} not done",
        )
    ]
