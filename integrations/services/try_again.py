"""Send a failed push again, exactly as it was confirmed."""

from django.db import transaction

from accounts.models import User
from integrations.domain.diff import Decision
from integrations.exceptions import NothingConfirmed, NothingToDecide
from integrations.models import Event, EventKind, Kind, Push, PushState
from integrations.services.create import request_create
from integrations.services.update import lock_linked, send_update


def repeat_push(*, user: User, push: Push) -> Push:
    """Send a failed push again, exactly as it was confirmed. Raises NothingConfirmed, and as the original request."""
    if push.state != PushState.FAILED:
        raise NothingToDecide
    if not push.confirmed:
        raise NothingConfirmed
    if push.kind == Kind.CREATE:
        is_same = push.connection.is_current
        return request_create(
            user=user,
            company=push.company,
            contact=push.contact,
            confirmed=push.confirmed,
            terms=push.terms if is_same else None,
            judged=push.seen_ids if is_same and push.create_anyway else (),
        )
    with transaction.atomic():
        company, link = lock_linked(push.company)
        # The values were confirmed for the customer that was linked then.
        if push.connection_id != link.connection_id or (push.finished_at and link.linked_at > push.finished_at):
            raise NothingToDecide
        decision = Decision(push.confirmed, push.based_on, {}, {}, read_at=push.read_at)
        again = send_update(user, company, link, decision, undoes=push.undoes)
        Event.add(EventKind.UPDATE_REQUESTED, connection=link.connection, company=company, actor=user)
    return again
