"""Choose the contact person of a customer."""

from django.db import transaction

from accounts.models import User
from companies.models import Company, Contact
from integrations.domain.diff import Decision
from integrations.exceptions import ContactChosen
from integrations.models import CustomerLink, Event, EventKind, Push
from integrations.services.requests import refuse_problems, still_present
from integrations.services.update import lock_linked, send_update


def request_contact_person(
    *, user: User, company: Company, contact: Contact | None, decision: Decision, seen: CustomerLink
) -> Push:
    """Make a person the contact person of the customer, or nobody; send only the contact fields.

    `decision`: the values that the person saw and confirmed. `seen`: the link they saw, with its contact person then.
    Raises NotConnected, NotLinked, ContactGone, ContactChosen, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, link = lock_linked(company)
        contact = still_present(contact, company=company)
        if link.contact_id != seen.contact_id:
            raise ContactChosen(str(link.contact or ""))
        link.choose_contact(contact)
        Event.add(
            EventKind.CONTACT_CHOSEN,
            connection=link.connection,
            company=company,
            actor=user,
            parameters={"name": str(contact) if contact else ""},
        )
        # The activity shows the choice; it needs no second line for the sending.
        refuse_problems(decision.write)
        return send_update(user, company, link, decision)
