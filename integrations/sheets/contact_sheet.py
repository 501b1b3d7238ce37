"""The sheet that adds a contact person: who fills the one slot of the customer, and what that writes there."""

from dataclasses import dataclass, field

from django.db import transaction
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from companies.forms import ContactForm
from companies.models import Company, Contact
from integrations import services
from integrations.models import CustomerLink, Push
from integrations.refusing import ContactChosen
from integrations.sheets.contact_choice import NEW, NOBODY, ContactChoiceForm, Slot, refuse_at_fields, slot_of
from integrations.sheets.stop import Stop
from integrations.sheets.there import Shown, There, opened, read_there
from integrations.words.sentences import sentence


@dataclass
class ContactSheet:
    """The sheet for one company: what is there, who is chosen, and what a new person is called."""

    company: Company
    link: CustomerLink
    there: There
    choice: ContactChoiceForm
    person: ContactForm
    shown: Shown | None  # what the page showed that was posted
    news: list[str] = field(default_factory=list)  # why nothing was sent yet
    stop: Stop | None = None  # what an admin has to mend before it can be sent

    @classmethod
    def of(cls, company: Company, data: QueryDict | None) -> "ContactSheet":
        """Read the customer, unless the page that was posted showed it. Raises NotLinked, CustomerGone."""
        connection = services.current_connection(company.account_id)
        link = services.link_of(company, connection)
        if connection is None or link is None:
            raise services.NotLinked
        shown = opened(data.get("seen", ""), link=link) if data else None
        choice = ContactChoiceForm(data, company=company, current=link.contact)
        there = shown.there if shown else read_there(connection, link)
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
        return slot_of(self.company, person, there=self.there.values, read_at=self.there.read_at)

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
        return self.there.sealed(who=self.who, written=written, instead_of=self.link.contact_id)

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
        self.news.append(_("Nothing was sent yet. Look at what will be written, then save."))
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
                return services.choose_contact(
                    user=user, company=self.company, contact=self._contact(), decision=slot.decision(), seen=self.link
                )
        except services.Refusal as refusal:
            self.stop = Stop.by(refusal)
            if self.stop is None:
                self._say(refusal)
            return None

    def _say(self, refusal: services.Refusal) -> None:
        self.news.append(sentence(refusal.code, refusal.parameters))

    def _contact(self) -> Contact | None:
        if self.is_new:
            return self.company.add_contact(now=timezone.now(), values=self.person.values())
        return self.choice.chosen
