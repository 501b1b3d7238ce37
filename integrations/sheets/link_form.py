"""The form of the sheet that links a company to a customer: which side to take, and one warning to be confirmed."""

from dataclasses import replace
from datetime import datetime

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from integrations.comparing import Decision, Row
from integrations.mapping import COUNTRY
from integrations.sheets import finding
from integrations.sheets.sides import UPDATE
from integrations.sheets.sides_form import SidesForm

REGISTRATION_NUMBER = "CorporateIdentityNumber"
LINK_ONLY = "only"


def _counted(count: int) -> str:
    words = ngettext("Link and update %(count)d field", "Link and update %(count)d fields", count)
    return words % {"count": count}


WORDING = replace(UPDATE, submit=_("Link and update the chosen fields"), counted=_counted)


class LinkForm(SidesForm):
    """The two sides of a link that is about to be made, and "Link anyway" where the registration numbers differ.

    `linked_to`: the id of the customer that the new link would take the place of, blank for none; the page carries it.
    """

    def __init__(
        self, data: QueryDict | None = None, *, rows: list[Row], about: str, read_at: datetime | None, linked_to: str
    ) -> None:
        super().__init__(data, rows=rows, about=about, wording=WORDING, read_at=read_at, linked_to=linked_to)
        self.numbers_differ = _numbers_differ(rows)
        if self.numbers_differ:
            self.fields["anyway"] = forms.BooleanField(
                label=_("Link anyway"),
                error_messages={
                    "required": _("The registration numbers differ. Tick this if it is the same company all the same.")
                },
            )

    @property
    def is_link_only(self) -> bool:
        """Whether nothing is to be decided about the values."""
        return self.data.get("do") == LINK_ONLY

    def is_confirmed(self) -> bool:
        """Whether what was pressed may be done; choices that do not count now are not looked at."""
        return "anyway" not in self.errors if self.is_link_only else self.is_valid()

    def chosen(self) -> Decision | None:
        """Return what is to be written and what stays as it is; None: nothing was decided."""
        return None if self.is_link_only else self.decision()

    @property
    def warning(self) -> str:
        """What a person has to know before they tick."""
        if not self.numbers_differ:
            return ""
        words = gettext("The registration numbers differ: %(here)s here, %(there)s in Visma eAccounting.")
        return words % {"here": self.numbers_differ[0], "there": self.numbers_differ[1]}


def _numbers_differ(rows: list[Row]) -> tuple[str, str] | None:
    here = {name: value for row in rows for name, value in row.here.items()}
    there = {name: value for row in rows for name, value in row.there.items()}
    numbers = here.get(REGISTRATION_NUMBER, ""), there.get(REGISTRATION_NUMBER, "")
    return numbers if finding.numbers_differ(*numbers, country=here.get(COUNTRY, "")) else None
