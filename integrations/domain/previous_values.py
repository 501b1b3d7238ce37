"""What an update overwrote, and which of it can be put back. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from integrations.domain import diff
from integrations.domain.diff import Base, Change, Decision, Side
from integrations.domain.mapping import FIELDS, Group, Problem, Values
from integrations.models import CustomerLink, Kind, Push, PushState


class Standing(StrEnum):
    """What has become of a value that an update wrote."""

    AS_SENT = "as_sent"  # still what was sent: putting the previous value back loses nobody's work
    CHANGED_SINCE = "changed_since"
    AS_BEFORE = "as_before"  # the previous value again: nothing to put back


@dataclass(frozen=True)
class Former:
    """One property, or one group, that an update wrote."""

    row: diff.Row  # `here` is the previous value, `there` the current remote one
    sent: Values
    standing: Standing

    @property
    def key(self) -> str:
        """The name of the choice in the form: the property, or the group."""
        return self.row.key

    @property
    def problems(self) -> list[Problem]:
        """Why it cannot be put back, e.g. a required value that eAccounting did not have before."""
        return self.row.problems

    @property
    def may_be_put_back(self) -> bool:
        """Whether there is something to put back that eAccounting would accept."""
        return self.standing is not Standing.AS_BEFORE and not self.problems

    @property
    def is_suggested(self) -> bool:
        """Whether it is ticked at first: not if somebody changed it since."""
        return self.may_be_put_back and self.standing is Standing.AS_SENT


def is_undoable(push: Push, link: CustomerLink | None) -> bool:
    """Whether it is a finished update of the customer that the company is still linked to by the same link."""
    if push.kind != Kind.UPDATE or push.state != PushState.DONE or not push.before or push.finished_at is None:
        return False
    return link is not None and link.connection_id == push.connection_id and link.linked_at <= push.finished_at


def formers_of(push: Push, there: Mapping[str, str]) -> list[Former]:
    """Return what the update wrote, groups whole, compared with the current remote values."""
    before, sent = _before(push), _sent(push)
    now = {name: there.get(name, "") for name in before}
    written = {name: sent[name] for name in before}
    rows = diff.compare(here=before, there=now, base=Base(written, written))
    return [Former(row, {name: written[name] for name in row.here}, _standing(row)) for row in rows]


def _sent(push: Push) -> Values:
    return {**push.confirmed, **(push.values or {})}


def _before(push: Push) -> Values:
    """Return the previous values; the rest of a group was already as it was sent."""
    overwritten: Values = push.before or {}
    sent = _sent(push)
    groups = {field.group for field in FIELDS if field.remote in overwritten} - {Group.SINGLE}
    names = [field.remote for field in FIELDS if field.remote in sent]
    touched = {field.remote for field in FIELDS if field.group in groups} | overwritten.keys()
    return {name: overwritten.get(name, sent[name]) for name in names if name in touched}


def _standing(row: diff.Row) -> Standing:
    if not row.differing:
        return Standing.AS_BEFORE
    return Standing.AS_SENT if row.change is Change.HERE else Standing.CHANGED_SINCE


def decide(formers: Iterable[Former], chosen: Iterable[str]) -> Decision:
    """Return the decision that puts back the chosen ones (by key), and what it overwrites."""
    rows = [former.row for former in formers if former.may_be_put_back]
    return diff.decide(rows, dict.fromkeys(chosen, Side.OURS))
