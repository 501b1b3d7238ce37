"""One run: the control, creates, updates, each under faults, kills and wipes; then the judgement."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from django.db.models import Count

from accounts.models import User
from benchmarks.chaos import eaccounting as faults
from benchmarks.chaos import judging, naive, updating, world
from benchmarks.chaos.clicking import Clicks, Job, click, moving
from benchmarks.chaos.disturbing import Disturber
from benchmarks.chaos.eaccounting import SHEETS, Chance, EAccounting, Record
from benchmarks.chaos.judging import Loss, TokenTimes, Verdict
from benchmarks.chaos.options import Options
from benchmarks.chaos.stage import Stage, workers
from benchmarks.chaos.updating import Editors, Target
from benchmarks.chaos.world import Tenant
from benchmarks.sheets import confirm_create
from companies.models import Company
from integrations.access import client_factory
from integrations.access.token_lock import LockTaken
from integrations.eaccounting.errors import EAccountingError
from integrations.exceptions import Refusal
from integrations.models import Connection, Push

LONGEST_SETTLING = 180.0
SHARE_OF_CREATES = 0.8  # so many of the kills, wipes and stops meet the creates, the others the updates
LOOK_EVERY = 1.0
TELL_EVERY = 10.0


@dataclass
class Run:
    """What a run knows; its steps are methods, in the order in which they are called."""

    options: Options
    stage: Stage
    eaccounting: EAccounting
    everybody: list[Tenant] = field(default_factory=list)
    lost_at: list[Loss] = field(default_factory=list)
    settled: list[tuple[str, float]] = field(default_factory=list)
    clicks: list[Clicks] = field(default_factory=list)
    _next_look: float = 0.0
    _next_telling: float = 0.0
    _begun: float = field(default_factory=time.monotonic)

    def say(self, words: str) -> None:
        """Print a line of progress."""
        sys.stdout.write(f"{time.monotonic() - self._begun:6.1f} s  {words}\n")
        sys.stdout.flush()

    def control(self) -> naive.Outcome:
        """Let the naive loop meet the same faults."""
        self._switch_on_create_faults(seed=self.options.seed + 500)
        outcome = naive.run(eaccounting=self.eaccounting, count=self.options.naive)
        self.eaccounting.switch_off()
        self.say(f"control: {outcome.doubled} of {outcome.asked} doubled, {outcome.missing} missing")
        return outcome

    def creates(self, disturber: Disturber) -> None:
        """Wish for creates under faults, and wait until everything has settled."""
        self._switch_on_create_faults(seed=self.options.seed)
        self._plan(disturber, SHARE_OF_CREATES)
        ids = world.add_companies(everybody=self.everybody, count=self.options.creates)
        world.plant_twins(eaccounting=self.eaccounting, everybody=self.everybody, count=self.options.creates)
        self.say(f"{len(ids)} companies; creating")
        ends_at = time.monotonic() + self.options.create_seconds
        tick = self._ticker("creates", disturber, self.options.creates, self.options.create_seconds)
        self.clicks.append(click(jobs=self._create_jobs(ids), ends_at=ends_at, tick=tick))
        disturber.finish()
        self._settle("creates")

    def _create_jobs(self, ids: list[int]) -> Iterator[Job]:
        for place, pk in enumerate(ids):
            user = self.everybody[place % len(self.everybody)].user
            yield partial(_create, pk, user)

    def updates(self, disturber: Disturber, editors: Editors) -> list[Target]:
        """Wish for updates under faults while people edit there; return the companies."""
        count = self.options.updates
        chosen = updating.targets(everybody=self.everybody, most=updating.rounds(count))
        faults_of = self.eaccounting.switch_on
        faults_of(faults=faults.WRITE_FAULTS, method="PUT", path=faults.CUSTOMER, seed=self.options.seed + 3)
        faults_of(faults=faults.READ_FAULTS, method="GET", path=faults.CUSTOMER, seed=self.options.seed + 4)
        faults_of(faults=faults.TOKEN_FAULTS, method="POST", path="/connect/token", seed=self.options.seed + 5)
        self._plan(disturber, 1 - SHARE_OF_CREATES)
        self.say(f"{count} updates of {len(chosen)} customers")
        jobs = updating.jobs(chosen=chosen, editors=editors, count=count)
        seconds = self.options.update_seconds
        tick = self._ticker("updates", disturber, count, seconds)
        self.clicks.append(click(jobs=jobs, ends_at=time.monotonic() + seconds, tick=tick))
        disturber.finish()
        editors.pool.shutdown()
        self._settle("updates")
        return chosen

    def _switch_on_create_faults(self, *, seed: int) -> None:
        faults_of = self.eaccounting.switch_on
        faults_of(faults=faults.CREATE_FAULTS, method="POST", path=faults.CUSTOMERS, seed=seed)
        faults_of(faults=faults.READ_FAULTS, method="GET", path=faults.CUSTOMERS, seed=seed + 1)
        faults_of(faults=faults.TOKEN_FAULTS, method="POST", path="/connect/token", seed=seed + 2)

    def _plan(self, disturber: Disturber, share: float) -> None:
        wanted = self.options
        kills, wipes, stops = (round(many * share) for many in (wanted.kills, wanted.wipes, wanted.stops))
        disturber.plan(kills=kills, wipes=wipes, stops=stops, others=max(2, round(wanted.wipes * share)))

    def _ticker(self, name: str, disturber: Disturber, count: int, seconds: float) -> Callable[[Clicks], None]:
        begun = time.monotonic()

        def tick(clicks: Clicks) -> None:
            progress = max(clicks.done / count, (time.monotonic() - begun) / seconds)
            disturber.act(progress=progress)
            self._look_after()
            if time.monotonic() >= self._next_telling:
                self._next_telling = time.monotonic() + TELL_EVERY
                done = f"{clicks.done} of {count} {name}, {moving()} under way"
                self.say(
                    f"{done}, {len(disturber.kills)} kills, {len(disturber.wipes)} wipes, {disturber.restarts} restarts"
                )

        return tick

    def _look_after(self) -> None:
        """Be the admin who reconnects when the card says so."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_EVERY
        lost = Connection.without_tokens().filter(state=Connection.State.NEEDS_RECONNECT).values_list("pk", flat=True)
        for pk in list(lost):
            tenant = next(tenant for tenant in self.everybody if tenant.connection_id == pk)
            code = Connection.without_tokens().get(pk=pk).last_error
            self.say(f"connection {tenant.key} needs reconnecting: {code}")
            self.lost_at.append(Loss(key=tenant.key, code=code, seen_at=time.monotonic()))
            try:
                world.connect(eaccounting=self.eaccounting, account=tenant.account, user=tenant.user, key=tenant.key)
            except (EAccountingError, Refusal, LockTaken) as reason:
                self.lost_at.pop()
                self.say(f"reconnecting {tenant.key} did not work: {reason!r}")

    def _settle(self, name: str) -> None:
        """Switch the faults off and measure until nothing moves any more."""
        self.eaccounting.switch_off()
        begun = time.monotonic()
        while moving() and time.monotonic() < begun + LONGEST_SETTLING:
            self._look_after()
            time.sleep(0.1)
        self.settled.append((name, time.monotonic() - begun))
        states = Push.objects.values("kind", "state").annotate(many=Count("pk")).order_by("kind", "state")
        told = ", ".join(f"{row['kind']} {row['state']} {row['many']}" for row in states)
        self.say(f"{name} settled after {self.settled[-1][1]:.1f} s: {told}")
        for push in Push.objects.exclude(finished_at=None).order_by("-finished_at")[:3]:
            seconds = (push.finished_at - push.requested_at).total_seconds() if push.finished_at else 0.0
            self.say(f"among the last: {push} after {seconds:.1f} s, {push.attempts} attempts, {push.crashes} crashes")

    def judged(self, disturber: Disturber, editors: Editors, chosen: list[Target]) -> list[Verdict]:
        """Hold the end against R1 to R7."""
        there = judging.customers(eaccounting=self.eaccounting, everybody=self.everybody)
        record = self.eaccounting.record()
        writes, reads = judging.grouped(record["writes"]), judging.grouped(record["reads"])
        accepted = [pk for clicks in self.clicks for pk in clicks.accepted]
        broken = [words for clicks in self.clicks for words in clicks.broken]
        times = TokenTimes(
            lifetime=self.options.token_lifetime,
            expiries=disturber.expiries,
            kills=disturber.kills,
            lost_at=self.lost_at,
            stops=len(disturber.stops),
        )
        kills, wipes = len(disturber.kills), len(disturber.wipes)
        return [
            judging.endings(),
            judging.doubles(there=there, writes=writes),
            judging.lost(accepted=accepted, broken=broken, there=there, kills=kills, wipes=wipes),
            judging.settled(seconds=self.settled),
            judging.refreshes(records=_of(record["refreshes"], self.everybody), times=times),
            judging.edits(
                made=editors.edits, there=there, writes=writes, reads=reads, clicks=len(self.clicks[-1].accepted)
            ),
            judging.one_at_a_time(writes=_ours(writes), there=there, chosen=chosen),
        ]


def _create(company_id: int, user: User) -> list[int]:
    return [confirm_create(user=user, company=Company.objects.get(pk=company_id)).pk]


def _of(records: list[Record], everybody: list[Tenant]) -> list[Record]:
    keys = {tenant.key for tenant in everybody}
    return [record for record in records if record["company"] in keys]


def _ours(writes: judging.Writes) -> judging.Writes:
    """Leave the control's writes out."""
    theirs = {world.registration_number(naive.FIRST + place) for place in range(10_000)}
    return {key: calls for key, calls in writes.items() if key not in theirs}


def main(*, options: Options, stage: Stage) -> bool:
    """Run it all, print the result, and return whether every promise was kept."""
    client_factory.USER_AGENT = f"{client_factory.USER_AGENT} {SHEETS}"
    eaccounting = EAccounting(url=stage.stand_in_url)
    chance = Chance(options.seed)
    run = Run(options, stage, eaccounting)
    run.everybody = world.tenants(eaccounting=eaccounting, count=options.companies)
    run.say(f"{len(run.everybody)} accounts connected; the naive control")
    control = run.control()
    editors = Editors(eaccounting, chance)
    with workers(stage=stage, hosts=options.hosts, slots=options.slots) as nodes:
        disturber = Disturber(nodes, eaccounting, stage.redis_url, chance)
        run.creates(disturber)
        chosen = run.updates(disturber, editors)
    verdicts = run.judged(disturber, editors, chosen)
    _tell(verdicts, control, run)
    return all(verdict.met for verdict in verdicts)


def _tell(verdicts: list[Verdict], control: naive.Outcome, run: Run) -> None:
    run.say(f"seed {run.options.seed}; judged:\n")
    for verdict in verdicts:
        sys.stdout.write(verdict.line())
    share = 100 * control.doubled / max(1, control.asked)
    words = f"{control.doubled} of {control.asked} companies twice ({share:.1f} %), {control.missing} never"
    sys.stdout.write(f"control (requests.post and again on any error): {words}\n")
