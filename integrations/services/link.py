"""Link a company to a customer in eAccounting, and unlink it."""

from django.db import transaction

from accounts.models import User
from companies.models import Company
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.diff import Decision
from integrations.eaccounting.types import Customer
from integrations.exceptions import (
    Archived,
    LinkedElsewhere,
    LinkedMeanwhile,
    NotConnected,
    NothingToDecide,
    NotLinked,
    Refusal,
)
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Kind,
    Origin,
    Push,
    RemoteCustomer,
    WaitReason,
)
from integrations.models.push import OPEN
from integrations.services.requests import (
    current_connection,
    link_of,
    lock_company,
    lock_same_connection,
    refuse_under_way,
    remove_link,
    under_way,
)
from integrations.services.update import record_decision


def link_company(
    *,
    user: User,
    company: Company,
    connection: Connection,
    customer: Customer,
    origin: Origin,
    decision: Decision | None = None,
    linked_to: str | None = None,
) -> CustomerLink:
    """Link the company to an existing customer, replacing the link it may have.

    `decision`: what a person chose to write at once, and which of eAccounting's values they chose to keep.
    `linked_to`: id of the customer whose link they saw would be replaced, blank for none; None: nobody looked. Raises
    LinkedElsewhere (its parameters name the company), LinkedMeanwhile, AlreadyUnderWay, Archived, CannotSendValues,
    and NotConnected, also when another company was connected since the customer was read.
    """
    now = database_now()
    with transaction.atomic():
        company = lock_company(company)
        connection = lock_same_connection(company, connection)
        refuse_under_way(company)
        _refuse_linked_meanwhile(link_of(company, connection), linked_to)
        answered = mapping.owned(customer.raw)
        remote = RemoteCustomer.remember(connection=connection, customer=customer, answered=answered, now=now)
        _refuse_linked_elsewhere(remote, company)
        made = _link_to(remote, user=user, company=company, connection=connection, origin=origin)
        Event.add(
            EventKind.LINKED,
            connection=connection,
            company=company,
            actor=user,
            parameters={"name": remote.name, "number": remote.number},
        )
        if decision:
            record_decision(user, company, made, decision)
    return made


def _link_to(
    remote: RemoteCustomer, *, user: User, company: Company, connection: Connection, origin: Origin
) -> CustomerLink:
    """Return the company's link to this customer; a link to another customer is replaced, and the activity says so."""
    former = link_of(company, connection)
    if former and former.customer_id == remote.pk:
        # The agreed values and the contact person stay.
        former.mark_broken("" if remote.is_active else CustomerLink.Broken.INACTIVE)
        return former
    if former:
        remove_link(former, company=company, connection=connection, user=user)
    return CustomerLink.objects.create(
        account_id=company.account_id,
        connection=connection,
        company=company,
        customer=remote,
        origin=origin,
        linked_at=database_now(),
        linked_by=user,
    )


def _refuse_linked_meanwhile(former: CustomerLink | None, linked_to: str | None) -> None:
    if linked_to is not None and linked_to != (str(former.reference) if former else ""):
        raise linked_meanwhile(former)


def linked_meanwhile(link: CustomerLink | None) -> LinkedMeanwhile:
    """Return the refusal that names the customer that the company is linked to now."""
    if link is None:
        return LinkedMeanwhile(customer="", by="", at=None)
    return LinkedMeanwhile(customer=str(link.customer), by=str(link.linked_by or ""), at=link.linked_at)


def why_not_link(company: Company) -> Refusal | None:
    """Return what prevents linking the company now, or None. Takes no locks: `link_company` decides."""
    if company.archived_at is not None:
        return Archived()
    connection = current_connection(company.account_id)
    if connection is None or not connection.is_connected:
        return NotConnected(connection.state) if connection else NotConnected()
    push = Push.open_of(company)
    return under_way(push) if push and push != undecided(company, connection) else None


def undecided(company: Company, connection: Connection) -> Push | None:
    """Return the create push of the company that waits for a person to choose between customers, or None."""
    rows = Push.objects.filter(company=company, connection=connection, kind=Kind.CREATE, state__in=OPEN)
    return rows.filter(wait_reason=WaitReason.DECISION).exclude(candidates=[]).first()


def _refuse_linked_elsewhere(remote: RemoteCustomer, company: Company) -> None:
    other = CustomerLink.objects.select_related("company").filter(customer=remote).exclude(company=company).first()
    if other:
        raise LinkedElsewhere(company_id=other.company_id, name=other.company.name)


def why_not_unlink(company: Company) -> Refusal | None:
    """Return what prevents unlinking the company now, or None. Takes no locks: `unlink_company` decides."""
    push = Push.open_of(company)
    return under_way(push) if push else None


def unlink_company(*, user: User, company: Company, linked_to: str | None = None) -> None:
    """Remove the link; nothing changes in eAccounting.

    `linked_to`: id of the customer that the person saw; None: nobody looked. Raises NotLinked, LinkedMeanwhile,
    AlreadyUnderWay, Archived.
    """
    with transaction.atomic():
        company = lock_company(company)
        refuse_under_way(company)
        connection = current_connection(company.account_id)
        found = link_of(company, connection)
        if connection is None or found is None:
            raise NotLinked
        _refuse_linked_meanwhile(found, linked_to)
        remove_link(found, company=company, connection=connection, user=user)


def link_possible_duplicate(
    *, user: User, push: Push, customer: Customer, decision: Decision | None = None, linked_to: str | None = None
) -> CustomerLink:
    """Link the company to one of the possible duplicates. Raises NothingToDecide, and as `link_company`."""
    with transaction.atomic():
        # Lock the connection before the push, in the same order as disconnecting does.
        lock_same_connection(lock_company(push.company), push.connection)
        if not push.decide_link(now=database_now()):
            raise NothingToDecide
        return link_company(
            user=user,
            company=push.company,
            connection=push.connection,
            customer=customer,
            origin=Origin.MATCHED,
            decision=decision,
            linked_to=linked_to,
        )
