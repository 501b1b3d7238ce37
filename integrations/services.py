"""What the buttons on a company mean: check, record the wish in one transaction, poke a worker."""

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from companies.models import Company, Contact
from integrations import mapping, tasks
from integrations.clock import database_now
from integrations.eaccounting.types import Customer
from integrations.mapping import Group
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Kind,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
)
from integrations.models.states import OPEN
from integrations.refusing import (
    AlreadyLinked,
    AlreadyUnderWay,
    Archived,
    CannotSendValues,
    LinkedElsewhere,
    NotConnected,
    NothingToDecide,
    NotLinked,
    Refusal,
    TermsNotConfirmed,
)

# What those who call a service may have to tell.
__all__ = ["AlreadyLinked", "AlreadyUnderWay", "Archived", "CannotSendValues", "LinkedElsewhere"]
__all__ += ["NotConnected", "NotLinked", "NothingToDecide", "Refusal", "TermsNotConfirmed"]


def current_connection(account_id: int) -> Connection | None:
    """Return the account's connection, in whatever state, or None before the first one."""
    return _current(account_id).select_related("connected_by").first()


def _current(account_id: int) -> QuerySet[Connection]:
    rows = Connection.without_tokens().select_related("default_terms")
    return rows.filter(account_id=account_id, is_current=True)


def links_of(company: Company) -> list[CustomerLink]:
    """Return the company's links on all connections, the newest first: an earlier company's are kept."""
    rows = CustomerLink.objects.select_related("customer", "contact", "sent_by").filter(company=company)
    return list(rows.order_by("-pk"))


def link_of(company: Company, connection: Connection | None) -> CustomerLink | None:
    """Return the company's link on this connection, or None."""
    rows = CustomerLink.objects.select_related("customer", "contact", "sent_by")
    return rows.filter(company=company, connection=connection).first() if connection else None


def _locked(company: Company) -> Company:
    """Lock the company: creating, linking, unlinking and archiving wait for each other. Raises Archived."""
    locked = Company.objects.select_for_update(no_key=True).get(pk=company.pk)
    if locked.archived_at is not None:
        raise Archived
    return locked


def _connected(company: Company) -> Connection:
    """Return the connection; disconnecting, which cancels what waits, waits until this wish is recorded."""
    rows = _current(company.account_id).select_for_update(no_key=True, of=("self",))
    # Whoever waited for a lock finds nothing when another one became current meanwhile: so a second time.
    connection = rows.first() or rows.first()
    if connection is None:
        raise NotConnected
    if not connection.is_connected:
        raise NotConnected(connection.state)
    return connection


def _refuse_problems(values: mapping.Values) -> None:
    problems = mapping.problems(values)
    if problems:
        raise CannotSendValues(problems)


def request_create(*, user: User, company: Company, contact: Contact | None = None) -> Push:
    """Record the wish to add the company as a customer.

    Raises NotConnected, TermsNotConfirmed, AlreadyLinked, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company = _locked(company)
        connection = _connected(company)
        if CustomerLink.objects.filter(company=company, connection=connection).exists():
            raise AlreadyLinked
        _refuse_under_way(company)
        if connection.terms_problem:
            raise TermsNotConfirmed(connection.terms_problem, **connection.terms_particulars)
        _refuse_problems(mapping.values_of(company, contact, groups=mapping.groups_for(contact)))
        push = _record(user, company, connection, kind=Kind.CREATE, contact=contact, groups=[])
        Event.add(EventKind.CREATE_REQUESTED, connection=connection, company=company, actor=user)
    return push


def _refuse_under_way(company: Company) -> None:
    if not Push.objects.filter(company=company, state__in=OPEN).exists():
        return  # nearly always, and quicker to know than what the row says
    push = Push.open_of(company)
    if push:
        raise _under_way(push)


def _under_way(push: Push) -> AlreadyUnderWay:
    left = "" if push.connection.is_current else str(push.connection)
    return AlreadyUnderWay(by=str(push.requested_by), kind=push.kind, left=left)


def _record(
    user: User, company: Company, connection: Connection, *, kind: Kind, contact: Contact | None, groups: list[str]
) -> Push:
    """Write the wish into the outbox and poke a worker once it is committed."""
    now = database_now()
    push = Push.objects.create(
        account_id=company.account_id,
        connection=connection,
        company=company,
        kind=kind,
        groups=groups,
        contact=contact,
        requested_by=user,
        requested_at=now,
        next_attempt_at=now,
    )
    _poke_when_committed(push)
    return push


def _poke_when_committed(push: Push) -> None:
    """Tell a worker. The wish is recorded by then, so nothing that goes wrong here may fail the click."""
    transaction.on_commit(lambda: tasks.poke(push.pk), robust=True)


def request_update(*, user: User, company: Company, groups: list[str] | None = None) -> Push:
    """Record the wish to update the customer with the company's data and its chosen contact person.

    The newest wish wins: it replaces one that waits, and follows one that is being sent. Raises
    NotConnected, NotLinked, AlreadyUnderWay (a create), CannotSendValues, Archived.
    """
    with transaction.atomic():
        company = _locked(company)
        connection = _connected(company)
        link = link_of(company, connection)
        if link is None:
            raise NotLinked
        groups = groups if groups is not None else mapping.groups_for(link.contact)
        _refuse_too_long(company, link.contact, groups)
        push = _update(user, company, connection, link.contact, groups)
        Event.add(EventKind.UPDATE_REQUESTED, connection=connection, company=company, actor=user)
    return push


def _refuse_too_long(company: Company, contact: Contact | None, groups: list[str]) -> None:
    """An update may lack what the customer there has; what is over its limit is refused at once."""
    values = mapping.values_of(company, contact, groups=groups)
    problems = [
        problem for problem in mapping.problems(values) if problem.kind == "too_long" or problem.remote == "Name"
    ]
    if problems:
        raise CannotSendValues(problems)


def _update(user: User, company: Company, connection: Connection, contact: Contact | None, groups: list[str]) -> Push:
    push = Push.open_of(company)
    if push is None:
        return _record(user, company, connection, kind=Kind.UPDATE, contact=contact, groups=groups)
    if push.kind != Kind.UPDATE or push.connection_id != connection.pk:
        raise _under_way(push)
    now = database_now()
    if push.replace_wish(groups=groups, contact=contact, user=user, now=now):
        _poke_when_committed(push)
    elif not push.ask_again(groups=groups, contact=contact, user=user, now=now):
        return _record(user, company, connection, kind=Kind.UPDATE, contact=contact, groups=groups)
    return push


def choose_contact(*, user: User, company: Company, contact: Contact) -> Push:
    """Make a person the contact person of the customer, and send the contact group only.

    Raises NotConnected, NotLinked, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company = _locked(company)
        link = link_of(company, _connected(company))
        if link is None:
            raise NotLinked
        link.choose_contact(contact)
        Event.add(
            EventKind.CONTACT_CHOSEN,
            connection=link.connection,
            company=company,
            actor=user,
            parameters={"name": str(contact)},
        )
        return request_update(user=user, company=company, groups=[Group.CONTACT])


def link(*, user: User, company: Company, connection: Connection, customer: Customer, origin: Origin) -> CustomerLink:
    """Link the company to a customer that exists in eAccounting, in place of the link it may have.

    Raises LinkedElsewhere (parameters name the company), AlreadyUnderWay, Archived.
    """
    now = database_now()
    with transaction.atomic():
        company = _locked(company)
        _refuse_under_way(company)
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
    return made


def _refuse_linked_elsewhere(remote: RemoteCustomer, company: Company) -> None:
    other = CustomerLink.objects.select_related("company").filter(customer=remote).exclude(company=company).first()
    if other:
        raise LinkedElsewhere(company_id=other.company_id, name=other.company.name)


def unlink(*, user: User, company: Company) -> None:
    """Forget the link; nothing changes in eAccounting. Raises NotLinked, AlreadyUnderWay, Archived."""
    with transaction.atomic():
        company = _locked(company)
        _refuse_under_way(company)
        connection = current_connection(company.account_id)
        found = link_of(company, connection)
        if connection is None or found is None:
            raise NotLinked
        found.delete()
        Event.add(
            EventKind.UNLINKED,
            connection=connection,
            company=company,
            actor=user,
            parameters={"name": found.customer.name, "number": found.customer.number},
        )


def create_anyway(*, user: User, push: Push) -> None:
    """A person saw the possible duplicates and wants a new customer. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.decide_create_anyway(now=database_now()):
            raise NothingToDecide
        Event.add(EventKind.CREATE_ANYWAY, connection=push.connection, company=push.company, actor=user)
        _poke_when_committed(push)


def link_instead(*, user: User, push: Push, customer: Customer) -> CustomerLink:
    """A person chose one of the possible duplicates. Raises NothingToDecide, LinkedElsewhere, Archived."""
    with transaction.atomic():
        _locked(push.company)
        if not push.decide_link(now=database_now()):
            raise NothingToDecide
        return link(
            user=user, company=push.company, connection=push.connection, customer=customer, origin=Origin.MATCHED
        )


def look_again(*, push: Push) -> None:
    """A person has looked in eAccounting, or wants us to: look once more. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.look_again(now=database_now()):
            raise NothingToDecide
        _poke_when_committed(push)


def cancel(*, user: User, push: Push) -> None:
    """Take a waiting wish back. Raises NothingToDecide when it is being sent or was sent."""
    with transaction.atomic():
        if not push.cancel(now=database_now()):
            raise NothingToDecide
        Event.add(EventKind.CANCELLED, connection=push.connection, company=push.company, actor=user)


def try_again(*, user: User, push: Push) -> Push:
    """Repeat a failed wish with today's data. Raises what the wish itself raises."""
    if push.state != PushState.FAILED:
        raise NothingToDecide
    if push.kind == Kind.CREATE:
        return request_create(user=user, company=push.company, contact=push.contact)
    return request_update(user=user, company=push.company, groups=push.groups)
