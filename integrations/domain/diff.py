"""What differs between a company and its customer, and what a person's choices write. Pure.

Three-way: the local value, the remote value, and both as they were last agreed on, which means sent, or seen by a
person who kept eAccounting's value. So a change made on one side can be told from a mere difference, and from a form
that only eAccounting gives a value. Nothing is preselected that would lose the newer value.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from integrations.domain import mapping
from integrations.domain.mapping import (
    COUNTRY,
    FIELDS,
    Field,
    Group,
    Problem,
    Values,
)


class Change(StrEnum):
    """Who changed a value since both were last agreed on."""

    SAME = "same"  # equal, or agreed on as different
    HERE = "here"
    THERE = "there"
    BOTH = "both"
    DIFFERS = "differs"  # never agreed on: nobody can tell who changed it


class Side(StrEnum):
    """Whose value wins in a row; eAccounting's is kept by writing nothing."""

    OURS = "ours"
    THEIRS = "theirs"


@dataclass(frozen=True)
class Base:
    """The local and remote values as they were last agreed on, by property; one that is missing was never agreed on."""

    here: Mapping[str, str]
    there: Mapping[str, str]


NEVER_AGREED = Base({}, {})


@dataclass(frozen=True)
class Row:
    """One thing to decide about: a single property, or a group that is written whole."""

    key: str  # the name of the property, or of the group
    label: str | Promise
    fields: tuple[Field, ...]
    here: Values
    there: Values
    change: Change
    differing: tuple[Field, ...]  # the fields whose values differ

    @cached_property
    def is_blank_here(self) -> bool:
        """Whether the company has nothing to write; an address with a country alone counts as blank."""
        return not any(value for name, value in self.here.items() if name != COUNTRY)

    @property
    def default(self) -> Side | None:
        """The choice that loses nothing; None if both changed, so that a person has to choose."""
        if self.change is Change.BOTH:
            return None
        return Side.OURS if self.change is Change.HERE and not self.is_blank_here else Side.THEIRS

    @property
    def is_news(self) -> bool:
        """Whether to tell people about it; a value that only eAccounting ever had is not news."""
        return self.change not in (Change.SAME, Change.DIFFERS) or (
            self.change is Change.DIFFERS and not self.is_blank_here
        )

    @property
    def problems(self) -> list[Problem]:
        """Why the company's value cannot be written: too long, or required and blank."""
        return mapping.problems(self.here)


@dataclass(frozen=True)
class Decision:
    """What a person confirmed: values to write, the remote values they overwrite, and what is kept as it is."""

    write: Values
    based_on: Values
    kept_here: Values
    kept_there: Values
    shown: Values = field(default_factory=dict, compare=False)
    """All that was shown of what is there, equal or not: an older wish about any of it is overtaken."""
    read_at: datetime | None = field(default=None, compare=False)
    """When the reading of what was shown began. What we write after that is not taken for somebody else's change;
    without it everything is."""


GROUP_LABELS: dict[Group, Promise] = {Group.ADDRESS: _("Postal address"), Group.CONTACT: _("Contact person")}


def compare(*, here: Values, there: Values, base: Base = NEVER_AGREED) -> list[Row]:
    """Return a row for each property of `here`, groups as one; `there` holds the customer's owned properties."""
    country = here.get(COUNTRY) or there.get(COUNTRY, "")
    there = {name: there.get(name, "") for name in here}
    differing = set(mapping.unequal(here, there, country=country))
    moved_here = set(mapping.moved(here, base.here, country=country))
    moved_there = set(mapping.moved(there, base.there, country=country))
    known = base.here.keys() & base.there.keys()
    rows = []
    for members in _rows_of(here):
        names = [field.remote for field in members]
        apart = tuple(field for field in members if field.remote in differing)
        change = _change(
            {field.remote for field in apart},
            moved_here=bool(moved_here & {*names} & known),
            moved_there=bool(moved_there & {*names} & known),
            known=known,
        )
        rows.append(
            Row(
                key=names[0] if len(names) == 1 else members[0].group.value,
                label=members[0].label if len(names) == 1 else GROUP_LABELS[members[0].group],
                fields=members,
                here={name: here[name] for name in names},
                there={name: there[name] for name in names},
                change=change,
                differing=apart,
            )
        )
    return rows


def _rows_of(here: Values) -> list[tuple[Field, ...]]:
    singles = [(field,) for field in FIELDS if field.group is Group.SINGLE and field.remote in here]
    groups = [
        tuple(field for field in FIELDS if field.group is group and field.remote in here)
        for group in (Group.ADDRESS, Group.CONTACT)
    ]
    return [*singles, *(members for members in groups if members)]


def _change(apart: set[str], *, moved_here: bool, moved_there: bool, known: Iterable[str]) -> Change:
    if not apart:
        return Change.SAME
    if not apart <= set(known):
        return Change.DIFFERS
    if moved_here and moved_there:
        return Change.BOTH
    if moved_here:
        return Change.HERE
    return Change.THERE if moved_there else Change.SAME


def decide(rows: Iterable[Row], choices: Mapping[str, Side]) -> Decision:
    """Return the decision that the choices (by row key) make; a row without a choice stays undecided."""
    rows = list(rows)
    shown = _merged(row.there for row in rows)
    rows = [row for row in rows if row.differing]
    ours = [row for row in rows if choices.get(row.key) is Side.OURS]
    kept = [row for row in rows if choices.get(row.key) is Side.THEIRS]
    return Decision(
        write=_merged(row.here for row in ours),
        based_on=_merged(row.there for row in ours),
        kept_here=_merged(row.here for row in kept),
        kept_there=_merged(row.there for row in kept),
        shown=shown,
    )


def _merged(parts: Iterable[Values]) -> Values:
    return {name: value for part in parts for name, value in part.items()}
