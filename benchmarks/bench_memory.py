"""B12: whether a worker grows with what it has done."""

import time
from contextlib import ExitStack

from benchmarks.bench_figures import Result
from benchmarks.bench_processes import memory_bytes
from benchmarks.bench_rows import await_end, companies_of_all, run_of, tenants, updates_of, wake
from benchmarks.bench_stack import BULK, Stack

ACCOUNTS = 50
FIRST, LAST, BATCH = 2_000, 20_000, 500
LONGEST = 270.0  # seconds
MIB = 1024 * 1024


def b12(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """Creates, then updates of the same companies, until 20,000 or the time is over."""
    first, last = (100, 400) if quick else (FIRST, LAST)
    batch, done, end = min(BATCH, first), 0, time.monotonic() + LONGEST
    early = late = 0
    with ExitStack() as running:
        worker = running.enter_context(stack.worker(BULK))
        running.enter_context(stack.upkeep())
        pairs = companies_of_all(tenants(stack, ACCOUNTS), batch)
        while done < last and (time.monotonic() < end or not early):
            pushes = updates_of(pairs, phone=f"+46 8 125 {done:05d}") if done else run_of(pairs)
            wake()
            await_end(pushes, seconds=300, pause=0.2)
            done += len(pushes)
            if done >= first and not early:
                early = memory_bytes(worker.pid)
        late = memory_bytes(worker.pid)
    found = late / early
    return [
        Result(
            name="B12",
            what=f"memory of the worker after {LAST} pushes ÷ after {FIRST}",
            goal="≤ 1.05",
            figure=f"{found:.3f}",
            met=found <= 1.05,
            detail=f"{early / MIB:.0f} MiB after {first}, {late / MIB:.0f} MiB after {done} pushes (PSS of -c 4 and "
            "its parent; creates, then updates that write)",
        )
    ]
