"""Update a customer without losing a field that is not ours: read it, lay our values over it, write it back."""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from companies.models import Company
from integrations import mapping
from integrations.crashpoints import Point, reach
from integrations.delivery import outcomes, times
from integrations.delivery.calls import LEASE_SLACK, Calls
from integrations.delivery.creating import usable
from integrations.delivery.outcomes import CannotSend
from integrations.delivery.reads import is_deleted
from integrations.eaccounting.client import Endpoint
from integrations.eaccounting.errors import Intercepted, NotFound
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.types import Customer
from integrations.mapping import Group
from integrations.models import CustomerLink, Push, PushState, WaitReason


def run(push: Push, calls: Calls) -> None:
    """Carry an update as far as it goes now. Raises what `deliver` knows how to record."""
    if push.state == PushState.UNKNOWN and calls.clock() <= times.absent_from(push):
        # The lost write may still be stored late: writing now could undo it, or it us.
        now = calls.clock()
        settled = times.absent_from(push) + timedelta(milliseconds=100)
        push.wait(WaitReason.SETTLING, until=max(settled, times.next_try(push, now=now)))
        return
    link = _link(push)
    calls.open(push)
    # Both calls are booked before the first, so that nobody waits between reading and writing.
    calls.book(Endpoint.CUSTOMER)
    calls.book(Endpoint.CUSTOMER)
    reach(Point.SLOT_BOOKED)
    customer = _read(push, link, calls)
    send_by = time.monotonic() + settings.EACCOUNTING_SEND_BY_SECONDS
    reach(Point.CUSTOMER_READ)
    payload, here = _commit_sending(push, link, customer, calls)
    if payload is None:
        outcomes.record_updated(push, link, customer, calls, values=here)
        return
    reach(Point.SENDING_COMMITTED)
    try:
        answered = calls.booked().replace_customer(
            customer_id=customer.id, payload=payload, deadline=settings.EACCOUNTING_CALL_SECONDS, send_by=send_by
        )
    except NotFound:
        # The customer was read a moment ago: what is missing is one of the things that its values refer to.
        raise CannotSend("customer_refers_to_missing") from None
    reach(Point.ANSWERED)
    outcomes.record_updated(push, link, answered, calls, values=here)


def _link(push: Push) -> CustomerLink:
    links = CustomerLink.objects.select_related("customer", "contact")
    link = links.filter(connection_id=push.connection_id, company_id=push.company_id).first()
    if link is None:
        raise CannotSend("not_linked")
    return link


def _read(push: Push, link: CustomerLink, calls: Calls) -> Customer:
    """Read the customer as it is now. Raises CannotSend when it is deleted or inactive there."""
    deadline = settings.EACCOUNTING_CALL_SECONDS
    asked_at = calls.clock()
    push.keep(now=asked_at, seconds=deadline + LEASE_SLACK)
    try:
        customer = calls.booked().get_customer(customer_id=str(link.reference), deadline=deadline)
    except NotFound:
        raise _missing_there(link, asked_at=asked_at) from None
    except Intercepted as answer:
        push.keep(now=calls.clock(), seconds=calls.patience + deadline + LEASE_SLACK)
        customer_id, client = str(link.reference), calls.booking()
        if not is_deleted(answer, client, calls.connection, customer_id=customer_id, deadline=deadline):
            raise
        raise _missing_there(link, asked_at=asked_at) from None
    calls.answered()
    if not customer.is_active:
        link.mark_broken(CustomerLink.Broken.INACTIVE)
        raise CannotSend("customer_inactive")
    return customer


def _missing_there(link: CustomerLink, *, asked_at: datetime) -> CannotSend:
    """Break the link and mark its customer gone, unless somebody saw it since; who lists it again mends both."""
    with transaction.atomic():
        if link.customer.mark_gone(now=asked_at):
            link.mark_broken(CustomerLink.Broken.DELETED)
    return CannotSend("customer_deleted")


def _commit_sending(
    push: Push, link: CustomerLink, customer: Customer, calls: Calls
) -> tuple[dict[str, Json] | None, mapping.Values]:
    """Compare under the company's lock and commit SENDING; no payload when there is nothing to write.

    Raises CannotSend, NotConnected, LostLease.
    """
    now = calls.clock()
    with transaction.atomic():
        company = Company.objects.select_for_update(no_key=True).get(pk=push.company_id)
        usable(push, calls)
        if company.archived_at is not None:
            raise CannotSend("archived")
        link = _still_linked(link)
        there = mapping.owned(customer.raw)
        here, changes = _wished(push, link, company, there)
        if not changes:
            return None, here
        if push.state == PushState.UNKNOWN and times.is_lost_for_good(push, now=now):
            raise CannotSend("gave_up")
        payload = _payload(company, link, customer, changes)
        values, before = _written(push, changes, there)
        push.begin_sending(
            values=values,
            before=before,
            send_by=now + timedelta(seconds=settings.EACCOUNTING_SEND_BY_SECONDS),
            lease_until=now + timedelta(seconds=2 * settings.EACCOUNTING_CALL_SECONDS + LEASE_SLACK),
        )
        reach(Point.SENDING_UNCOMMITTED)
    return payload, here


def _written(push: Push, changes: mapping.Values, there: mapping.Values) -> tuple[mapping.Values, mapping.Values]:
    """Return what is written and what it overwrites, with what a try whose answer was lost has stored already."""
    before = {name: there[name] for name in changes}
    if push.state != PushState.UNKNOWN:
        return changes, before
    sent, former = push.values or {}, push.before or {}
    not_stored = {*changes, *mapping.differences(sent, there)}
    stored = [name for name in sent.keys() & former.keys() if name not in not_stored]
    return {**{name: sent[name] for name in stored}, **changes}, {**{name: former[name] for name in stored}, **before}


def _wished(
    push: Push, link: CustomerLink, company: Company, there: mapping.Values
) -> tuple[mapping.Values, mapping.Values]:
    """Return the values that the customer is to have and those of them that have to be written. Raises CannotSend."""
    groups = _groups(push, link)
    todays = mapping.shortened(mapping.values_of(company, link.contact, groups=groups), link.shorter)
    confirmed: mapping.Values = push.confirmed or {}
    if mapping.names_a_person(confirmed) and link.contact is None and push.undoes_id is None:
        raise CannotSend("contact_gone")  # erased since it was confirmed: nothing of the person is sent any more
    overtaken = mapping.overtaken(confirmed, push.based_on or {}, there)
    if overtaken:
        was_sent = {"was_sent": True} if push.state == PushState.UNKNOWN else {}
        raise CannotSend("changed_there", fields=overtaken, **was_sent)
    rest = {name: value for name, value in todays.items() if name not in confirmed}
    return {**rest, **confirmed}, {**mapping.to_write(rest, there), **mapping.confirmed_to_write(confirmed, there)}


def _still_linked(link: CustomerLink) -> CustomerLink:
    """Return the link as it is now, the company being locked. Raises CannotSend when it is another's or gone."""
    links = CustomerLink.objects.select_related("contact").filter(pk=link.pk, customer_id=link.customer_id)
    found = links.first()
    if found is None:
        raise CannotSend("not_linked")
    return found


def _groups(push: Push, link: CustomerLink) -> list[str]:
    """Return what is carried; a person who was erased meanwhile takes the contact group along. Raises CannotSend."""
    wished: list[str] = push.groups
    if link.contact is not None or Group.CONTACT not in wished:
        return wished
    rest = [group for group in wished if group != Group.CONTACT]
    if not rest:
        raise CannotSend("contact_gone")
    return rest


def _payload(company: Company, link: CustomerLink, customer: Customer, changes: mapping.Values) -> dict[str, Json]:
    """Return the whole customer with our changes. Raises CannotSend for what a person has to mend first."""
    fallback = mapping.shortened(mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS), link.shorter)
    payload = mapping.replace_payload(customer.raw, changes, fallback=fallback)
    problems = [p for p in mapping.problems(changes) if p.kind == "too_long"] + mapping.missing_in(payload)
    if problems:
        raise CannotSend("values", problems=[(p.remote, p.kind, p.length) for p in problems])
    if not payload.get(mapping.TERMS):
        raise CannotSend("customer_without_terms")
    return payload
