"""Update a customer without losing a field that is not ours: read it, lay our values over it, write all of it back."""

import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from companies.models import Company
from integrations.crash_points import Point, reach
from integrations.delivery import outcomes
from integrations.delivery.calls import LEASE_SLACK, Calls, is_deleted
from integrations.delivery.create import usable
from integrations.delivery.outcomes import CannotSend
from integrations.domain import mapping
from integrations.eaccounting.client import Endpoint
from integrations.eaccounting.errors import Intercepted, NotFound
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.types import Customer
from integrations.models import CustomerLink, Kind, Push, PushState, WaitReason


def run(push: Push, calls: Calls) -> None:
    """Take an update as far as it can go now. Raises what `deliver` knows how to record."""
    if push.state == PushState.UNKNOWN and calls.clock() <= outcomes.absent_from(push):
        # The lost write may still be stored late: writing now could overwrite it, or be overwritten by it.
        now = calls.clock()
        settled = outcomes.absent_from(push) + timedelta(milliseconds=100)
        push.wait(WaitReason.SETTLING, until=max(settled, outcomes.next_try(push, now=now)))
        return
    link = _link(push)
    calls.open(push)
    # Both calls are booked before the first one, so that there is no wait between reading and writing.
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
        # The customer was read a moment ago, so what was not found is something that it refers to.
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
    push.renew_lease(now=asked_at, seconds=deadline + LEASE_SLACK)
    try:
        customer = calls.booked().get_customer(customer_id=str(link.reference), deadline=deadline)
    except NotFound:
        raise _missing_there(link, asked_at=asked_at) from None
    except Intercepted as answer:
        push.renew_lease(now=calls.clock(), seconds=calls.patience + deadline + LEASE_SLACK)
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
    """Mark the customer gone and break its link, unless somebody saw it since; a later reading repairs both."""
    with transaction.atomic():
        if link.customer.mark_gone(now=asked_at):
            link.mark_broken(CustomerLink.Broken.DELETED)
    return CannotSend("customer_deleted")


def _commit_sending(
    push: Push, link: CustomerLink, customer: Customer, calls: Calls
) -> tuple[dict[str, Json] | None, mapping.Values]:
    """Compare under the company's lock and commit SENDING; return no payload when there is nothing to write.

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
        if push.state == PushState.UNKNOWN and _was_stored(push, there):
            return None, _equal_there(push, there)
        push.reload_request()
        wanted = _wanted(push, link)
        changes = _changes(push, wanted, link, there)
        if not changes:
            return None, wanted
        if push.state == PushState.UNKNOWN and outcomes.is_lost_for_good(push, now=now):
            raise CannotSend("gave_up")
        payload = _payload(company, link, customer, changes)
        push.begin_sending(
            values=changes,
            before={name: there[name] for name in changes},
            send_by=now + timedelta(seconds=settings.EACCOUNTING_SEND_BY_SECONDS),
            lease_until=now + timedelta(seconds=2 * settings.EACCOUNTING_CALL_SECONDS + LEASE_SLACK),
        )
        reach(Point.SENDING_UNCOMMITTED)
    return payload, wanted


def _was_stored(push: Push, there: mapping.Values) -> bool:
    """Tell whether the write whose answer was lost was stored: either all of it was, or nothing.

    Raises CannotSend when it was, and somebody has changed part of it since.
    """
    sent: mapping.Values = push.values or {}
    before: mapping.Values = push.before or {}
    country = there.get(mapping.COUNTRY) or str(push.company.country)
    changed = {name: sent[name] for name in mapping.unequal(before, sent, country=country)}
    lacking = mapping.unequal(changed, there, country=country)
    if lacking and len(lacking) < len(changed):
        raise CannotSend("changed_there", fields=lacking, was_sent=True)
    return bool(changed) and not lacking


def _equal_there(push: Push, there: mapping.Values) -> mapping.Values:
    """Return the values that the lost write stored, and the confirmed ones that eAccounting had already."""
    wished: mapping.Values = {**push.confirmed, **(push.values or {})}
    apart = mapping.differences(wished, there)
    return {name: value for name, value in wished.items() if name not in apart}


def _wanted(push: Push, link: CustomerLink) -> mapping.Values:
    """Return the confirmed values, without those of a person who was removed since. Raises CannotSend."""
    confirmed: mapping.Values = push.confirmed
    if not mapping.names_a_person(confirmed) or link.contact is not None or push.undoes_id is not None:
        return confirmed
    rest = {name: value for name, value in confirmed.items() if name in mapping.company_properties()}
    if not rest:
        raise CannotSend("contact_gone")
    return rest


def _changes(push: Push, wanted: mapping.Values, link: CustomerLink, there: mapping.Values) -> mapping.Values:
    """Return which of the wanted values have to be written. Raises CannotSend."""
    overtaken = mapping.overtaken(wanted, push.based_on, there, *_written_since(push, link))
    if overtaken:
        was_sent = {"was_sent": True} if push.state == PushState.UNKNOWN else {}
        raise CannotSend("changed_there", fields=overtaken, **was_sent)
    return mapping.confirmed_to_write(wanted, there)


def _written_since(push: Push, link: CustomerLink) -> list[list[mapping.Write]]:
    """Return our writes to this customer since the sheet was read, both as sent and as answered.

    For one that failed after its answer was lost nobody knows whether it was stored: the value that it was to
    overwrite may still be there, and that is what the sheet showed.
    """
    if push.read_at is None:
        return []
    ended = Push.objects.filter(company_id=push.company_id, connection_id=push.connection_id, kind=Kind.UPDATE)
    since = ended.filter(finished_at__gt=max(push.read_at, link.linked_at), before__isnull=False)
    stored = since.filter(Q(state=PushState.DONE) | Q(state=PushState.FAILED, unknown_since__isnull=False))
    rows = [(row.before or {}, row.values or {}, row.after or {}) for row in stored.order_by("finished_at")]
    sent = [(before, values) for before, values, _after in rows]
    return [sent, [(before, {**values, **after}) for before, values, after in rows]]


def _still_linked(link: CustomerLink) -> CustomerLink:
    """Return the link as it is now; the company is locked. Raises CannotSend when it is gone or to another customer."""
    links = CustomerLink.objects.select_related("contact").filter(pk=link.pk, customer_id=link.customer_id)
    found = links.first()
    if found is None:
        raise CannotSend("not_linked")
    return found


def _payload(company: Company, link: CustomerLink, customer: Customer, changes: mapping.Values) -> dict[str, Json]:
    """Return the whole customer with our changes. Raises CannotSend for what a person has to fix first."""
    fallback = mapping.shortened(mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS), link.shorter)
    payload = mapping.replace_payload(customer.raw, changes, fallback=fallback)
    problems = [p for p in mapping.problems(changes) if p.kind == "too_long"] + mapping.missing_in(payload)
    if problems:
        raise CannotSend("values", problems=[(p.remote, p.kind, p.length) for p in problems])
    if not payload.get(mapping.TERMS):
        raise CannotSend("customer_without_terms")
    return payload
