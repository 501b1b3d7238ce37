"""Which side to take, field by field: the form of every sheet that shows a company here beside its customer there.

Drawn by templates/integrations/sides.html. The page carries, signed, what it compared: so what a person confirms is
what they saw, and what was changed here meanwhile is noticed (`seen_in`). What was changed there is noticed when it is
sent.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from django import forms
from django.core import signing
from django.http import QueryDict
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from integrations.comparing import Change, Decision, Row, Side, decide
from integrations.mapping import COUNTRY, Field, Values
from integrations.sheets.sides import CHANGE_LOOKS, LEFT, UPDATE, Choice, Equal, Option, Wording, lines
from integrations.words.sentences import value_problem

_SALT = "integrations.sheets.sides"


@dataclass(frozen=True)
class Seen:
    """What a page showed of both sides."""

    here: Values
    there: Values
    linked_to: str = ""  # the id of the customer that the company was linked to, where the page makes a link


def seen_in(data: Mapping[str, str], *, about: str) -> Seen | None:
    """Return what the posted page showed, or None when it was about something else or carries nothing of ours.

    A view compares anew with `seen.there`, and shows the page again when `seen` is None or `seen.here` is not what
    stands here now. No call is needed: the worker refuses to write over what changed there since.
    """
    try:
        content = signing.loads(data.get("seen", ""), salt=_SALT)
    except signing.BadSignature:
        return None
    if content["about"] != about:
        return None
    return Seen(content["here"], content["there"], content.get("linked_to", ""))


class SidesForm(forms.Form):
    """One pair of radio buttons for each row that differs, named by the row's key: "ours" or "theirs".

    `about`: what the page is about (the customer's id); `seen_in` gives what it showed only for the same. `again`:
    properties that were agreed on as they are, to be decided about all the same. A value over its limit may be given
    in a shorter form, named "shorter-" and the property.
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
        linked_to: str = "",
    ) -> None:
        super().__init__(data)
        self.wording = wording
        self._again = again
        self.equal = [Equal(row.label, lines(row, row.there)) for row in rows if not row.differing]
        self._differing = [row for row in rows if row.differing]
        self._here = {name: value for row in rows for name, value in row.here.items()}
        there = {name: value for row in rows for name, value in row.there.items()}
        shown = {"about": about, "here": self._here, "there": there, "linked_to": linked_to}
        self.initial["seen"] = signing.dumps(shown, salt=_SALT, compress=True)
        for row in self._differing:
            self._add(row)

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
        for field, length in _too_long(row):
            self.fields[_shorter_name(field)] = forms.CharField(
                label=gettext("%(field)s, shorter for Visma eAccounting") % {"field": field.label},
                help_text=gettext("At most %(limit)d characters. The whole value has %(length)d.")
                % {"limit": field.limit, "length": length},
                initial=row.here[field.remote],
                required=False,
                widget=forms.TextInput(attrs={"data-limit": field.limit, "autocomplete": "off"}),
            )

    # --- What is drawn ---------------------------------------------------------------------------

    @cached_property
    def choices(self) -> list[Choice]:
        """What has to be looked at."""
        return [self._choice(row) for row in self._differing if not self._is_settled(row)]

    @cached_property
    def settled(self) -> list[Choice]:
        """What differs because somebody left it so: it can be decided anew."""
        return [self._choice(row) for row in self._differing if self._is_settled(row)]

    def _is_settled(self, row: Row) -> bool:
        return row.change is Change.SAME and not any(field.remote in self._again for field in row.differing)

    def _choice(self, row: Row) -> Choice:
        return Choice(
            row=row,
            look=LEFT if self._is_settled(row) else CHANGE_LOOKS[row.change],
            picked=self[row.key],
            options=[self._option(row, side) for side in Side],
            shorter=[self[_shorter_name(field)] for field, _length in _too_long(row)],
            why_not=[value_problem(p.remote, p.kind, p.length) for p in row.problems if p.kind == "missing"],
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
        """The sentence about what is written, the names left open as "{}" for sides.js."""
        return gettext("Will be written: {}. Everything else stays as it is.")

    @property
    def equal_words(self) -> str:
        """How many rows are equal."""
        count = len(self.equal)
        return ngettext("%(count)d field is equal", "%(count)d fields are equal", count) % {"count": count}

    @property
    def settled_words(self) -> str:
        """How many rows were left as they are there."""
        count = len(self.settled)
        words = ngettext(
            "%(count)d field was left as Visma eAccounting has it",
            "%(count)d fields were left as Visma eAccounting has them",
            count,
        )
        return words % {"count": count}

    @property
    def counted(self) -> str:
        """The button's words for sides.js, as a JSON list: those for 0, 1, 2 … chosen rows."""
        return json.dumps([self.wording.counted(count) for count in range(len(self._differing) + 1)])

    # --- What was chosen -------------------------------------------------------------------------

    def clean(self) -> None:
        """Check the shorter values of the rows whose side is ours."""
        for row in self._differing:
            if self.cleaned_data.get(row.key) == Side.OURS:
                for field, _length in _too_long(row):
                    self._check_shorter(field)

    def _check_shorter(self, field: Field) -> None:
        name = _shorter_name(field)
        value = field.normal(self.cleaned_data.get(name, ""), self._here.get(COUNTRY, ""))
        self.cleaned_data[name] = value
        if not value:
            self.add_error(name, gettext("Give a shorter value, or keep Visma eAccounting's."))
        elif len(value) > field.limit:
            self.add_error(name, value_problem(field.remote, "too_long", len(value)).words)

    def decision(self) -> Decision:
        """Return what a valid form comes to; what was left as it is before and still is, is decided already."""
        choices = {row.key: Side(side) for row in self._differing if (side := self._news(row))}
        return decide([self._as_confirmed(row) for row in self._differing], choices)

    def _news(self, row: Row) -> str:
        side: str = self.cleaned_data.get(row.key, "")
        return "" if side == Side.THEIRS and self._is_settled(row) else side

    def _as_confirmed(self, row: Row) -> Row:
        if self.cleaned_data.get(row.key) != Side.OURS:
            return row
        shorter = {field.remote: self.cleaned_data[_shorter_name(field)] for field, _length in _too_long(row)}
        return replace(row, here={**row.here, **shorter})


def _is_possible(row: Row) -> bool:
    """Whether our side can be written, a shorter value given where one is needed."""
    return all(problem.kind == "too_long" for problem in row.problems)


def _too_long(row: Row) -> list[tuple[Field, int]]:
    if not _is_possible(row):
        return []
    return [(problem.field, problem.length) for problem in row.problems]


def _shorter_name(field: Field) -> str:
    return f"shorter-{field.remote}"
