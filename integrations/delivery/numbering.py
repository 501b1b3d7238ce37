"""Own customer numbers: a create that carries a number of ours can be asked for by it (docs/reliability.md).

The number is kept on the push before the bytes leave and stays the same however often it is sent, so a request
that is stored late and one that is sent again can never both come to something.
"""

from uuid import UUID

from django.conf import settings
from django.db import transaction

from integrations.delivery import outcomes
from integrations.delivery.calls import LEASE_SLACK, Calls
from integrations.delivery.outcomes import CannotSend
from integrations.domain import mapping
from integrations.eaccounting import filters
from integrations.eaccounting.errors import Conflict, Refused
from integrations.eaccounting.refusals import is_number_taken
from integrations.eaccounting.types import Customer
from integrations.models import Connection, CustomerLink, Push
from integrations.models.connection import number_of


def number_for(push: Push, *, connection: Connection) -> str:
    """Return the number to send; blank leaves it to eAccounting. Raises CannotSend when none is left."""
    if push.number or not connection.own_prefix:
        return push.number
    number = number_of(prefix=connection.own_prefix, push_id=push.pk, given_up=push.numbers_given_up)
    if not number:
        raise CannotSend("numbers_used_up", prefix=connection.own_prefix)
    return number


def adopt_among(push: Push, customers: tuple[Customer, ...] | list[Customer], calls: Calls) -> bool:
    """Link the customer that an earlier sending of this push created, if it is among these; then the push ends."""
    ours = [customer for customer in customers if _is_ours(push, customer)]
    if not ours:
        return False
    with transaction.atomic():
        outcomes.adopt(push, ours[0], calls)
        outcomes.record_adopted(push, calls)
    return True


def adopt_by_number(push: Push, calls: Calls) -> bool:
    """After a lost answer: ask for our number; whoever has it and equals what was sent is ours."""
    return bool(push.number) and adopt_among(push, _holders(push, calls), calls)


def settle_refusal(push: Push, error: Conflict | Refused, calls: Calls) -> None:
    """A create was refused; if that is because our number is taken, see who has it. Raises any other refusal.

    Equal to what was sent: an answer was lost before, and this is ours. Near: a person judges. Anybody else:
    another number.
    """
    if not push.number or not is_number_taken(error):
        raise error
    # Refused readably: this sending stored nothing.
    push.mark_not_stored(now=calls.clock(), seconds=_reading_seconds(calls))
    holders = _holders(push, calls)
    if not holders:
        raise error
    if adopt_among(push, holders, calls):
        return
    near = [customer for customer in holders if _may_be_ours(push, customer)]
    if near:
        outcomes.ask_person(push, near)
    else:
        push.try_next_number(now=calls.clock())


def _holders(push: Push, calls: Calls) -> list[Customer]:
    """Return the customers with our number: one, none, or more where eAccounting lets them."""
    deadline = settings.EACCOUNTING_CALL_SECONDS
    push.renew_lease(now=calls.clock(), seconds=_reading_seconds(calls))
    page = calls.booking().list_customers(filter=filters.eq(mapping.NUMBER, push.number), deadline=deadline)
    calls.answered()
    return [customer for customer in page.customers if _has_our_number(push, customer)]


def _reading_seconds(calls: Calls) -> float:
    return calls.patience + settings.EACCOUNTING_CALL_SECONDS + LEASE_SLACK


def _has_our_number(push: Push, customer: Customer) -> bool:
    return bool(push.number) and customer.number.casefold() == push.number.casefold()


def _is_ours(push: Push, customer: Customer) -> bool:
    is_equal = _has_our_number(push, customer) and mapping.is_equal(push.values or {}, customer.raw)
    return is_equal and not _is_known(push, customer)


def _may_be_ours(push: Push, customer: Customer) -> bool:
    return mapping.is_near(push.values or {}, customer.raw) and not _is_known(push, customer)


def _is_known(push: Push, customer: Customer) -> bool:
    """Tell a customer that was there before we sent, or belongs to a company here."""
    links = CustomerLink.of_customers([UUID(customer.id)], connection=push.connection_id)
    return customer.id in push.seen_ids or links.exists()
