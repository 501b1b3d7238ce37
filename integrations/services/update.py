"""Update the customer of a company: what a person chose on a sheet becomes one push in the outbox."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from companies.models import Company
from integrations.clock import database_now
from integrations.delivery import calls
from integrations.domain import mapping
from integrations.domain.diff import Decision
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.exceptions import NotLinked
from integrations.models import Connection, CustomerLink, Event, EventKind, Kind, Push, RemoteCustomer
from integrations.models.push import REQUEST_PARTS
from integrations.services.requests import (
    link_of,
    lock_company,
    lock_connection,
    record,
    refuse_problems,
    under_way,
    wake_when_committed,
)


def lock_linked(company: Company) -> tuple[Company, CustomerLink]:
    """Lock the company; return it with its link on the working connection. Raises NotConnected, NotLinked, Archived."""
    company = lock_company(company)
    connection = lock_connection(company)
    link = link_of(company, connection)
    if link is None:
        raise NotLinked
    link.connection = connection
    return company, link


def send_update(
    user: User, company: Company, link: CustomerLink, decision: Decision, *, undoes: Push | None = None
) -> Push:
    """Record a push with what is to be written; the newest sheet wins.

    For the fields that its sheet showed it replaces an update that is waiting, and follows one that is being sent.
    Raises AlreadyUnderWay for any other push, and when a value that this sheet keeps is being overwritten already.
    """
    wish = _columns(company, link, decision, undoes)
    push = _older(company, link, decision)
    if push:
        joined = {**_joined(push, wish, decision), "requested_by": user}
        if push.replace_request(joined, now=database_now()):
            wake_when_committed(push)
            return push
        if push.request_next(joined, names=decision.write):
            return push
    return record(user, company, link.connection, kind=Kind.UPDATE, **wish)


def _leave(user: User, company: Company, link: CustomerLink, decision: Decision) -> None:
    """Take out of an older update what this person chose to keep; if nothing is left it is cancelled, with an event.

    Raises AlreadyUnderWay as `send_update`, and when a worker is just beginning with all that is left.
    """
    push = _older(company, link, decision)
    if push is None or not push.is_unsent:
        return
    rest = _beside(push, decision)
    if rest["confirmed"]:
        push.reduce_request(rest)
    elif push.cancel(now=database_now()):
        Event.add(EventKind.CANCELLED, connection=push.connection, company=push.company, actor=user)
    else:
        raise under_way(push)


def _older(company: Company, link: CustomerLink, decision: Decision) -> Push | None:
    """Return the update under way that this decision can replace or follow, or None. Raises AlreadyUnderWay."""
    push = Push.open_of(company)
    if push is None:
        return None
    if push.kind != Kind.UPDATE or push.connection_id != link.connection_id:
        raise under_way(push)
    if not push.is_unsent and _leaves_wished(push, decision, country=str(company.country)):
        raise under_way(push)
    return push


def _leaves_wished(push: Push, decision: Decision, *, country: str) -> bool:
    """Whether the person saw what this push is about to change, and chose to keep eAccounting's value."""
    left = {name: value for name, value in decision.shown.items() if name not in decision.write}
    return bool(mapping.unequal(push.confirmed, left, country=country))


def _columns(company: Company, link: CustomerLink, decision: Decision, undoes: Push | None) -> dict[str, Any]:
    """Return the columns of an update push that hold the request."""
    whole = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    return {
        "contact": link.contact,
        "confirmed": decision.write,
        "based_on": decision.based_on,
        "read_at": decision.read_at,
        # An undo writes previous values: these are no shorter forms of the values in Lime Go.
        "shorter": {} if undoes else mapping.shorter_forms(whole, decision.write),
        "undoes": undoes,
    }


def _beside(push: Push, decision: Decision) -> dict[str, dict[str, Any]]:
    """Return what the newer sheet did not show of an older update."""
    shown = {*decision.shown, *decision.write}
    return {
        part: {name: value for name, value in getattr(push, part).items() if name not in shown}
        for part in REQUEST_PARTS
    }


def _joined(push: Push, wish: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    """Return the newer update together with what stays of the older one."""
    beside = _beside(push, decision)
    joined = {**wish, **{part: {**beside[part], **wish[part]} for part in REQUEST_PARTS}}
    if beside["confirmed"]:
        # The earlier reading: what we wrote between the two readings is our own for both updates.
        joined["read_at"] = min((at for at in (push.read_at, decision.read_at) if at), default=None)
    return joined


def request_update(
    *, user: User, company: Company, customer_id: str, decision: Decision, undoes: Push | None = None
) -> Push | None:
    """Do what a person chose on a sheet for this customer: write some values, keep eAccounting's for others.

    Return the push, or None when nothing is to be written. `undoes`: the push whose overwritten values are put back.
    Raises NotConnected, NotLinked (also when the company is linked to another customer now), AlreadyUnderWay,
    CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, link = lock_linked(company)
        if str(link.reference) != customer_id:
            raise NotLinked
        return record_decision(user, company, link, decision, undoes=undoes)


def record_decision(
    user: User, company: Company, link: CustomerLink, decision: Decision, *, undoes: Push | None = None
) -> Push | None:
    """Record a decision; the company is locked. Raises CannotSendValues, AlreadyUnderWay."""
    push: Push | None = None
    if decision.write:
        refuse_problems(decision.write)
        push = send_update(user, company, link, decision, undoes=undoes)
    else:
        _leave(user, company, link, decision)
    if decision.kept_here:
        link.keep(here=decision.kept_here, there=decision.kept_there)
        kept = {"fields": sorted(decision.kept_here)}
        Event.add(EventKind.KEPT, connection=link.connection, company=company, actor=user, parameters=kept)
    if push:
        asked = EventKind.UNDO_REQUESTED if undoes else EventKind.UPDATE_REQUESTED
        fields = {"fields": sorted(decision.write)}
        Event.add(asked, connection=link.connection, company=company, actor=user, parameters=fields)
    return push


def check_remote(*, link: CustomerLink, connection: Connection) -> Customer | None:
    """Read the customer as it is now; return None when it was deleted.

    A deleted or inactive customer breaks the link, as it does in a delivery; one that is active again repairs it.
    Raises TooBusy, NotConnected and every EAccountingError.
    """
    began = database_now()
    try:
        customer = calls.read_customer(connection, customer_id=str(link.reference))
    except NotFound:
        _keep_answer(link, connection, None, began)
        return None
    _keep_answer(link, connection, customer, began)
    return customer


def _keep_answer(link: CustomerLink, connection: Connection, customer: Customer | None, began: datetime) -> None:
    """Store the answer, unless a worker has a push under way or finished one since: then its answer is newer."""
    with transaction.atomic():
        company = Company.objects.select_for_update(no_key=True).get(pk=link.company_id)
        same = CustomerLink.objects.filter(pk=link.pk, customer_id=link.customer_id, sent_at=link.sent_at)
        if Push.open_of(company) or not same.exists():
            return
        if customer is None:
            if link.customer.mark_gone(now=began):
                link.mark_broken(CustomerLink.Broken.DELETED)
            return
        answered = mapping.owned(customer.raw)
        link.customer = RemoteCustomer.remember(connection=connection, customer=customer, answered=answered, now=began)
        broken = "" if customer.is_active else CustomerLink.Broken.INACTIVE
        if link.broken != broken:
            link.mark_broken(broken)
