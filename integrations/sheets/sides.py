"""Two sides of a row as they are drawn: their words, their values line by line, who changed them."""

from collections.abc import Callable
from dataclasses import dataclass

from django.forms import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django_countries import countries

from integrations.comparing import Change, Row, Side
from integrations.mapping import COUNTRY, FIELDS, Field, Values
from integrations.words.sentences import ValueProblem

Words = str | Promise


def update_words(count: int) -> str:
    """Return the words of a button that writes so many rows."""
    if not count:
        return gettext("Keep what Visma eAccounting has")
    words = ngettext(
        "Update %(count)d field in Visma eAccounting", "Update %(count)d fields in Visma eAccounting", count
    )
    return words % {"count": count}


@dataclass(frozen=True)
class Wording:
    """What the two sides are called (a value follows the words that end in a colon), and the button that ends it.

    `submit` says it without a number, where no script counts; `counted` for 0, 1, 2 … rows whose side is ours.
    """

    ours: Words
    clear: Words
    theirs: Words
    blank: Words
    submit: Words
    counted: Callable[[int], str]


UPDATE = Wording(
    ours=_("Use ours:"),
    clear=_("Clear it there"),
    theirs=_("Keep Visma eAccounting's:"),
    blank=_("Leave it blank there"),
    submit=_("Update the chosen fields in Visma eAccounting"),
    counted=update_words,
)


@dataclass(frozen=True)
class ChangeLook:
    """How a change is told: words, a colour (`kind` of partials/badge.html), an icon; "" is the kind's own."""

    words: Words
    kind: str
    icon: str = ""


CHANGE_LOOKS = {
    Change.HERE: ChangeLook(_("Changed here"), "info", "pencil-square"),
    Change.THERE: ChangeLook(_("Changed in Visma eAccounting"), "info", "cloud"),
    Change.BOTH: ChangeLook(_("Changed on both sides"), "warning"),
    Change.DIFFERS: ChangeLook(_("Differs"), "neutral", "arrows-right-left"),
    # Not changed since, but not equal either: a person kept it, or eAccounting stored something else.
    Change.SAME: ChangeLook(_("Stored otherwise there"), "warning"),
}
LEFT = ChangeLook(_("Left as it is there"), "neutral", "hand-raised")


@dataclass(frozen=True)
class Line:
    """One value of a side; of a single field without its label."""

    label: Words
    value: str
    differs: bool


@dataclass(frozen=True)
class Equal:
    """A row about which nothing is to be decided."""

    label: Words
    lines: list[Line]


@dataclass(frozen=True)
class Option:
    """One side of a row, as a radio button."""

    id: str
    side: Side
    words: Words
    lines: list[Line]
    is_chosen: bool
    is_possible: bool


@dataclass(frozen=True)
class Choice:
    """One row to decide about, as it is drawn."""

    row: Row
    look: ChangeLook
    picked: BoundField
    options: list[Option]
    shorter: list[BoundField]
    why_not: list[ValueProblem]  # what keeps our side from being written


def lines(row: Row, values: Values) -> list[Line]:
    """Return a side's values, one for each field of the row."""
    is_group = len(row.fields) > 1
    return [
        Line(
            label=field.label if is_group else "",
            value=_shown(field, values[field.remote]),
            differs=is_group and field in row.differing,
        )
        for field in row.fields
    ]


def value_lines(values: Values) -> list[Line]:
    """Return each of these values with its label."""
    return [
        Line(label=field.label, value=_shown(field, values[field.remote]), differs=False)
        for field in FIELDS
        if field.remote in values
    ]


def _shown(field: Field, value: str) -> str:
    return str(countries.name(value) or value) if field.remote == COUNTRY else value
