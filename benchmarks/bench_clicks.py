"""B1, B2, B3, B11: one person's click until the push is done, against the bare calls."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.bench_browser import Bare, log_in
from benchmarks.bench_figures import Result, interval, median, p95, ratio
from benchmarks.bench_rows import Tenant, await_newest, companies, tenants
from benchmarks.bench_stack import Stack
from benchmarks.sheets import CREATE, UPDATE, Desk, Sheet
from companies.models import Company
from dev.launcher.stores import free_port
from integrations.models import CustomerLink, Push, PushState

API_DELAY, CONNECT_DELAY = 0.150, 0.060  # seconds
WARM_UP = 8  # clicks; each of the worker's processes opens its connections meanwhile
MS = 1000.0


@dataclass
class Sample:
    """Ours, the control, and where ours went; seconds."""

    ours: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    opened: list[float] = field(default_factory=list)

    def parts(self) -> str:
        """The medians in words."""
        parts = (self.ours, self.control, self.answered, self.opened)
        ours, control, page, sheet = (MS * median(values) for values in parts)
        times = f"ours {ours:.0f} ms (page answered after {page:.0f} ms), bare {control:.0f} ms"
        return f"n={len(self.ours)}; {times}; the sheet opened in {sheet:.0f} ms before, which is not counted"


@contextmanager
def _person(stack: Stack) -> Iterator[tuple[Tenant, Desk, Bare]]:
    tenant = tenants(stack, 1)[0]
    with ExitStack() as running:
        running.enter_context(stack.workers())
        url = running.enter_context(stack.web(port=free_port()))
        yield tenant, log_in(url, tenant), Bare.of(tenant, f"{stack.sandbox_url}/v2")


def click(desk: Desk, company: Company, sheet: str, sample: Sample) -> Push:
    """Open a sheet, confirm it, and note when its push was done. Raises RuntimeError when it ended otherwise."""
    opened = desk.open(company.pk, sheet)
    sample.opened.append(opened.seconds)
    return confirm(desk, opened, company, sample)


def confirm(desk: Desk, opened: Sheet, company: Company, sample: Sample) -> Push:
    """Confirm a sheet that is open. Raises as click."""
    newest = Push.objects.filter(company=company).order_by("-pk").first()
    begin, answered = desk.confirm(opened)
    end, push = await_newest(company, after=newest.pk if newest else 0)
    if push.state != PushState.DONE:
        raise RuntimeError(f"{push} ended {push.state}: {push.failure}")
    sample.ours.append(end - begin)
    sample.answered.append(answered)
    return push


def _creates(stack: Stack, count: int, *, connect_delay: float = 0.0, pause: float = 0.0) -> Sample:
    """Create in turn by a click and bare."""
    sample = Sample()
    with _person(stack) as (tenant, desk, bare):
        stack.set_up(delay=API_DELAY, connect_delay=connect_delay)
        ours, theirs = companies(tenant, count + WARM_UP), companies(tenant, count)
        for company in ours[:WARM_UP]:
            click(desk, company, CREATE, Sample())
        for company, other in zip(ours[WARM_UP:], theirs, strict=True):
            time.sleep(pause)
            click(desk, company, CREATE, sample)
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
            what="*Create customer* on the sheet → done ÷ bare look-up + requests.post, API 150 ms",
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
    with _person(stack) as (tenant, desk, bare):
        company, other = companies(tenant, 2)
        for made in (company, other):
            click(desk, made, CREATE, Sample())
        theirs = str(CustomerLink.objects.get(company=other).reference)
        stack.set_up(delay=API_DELAY)
        for turn in range(count + WARM_UP):
            _edit(company, turn)
            click(desk, company, UPDATE, sample if turn >= WARM_UP else Sample())
            if turn >= WARM_UP:
                sample.control.append(bare.update(theirs, f"+46 8 123 {turn:04d}"))
        stack.set_up()
    found = ratio(sample.ours, sample.control)
    return [
        Result(
            name="B3",
            what="*Update* on the sheet → done ÷ bare GET + PUT, API 150 ms",
            goal="≤ 1.08",
            figure=str(found),
            met=found.value <= 1.08,
            detail=f"{sample.parts()}; {MS * (median(sample.ours) - median(sample.control)):.0f} ms over bare",
        )
    ]


def _edit(company: Company, turn: int) -> None:
    company.save_changes(now=company.changed_at, values={"phone": f"+46 8 124 {turn:04d}"})


def _counted(
    stack: Stack, desk: Desk, company: Company, sheet: str, *, meanwhile: Callable[[], object] = lambda: None
) -> tuple[int, int]:
    """Open a sheet and confirm it; return how many calls each of both made."""
    stack.steer("DELETE", "calls")
    opened = desk.open(company.pk, sheet)
    before = len(stack.calls())
    meanwhile()
    stack.steer("DELETE", "calls")
    confirm(desk, opened, company, Sample())
    return before, len(stack.calls())


def b11(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001
    """Calls that a create, an update and an update of what is there already make; and the sheets before them."""
    counts: list[list[int]] = []
    with _person(stack) as (tenant, desk, bare):
        for company in companies(tenant, 2 if quick else 10):
            create = _counted(stack, desk, company, CREATE)
            _edit(company, 1)
            update = _counted(stack, desk, company, UPDATE)
            _edit(company, 2)
            # Somebody writes the same there while the sheet is open.
            customer = str(CustomerLink.objects.get(company=company).reference)
            same = _counted(stack, desk, company, UPDATE, meanwhile=lambda: bare.update(customer, company.phone))  # noqa: B023  # called at once
            counts.append([calls for sheet, calls in (create, update, same)] + [create[0], update[0]])
    seen = Counter(map(tuple, counts))
    typical = [interval([steps[kind] for steps in counts]).value for kind in range(5)]
    return [
        Result(
            name="B11",
            what="calls per create / update / unchanged / create sheet opened / update sheet opened",
            goal="2 / 2 / 1 / 0 / 1",
            figure=" / ".join(f"{calls:.0f}" for calls in typical),
            met=set(seen) == {(2, 2, 1, 0, 1)},
            detail=f"n={len(counts)}, all alike" if len(seen) == 1 else f"n={len(counts)}, {dict(seen)}",
        )
    ]
