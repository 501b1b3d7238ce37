"""What is there in the end: rows, customers and the observer's notes, held against the promises."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.chaos.eaccounting import EAccounting, Record, number
from benchmarks.chaos.updating import Edit, Target
from benchmarks.chaos.world import Tenant
from companies.models import Company
from integrations.domain import mapping
from integrations.domain.mapping import Group
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Kind, Push, PushState, WaitReason
from integrations.models.push import CRASHES_ALLOWED, OPEN

# How late a commit may be: the call's deadline and the settle time, as scaled in stage.py.
PROMISED_LATENESS = 2.0
EARLY = 0.3  # seconds by which two processes' readings of a token's age may differ
Writes = dict[str, list[Record]]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One line of the result."""

    promise: str
    says: str
    figure: str
    goal: str
    met: bool
    examples: tuple[str, ...] = ()

    def line(self) -> str:
        """Return it as it is printed, with examples of what went wrong below."""
        word = "met" if self.met else "MISSED"
        line = f"{self.promise}  {self.says:<42} {self.figure:<70} goal {self.goal:<10} {word}\n"
        return line + "".join(f"      {example}\n" for example in self.examples)


def grouped(records: Iterable[Record]) -> Writes:
    """Return notes by what they are about, oldest first."""
    found: Writes = defaultdict(list)
    for record in sorted(records, key=lambda record: number(record["begun"])):
        found[str(record["key"])].append(record)
    return found


def customers(*, eaccounting: EAccounting, everybody: list[Tenant]) -> dict[str, list[Record]]:
    """Return all customers by the key of their company."""
    return {tenant.key: eaccounting.customers(company=tenant.key) for tenant in everybody}


def endings() -> Verdict:
    """R1: every row ended, with a sentence where it failed, with real candidates where a person decides."""
    stuck = [f"{push} {push.wait_reason} {push.failure}" for push in _stuck()]
    silent = [f"{push} {push.failure}" for push in Push.objects.filter(state=PushState.FAILED) if not _told(push)]
    waiting = Push.objects.filter(state__in=OPEN, wait_reason=WaitReason.DECISION)
    wrong = [f"{push} without a reason to decide" for push in waiting if not _decidable(push)]
    failures = Counter(Push.objects.filter(state=PushState.FAILED).values_list("failure", flat=True))
    told = ", ".join(f"{count} {code}" for code, count in failures.most_common())
    bad = [*stuck, *silent, *wrong]
    done = Push.objects.filter(state=PushState.DONE).count()
    figure = (
        f"{len(bad)} of {Push.objects.count()} (done {done}, for a person {len(waiting)}, failed: {told or 'none'})"
    )
    return Verdict(
        promise="R1",
        says="rows without a proper end",
        figure=figure,
        goal="0",
        met=not bad,
        examples=tuple(bad[:5]),
    )


def _stuck() -> Iterable[Push]:
    return Push.objects.filter(state__in=OPEN).exclude(wait_reason=WaitReason.DECISION)


def _told(push: Push) -> bool:
    return sentence(push.failure, push.failure_parameters) != sentence("no such code")


def _decidable(push: Push) -> bool:
    return bool(push.candidates) or push.crashes >= CRASHES_ALLOWED


def doubles(*, there: dict[str, list[Record]], writes: Writes) -> Verdict:
    """R2: no registration number twice; those that the stand-in committed later than promised are told apart."""
    counted = Counter(str(row.get("CorporateIdentityNumber")) for rows in there.values() for row in rows)
    double = [key for key, many in counted.items() if many > 1]
    beyond = [key for key in double if any(_late(write) for write in writes.get(key, []))]
    bad = [key for key in double if key not in beyond]
    figure = f"{len(bad)} of {_creates()}" + (f" (+{len(beyond)} committed later than promised)" if beyond else "")
    told = tuple(f"{key}: {_history(key, writes)}" for key in bad[:5])
    return Verdict(promise="R2", says="companies created twice", figure=figure, goal="0", met=not bad, examples=told)


def _creates() -> int:
    return Push.objects.filter(kind=Kind.CREATE).count()


def _late(write: Record) -> bool:
    return write["ended"] is None or number(write["ended"]) - number(write["begun"]) > PROMISED_LATENESS


def _history(key: str, writes: Writes) -> str:
    company = Company.objects.filter(registration_number=key).first()
    rows = [f"push {push.pk} {push.state} attempts {push.attempts}" for push in Push.objects.filter(company=company)]
    sent = [f"{write['method']} {write['status']} at {number(write['begun']):.2f}" for write in writes.get(key, [])]
    return "; ".join([*rows, *sent])


def lost(*, accepted: list[int], broken: list[str], there: dict[str, list[Record]], kills: int, wipes: int) -> Verdict:
    """R3: each accepted click has its row, each row that is done its customer."""
    present = set(Push.objects.values_list("pk", flat=True))
    gone = [f"push {pk} is not there" for pk in accepted if pk not in present]
    ids = {str(row["Id"]).lower() for rows in there.values() for row in rows}
    links = CustomerLink.objects.select_related("customer")
    empty = [f"company {link.company_id} has no customer" for link in links if str(link.reference) not in ids]
    linked = set(links.values_list("company_id", flat=True))
    creates = Push.objects.filter(kind=Kind.CREATE, state=PushState.DONE).values_list("company_id", flat=True)
    empty += [f"company {pk} is done and not linked" for pk in creates if pk not in linked]
    empty += [f"{push} never ended" for push in _stuck()]
    bad = [*gone, *empty, *broken]
    figure = f"{len(bad)} of {len(accepted)} ({kills} kills, {wipes} wipes)"
    return Verdict(
        promise="R3", says="accepted clicks lost", figure=figure, goal="0", met=not bad, examples=tuple(bad[:5])
    )


def settled(*, seconds: list[tuple[str, float]]) -> Verdict:
    """R4: how long it took from the last fault until nothing moved any more."""
    figure = ", ".join(f"{name} {value:.1f} s" for name, value in seconds)
    met = all(value <= 60 for _, value in seconds)
    return Verdict(promise="R4", says="last fault to last settled row", figure=figure, goal="≤ 60 s", met=met)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A connection that needed a person, the reason on it, and when that was seen."""

    key: str
    code: str
    seen_at: float


@dataclass(frozen=True, kw_only=True)
class TokenTimes:
    """When tokens were ended or lost from outside."""

    lifetime: int
    expiries: list[float]
    kills: list[float]
    lost_at: list[Loss]
    stops: int


def refreshes(*, records: list[Record], times: TokenTimes) -> Verdict:
    """R5: one token call per expiry; a connection may only be lost to SIGKILL in the middle of an exchange."""
    by_grant: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: number(record["begun"])):
        if record["status"] == 200:
            by_grant[str(record["grant"])].append(record)
    good = sum(len(calls) for calls in by_grant.values())
    needless = sum(_needless(calls, times) for calls in by_grant.values())
    unexplained = [
        f"{loss.key}: {loss.code}" for loss in times.lost_at if not _killed_meanwhile(loss, records, times.kills)
    ]
    not_connected = Connection.objects.exclude(state=Connection.State.CONNECTED).count()
    rate = good / max(1, good - needless)
    figure = f"{rate:.3f} ({good} calls), {len(unexplained)} lost, {times.stops} stops"
    explained = len(times.lost_at) - len(unexplained)
    figure += f", {explained} lost to SIGKILL inside the exchange" if explained else ""
    figure += f", {not_connected} not connected at the end" if not_connected else ""
    met = needless == 0 and not unexplained and not not_connected
    return Verdict(
        promise="R5",
        says="token calls per expiry, connections lost",
        figure=figure,
        goal="1.000, 0",
        met=met,
        examples=tuple(unexplained[:5]),
    )


def _needless(calls: list[Record], times: TokenTimes) -> int:
    """Count refreshes of a token that had neither come near its end nor been ended."""
    least = times.lifetime * 5 / 6 - EARLY
    count = 0
    for before, after in itertools.pairwise(calls):
        issued, asked = number(before["begun"]), number(after["begun"])
        ended_early = any(issued - EARLY <= moment <= asked for moment in times.expiries)
        count += asked - issued < least and not ended_early
    return count


def _killed_meanwhile(loss: Loss, records: list[Record], kills: list[float]) -> bool:
    """Whether a kill fell into an exchange of this company: a rotated token that nobody could store."""
    calls = [number(r["begun"]) for r in records if r["company"] == loss.key and r["status"] == 200]
    last = max((at for at in calls if at < loss.seen_at), default=None)
    cut = last is not None and any(last - 0.1 <= at <= last + 1 for at in kills)
    return cut and loss.code == "connection_revoked"


def edits(*, made: list[Edit], there: dict[str, list[Record]], writes: Writes, reads: Writes, clicks: int) -> Verdict:
    """R6: every edit of a person is there, save those committed between our GET and our PUT."""
    now = {str(row["Id"]).lower(): row for rows in there.values() for row in rows}
    missing = [edit for edit in made if now[edit.customer].get(edit.name) != edit.value]
    unseeable = [edit for edit in missing if _in_between(edit, writes, reads)]
    bad = [edit for edit in missing if edit not in unseeable]
    figure = f"{len(bad)} of {len(made)} edits during {clicks} clicks ({len(unseeable)} between GET and PUT)"
    told = tuple(
        f"{edit.name} of {edit.customer} at {edit.begun:.3f}: {now[edit.customer].get(edit.name)!r}" for edit in bad
    )
    return Verdict(promise="R6", says="people's edits lost", figure=figure, goal="0", met=not bad, examples=told[:5])


def _in_between(edit: Edit, writes: Writes, reads: Writes) -> bool:
    for write in writes.get(edit.customer, []):
        earlier = [
            number(r["begun"]) for r in reads.get(edit.customer, []) if number(r["begun"]) <= number(write["begun"])
        ]
        if not earlier:
            continue
        ended = number(write["ended"]) if write["ended"] is not None else float("inf")
        if edit.ended >= earlier[-1] and edit.begun <= ended:
            return True
    return False


def one_at_a_time(*, writes: Writes, there: dict[str, list[Record]], chosen: list[Target]) -> Verdict:
    """R7: no two calls of writing for one customer overlap, and the newest wish is there."""
    overlaps = [key for key, calls in writes.items() if _overlap(calls)]
    now = {str(row["Id"]).lower(): row for rows in there.values() for row in rows}
    failed = Push.objects.filter(kind=Kind.UPDATE).exclude(state=PushState.DONE).values_list("company_id", flat=True)
    excused = set(failed)
    old = [str(t.company_id) for t in chosen if t.company_id not in excused and _is_old(t, now[t.customer])]
    # Nobody there edits what these updates write: only our own writes could have been taken for somebody's.
    mistaken = Push.objects.filter(kind=Kind.UPDATE, failure="changed_there").values_list("company_id", flat=True)
    many = sum(map(len, writes.values()))
    figure = f"{len(overlaps)} overlapping of {many} writes, {len(old)} of {len(chosen)} not newest"
    figure += f", {len(mistaken)} mistaken"
    told = [*(f"writes of {key}" for key in overlaps), *(f"company {pk} holds an older wish" for pk in old)]
    told += [f"company {pk} was told of a change that nobody made" for pk in mistaken]
    return Verdict(
        promise="R7",
        says="at once, older, own ones mistaken",
        figure=figure,
        goal="0, 0, 0",
        met=not told,
        examples=tuple(told[:5]),
    )


def _overlap(calls: list[Record]) -> bool:
    ends = [number(call["ended"]) if call["ended"] is not None else float("inf") for call in calls]
    return any(number(later["begun"]) < end for end, later in zip(ends, calls[1:], strict=False))


def _is_old(target: Target, row: Record) -> bool:
    company = Company.objects.get(pk=target.company_id)
    here = mapping.values_of(company, None, groups=[Group.SINGLE])
    return bool(mapping.to_write(here, mapping.owned(row)))
