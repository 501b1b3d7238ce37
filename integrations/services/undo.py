"""Put back what an update overwrote."""

from django.db import transaction

from accounts.models import User
from companies.models import Company
from integrations.domain import mapping, previous_values
from integrations.domain.diff import Decision
from integrations.exceptions import ContactGone, CustomerGone, NotUndoable
from integrations.models import Push
from integrations.services.requests import link_of, lock_company, lock_connection, refuse_under_way
from integrations.services.update import request_update


def request_undo(*, user: User, push: Push, decision: Decision) -> Push | None:
    """Write the previous values back, as far as a person chose them. Return the push, or None for nothing.

    An undo neither joins nor replaces a push that is under way. Raises NotUndoable when the company was linked again
    since, CustomerGone when the customer is known to be deleted or inactive, ContactGone when it would bring back a
    person who was removed meanwhile, NotConnected, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company = lock_company(push.company)
        refuse_under_way(company)
        link = link_of(company, lock_connection(company))
        if link is None or not previous_values.is_undoable(push, link):
            raise NotUndoable
        if link.broken:
            raise CustomerGone(f"customer_{link.broken}")
        if _is_of_somebody_erased(decision.write.get(mapping.CONTACT_NAME, ""), company):
            raise ContactGone
        return request_update(
            user=user, company=company, customer_id=str(link.reference), decision=decision, undoes=push
        )


def _is_of_somebody_erased(name: str, company: Company) -> bool:
    """Whether these values are of a person that we once sent and who was removed from the company since."""
    if not name or any(str(person) == name for person in company.contacts.order_by("pk")):
        return False
    # Compared by text, because the contact row is gone; only values that we once wrote can be of one of our contacts.
    ours = Push.objects.filter(company=company, undoes=None, values__contains={mapping.CONTACT_NAME: name})
    return ours.exists()
