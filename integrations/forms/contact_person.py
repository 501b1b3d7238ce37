"""Who fills the one contact slot of a customer: one of the company's people, a new person, or nobody."""

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
            for field in CONTACT_FIELDS
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


@dataclass
class ContactSheet:
    """The sheet for one company: what is there, who is chosen, and what a new person is called."""

    company: Company
    link: CustomerLink
    there: Snapshot
    choice: ContactChoiceForm
    person: ContactForm
    shown: Snapshot | None  # what the page showed that was posted
    news: list[str] = field(default_factory=list)  # why nothing was sent yet
    stop: Stop | None = None  # what an admin has to mend before it can be sent

    @classmethod
    def of(cls, company: Company, data: QueryDict | None) -> "ContactSheet":
        """Read the customer, unless the page that was posted showed it. Raises NotLinked, CustomerGone."""
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
        """What the choice writes, beside what is there; None while nobody is chosen or a new person is typed."""
        if self.choice.chosen is None and self.who != NOBODY:
            return None
        return self._slot_with(self.choice.chosen)

    def _slot_with(self, person: Contact | None) -> Slot:
        return slot_of(self.company, person, there=self.there.remote, read_at=self.there.read_at)

    @property
    def is_new(self) -> bool:
        """Whether a new person is typed."""
        return self.who == NEW

    @property
    def left(self) -> Contact | None:
        """The contact person who has left, if it is so."""
        chosen = self.link.contact
        return chosen if chosen and chosen.left_at else None

    @property
    def seen(self) -> str:
        """What the sheet shows, for the form to carry along."""
        written = self.slot.written if self.slot else {}
        return self.there.signed(who=self.who, written=written, instead_of=self.link.contact_id)

    def is_confirmed(self) -> bool:
        """Whether the person saw what would be written; else they are shown it first."""
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
        """Send the confirmed choice. None: it was refused, and the sheet says why."""
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
