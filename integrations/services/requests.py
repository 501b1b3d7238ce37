"""What every request needs: the account's connection and the company's links, locked, and a push in the outbox."""

from django.db import transaction

from accounts.models import User
from companies.models import Company, Contact
from integrations import tasks
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.mapping import Values
from integrations.exceptions import (
    AlreadyUnderWay,
    Archived,
    CannotSendValues,
    ContactGone,
    NotConnected,
    NothingToDecide,
)
from integrations.models import Connection, CustomerLink, Event, EventKind, Push
from integrations.models.push import OPEN


def current_connection(account_id: int) -> Connection | None:
    """Return the account's connection, whatever its state, or None before the first one."""
    rows = Connection.without_tokens().select_related("default_terms", "connected_by", "customer_index")
    return rows.filter(account_id=account_id, is_current=True).first()


def links_of(company: Company) -> list[CustomerLink]:
    """Return the company's links on all connections, the newest first; links of earlier connections are kept."""
    rows = CustomerLink.objects.select_related("customer", "contact", "sent_by").filter(company=company)
    return list(rows.order_by("-pk"))


def link_of(company: Company, connection: Connection | None) -> CustomerLink | None:
    """Return the company's link on this connection, or None."""
    rows = CustomerLink.objects.select_related("customer", "contact", "sent_by")
    return rows.filter(company=company, connection=connection).first() if connection else None


def remove_link(link: CustomerLink, *, company: Company, connection: Connection, user: User) -> None:
    """Remove the link of a company, which the caller has locked; nothing changes in eAccounting."""
    customer = link.customer
    link.delete()
    Event.add(
        EventKind.UNLINKED,
        connection=connection,
        company=company,
        actor=user,
        parameters={"name": customer.name, "number": customer.number},
    )


def lock_company(company: Company) -> Company:
    """Lock the company, so that creating, linking, unlinking and archiving wait for each other. Raises Archived."""
    found = Company.objects.select_for_update(no_key=True).get(pk=company.pk)
    if found.archived_at is not None:
        raise Archived
    return found


def still_present(contact: Contact | None, *, company: Company) -> Contact | None:
    """Return the person as they are now. The company is locked, so nobody can remove them. Raises ContactGone."""
    if contact is None:
        return None
    found = company.contacts.filter(pk=contact.pk).first()
    if found is None:
        raise ContactGone
    return found


def lock_connection(company: Company) -> Connection:
    """Return the working connection, locked: disconnecting waits until this request is recorded, and then cancels it.

    Raises NotConnected.
    """
    # The terms are read in a query of their own: a join would return them as they were before we waited for the lock.
    rows = Connection.without_tokens().select_for_update(no_key=True)
    rows = rows.filter(account_id=company.account_id, is_current=True)
    # If another connection became current while we waited for the lock, the query finds nothing: so try once more.
    return require_working(rows.first() or rows.first())


def lock_same_connection(company: Company, connection: Connection) -> Connection:
    """Return the connection, locked, if it is still the working one. Raises NotConnected."""
    current = lock_connection(company)
    if current.pk != connection.pk:
        raise NotConnected("connection_replaced")
    return current


def require_working(connection: Connection | None) -> Connection:
    """Return the connection if calls can be made on it. Raises NotConnected."""
    if connection is None:
        raise NotConnected
    if not connection.is_connected:
        raise NotConnected(connection.state)
    return connection


def refuse_under_way(company: Company) -> None:
    """Raise AlreadyUnderWay while something is being sent for the company."""
    if not Push.objects.filter(company=company, state__in=OPEN).exists():
        return  # nearly always so, and quicker to find out than reading the row
    push = Push.open_of(company)
    if push:
        raise under_way(push)


def under_way(push: Push) -> AlreadyUnderWay:
    """Return the refusal that says whose push is under way, or which eAccounting company was disconnected during it."""
    left = "" if push.connection.is_current else str(push.connection)
    return AlreadyUnderWay(by=str(push.requested_by), kind=push.kind, left=left)


def record(user: User, company: Company, connection: Connection, **wish: object) -> Push:
    """Write the push into the outbox, and wake a worker once it is committed."""
    now = database_now()
    push = Push.objects.create(
        account_id=company.account_id,
        connection=connection,
        company=company,
        requested_by=user,
        requested_at=now,
        next_attempt_at=now,
        **wish,
    )
    wake_when_committed(push)
    return push


def wake_when_committed(push: Push) -> None:
    """Wake a worker after the commit. The push is recorded by then: a failure here must not fail the click."""
    transaction.on_commit(lambda: tasks.wake(push.pk), robust=True)


def refuse_problems(values: Values) -> None:
    """Raise CannotSendValues if a value is missing or too long."""
    problems = mapping.problems(values)
    if problems:
        raise CannotSendValues(problems)


def recheck_push(*, push: Push) -> None:
    """Look once more in eAccounting for what became of a push, because a person wants it. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.look_again(now=database_now()):
            raise NothingToDecide
        wake_when_committed(push)


def cancel_push(*, user: User, push: Push) -> None:
    """Cancel a waiting push. Raises NothingToDecide when it is being sent or was sent."""
    with transaction.atomic():
        if not push.cancel(now=database_now()):
            raise NothingToDecide
        Event.add(EventKind.CANCELLED, connection=push.connection, company=push.company, actor=user)
