"""Putting back what an update overwrote."""

from django.db import transaction

from accounts.models import User
from integrations import undoing
from integrations.comparing import Decision
from integrations.models import Push
from integrations.refusing import CustomerGone, NotUndoable
from integrations.services.looking import connected, link_of, locked, refuse_under_way
from integrations.services.wishes import settle_differences


def put_back(*, user: User, push: Push, decision: Decision) -> Push | None:
    """Write what was there before this update, as far as a person chose it. Return the push, None for nothing.

    An undo neither joins nor replaces what is under way. Raises NotUndoable when the company was linked anew since,
    CustomerGone when the customer is known to be deleted or inactive, NotConnected, AlreadyUnderWay, CannotSendValues,
    Archived.
    """
    with transaction.atomic():
        company = locked(push.company)
        refuse_under_way(company)
        link = link_of(company, connected(company))
        if link is None or not undoing.is_undoable(push, link):
            raise NotUndoable
        if link.broken:
            raise CustomerGone(f"customer_{link.broken}")
        return settle_differences(
            user=user, company=company, customer_id=str(link.reference), decision=decision, undoes=push
        )
