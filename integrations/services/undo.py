"""Putting back what an update overwrote."""

from django.db import transaction

from accounts.models import User
from companies.models import Company
from integrations.domain import mapping, previous_values
from integrations.domain.diff import Decision
from integrations.exceptions import ContactGone, CustomerGone, NotUndoable
from integrations.models import Push
from integrations.services.preconditions import link_of, lock_company, lock_connection, refuse_under_way
from integrations.services.update import request_update


def request_undo(*, user: User, push: Push, decision: Decision) -> Push | None:
    """Write what was there before this update, as far as a person chose it. Return the push, None for nothing.

    An undo neither joins nor replaces what is under way. Raises NotUndoable when the company was linked anew since,
    CustomerGone when the customer is known to be deleted or inactive, ContactGone when it would bring back a person of
    ours who was removed meanwhile, NotConnected, AlreadyUnderWay, CannotSendValues,
    Archived.
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
    """Whether this person was sent from here once, and is none of the company's people any more."""
    if not name or any(str(person) == name for person in company.contacts.order_by("pk")):
        return False
    # By their texts, since the person's own rows are gone: only what we ever wrote can have been one of ours.
    ours = Push.objects.filter(company=company, undoes=None, values__contains={mapping.CONTACT_NAME: name})
    return ours.exists()
