"""Add a contact person: who fills the one contact slot of the customer."""

from dataclasses import dataclass, field

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.forms import ContactForm
from companies.models import Company, Contact
from integrations import services
from integrations.models import CustomerLink
from integrations.refusing import ContactChosen
from integrations.sheets.contact_choice import NEW, NOBODY, ContactChoiceForm, Slot, refuse_at_fields, slot_of
from integrations.sheets.stop import Stop
from integrations.sheets.there import There, opened, read_there
from integrations.views.sheets import leave_sheet, render_sheet, stopped
from integrations.words.sentences import sentence

SIDES = "contact-person-sides"  # the part of the sheet that follows the choice


@dataclass
class Sheet:
    """The sheet for one company: what is there, who is chosen, and what a new person is called."""

    company: Company
    link: CustomerLink
    there: There
    choice: ContactChoiceForm
    person: ContactForm
    news: list[str] = field(default_factory=list)  # why nothing was sent yet
    stop: Stop | None = None  # what an admin has to mend before it can be sent

    @property
    def who(self) -> str:
        """An id, "new", "nobody", or blank while nobody is chosen."""
        return self.choice.who

    @property
    def slot(self) -> Slot | None:
        """What the choice writes, beside what is there; None while nobody is chosen or a new person is typed."""
        if self.choice.chosen is None and self.who != NOBODY:
            return None
        return slot_of(self.company, self.choice.chosen, there=self.there.values)

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


@require(Role.USER)
def contact_person(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Add a contact person: choose one of the company's people, add one, or empty the slot."""
    company = get_object_or_404(Company.objects.of(request.account), pk=company_id)
    connection = services.current_connection(company.account_id)
    link = services.link_of(company, connection)
    if connection is None or link is None:
        messages.error(request, sentence("not_linked"))
        return leave_sheet(request, company)
    data = request.POST if request.method == "POST" else None
    seen = opened(data.get("seen", ""), link=link) if data else None
    choice = ContactChoiceForm(data, company=company, current=link.contact)
    sends = data is not None and "look" not in data
    try:
        there = seen.there if seen else read_there(connection, link)
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
        return leave_sheet(request, company)
    person = ContactForm(data if sends and choice.who == NEW else None, company=company, contact=None)
    sheet = Sheet(company=company, link=link, there=there, choice=choice, person=person)
    if sends and _is_confirmed(sheet, seen.beside if seen else {}) and _choose(request, sheet):
        return leave_sheet(request, company)
    return _show(request, sheet)


def _is_confirmed(sheet: Sheet, shown: dict[str, object]) -> bool:
    """Whether the person saw what would be written; else they are shown it first."""
    if not sheet.who:
        return False
    link = sheet.link
    if shown and shown.get("instead_of") != link.contact_id and sheet.who != str(link.contact_id):
        refusal = ContactChosen(str(link.contact or ""))
        sheet.news.append(sentence(refusal.code, refusal.parameters))
        return False
    if sheet.is_new:
        return bool(shown) and sheet.person.is_valid()
    slot = sheet.slot
    if slot and shown.get("who") == sheet.who and shown.get("written") == slot.written:
        return not slot.problems
    sheet.news.append(_("Nothing was sent yet. Look at what will be written, then save."))
    return False


def _choose(request: SignedInRequest, sheet: Sheet) -> bool:
    """Send the choice. False: it was refused, and the sheet says why."""
    slot = sheet.slot
    if slot is None:
        slot = slot_of(sheet.company, Contact(**sheet.person.values()), there=sheet.there.values)
        if slot.problems:
            refuse_at_fields(sheet.person, slot.problems)
            return False
    try:
        with transaction.atomic():
            services.choose_contact(
                user=request.user,
                company=sheet.company,
                contact=_contact(sheet),
                decision=slot.decision(),
                seen=sheet.link,
            )
    except services.Refusal as refusal:
        sheet.stop = Stop.by(refusal)
        if sheet.stop is None:
            sheet.news.append(sentence(refusal.code, refusal.parameters))
        return False
    return True


def _contact(sheet: Sheet) -> Contact | None:
    if sheet.is_new:
        return sheet.company.add_contact(now=timezone.now(), values=sheet.person.values())
    return sheet.choice.chosen


def _show(request: SignedInRequest, sheet: Sheet) -> HttpResponse:
    context = {"sheet": sheet, "company": sheet.company, **stopped(request, sheet.stop, was_sent=True)}
    if request.headers.get("HX-Target") == SIDES:
        return render(request, "integrations/contact_person_sides.html", context)
    return render_sheet(request, "integrations/contact_person.html", context)
