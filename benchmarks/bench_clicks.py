"""B1, B2, B3, B11: one person's click until the push is done, against the bare calls."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.bench_browser import Bare, Browser
from benchmarks.bench_figures import Result, interval, median, p95, ratio
from benchmarks.bench_rows import Tenant, await_newest, companies, tenants
from benchmarks.bench_stack import Stack
from companies.models import Company
from integrations.models import CustomerLink, Push, PushState
from limego_visma.local.stores import free_port

API_DELAY, CONNECT_DELAY = 0.150, 0.060  # seconds
WARM_UP = 8  # clicks; each of the worker's processes opens its connections meanwhile
MS = 1000.0


@dataclass
class Sample:
    """Ours, the control, and where ours went; seconds."""

    ours: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)

    def parts(self) -> str:
        """The medians in words."""
        ours, control, page = (MS * median(values) for values in (self.ours, self.control, self.answered))
        return f"n={len(self.ours)}; ours {ours:.0f} ms (page answered after {page:.0f} ms), bare {control:.0f} ms"


@contextmanager
def _person(stack: Stack) -> Iterator[tuple[Tenant, Browser, Bare]]:
    tenant = tenants(stack, 1)[0]
    with ExitStack() as running:
        running.enter_context(stack.workers())
        url = running.enter_context(stack.web(port=free_port()))
        yield tenant, Browser(url, tenant), Bare.of(tenant, f"{stack.sandbox_url}/v2")


def click(browser: Browser, company: Company, button: str, sample: Sample) -> Push:
    """Press a button and note when its push was done. Raises RuntimeError when it ended otherwise."""
    newest = Push.objects.filter(company=company).order_by("-pk").first()
    begin, answered = browser.click(company, button)
    end, push = await_newest(company, after=newest.pk if newest else 0)
    if push.state != PushState.DONE:
        raise RuntimeError(f"{push} ended {push.state}: {push.failure}")
    sample.ours.append(end - begin)
    sample.answered.append(answered)
    return push


def _creates(stack: Stack, count: int, *, connect_delay: float = 0.0, pause: float = 0.0) -> Sample:
    """Create in turn by a click and bare."""
    sample = Sample()
    with _person(stack) as (tenant, browser, bare):
        stack.set_up(delay=API_DELAY, connect_delay=connect_delay)
        ours, theirs = companies(tenant, count + WARM_UP), companies(tenant, count)
        for company in ours[:WARM_UP]:
            click(browser, company, "add", Sample())
        for company, other in zip(ours[WARM_UP:], theirs, strict=True):
            time.sleep(pause)
            click(browser, company, "add", sample)
            sample.control.append(bare.create(other, bare.payload(other)))
        stack.set_up()
    return sample


def b1(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """Click → done against look-up and post, with an API that takes 150 ms."""
    sample = _creates(stack, 5 if quick else 60)
    typical, worst = ratio(sample.ours, sample.control), ratio(sample.ours, sample.control, reduce=p95)
    over = MS * (median(sample.ours) - median(sample.control))
    return [
        Result(
            name="B1",
            what="click → done ÷ bare look-up + requests.post, API 150 ms",
            goal="≤ 1.10, p95 ≤ 1.25",
            figure=f"{typical}; p95 {worst}",
            met=typical.value <= 1.10 and worst.value <= 1.25,
            detail=f"{sample.parts()}; {over:.0f} ms over bare",
        )
    ]


def b2(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001
    """The same with 60 ms for each new connection; and after a pause, when the send rules ask for a fresh one."""
    busy = _creates(stack, 5 if quick else 40, connect_delay=CONNECT_DELAY)
    idle = _creates(stack, 1 if quick else 6, connect_delay=CONNECT_DELAY, pause=11.0)
    found, cost = ratio(busy.ours, busy.control), MS * (median(idle.ours) - median(busy.ours))
    return [
        Result(
            name="B2",
            what="the same, 60 ms per new connection",
            goal="≤ 0.85 where reuse is allowed",
            figure=str(found),
            met=found.value <= 0.85,
            detail=f"{busy.parts()}; after 11 s without a click {ratio(idle.ours, idle.control)} "
            f"({cost:+.0f} ms, n={len(idle.ours)}): what the send rules cost. A POST wants a connection idle for less "
            "than 10 s, and the look before it, which takes one idle for up to 60 s, provides it",
        )
    ]


def b3(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001
    """Update click → done against a bare GET and PUT."""
    sample, count = Sample(), 5 if quick else 60
    with _person(stack) as (tenant, browser, bare):
        company, other = companies(tenant, 2)
        for made in (company, other):
            click(browser, made, "add", Sample())
        theirs = str(CustomerLink.objects.get(company=other).reference)
        stack.set_up(delay=API_DELAY)
        for turn in range(count + WARM_UP):
            _edit(company, turn)
            click(browser, company, "update", sample if turn >= WARM_UP else Sample())
            if turn >= WARM_UP:
                sample.control.append(bare.update(theirs, f"+46 8 123 {turn:04d}"))
        stack.set_up()
    found = ratio(sample.ours, sample.control)
    return [
        Result(
            name="B3",
            what="update click → done ÷ bare GET + PUT, API 150 ms",
            goal="≤ 1.08",
            figure=str(found),
            met=found.value <= 1.08,
            detail=f"{sample.parts()}; {MS * (median(sample.ours) - median(sample.control)):.0f} ms over bare",
        )
    ]


def _edit(company: Company, turn: int) -> None:
    company.save_changes(now=company.changed_at, values={"phone": f"+46 8 124 {turn:04d}"})


def b11(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001
    """Calls that a create, an update and an update without changes make."""
    counts: list[list[int]] = []
    with _person(stack) as (tenant, browser, _bare):
        for company in companies(tenant, 2 if quick else 10):
            steps = []
            for button in ("add", "change", "update"):
                if button == "change":
                    _edit(company, 1)
                stack.steer("DELETE", "calls")
                click(browser, company, button.replace("change", "update"), Sample())
                steps.append(len(stack.calls()))
            counts.append(steps)
    seen = Counter(map(tuple, counts))
    typical = [interval([steps[kind] for steps in counts]).value for kind in range(3)]
    return [
        Result(
            name="B11",
            what="calls per create / update / unchanged",
            goal="2 / 2 / 1",
            figure=" / ".join(f"{calls:.0f}" for calls in typical),
            met=set(seen) == {(2, 2, 1)},
            detail=f"n={len(counts)}, all alike" if len(seen) == 1 else f"n={len(counts)}, {dict(seen)}",
        )
    ]
