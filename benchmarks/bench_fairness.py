"""B5: what one account's click feels of another account's run, and what it would feel first come, first served."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.bench_browser import log_in
from benchmarks.bench_clicks import API_DELAY, MS, Sample, click
from benchmarks.bench_figures import Result, median, p95, ratio
from benchmarks.bench_load import frozen
from benchmarks.bench_rows import Tenant, cancel_all, companies, run_of, tenants, wake
from benchmarks.bench_stack import BULK, Stack
from benchmarks.sheets import CREATE, Desk
from companies.models import Company
from dev.launcher.stores import free_port
from integrations import tasks
from integrations.models import Push, PushState

RUN = 10_000  # rows
RATE = 1200  # calls a minute and endpoint, twice eAccounting's: the most that four calls at once can use up
CALLS = 2  # of a create
SETTLE_IN = 4.0  # seconds until a run, or what was left of one, is in full swing or gone
QUEUED = 100  # rows before a click in the control


@dataclass
class Felt:
    """Seconds from click to done, and creates a second of the run meanwhile."""

    alone: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    pace: list[float] = field(default_factory=list)
    first_come: list[float] = field(default_factory=list)


def _clicks(desk: Desk, those: list[Company]) -> list[float]:
    sample = Sample()
    for company in those:
        time.sleep(0.2)
        click(desk, company, CREATE, sample)
    return sample.ours


def _in_a_run(desk: Desk, those: list[Company], other: Tenant, felt: Felt, *, rows: int) -> None:
    """Click while all rows of another account's run are due."""
    run = run_of((other, company) for company in companies(other, rows))
    wake()
    time.sleep(SETTLE_IN)
    began, before = time.monotonic(), _done(run)
    felt.during += _clicks(desk, those)
    felt.pace.append((_done(run) - before) / (time.monotonic() - began))
    cancel_all()
    time.sleep(SETTLE_IN)


def _done(run: list[int]) -> int:
    return Push.objects.filter(pk__gte=run[0], pk__lte=run[-1], state=PushState.DONE).count()


def _first_come(desk: Desk, company: Company, other: Tenant) -> float:
    """The control: nobody pulls, the run's rows are poked one by one as the click is, and it comes last."""
    for push in run_of((other, company) for company in companies(other, QUEUED)):
        tasks.wake(push)
    return _clicks(desk, [company])[0]


def _measured(stack: Stack, quick: bool) -> Felt:  # noqa: FBT001
    felt, rounds, clicks, rows = Felt(), *((1, 4, 500) if quick else (3, 20, RUN))
    mine, other = tenants(stack, 2)
    told = {"EACCOUNTING_RATE_LIMIT": str(RATE)}
    with ExitStack() as running:
        workers = running.enter_context(stack.workers(told))
        desk = log_in(running.enter_context(stack.web(port=free_port(), **told)), mine)
        stack.set_up(delay=API_DELAY)
        _clicks(desk, companies(mine, 8))  # each process opens its connections
        for _ in range(rounds):
            felt.alone += _clicks(desk, companies(mine, clicks))
            _in_a_run(desk, companies(mine, clicks), other, felt, rows=rows)
        with frozen(workers[BULK]):
            felt.first_come += [_first_come(desk, company, other) for company in companies(mine, 1 if quick else 3)]
        stack.set_up()
    return felt


def b5(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """Click in one account while another's run keeps the limit busy; alone and in the run by turns."""
    felt = _measured(stack, quick)
    found, over = ratio(felt.during, felt.alone, reduce=p95), p95(felt.during) - CALLS * API_DELAY
    row = median(felt.first_come) / QUEUED
    return [
        Result(
            name="B5",
            what="an account's click p95 during another's 10,000-row run ÷ alone",
            goal="≤ 2.0 and ≤ 0.5 s over the API's delay",
            figure=f"{found}; {over:.2f} s over the API",
            met=found.value <= 2.0 and over <= 0.5,
            detail=f"median/p95 in ms: alone {_both(felt.alone)}, in the run {_both(felt.during)}, "
            f"n={len(felt.during)} each; the run meanwhile {median(felt.pace):.1f} creates/s at {RATE} calls a minute; "
            f"control, first come first served behind {QUEUED} rows: {median(felt.first_come):.1f} s, "
            f"so {row * RUN:.0f} s behind {RUN}",
        )
    ]


def _both(seconds: list[float]) -> str:
    return f"{MS * median(seconds):.0f}/{MS * p95(seconds):.0f}"
