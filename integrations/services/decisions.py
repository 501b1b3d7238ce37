"""What a person decides about a wish that is under way."""

from django.db import transaction

from accounts.models import User
from integrations.clock import database_now
from integrations.comparing import Decision
from integrations.eaccounting.types import Customer
from integrations.mapping import Values
from integrations.models import CustomerLink, Event, EventKind, Origin, Push
from integrations.refusing import NothingToDecide
from integrations.services.adding import wish_to_create
from integrations.services.linking import link
from integrations.services.looking import locked, still_connected
from integrations.services.outbox import poke_when_committed


def create_anyway(*, user: User, push: Push, confirmed: Values | None = None) -> None:
    """A person saw the possible duplicates and wants a new customer.

    `push`: as they saw it, whose candidates they said not to be the company. `confirmed`: the values that they saw,
    where no sheet had confirmed any before. Raises NothingToDecide, CannotSendValues.
    """
    wish: dict[str, object] = {}
    if not push.confirmed and confirmed is not None:
        whole = wish_to_create(push.company, contact=push.contact, confirmed=confirmed, terms=push.terms)
        wish = {name: whole[name] for name in ("confirmed", "is_private_person", "based_on", "shorter")}
    with transaction.atomic():
        if not push.decide_create_anyway(now=database_now(), **wish):
            raise NothingToDecide
        Event.add(EventKind.CREATE_ANYWAY, connection=push.connection, company=push.company, actor=user)
        poke_when_committed(push)


def link_instead(
    *, user: User, push: Push, customer: Customer, decision: Decision | None = None, linked_to: str | None = None
) -> CustomerLink:
    """A person chose one of the possible duplicates. Raises NothingToDecide, and as `link`."""
    with transaction.atomic():
        # Whoever disconnects locks the connection before its pushes: here too.
        still_connected(locked(push.company), push.connection)
        if not push.decide_link(now=database_now()):
            raise NothingToDecide
        return link(
            user=user,
            company=push.company,
            connection=push.connection,
            customer=customer,
            origin=Origin.MATCHED,
            decision=decision,
            linked_to=linked_to,
        )


def look_again(*, push: Push) -> None:
    """A person has looked in eAccounting, or wants us to: look once more. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.look_again(now=database_now()):
            raise NothingToDecide
        poke_when_committed(push)


def cancel(*, user: User, push: Push) -> None:
    """Take a waiting wish back. Raises NothingToDecide when it is being sent or was sent."""
    with transaction.atomic():
        if not push.cancel(now=database_now()):
            raise NothingToDecide
        Event.add(EventKind.CANCELLED, connection=push.connection, company=push.company, actor=user)
