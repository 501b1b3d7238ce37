"""B15: what a click feels of the index of its own connection's customers being filled."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.bench_browser import log_in
from benchmarks.bench_clicks import MS, Sample, click
from benchmarks.bench_figures import Ratio, Result, median, p95, ratio
from benchmarks.bench_processes import wait_for
from benchmarks.bench_rows import Tenant, companies, new_tenant, read_all_again, take_as_read
from benchmarks.bench_stack import Stack
from benchmarks.sheets import CREATE, Desk
from dev.launcher.stores import free_port
from integrations import tasks
from integrations.models import RemoteCustomer

CUSTOMERS, FEW = 20_000, 3_000
BATCH = 5_000  # customers that the stand-in is given at a time
GOAL = 1.5


@dataclass
class Felt:
    """The clicks, and how long the index took to fill, in seconds."""

    alone: Sample = field(default_factory=Sample)
    beside: Sample = field(default_factory=Sample)
    filling: list[float] = field(default_factory=list)


def _there(stack: Stack, key: str, *, count: int) -> None:
    """Let the eAccounting company have so many customers."""
    for first in range(0, count, BATCH):
        customers = [
            {"Name": f"Registerkund {number} AB", "CustomerNumber": str(1_000_000 + number), "InvoiceCity": "Lund"}
            for number in range(first, min(first + BATCH, count))
        ]
        stack.steer("POST", "seed", {"companies": {key: {"customers": customers}}})


def _copied(tenant: Tenant) -> int:
    return RemoteCustomer.objects.filter(connection=tenant.connection).count()


def _beside_filling(desk: Desk, tenant: Tenant, felt: Felt, *, customers: int) -> None:
    """Click until every customer is copied."""
    before = _copied(tenant)
    read_all_again(tenant.connection)
    tasks.look_after_connections.apply_async()
    wait_for(lambda: _copied(tenant) > before, seconds=60, what="the first page")
    began = time.monotonic()
    is_filling = True
    while is_filling:
        click(desk, companies(tenant, 1)[0], CREATE, felt.beside)
        is_filling = _copied(tenant) < customers
    felt.filling.append(time.monotonic() - began)


def _measured(stack: Stack, quick: bool) -> Felt:  # noqa: FBT001
    felt, rounds, clicks, customers = Felt(), *((1, 5, FEW) if quick else (3, 30, CUSTOMERS))
    those = [new_tenant(stack) for _ in range(rounds)]
    with ExitStack() as running:
        running.enter_context(stack.workers())
        url = running.enter_context(stack.web(port=free_port()))
        for tenant in those:
            _there(stack, tenant.key, count=customers)
            take_as_read(tenant.connection)
            desk = log_in(url, tenant)
            for company in companies(tenant, 8):  # each process opens its connections
                click(desk, company, CREATE, Sample())
            for company in companies(tenant, clicks):
                click(desk, company, CREATE, felt.alone)
            _beside_filling(desk, tenant, felt, customers=customers)
    return felt


def b15(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """Click while the index of the same connection is filled, and alone, by turns."""
    felt = _measured(stack, quick)
    answered = [ratio(felt.beside.answered, felt.alone.answered, reduce=reduce) for reduce in (median, p95)]
    done = [ratio(felt.beside.ours, felt.alone.ours, reduce=reduce) for reduce in (median, p95)]
    return [
        Result(
            name="B15",
            what="a click's answer beside a filling index of its connection ÷ alone: median, p95",
            goal=f"≤ {GOAL}, both",
            figure=_both(answered),
            met=all(found.value <= GOAL for found in answered),
            detail=f"answered after, median/p95 in ms: alone {_ms(felt.alone.answered)}, beside "
            f"{_ms(felt.beside.answered)}; click → done ÷ alone {_both(done)}; n={len(felt.alone.ours)} alone, "
            f"{len(felt.beside.ours)} beside; {FEW if quick else CUSTOMERS:,} customers in "
            f"{', '.join(f'{seconds:.0f}' for seconds in felt.filling)} s",
        )
    ]


def _both(ratios: list[Ratio]) -> str:
    return " / ".join(map(str, ratios))


def _ms(seconds: list[float]) -> str:
    return f"{MS * median(seconds):.0f}/{MS * p95(seconds):.0f}"
