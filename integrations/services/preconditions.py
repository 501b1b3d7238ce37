"""What all services look up first: the account's connection, a company's links, and both locked; how a link ends."""

from accounts.models import User
from companies.models import Company, Contact
from integrations.exceptions import AlreadyUnderWay, Archived, ContactGone, NotConnected
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
