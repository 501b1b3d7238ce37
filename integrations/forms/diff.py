"""The form of the differences between a company and its customer: both values line by line, and who changed them."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django_countries import countries

from integrations.domain.diff import Change, Decision, Row, Side, decide
from integrations.domain.mapping import BY_PROPERTY, COUNTRY, FIELDS, Field, Problem, Values, postal_defaults
from integrations.forms.snapshot import Snapshot
from integrations.messages.sentences import ValueProblem, postal_default_words, value_problem

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
    """The labels of both sides (a value follows those that end in a colon), and of the submit button.

    `submit` names no number, for pages without JavaScript; `counted` for 0, 1, 2 … rows whose side is Lime Go's.
    """

    ours: Words
    clear: Words
    theirs: Words
    blank: Words
    submit: Words
    counted: Callable[[int], str]


UPDATE = Wording(
    ours=_("Use Lime Go's:"),
    clear=_("Clear it in Visma eAccounting"),
    theirs=_("Keep Visma eAccounting's:"),
    blank=_("Leave it blank in Visma eAccounting"),
    submit=_("Update the chosen fields in Visma eAccounting"),
    counted=update_words,
)


@dataclass(frozen=True)
class ChangeLook:
    """How a change is shown: words, a colour (`kind` of partials/badge.html), an icon; "" is the kind's own."""

    words: Words
    kind: str
    icon: str = ""


CHANGE_LOOKS = {
    Change.HERE: ChangeLook(_("Changed in Lime Go"), "info", "pencil-square"),
    Change.THERE: ChangeLook(_("Changed in Visma eAccounting"), "info", "cloud"),
    Change.BOTH: ChangeLook(_("Changed in both systems"), "warning"),
    Change.DIFFERS: ChangeLook(_("Differs"), "neutral", "arrows-right-left"),
    # Not changed since, but not equal: a person kept it, or eAccounting stored something else.
    Change.SAME: ChangeLook(_("Saved differently in Visma eAccounting"), "warning"),
}
LEFT = ChangeLook(_("Kept as in Visma eAccounting"), "neutral", "hand-raised")


@dataclass(frozen=True)
class Line:
    """One value of a side; without a label for a single field."""

    label: Words
    value: str
    differs: bool


@dataclass(frozen=True)
class Equal:
    """A row with equal values: nothing to decide."""

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
    """One row to decide about."""

    row: Row
    look: ChangeLook
    picked: BoundField
    options: list[Option]
    shorter: list[BoundField]
    why_not: list[ValueProblem]  # why the value in Lime Go cannot be written


def lines(row: Row, values: Values) -> list[Line]:
    """Return the values of one side, one line for each field of the row."""
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
    """Return these values, each with its label."""
    return [
        Line(label=field.label, value=_shown(field, values[field.remote]), differs=False)
        for field in FIELDS
        if field.remote in values
    ]


def _shown(field: Field, value: str) -> str:
    return str(countries.name(value) or value) if field.remote == COUNTRY else value


class DiffForm(forms.Form):
    """A pair of radio buttons for each row that differs, named by the row's key: "ours" or "theirs".

    `about`: what the page is about (the customer's id); `seen_in` returns what it showed only for the same. `again`:
    properties that were agreed on as different, but are to be decided about again. `read_at`: when the reading of the
    remote values began. A value that is too long may be given in a shorter form, in a field named "shorter-" and the
    property; so may a stand-in for a required value that the country or the company does not have. If neither side has
    it, any other row can be written only together with it: field "needed-".
    """

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        rows: list[Row],
        about: str,
        again: Collection[str] = (),
        wording: Wording = UPDATE,
        read_at: datetime | None = None,
        linked_to: str = "",
    ) -> None:
        super().__init__(data)
        self._read_at = read_at
        self.wording = wording
        self._again = again
        self.equal = [Equal(row.label, lines(row, row.there)) for row in rows if not row.differing]
        self._rows = rows
        self._differing = [row for row in rows if row.differing]
        self._here = {name: value for row in rows for name, value in row.here.items()}
        there = {name: value for row in rows for name, value in row.there.items()}
        shown = Snapshot(about=about, local=self._here, remote=there, read_at=read_at)
        self.initial["seen"] = shown.signed(linked_to=linked_to)
        self._needed = [name for name in postal_defaults(self._here) if self._differing and not there.get(name)]
        for row in self._differing:
            self._add(row)
        for name in self._needed:
            self.fields[_needed_name(name)] = self._stand_in(BY_PROPERTY[name])

    def _add(self, row: Row) -> None:
        sides = [Side.OURS, Side.THEIRS] if _is_possible(row) else [Side.THEIRS]
        self.fields[row.key] = forms.ChoiceField(
            label=str(row.label),
            choices=[(side.value, side.value) for side in sides],
            initial=row.default if row.default in sides else None,
            required=Side.OURS in sides,
            widget=forms.RadioSelect,
            error_messages={"required": _("Choose one of the two.")},
        )
        same_country = row.here.get(COUNTRY) == row.there.get(COUNTRY)
        for problem in _mendable(row):
            # eAccounting's current value is the best suggestion, unless it is of another country.
            there = row.there[problem.remote] if same_country else ""
            is_long = problem.kind == "too_long"
            field = self._shorter(problem) if is_long else self._stand_in(problem.field, there)
            self.fields[_shorter_name(problem.field)] = field

    def _shorter(self, problem: Problem) -> forms.CharField:
        field = problem.field
        return forms.CharField(
            label=gettext("%(field)s, shorter for Visma eAccounting") % {"field": field.label},
            help_text=gettext("At most %(limit)d characters. The whole value has %(length)d.")
            % {"limit": field.limit, "length": problem.length},
            initial=self._here[field.remote],
            required=False,
            widget=_limited(field),
        )

    def _stand_in(self, field: Field, there: str = "") -> forms.CharField:
        suggested = postal_defaults(self._here)[field.remote]
        return forms.CharField(
            label=gettext("%(field)s for Visma eAccounting") % {"field": field.label},
            help_text=postal_default_words(field.remote, suggested, country=self._here[COUNTRY]),
            initial=there or suggested,
            required=False,
            widget=_limited(field),
        )

    # --- What is drawn ---------------------------------------------------------------------------

    @cached_property
    def choices(self) -> list[Choice]:
        """The rows that need a decision."""
        return [self._choice(row) for row in self._differing if not self._is_settled(row)]

    @property
    def needed(self) -> list[BoundField]:
        """The fields that must be filled in with any change, because the customer lacks the value."""
        return [self[_needed_name(name)] for name in self._needed]

    @cached_property
    def settled(self) -> list[Choice]:
        """The rows that differ because a person left them so; they can be decided again."""
        return [self._choice(row) for row in self._differing if self._is_settled(row)]

    def _is_settled(self, row: Row) -> bool:
        return row.change is Change.SAME and not any(field.remote in self._again for field in row.differing)

    def _choice(self, row: Row) -> Choice:
        return Choice(
            row=row,
            look=LEFT if self._is_settled(row) else CHANGE_LOOKS[row.change],
            picked=self[row.key],
            options=[self._option(row, side) for side in Side],
            shorter=[self[_shorter_name(problem.field)] for problem in _mendable(row)],
            why_not=[value_problem(p.remote, p.kind, p.length) for p in _hopeless(row)],
        )

    def _option(self, row: Row, side: Side) -> Option:
        is_ours = side is Side.OURS
        values = row.here if is_ours else row.there
        is_blank = not any(value for name, value in values.items() if name != COUNTRY)
        whole, blank = (self.wording.ours, self.wording.clear) if is_ours else (self.wording.theirs, self.wording.blank)
        return Option(
            id=f"id_{row.key}_{side}",
            side=side,
            words=blank if is_blank else whole,
            lines=[] if is_blank else lines(row, values),
            is_chosen=self[row.key].value() == side.value,
            is_possible=not is_ours or _is_possible(row),
        )

    @property
    def will_write(self) -> str:
        """The sentence about what is written; sides.js fills the names in for "{}"."""
        return gettext("Will be written: {}. Everything else stays as it is.")

    @property
    def equal_words(self) -> str:
        """How many rows are equal."""
        count = len(self.equal)
        return ngettext("%(count)d field is the same", "%(count)d fields are the same", count) % {"count": count}

    @property
    def settled_words(self) -> str:
        """How many rows are kept as they are in eAccounting."""
        count = len(self.settled)
        words = ngettext(
            "%(count)d field is kept as in Visma eAccounting",
            "%(count)d fields are kept as in Visma eAccounting",
            count,
        )
        return words % {"count": count}

    @property
    def counted(self) -> str:
        """The button's words for 0, 1, 2 … chosen rows, as a JSON list for sides.js."""
        return json.dumps([self.wording.counted(count) for count in range(len(self._differing) + 1)])

    # --- What was chosen -------------------------------------------------------------------------

    def clean(self) -> None:
        """Check the shorter forms of the rows whose side is Lime Go's, and what is needed with any change."""
        ours = [row for row in self._differing if self.cleaned_data.get(row.key) == Side.OURS]
        for row in ours:
            for problem in _mendable(row):
                self._check_other(_shorter_name(problem.field), problem)
        for name in self._needed if ours else ():
            self._check_other(_needed_name(name), Problem(name, "missing"))

    def _check_other(self, name: str, problem: Problem) -> None:
        field = problem.field
        value = field.normal(self.cleaned_data.get(name, ""), self._here.get(COUNTRY, ""))
        self.cleaned_data[name] = value
        if len(value) > field.limit:
            self.add_error(name, value_problem(field.remote, "too_long", len(value)).words)
        elif not value and problem.kind == "missing":
            self.add_error(name, value_problem(field.remote, "missing", 0).words)
        elif not value:
            self.add_error(name, gettext("Enter a shorter value, or keep Visma eAccounting's."))

    def decision(self) -> Decision:
        """Return the decision of a valid form; rows that were left as they are count as decided already."""
        choices = {row.key: Side(side) for row in self._differing if (side := self._news(row))}
        decision = decide([self._as_confirmed(row) for row in self._rows], choices)
        needed = [name for name in self._needed if name not in decision.write] if decision.write else []
        return replace(
            decision,
            write={**decision.write, **{name: self.cleaned_data[_needed_name(name)] for name in needed}},
            based_on={**decision.based_on, **dict.fromkeys(needed, "")},
            read_at=self._read_at,
        )

    def _news(self, row: Row) -> str:
        side: str = self.cleaned_data.get(row.key, "")
        return "" if side == Side.THEIRS and self._is_settled(row) else side

    def _as_confirmed(self, row: Row) -> Row:
        if not row.differing or self.cleaned_data.get(row.key) != Side.OURS:
            return row
        others = {p.remote: self.cleaned_data[_shorter_name(p.field)] for p in _mendable(row)}
        return replace(row, here={**row.here, **others})


def _is_possible(row: Row) -> bool:
    """Whether the value in Lime Go can be written, in another form if one is needed."""
    return not _hopeless(row)


def _hopeless(row: Row) -> list[Problem]:
    """Return the problems that have to be fixed in the company first, because no other form can help."""
    suggested = postal_defaults(row.here)
    return [problem for problem in row.problems if problem.kind == "missing" and problem.remote not in suggested]


def _mendable(row: Row) -> list[Problem]:
    """Return the problems that another form of the value, given by a person, can solve."""
    return row.problems if _is_possible(row) else []


def _limited(field: Field) -> forms.TextInput:
    return forms.TextInput(attrs={"data-limit": field.limit, "autocomplete": "off"})


def _shorter_name(field: Field) -> str:
    return f"shorter-{field.remote}"


def _needed_name(remote: str) -> str:
    return f"needed-{remote}"
