"""The form of the contact person of a customer: one of the company's contacts, a new one, or nobody."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django import forms
from django.db import transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from companies.forms import ContactForm
from companies.models import Company, Contact
from integrations.domain import mapping
from integrations.domain.diff import Decision
from integrations.domain.mapping import CONTACT_FIELDS, Group, Problem, Values
from integrations.exceptions import ContactChosen, NotLinked, Refusal
from integrations.forms.snapshot import Snapshot
from integrations.forms.update import about_link, read_remote
from integrations.messages.ask_admin import Stop
from integrations.messages.sentences import sentence, value_problem
from integrations.models import CustomerLink, Push
from integrations.services.contact_person import request_contact_person
from integrations.services.requests import current_connection, link_of

NEW, NOBODY = "new", "nobody"
# For each property the field of the contact form that it comes from, and its label.
_TYPED = {
    "ContactPersonName": ("first_name", _("Name")),
    "ContactPersonEmail": ("email", _("E-mail")),
    "ContactPersonPhone": ("direct_phone", _("Direct phone")),
    "ContactPersonMobile": ("mobile", _("Mobile")),
}


class ContactChoiceForm(forms.Form):
    """The choice of a contact person: the id of one of the company's contacts, "new" or "nobody"."""

    contact = forms.ChoiceField(
        label=_("Who is the contact person?"),
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose a contact person, or nobody."),
            "invalid_choice": _("Choose a contact person, or nobody."),
        },
    )

    def __init__(self, data: QueryDict | None = None, *, company: Company, current: Contact | None) -> None:
        super().__init__(data)
        self.people = {str(person.pk): person for person in company.contacts.filter(left_at=None).order_by("pk")}
        field = self.fields["contact"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(who, who) for who in [*self.people, NEW, NOBODY]]
        self.initial["contact"] = self._suggested(current)

    def _suggested(self, current: Contact | None) -> str:
        """Return the current contact person, or the only contact there is."""
        if current and str(current.pk) in self.people:
            return str(current.pk)
        if not self.people:
            return NEW
        return next(iter(self.people)) if len(self.people) == 1 else ""

    @property
    def who(self) -> str:
        """The choice: an id, "new", "nobody", or blank."""
        if not self.is_bound:
            return str(self.initial["contact"])
        return str(self.cleaned_data.get("contact", "")) if self.is_valid() else ""

    @property
    def chosen(self) -> Contact | None:
        """The contact who is chosen, if it is one of the company's."""
        return self.people.get(self.who)


@dataclass(frozen=True)
class SlotLine:
    """One property of the contact person, before and after."""

    label: Promise
    now: str
    then: str
    differs: bool
    problem: str  # why eAccounting would not accept it


@dataclass(frozen=True)
class Slot:
    """The contact person that eAccounting has now, and what choosing another one writes: always all fields."""

    there: Values
    written: Values
    read_at: datetime | None  # when the current values were read

    @property
    def problems(self) -> list[Problem]:
        """The values that eAccounting would not accept."""
        return mapping.problems(self.written)

    @property
    def is_equal(self) -> bool:
        """Whether eAccounting already has these values."""
        return not mapping.differences(self.written, self.there)

    @property
    def lines(self) -> list[SlotLine]:
        """The properties, each with its value before and after."""
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
            for field in CONTACT_FIELDS
        ]

    def decision(self) -> Decision:
        """Return the decision of a person who has seen this."""
        return Decision(self.written, self.there, {}, {}, shown=self.there, read_at=self.read_at)


def slot_of(
    company: Company, contact: Contact | None, *, there: Mapping[str, str], read_at: datetime | None = None
) -> Slot:
    """Return what choosing this contact, or nobody, writes; `there` holds the customer's current values."""
    written = mapping.values_of(company, contact, groups=[Group.CONTACT])
    return Slot({name: there.get(name, "") for name in written}, written, read_at)


def refuse_at_fields(form: ContactForm, problems: list[Problem]) -> None:
    """Show at its field what eAccounting would not accept of a new person."""
    for problem in problems:
        words = value_problem(problem.remote, problem.kind, problem.length).words
        form.add_error(_TYPED[problem.remote][0], words)


@dataclass
class ContactSheet:
    """The sheet of one company: the current contact person, the choice, and the form of a new person."""

    company: Company
    link: CustomerLink
    there: Snapshot
    choice: ContactChoiceForm
    person: ContactForm
    shown: Snapshot | None  # what the posted page had shown
    news: list[str] = field(default_factory=list)  # why nothing was sent yet
    stop: Stop | None = None  # what an admin has to fix before this can be sent

    @classmethod
    def of(cls, company: Company, data: QueryDict | None) -> "ContactSheet":
        """Read the customer, unless the posted page had shown it. Raises NotLinked, CustomerGone."""
        connection = current_connection(company.account_id)
        link = link_of(company, connection)
        if connection is None or link is None:
            raise NotLinked
        shown = Snapshot.posted(data, about=about_link(link)) if data else None
        choice = ContactChoiceForm(data, company=company, current=link.contact)
        there = shown or read_remote(connection, link)
        types = data is not None and "look" not in data and choice.who == NEW
        person = ContactForm(data if types else None, company=company, contact=None)
        return cls(company=company, link=link, there=there, choice=choice, person=person, shown=shown)

    @property
    def who(self) -> str:
        """An id, "new", "nobody", or blank while nobody is chosen."""
        return self.choice.who

    @property
    def slot(self) -> Slot | None:
        """What the choice writes, compared with the current values; None for a new person, or before a choice."""
        if self.choice.chosen is None and self.who != NOBODY:
            return None
        return self._slot_with(self.choice.chosen)

    def _slot_with(self, person: Contact | None) -> Slot:
        return slot_of(self.company, person, there=self.there.remote, read_at=self.there.read_at)

    @property
    def is_new(self) -> bool:
        """Whether a new person is being entered."""
        return self.who == NEW

    @property
    def left(self) -> Contact | None:
        """The contact person if they have left."""
        chosen = self.link.contact
        return chosen if chosen and chosen.left_at else None

    @property
    def seen(self) -> str:
        """What the sheet shows, signed for the form to carry along."""
        written = self.slot.written if self.slot else {}
        return self.there.signed(who=self.who, written=written, instead_of=self.link.contact_id)

    def is_confirmed(self) -> bool:
        """Whether the person has seen what will be written; else the sheet shows it first."""
        if not self.who:
            return False
        link, shown = self.link, self.shown.beside if self.shown else {}
        if shown and shown.get("instead_of") != link.contact_id and self.who != str(link.contact_id):
            self._say(ContactChosen(str(link.contact or "")))
            return False
        if self.is_new:
            return bool(shown) and self.person.is_valid()
        slot = self.slot
        if slot and shown.get("who") == self.who and shown.get("written") == slot.written:
            return not slot.problems
        self.news.append(gettext("Nothing has been sent yet. Check what will be written, then save."))
        return False

    def choose(self, *, user: User) -> Push | None:
        """Send the confirmed choice. Returns None if it was refused; the sheet then says why."""
        slot = self.slot
        if slot is None:
            slot = self._slot_with(Contact(**self.person.values()))
            if slot.problems:
                refuse_at_fields(self.person, slot.problems)
                return None
        try:
            with transaction.atomic():
                return request_contact_person(
                    user=user, company=self.company, contact=self._contact(), decision=slot.decision(), seen=self.link
                )
        except Refusal as refusal:
            self.stop = Stop.by(refusal)
            if self.stop is None:
                self._say(refusal)
            return None

    def _say(self, refusal: Refusal) -> None:
        self.news.append(sentence(refusal.code, refusal.parameters))

    def _contact(self) -> Contact | None:
        if self.is_new:
            return self.company.add_contact(now=timezone.now(), values=self.person.values())
        return self.choice.chosen
