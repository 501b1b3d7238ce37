"""B4: how much of eAccounting's limit is used, without a single 429."""

import time
from collections import Counter
from contextlib import ExitStack

import redis

from benchmarks.bench_figures import Result, interval
from benchmarks.bench_rows import Tenant, click_all, companies, tenants
from benchmarks.bench_stack import Stack
from integrations.models import Push
from integrations.models.states import OPEN

# The real limit is 600 in 60 s. A third of both: the same rate, the same share that a burst of 5 takes thrice.
LIMIT, WINDOW = 200, 20.0
PER_MINUTE = 600
CUSTOMERS = "/v2/customers"


def _share(stack: Stack, those: tuple[Tenant, ...], *, fixed: bool, by_connection: bool, windows: int) -> list[float]:
    """Saturate the limit for so many windows; return the share used in each, and fail on a 429."""
    budgets = len(those) if by_connection else 1
    scope = "connection" if by_connection else "client"
    per_tenant = int(LIMIT * (windows + 1.5) * budgets / 2 / len(those))
    redis.Redis.from_url(stack.valkey.url).flushdb()
    stack.set_up(limit=LIMIT, window=WINDOW, fixed=fixed, by_connection=by_connection)
    stack.steer("DELETE", "calls")
    told = {"EACCOUNTING_RATE_LIMIT": str(PER_MINUTE), "EACCOUNTING_RATE_SCOPE": scope}
    pairs = [(tenant, company) for tenant in those for company in companies(tenant, per_tenant)]
    pairs = [pairs[place + turn * per_tenant] for place in range(per_tenant) for turn in range(len(those))]
    with ExitStack() as running:
        click_all(pairs)
        running.enter_context(stack.worker(processes=8, **told))
        running.enter_context(stack.upkeep(**told))
        begin = time.monotonic() + 5
        time.sleep(5 + windows * WINDOW)
    Push.objects.filter(state__in=OPEN).update(state="cancelled")
    calls = [call for call in stack.calls() if str(call["path"]) == CUSTOMERS]
    refused = Counter(call["status"] for call in calls)[429]
    if refused:
        raise TooMany(f"{refused} of {len(calls)} calls were refused ({scope}, {'fixed' if fixed else 'sliding'})")
    at = [float(str(call["at"])) - begin for call in calls]
    return [sum(i * WINDOW <= t < (i + 1) * WINDOW for t in at) / (LIMIT * budgets) for i in range(windows)]


class TooMany(Exception):
    """The sandbox refused calls."""


def b4(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """Saturate the limit in both kinds of window and in both scopes."""
    windows = 1 if quick else 2
    shares: dict[str, list[float]] = {}
    refusals: list[str] = []
    for by_connection in (False, True):
        for fixed in (True, False):
            name = f"{'connection' if by_connection else 'client'}/{'fixed' if fixed else 'sliding'}"
            those = tenants(stack, 2)
            try:
                shares[name] = _share(stack, those, fixed=fixed, by_connection=by_connection, windows=windows)
            except TooMany as reason:
                refusals.append(str(reason))
    stack.set_up()
    found = [share for values in shares.values() for share in values]
    each = ", ".join(f"{name} {min(values):.3f}" for name, values in shares.items())
    lowest = min(found, default=0.0)
    return [
        Result(
            name="B4",
            what="share of the limit used with zero 429: fixed and sliding window, per client and per connection",
            goal="≥ 0.97, zero 429",
            figure=f"{lowest:.3f} (lowest window), median {interval(found)}" if found else "–",
            met=lowest >= 0.97 and not refusals,
            detail=f"limit {LIMIT} in {WINDOW:.0f} s, worker -c 8; {each}; 429: {'; '.join(refusals) or 'none'}",
        )
    ]
