"""The sheet that puts back what an update overwrote: a tick for each property or group."""

import json
from dataclasses import dataclass

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from integrations.domain.diff import Decision
from integrations.domain.previous_values import Former, Standing, decide
from integrations.forms.diff import Line, Words, lines
from integrations.messages.sentences import ValueProblem, value_problem


@dataclass(frozen=True)
class StandingLook:
    """How a standing is shown: words, and a colour and an icon of partials/badge.html."""

    words: Words
    kind: str
    icon: str = ""


LOOKS = {
    Standing.AS_SENT: StandingLook(_("Unchanged since it was sent"), "info", "arrow-uturn-left"),
    Standing.CHANGED_SINCE: StandingLook(_("Changed since then"), "warning"),
    Standing.AS_BEFORE: StandingLook(_("Same as before the update"), "success"),
}


@dataclass(frozen=True)
class Tick:
    """One property or group; without a box there is nothing to put back, or it cannot be."""

    former: Former
    box: BoundField | None
    before: list[Line]
    sent: list[Line]
    now: list[Line]
    why_not: list[ValueProblem]

    @property
    def look(self) -> StandingLook:
        """Words, colour and icon for what became of the value."""
        return LOOKS[self.former.standing]


class UndoForm(forms.Form):
    """What to put back; at first what nobody changed since is ticked."""

    def __init__(self, data: QueryDict | None = None, *, formers: list[Former]) -> None:
        super().__init__(data)
        self._formers = formers
        for former in formers:
            if former.may_be_put_back:
                self.fields[former.key] = forms.BooleanField(required=False, initial=former.is_suggested)

    def clean(self) -> None:
        """Refuse a form without a tick."""
        if self.fields and not any(self.cleaned_data.get(name) for name in self.fields):
            raise ValidationError(gettext("Nothing is ticked. Tick what you want to put back."))

    def decision(self) -> Decision:
        """Return the decision of a valid form."""
        return decide(self._formers, [name for name in self.fields if self.cleaned_data[name]])

    @property
    def ticks(self) -> list[Tick]:
        """The properties and groups to show."""
        return [self._tick(former) for former in self._formers]

    def _tick(self, former: Former) -> Tick:
        row = former.row
        return Tick(
            former=former,
            box=self[former.key] if former.may_be_put_back else None,
            before=lines(row, row.here),
            sent=lines(row, former.sent),
            now=lines(row, row.there),
            why_not=[value_problem(p.remote, p.kind, p.length) for p in former.problems] if row.differing else [],
        )

    @property
    def why_nothing(self) -> str:
        """Why there is nothing left to put back; blank if there is."""
        if self.fields:
            return ""
        if any(former.row.differing for former in self._formers):
            return gettext("The previous values cannot be put back from Lime Go.")
        return gettext("Visma eAccounting already has the previous values.")

    @property
    def will_write(self) -> str:
        """The sentence about what is put back; sides.js fills the names in for "{}"."""
        return gettext("Will be put back: {}. Everything else stays as it is.")

    @property
    def counted(self) -> str:
        """The button's words for 0, 1, 2 … ticks, as a JSON list for sides.js."""
        return json.dumps([_put_back_words(count) for count in range(len(self.fields) + 1)])


def _put_back_words(count: int) -> str:
    if not count:
        return gettext("Tick what to put back")
    return ngettext("Put back %(count)d field", "Put back %(count)d fields", count) % {"count": count}
