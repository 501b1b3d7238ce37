"""The part of pools that needs Django: wishes, and whether they are done."""

import sys
import time

from benchmarks.chaos import world
from benchmarks.chaos.clicking import moving
from benchmarks.chaos.eaccounting import EAccounting
from benchmarks.chaos.stage import Stage
from benchmarks.chaos.world import Tenant
from benchmarks.scale.pools import ACCOUNTS, LONGEST, Case, Cost, cost, delayed, worker
from benchmarks.sheets import confirm_create
from companies.models import Company
from integrations import tasks
from integrations.models import Push
from integrations.models.push import HEAD_START, OPEN

WAKE_EVERY = 10.0  # seconds
WARM_UP = 5  # pushes a slot: connections are made, code is loaded


def main(*, stage: Stage, cases: list[Case]) -> None:
    """Measure each case and print its row."""
    eaccounting = EAccounting(url=stage.stand_in_url)
    everybody = world.tenants(eaccounting=eaccounting, count=ACCOUNTS)
    sys.stdout.write(
        "| role | pool | size | API ms | pushes/s | CPU ms a push | memory MB |\n|---|---|---|---|---|---|---|\n"
    )
    for case in cases:
        delayed(eaccounting, case.delay)
        with worker(case, stage) as node:
            if node.process is None:
                raise RuntimeError("the worker does not run")
            _send(everybody, case, WARM_UP * case.size)
            before, seconds = cost(node.process.pid), _send(everybody, case, case.pushes)
            _tell(case, before, cost(node.process.pid), seconds)


def _send(everybody: list[Tenant], case: Case, count: int) -> float:
    """Wish for so many creates, and return how long the worker took from the moment it heard of them."""
    ids = world.add_companies(everybody=everybody, count=count, first=Company.objects.count())
    pushes = _wishes(everybody, ids)
    if case.role == "bulk":
        time.sleep(HEAD_START.total_seconds())
    began = time.monotonic()
    while moving():
        if time.monotonic() > began + LONGEST:
            raise RuntimeError(f"{case} did not end")
        _wake(case, pushes)
        _wait_a_while()
    return time.monotonic() - began


def _wake(case: Case, pushes: list[int]) -> None:
    """Tell the worker what is left; on a busy machine a call may be too slow, and nobody sweeps here."""
    if case.role == "bulk":
        for _ in range(case.size):
            tasks.pull.delay()
        return
    for pk in Push.objects.filter(pk__in=pushes, state__in=OPEN).values_list("pk", flat=True):
        tasks.wake(pk)


def _wait_a_while() -> None:
    """Wait until nothing moves, or it is time to look what is left."""
    end = time.monotonic() + WAKE_EVERY
    while moving() and time.monotonic() < end:
        time.sleep(0.02)


def _wishes(everybody: list[Tenant], ids: list[int]) -> list[int]:
    """Record a create for each company without telling a worker, as while the broker is away."""
    tasks._quiet["until"] = float("inf")  # noqa: SLF001  # what a failed poke does
    rows = Company.objects.in_bulk(ids)
    owners = {tenant.account.pk: tenant.user for tenant in everybody}
    made = [confirm_create(user=owners[rows[pk].account_id], company=rows[pk]).pk for pk in ids]
    tasks._quiet["until"] = 0.0  # noqa: SLF001
    return made


def _tell(case: Case, before: Cost, after: Cost, seconds: float) -> None:
    cpu = (after.cpu - before.cpu) / case.pushes * 1000
    figures = f"{case.pushes / seconds:.1f} | {cpu:.1f} | {after.memory:.0f}"
    sys.stdout.write(f"| {case.role} | {case.pool} | {case.size} | {case.delay * 1000:.0f} | {figures} |\n")
    sys.stdout.flush()
