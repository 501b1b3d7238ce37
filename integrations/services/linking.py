"""Which customer in eAccounting a company is."""

from django.db import transaction

from accounts.models import User
from companies.models import Company
from integrations import mapping
from integrations.clock import database_now
from integrations.comparing import Decision
from integrations.eaccounting.types import Customer
from integrations.models import Connection, CustomerLink, Event, EventKind, Origin, RemoteCustomer
from integrations.refusing import LinkedElsewhere, NotLinked
from integrations.services.looking import current_connection, forget, link_of, locked, refuse_under_way
from integrations.services.wishes import settle


def link(
    *,
    user: User,
    company: Company,
    connection: Connection,
    customer: Customer,
    origin: Origin,
    decision: Decision | None = None,
) -> CustomerLink:
    """Link the company to a customer that exists in eAccounting, in place of the link it may have.

    `decision`: what a person chose to write there at once, and which of its values they chose to keep. Raises
    LinkedElsewhere (parameters name the company), AlreadyUnderWay, Archived, CannotSendValues.
    """
    now = database_now()
    with transaction.atomic():
        company = locked(company)
        refuse_under_way(company)
        answered = mapping.owned(customer.raw)
        remote = RemoteCustomer.remember(connection=connection, customer=customer, answered=answered, now=now)
        _refuse_linked_elsewhere(remote, company)
        CustomerLink.objects.filter(connection=connection, company=company).delete()
        made = CustomerLink.objects.create(
            account_id=company.account_id,
            connection=connection,
            company=company,
            customer=remote,
            origin=origin,
            linked_at=now,
            linked_by=user,
        )
        Event.add(
            EventKind.LINKED,
            connection=connection,
            company=company,
            actor=user,
            parameters={"name": remote.name, "number": remote.number},
        )
        if decision:
            settle(user, company, made, decision)
    return made


def _refuse_linked_elsewhere(remote: RemoteCustomer, company: Company) -> None:
    other = CustomerLink.objects.select_related("company").filter(customer=remote).exclude(company=company).first()
    if other:
        raise LinkedElsewhere(company_id=other.company_id, name=other.company.name)


def unlink(*, user: User, company: Company) -> None:
    """Forget the link; nothing changes in eAccounting. Raises NotLinked, AlreadyUnderWay, Archived."""
    with transaction.atomic():
        company = locked(company)
        refuse_under_way(company)
        connection = current_connection(company.account_id)
        found = link_of(company, connection)
        if connection is None or found is None:
            raise NotLinked
        forget(found, company=company, connection=connection, user=user)
