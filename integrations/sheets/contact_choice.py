"""Who fills the one contact slot of a customer: one of the company's people, a new person, or nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from companies.forms import ContactForm
from companies.models import Company, Contact
from integrations import mapping
from integrations.comparing import Decision
from integrations.mapping import FIELDS, Group, Problem, Values
from integrations.words.sentences import value_problem

NEW, NOBODY = "new", "nobody"
_SLOT = [field for field in FIELDS if field.group is Group.CONTACT]
# Where the contact form holds what each property is made of, and what it is called among the others of a person.
_TYPED = {
    "ContactPersonName": ("first_name", _("Name")),
    "ContactPersonEmail": ("email", _("E-mail")),
    "ContactPersonPhone": ("direct_phone", _("Direct phone")),
    "ContactPersonMobile": ("mobile", _("Mobile")),
}


class ContactChoiceForm(forms.Form):
    """Who it shall be: the id of one of the company's present people, "new" or "nobody"."""

    contact = forms.ChoiceField(
        label=_("Who is the contact person?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose who it shall be."), "invalid_choice": _("Choose who it shall be.")},
    )

    def __init__(self, data: QueryDict | None = None, *, company: Company, current: Contact | None) -> None:
        super().__init__(data)
        self.people = {str(person.pk): person for person in company.contacts.filter(left_at=None).order_by("pk")}
        field = self.fields["contact"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(who, who) for who in [*self.people, NEW, NOBODY]]
        self.initial["contact"] = self._suggested(current)

    def _suggested(self, current: Contact | None) -> str:
        """Whoever it is now, or the only one it could be."""
        if current and str(current.pk) in self.people:
            return str(current.pk)
        if not self.people:
            return NEW
        return next(iter(self.people)) if len(self.people) == 1 else ""

    @property
    def who(self) -> str:
        """What is chosen: an id, "new", "nobody", or blank."""
        if not self.is_bound:
            return str(self.initial["contact"])
        return str(self.cleaned_data.get("contact", "")) if self.is_valid() else ""

    @property
    def chosen(self) -> Contact | None:
        """The person who is chosen, if it is one of the company's people."""
        return self.people.get(self.who)


@dataclass(frozen=True)
class SlotLine:
    """One property of the contact slot, before and after."""

    label: Promise
    now: str
    then: str
    differs: bool
    problem: str  # why eAccounting would not take it


@dataclass(frozen=True)
class Slot:
    """What is in the contact slot now, and what choosing a person writes there: always the whole of it."""

    there: Values
    written: Values
    read_at: datetime | None  # when what is there was read

    @property
    def problems(self) -> list[Problem]:
        """What eAccounting would not take."""
        return mapping.problems(self.written)

    @property
    def is_equal(self) -> bool:
        """Whether eAccounting has these values already."""
        return not mapping.differences(self.written, self.there)

    @property
    def lines(self) -> list[SlotLine]:
        """Each property with both values."""
        differing = set(mapping.differences(self.written, self.there))
        problems = {p.remote: value_problem(p.remote, p.kind, p.length).words for p in self.problems}
        return [
            SlotLine(
                label=_TYPED[field.remote][1],
                now=self.there[field.remote],
                then=self.written[field.remote],
                differs=field.remote in differing,
                problem=problems.get(field.remote, ""),
            )
            for field in _SLOT
        ]

    def decision(self) -> Decision:
        """Return what a person confirmed who saw this."""
        return Decision(self.written, self.there, {}, {}, shown=self.there, read_at=self.read_at)


def slot_of(
    company: Company, contact: Contact | None, *, there: Mapping[str, str], read_at: datetime | None = None
) -> Slot:
    """Return the contact slot with this person in it, or with nobody; `there` are the customer's values now."""
    written = mapping.values_of(company, contact, groups=[Group.CONTACT])
    return Slot({name: there.get(name, "") for name in written}, written, read_at)


def refuse_at_fields(form: ContactForm, problems: list[Problem]) -> None:
    """Put what eAccounting would not take of a new person at the field where it was typed."""
    for problem in problems:
        words = value_problem(problem.remote, problem.kind, problem.length).words
        form.add_error(_TYPED[problem.remote][0], words)


def in_one_line(values: Mapping[str, str]) -> str:
    """Return what a customer's contact slot holds, in one line; blank when it is empty."""
    return ", ".join(values[field.remote] for field in _SLOT if values.get(field.remote))
