"""B4: how much of eAccounting's limit is used, without a single 429."""

import itertools
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

import redis
import requests

from benchmarks.bench_browser import Bare
from benchmarks.bench_figures import Result
from benchmarks.bench_rows import Tenant, cancel_all, companies, is_open, run_of, tenants, wake
from benchmarks.bench_stack import BULK, Stack

# Full scale: in a shorter window the burst, which does not shrink, would take a greater share of the reserve.
LIMIT, WINDOW = 600, 60.0  # of the sandbox
WORKERS, START = 8, 4.0  # processes that pull; seconds until the counting begins
CUSTOMERS = "/v2/customers"
REFUSED = 429


@dataclass(frozen=True, kw_only=True)
class Use:
    """What was made of the limit, and how many bare calls went through right afterwards (the control)."""

    name: str
    share: float
    refused: int
    bare: int

    def __str__(self) -> str:
        return f"{self.name} {self.share:.3f} ({self.refused} × 429; then a bare loop met one after {self.bare} calls)"


def _use(stack: Stack, *, fixed: bool, by_connection: bool, seconds: float) -> Use:
    """Let a run saturate the limit for so many seconds."""
    those = tenants(stack, 2)
    budgets = len(those) if by_connection else 1
    scope, window = "connection" if by_connection else "client", "fixed" if fixed else "sliding"
    redis.Redis.from_url(stack.valkey.url).flushdb()
    stack.set_up(limit=LIMIT, fixed=fixed, by_connection=by_connection)
    stack.steer("DELETE", "calls")
    begin = _saturate(stack, those, seconds=seconds, budgets=budgets, scope=scope)
    calls = [call for call in stack.calls() if str(call["path"]) == CUSTOMERS]
    at = [float(str(call["at"])) - begin for call in calls]
    return Use(
        name=f"{scope}/{window}",
        share=sum(0 <= moment < seconds for moment in at) / (LIMIT * budgets * seconds / WINDOW),
        refused=Counter(call["status"] for call in calls)[REFUSED],
        bare=_until_refused(stack, those[0]),
    )


def _saturate(stack: Stack, those: tuple[Tenant, ...], *, seconds: float, budgets: int, scope: str) -> float:
    """Run more than can be done; return when the counting began, monotonic. Raises TooFew."""
    told = {"EACCOUNTING_RATE_LIMIT": str(LIMIT), "EACCOUNTING_RATE_SCOPE": scope}
    count = int(LIMIT * (seconds + 2 * START) / WINDOW * budgets / 2 / len(those))
    made = run_of((tenant, company) for tenant in those for company in companies(tenant, count))
    with ExitStack() as running:
        running.enter_context(stack.worker(BULK, processes=WORKERS, told=told))
        running.enter_context(stack.upkeep(told))
        wake()
        begin = time.monotonic() + START
        time.sleep(START + seconds)
        if not is_open(made):
            raise TooFew("the run ended before its window did")
        cancel_all()
    return begin


def _until_refused(stack: Stack, tenant: Tenant) -> int:
    """Count how many calls a loop that counts nothing makes before the limit stops it."""
    bare = Bare.of(tenant, f"{stack.sandbox_url}/v2")
    for done in itertools.count():
        answer = requests.get(f"{bare.api}/customers", params={"$pagesize": "1"}, headers=bare.headers, timeout=30)
        if answer.status_code == REFUSED:
            return done
    raise AssertionError  # itertools.count() does not end


class TooFew(Exception):
    """There was not enough to do: the figure would be of the run, not of the limit."""


def b4(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """Saturate the limit in both kinds of window and in both scopes."""
    seconds = 10.0 if quick else WINDOW
    each = [
        _use(stack, fixed=fixed, by_connection=by_connection, seconds=seconds)
        for by_connection in (False, True)
        for fixed in (True, False)
    ]
    stack.set_up()
    lowest, refused = min(use.share for use in each), sum(use.refused for use in each)
    return [
        Result(
            name="B4",
            what="share of the limit used with zero 429: fixed and sliding window, per client and per connection",
            goal="≥ 0.97, zero 429",
            figure=f"{lowest:.3f}, {refused} × 429 (the lowest of four)",
            met=lowest >= 0.97 and not refused,
            detail=f"limit {LIMIT} in {WINDOW:.0f} s (full scale), a run, -c {WORKERS}: {'; '.join(map(str, each))}",
        )
    ]
