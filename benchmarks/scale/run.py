"""One run: clicks on the web host, one worker host cut off in the middle, back again, and alone at the end."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import requests

from benchmarks.chaos import eaccounting as faults
from benchmarks.chaos import judging, world
from benchmarks.chaos.clicking import moving
from benchmarks.chaos.eaccounting import EAccounting
from benchmarks.chaos.judging import Verdict
from benchmarks.chaos.stage import ROOT, Node, Stage
from benchmarks.chaos.world import Tenant
from benchmarks.scale.hosts import Host
from benchmarks.scale.people import People, accepted
from integrations.access.token_lock import LockTaken, token_lock
from integrations.models import Connection, Push

ACCOUNTS = 10
WEB_PORT = 8000
API_DELAY = 0.3  # seconds: a host that is cut off has calls under way
LEAST_UNDER_WAY = 6  # rows, at the cut
LAST_CLICKS = 40
TAKEN_OVER_WITHIN = 60.0  # R4
LOCK_FREE_WITHIN = 60.0
ANSWERED_WITHIN = 0.2
CELERY = [sys.executable, "-m", "celery", "-A", "limego_visma"]


@dataclass
class Cut:
    """What was seen of the host that was cut off."""

    open_at_cut: int = 0
    settled_after: float = 0.0
    lock_free_after: float = float("inf")
    rejoined_after: float = float("inf")
    taken_over: int = 0
    ended_gracefully: bool = False


@dataclass
class Run:
    """The hosts and what happens on them."""

    stage: Stage
    eaccounting: EAccounting
    hosts: list[Host]
    clicks: int
    everybody: list[Tenant] = field(default_factory=list)
    cut: Cut = field(default_factory=Cut)
    _begun: float = field(default_factory=time.monotonic)

    def say(self, words: str) -> None:
        """Print a line of progress."""
        sys.stdout.write(f"{time.monotonic() - self._begun:6.1f} s  {words}\n")
        sys.stdout.flush()

    def act(self) -> tuple[People, list[int]]:
        """Do it all; return the people and the ids of the companies they clicked on."""
        web, staying, leaving = self.hosts
        self.everybody = world.tenants(eaccounting=self.eaccounting, count=ACCOUNTS)
        ids = world.add_companies(everybody=self.everybody, count=self.clicks + LAST_CLICKS)
        self._make_it_hard()
        with ExitStack() as stack:
            stack.enter_context(_running([self._web(web), self._way(staying), self._way(leaving)]))
            stayers = self._workers(staying)
            stack.enter_context(_running(stayers))
            stack.enter_context(_running(self._workers(leaving)))
            url = f"http://{web.address}:{WEB_PORT}"
            _wait_for(url)
            people = People(url, self.everybody)
            self.say(f"web on {web.name}, workers, beat and sweeper on {staying.name} and on {leaving.name}")
            self._cut_in_the_middle(people, ids[: self.clicks], leaving)
            self._rejoin(people, ids[self.clicks :], leaving, stayers)
        return people, ids

    def _make_it_hard(self) -> None:
        switch_on = self.eaccounting.switch_on
        slow: tuple[faults.Record, ...] = ({"kind": "delay", "when": "after", "seconds": API_DELAY, "probability": 1},)
        switch_on(faults=slow, method="POST", path=faults.CUSTOMERS, seed=1)

    def _web(self, host: Host) -> Node:
        words = ["limego_visma.wsgi", "--bind", f"{host.address}:{WEB_PORT}", "--workers", "2", "--threads", "4"]
        command = [sys.executable, "-m", "gunicorn", *words, "--no-control-socket"]
        return Node("web", host.run(command), self.stage.folder / "web.log")

    def _way(self, host: Host) -> Node:
        """The host's way to the stand-in."""
        port = self.stage.stand_in_url.rpartition(":")[2]
        command = host.run([sys.executable, "-m", "benchmarks.scale.forward", port])
        return Node("way", command, self.stage.folder / f"{host.name}-way.log")

    def _workers(self, host: Host) -> list[Node]:
        """The processes of a worker host, as docs/operating.md says."""

        def node(name: str, *words: str) -> Node:
            command = [*CELERY, *words, "-l", "INFO"]
            return Node(name, host.run(command), self.stage.folder / f"{host.name}-{name}.log")

        def worker(name: str, queues: str, size: int) -> Node:
            return node(name, "worker", "-Q", queues, "-c", str(size), "-n", f"{name}-SERIAL@{host.name}")

        beat = node("beat", "beat")
        return [
            worker("clicks", "clicks", 2),
            worker("bulk", "bulk,sweep", 2),
            worker("upkeep", "upkeep,mail", 1),
            beat,
        ]

    def _cut_in_the_middle(self, people: People, ids: list[int], host: Host) -> None:
        """Click, cut the host off at a third, wait until everything has settled without it, and measure."""
        with self._token_lock_held_on(host):
            clicking = people.begin(ids=ids)
            _wait(lambda: people.clicked > len(ids) // 3 and moving() > LEAST_UNDER_WAY, TAKEN_OVER_WITHIN)
            host.cut()
            cut_at = time.monotonic()
            self.cut.open_at_cut = moving()
            self.say(f"{host.name} is cut off; {self.cut.open_at_cut} rows are under way")
            waiting = threading.Thread(target=self._time_the_lock, args=(cut_at,), daemon=True)
            waiting.start()
            clicking.join()
            _wait(lambda: not moving(), TAKEN_OVER_WITHIN)
            self.cut.settled_after = time.monotonic() - cut_at
            self.say(f"{moving()} rows are left {self.cut.settled_after:.1f} s after the cut")
            waiting.join(LOCK_FREE_WITHIN)
            self.cut.taken_over = Push.objects.filter(crashes__gt=0).count()
            host.mend()

    @contextmanager
    def _token_lock_held_on(self, host: Host) -> Iterator[None]:
        """A refresh under way on that host, for the last account."""
        words = ["-m", "benchmarks.scale.holder", str(self._lock_of)]
        command = host.run([sys.executable, *words])
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603  # fixed words
            if process.stdout is None or process.stdout.readline() != b"held\n":
                raise RuntimeError("the token lock was not taken")
            try:
                yield
            finally:
                process.kill()

    @property
    def _lock_of(self) -> int:
        """An account that nobody has: no refresh of a run needs its lock."""
        return max(tenant.account.pk for tenant in self.everybody) + 1

    def _time_the_lock(self, cut_at: float) -> None:
        try:
            with token_lock(self._lock_of, patience=LOCK_FREE_WITHIN):
                self.cut.lock_free_after = time.monotonic() - cut_at
                self.say(f"the token lock that it held is free after {self.cut.lock_free_after:.1f} s")
        except LockTaken:
            self.say("the token lock that it held is not free yet")

    def _rejoin(self, people: People, ids: list[int], host: Host, stayers: list[Node]) -> None:
        """Stop the other worker host: what is clicked now is the returned one's alone."""
        for node in stayers:
            node.ask_to_end()
        ended = [node.end() for node in stayers]
        self.cut.ended_gracefully = all(ended)
        self.say(f"{host.name} is back and the other worker host stopped")
        began = time.monotonic()
        people.begin(ids=ids).join()
        if _wait(lambda: not moving(), TAKEN_OVER_WITHIN):
            self.cut.rejoined_after = time.monotonic() - began
        self.say(f"{len(ids)} more clicks; {moving()} rows are left")

    def judged(self, people: People, ids: list[int]) -> list[Verdict]:
        """Hold the end against what scale-out promises."""
        there = judging.customers(eaccounting=self.eaccounting, everybody=self.everybody)
        writes = judging.grouped(self.eaccounting.record()["writes"])
        pushes = accepted(ids)
        missing = [f"company {pk} has no push" for pk in set(ids) - set(_clicked(pushes))]
        return [
            judging.endings(),
            judging.doubles(there=there, writes=writes),
            judging.lost(accepted=pushes, broken=[*people.broken, *missing], there=there, kills=0, wipes=0),
            _verdict("clicks answered (p95)", f"{_p95(people.took):.3f} s", "≤ 0.2 s", met=_quick(people.took)),
            *self._of_the_cut(),
            _connections(),
        ]

    def _of_the_cut(self) -> list[Verdict]:
        cut = self.cut
        settled = cut.settled_after <= TAKEN_OVER_WITHIN
        figure = f"{cut.settled_after:.1f} s ({cut.open_at_cut} under way at the cut, {cut.taken_over} taken over)"
        free, back = cut.lock_free_after, cut.rejoined_after
        return [
            _verdict("cut → all settled without the host", figure, "≤ 60 s, ≥ 1", met=settled and cut.taken_over > 0),
            _verdict("cut → its token lock is free", f"{free:.1f} s", "≤ 60 s", met=free <= LOCK_FREE_WITHIN),
            _verdict("back → does all the work alone", f"{back:.1f} s", "≤ 60 s", met=back <= TAKEN_OVER_WITHIN),
            _verdict(
                "SIGTERM ends the other host's workers by themselves",
                "yes" if cut.ended_gracefully else "no",
                "yes",
                met=cut.ended_gracefully,
            ),
        ]


def _verdict(says: str, figure: str, goal: str, *, met: bool) -> Verdict:
    return Verdict(promise="--", says=says, figure=figure, goal=goal, met=met)


def _connections() -> Verdict:
    lost = Connection.objects.exclude(state=Connection.State.CONNECTED).count()
    return _verdict("connections lost", f"{lost} of {ACCOUNTS}", "0", met=lost == 0)


def _clicked(pushes: list[int]) -> list[int]:
    return list(Push.objects.filter(pk__in=pushes).values_list("company_id", flat=True))


def _p95(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.95)] if took else float("inf")


def _quick(took: list[float]) -> bool:
    return _p95(took) <= ANSWERED_WITHIN


def _wait(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is true, at most so long; tell whether it is."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def _wait_for(url: str) -> None:
    def answers() -> bool:
        try:
            return requests.get(f"{url}/healthz", timeout=1).ok
        except requests.RequestException:
            return False

    if not _wait(answers, 30):
        raise RuntimeError("the web host does not answer")


@contextmanager
def _running(nodes: list[Node]) -> Iterator[None]:
    """Run them, and stop them all at one time."""
    try:
        for node in nodes:
            node.start()
        yield
    finally:
        for node in nodes:
            node.ask_to_end()
        for node in nodes:
            node.end()


def main(*, clicks: int, stage: Stage, hosts: list[Host]) -> bool:
    """Run it all, print the result, and return whether everything was met."""
    # The same number from each account.
    run = Run(stage, EAccounting(url=stage.stand_in_url), hosts, clicks - clicks % ACCOUNTS)
    verdicts = run.judged(*run.act())
    run.say("judged:\n")
    for verdict in verdicts:
        sys.stdout.write(verdict.line())
    return all(verdict.met for verdict in verdicts)
