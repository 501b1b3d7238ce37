"""Create a customer, at most once.

eAccounting has no idempotency keys. So: look for the customer, record on the push that it is being sent, send it, and
look again if the answer was lost. The protocol and its reasons: docs/reliability.md, "How a create cannot double".
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from companies.models import Company, Contact
from integrations.access.token_lock import lock_creates
from integrations.crash_points import Point, reach
from integrations.database import breaks
from integrations.delivery import outcomes
from integrations.delivery.calls import LEASE_SLACK, Calls
from integrations.delivery.duplicate_look import Look, linked_since, look
from integrations.delivery.outcomes import CannotSend
from integrations.domain import mapping
from integrations.domain.duplicates import in_common
from integrations.eaccounting import filters
from integrations.eaccounting.client import Endpoint
from integrations.eaccounting.errors import Conflict, NotFound, Refused
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.types import Customer
from integrations.exceptions import NotConnected
from integrations.models import Connection, CustomerLink, Kind, Push, PushState, TermsOfPayment, WaitReason

# What must not have changed since the token was taken, and what a create needs besides.
_USABLE = [
    "state",
    "blocked_reason",
    "generation",
    "expires_at",
    "terms_confirmed_at",
]
_TERMS = ("remote_id", "for_sales", "gone_at", "name", "name_english", "days", "kind")
_USABLE += ["terms_were", *(f"default_terms__{name}" for name in _TERMS)]


def run(push: Push, calls: Calls) -> None:
    """Take a create as far as it can go now. Raises what `deliver` knows how to record."""
    if push.state == PushState.UNKNOWN:
        _resolve(push, calls)
        return
    values = _values(push)
    calls.open(push)
    began = calls.clock()
    found = _look_before(push, values, calls, now=began)
    judged = push.seen_ids if push.create_anyway else []
    unjudged = [customer for customer in found.same if customer.id not in judged]
    if unjudged:
        outcomes.ask_person(push, unjudged)
        return
    _send(push, found, calls, looked=began)


def _values(push: Push) -> mapping.Values:
    """Return the values to send. Raises CannotSend for what a person has to correct."""
    values: mapping.Values = push.confirmed
    if not values:
        raise CannotSend("nothing_confirmed")
    if mapping.names_a_person(values) and push.contact is None:
        raise CannotSend("contact_gone")  # removed since this was confirmed: nothing of the person is sent any more
    problems = mapping.problems(values)
    if problems:
        raise CannotSend("values", problems=[(p.remote, p.kind, p.length) for p in problems])
    return values


def _look_before(push: Push, values: mapping.Values, calls: Calls, *, now: datetime) -> Look:
    """Ask eAccounting, by registration number and by name, for customers that could be this company."""
    deadline = settings.EACCOUNTING_CALL_SECONDS
    push.renew_lease(now=now, seconds=calls.patience + deadline + LEASE_SLACK)
    reach(Point.LOOK_BEGUN)
    found = look(calls.booking(), calls.connection, values, deadline=deadline)
    reach(Point.LOOKED)
    calls.answered()
    return found


class _LateLook(Exception):
    """A twin ended after our look, so the look did not see what it created."""


class _TwinUnderWay(Exception):
    """Another create that may be of the same company is being sent, or its outcome is not known yet."""


def _send(push: Push, found: Look, calls: Calls, *, looked: datetime) -> None:
    """Record that the request is being sent, and send it; past `send_by` nothing is sent."""
    calls.book(Endpoint.CUSTOMERS)
    reach(Point.SLOT_BOOKED)
    send_by = time.monotonic() + settings.EACCOUNTING_SEND_BY_SECONDS
    try:
        payload = _commit_sending(push, found, calls, looked=looked)
    except _LateLook:
        push.refresh_from_db(fields=["state"])  # SENDING was rolled back
        push.wait(WaitReason.TWIN, until=calls.clock())
        return
    except _TwinUnderWay:
        push.wait(WaitReason.TWIN, until=outcomes.next_twin_try(push, now=calls.clock()))
        return
    except IntegrityError as error:
        if not breaks(error, "push_no_twin_create"):
            raise
        push.wait(WaitReason.TWIN, until=outcomes.next_twin_try(push, now=calls.clock()))
        return
    reach(Point.SENDING_COMMITTED)
    deadline = settings.EACCOUNTING_CALL_SECONDS
    try:
        customer = calls.booked().create_customer(payload=payload, deadline=deadline, send_by=send_by)
    except NotFound:
        # The payload refers to nothing but the terms of payment, so these are gone.
        calls.connection.reread_terms()
        raise CannotSend("terms_gone") from None
    except (Conflict, Refused):
        reach(Point.REFUSED)
        raise
    reach(Point.ANSWERED)
    outcomes.record_created(push, customer, calls)


def _commit_sending(push: Push, found: Look, calls: Calls, *, looked: datetime) -> dict[str, Json]:
    """Check everything once more under the company's lock, fix the payload and commit SENDING.

    Linking, unlinking and archiving take the same lock, so none of them can come in between. Raises CannotSend,
    NotConnected, LostLease, IntegrityError or _TwinUnderWay while a twin is under way, _LateLook when one ended after
    our look.
    """
    now = calls.clock()
    with transaction.atomic():
        company = Company.objects.select_for_update(no_key=True).get(pk=push.company_id)
        connection = usable(push, calls)
        if company.archived_at is not None:
            raise CannotSend("archived")
        if CustomerLink.objects.filter(connection=connection, company=company).exists():
            raise CannotSend("already_linked")
        terms = _terms(push, connection)
        if push.contact_id:  # may have been removed since the claim
            push.contact = Contact.objects.filter(pk=push.contact_id).first()
        values = _values(push)
        lock_creates(connection.pk)  # of two that begin at the same time, one sees the other
        if _twin_under_way(push, values):
            raise _TwinUnderWay
        payload = mapping.create_payload(
            values,
            is_private_person=bool(push.is_private_person),
            terms_id=str(terms.remote_id),
        )
        push.begin_sending(
            payload=payload,
            values={name: value for name, value in values.items() if value},
            fingerprint=mapping.fingerprint(payload),
            send_by=now + timedelta(seconds=settings.EACCOUNTING_SEND_BY_SECONDS),
            lease_until=now + timedelta(seconds=_sending_seconds()),
            looked_at=found.server_time,
            seen_ids=[customer.id for customer in found.same],
        )
        # Checked only now, because from here on no twin can end without our seeing it.
        if _twin_ended(push, since=looked) or linked_since(connection.pk, values, since=looked):
            raise _LateLook
        reach(Point.SENDING_UNCOMMITTED)
    return payload


def _terms(push: Push, connection: Connection) -> TermsOfPayment:
    """Return the terms that were confirmed for this customer, else the default. Raises CannotSend if there are none."""
    default = connection.default_terms
    if default is None or connection.terms_problem:
        raise CannotSend(connection.terms_problem, **connection.terms_particulars)
    if push.terms_id is None or push.terms_id == connection.default_terms_id:
        return default
    chosen = TermsOfPayment.objects.get(pk=push.terms_id)
    if not (chosen.is_choosable and chosen.offered):
        raise CannotSend("terms_not_allowed")
    return chosen


def _twin_under_way(push: Push, values: mapping.Values) -> bool:
    """Tell whether another create under way may be of the same company, by the values that the look before goes by.

    A fingerprint cannot tell: one company may be in Lime Go twice, with its number and, under the same name, without.
    """
    sent = Push.objects.filter(connection_id=push.connection_id, kind=Kind.CREATE)
    sent = sent.filter(state__in=(PushState.SENDING, PushState.UNKNOWN)).exclude(pk=push.pk)
    return any(in_common(values, other or {}) for other in sent.values_list("values", flat=True))


def _twin_ended(push: Push, *, since: datetime) -> bool:
    """Tell whether another create of the same company was done after a moment."""
    done = Push.objects.filter(connection_id=push.connection_id, kind=Kind.CREATE, state=PushState.DONE)
    return done.filter(fingerprint=push.fingerprint, finished_at__gte=since).exclude(pk=push.pk).exists()


def usable(push: Push, calls: Calls) -> Connection:
    """Return the connection as it is now. Raises NotConnected when it does not work, or is not the one of the token.

    A token can be refused (401) to another worker while this one waits for its turn: nothing is sent with it then.
    """
    rows = Connection.objects.select_related("default_terms").only(*_USABLE)
    connection = rows.get(pk=push.connection_id)
    if not connection.is_usable:
        raise NotConnected(connection.blocked_reason or connection.state)
    if connection.generation != calls.generation or connection.expires_at <= calls.clock():
        raise NotConnected("superseded")
    return connection


def _sending_seconds() -> float:
    return settings.EACCOUNTING_SEND_BY_SECONDS + settings.EACCOUNTING_CALL_SECONDS + LEASE_SLACK


def _resolve(push: Push, calls: Calls) -> None:
    """Find out whether the customer exists whose create lost its answer; nothing is sent before that is known."""
    began = calls.clock()
    calls.open(push)
    settled = began > outcomes.absent_from(push)
    equal, near = _look_after(push, calls)
    adopted = CustomerLink.objects.filter(connection_id=push.connection_id, company_id=push.company_id).first()
    if not settled:
        if len(equal) == 1 and not near and adopted is None:
            reach(Point.FOUND)
            outcomes.adopt(push, equal[0], calls)
            reach(Point.ADOPTED)
        # Look once more even for an adopted customer: ours may be stored late, beside one that a person created.
        push.wait(WaitReason.SETTLING, until=outcomes.next_look(push, now=calls.clock()))
    elif adopted is not None and not equal:
        outcomes.record_adopted(push, calls)
    elif adopted is None and len(equal) == 1:
        outcomes.adopt(push, equal[0], calls)
        outcomes.record_adopted(push, calls)
    elif equal or near:
        outcomes.ask_person(push, [*equal, *near])
    else:
        reach(Point.ABSENCE_PROVEN)
        outcomes.send_again(push, now=calls.clock())


def _look_after(push: Push, calls: Calls) -> tuple[list[Customer], list[Customer]]:
    """Return the customers that equal what was sent, and those that come near it.

    Only customers that changed since the look before, were not seen then, and are linked to no company.
    """
    deadline = settings.EACCOUNTING_CALL_SECONDS
    push.renew_lease(now=calls.clock(), seconds=calls.patience + deadline + LEASE_SLACK)
    since = filters.changed_since(push.looked_at) if push.looked_at else None
    page = calls.booking().list_customers(filter=since, deadline=deadline)
    calls.answered()
    ids = [UUID(customer.id) for customer in page.customers]
    linked = CustomerLink.of_customers(ids, connection=push.connection_id)
    others = {str(found) for found in linked.values_list("customer__customer_id", flat=True)} | set(push.seen_ids)
    new, sent = [customer for customer in page.customers if customer.id not in others], push.values or {}
    equal = [customer for customer in new if mapping.is_equal(sent, customer.raw)]
    near = [customer for customer in new if customer not in equal and mapping.is_near(sent, customer.raw)]
    return equal, near
