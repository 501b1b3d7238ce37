"""Create a company as a customer: what prevents it, and the request itself."""

from collections.abc import Collection

from django.db import transaction

from accounts.models import User
from companies.models import Company, Contact
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.mapping import Values
from integrations.exceptions import (
    AlreadyLinked,
    Archived,
    NotConnected,
    NothingToDecide,
    TermsNotAllowed,
    TermsNotConfirmed,
)
from integrations.models import Connection, CustomerLink, Event, EventKind, Kind, Push, TermsOfPayment
from integrations.services.requests import (
    current_connection,
    link_of,
    lock_company,
    lock_connection,
    record,
    refuse_problems,
    refuse_under_way,
    remove_link,
    still_present,
    wake_when_committed,
)


def request_create(
    *,
    user: User,
    company: Company,
    confirmed: Values,
    contact: Contact | None = None,
    terms: TermsOfPayment | None = None,
    judged: Collection[str] = (),
) -> Push:
    """Record the request to create the company as a customer, replacing a link to a customer that is gone.

    `confirmed`: the exact values that a person saw, blanks included; for a property it lacks the company's value now
    is used. `terms`: those they chose, else the default at the moment of sending. `judged`: ids of the customers that
    they saw and said not to be this company; they are asked only about others. Raises NotConnected, TermsNotConfirmed,
    TermsNotAllowed, AlreadyLinked, AlreadyUnderWay, ContactGone, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company = lock_company(company)
        contact = still_present(contact, company=company)
        connection = lock_connection(company)
        gone = _replaced(company, connection)
        _refuse_terms(connection, terms)
        wish = create_columns(company, contact=contact, confirmed=confirmed, terms=terms, judged=judged)
        if gone:
            remove_link(gone, company=company, connection=connection, user=user)
        push = record(user, company, connection, **wish)
        asked = EventKind.CREATE_ANYWAY if judged else EventKind.CREATE_REQUESTED
        Event.add(asked, connection=connection, company=company, actor=user)
    return push


def create_columns(
    company: Company,
    *,
    contact: Contact | None,
    confirmed: Values,
    terms: TermsOfPayment | None,
    judged: Collection[str] = (),
) -> dict[str, object]:
    """Return the columns of a create push that hold the request. Raises CannotSendValues."""
    here = mapping.values_of(company, contact, groups=mapping.groups_for(contact))
    confirmed = {**here, **_in_form(confirmed, company)}
    refuse_problems(confirmed)
    return {
        "kind": Kind.CREATE,
        "contact": contact,
        "terms": terms,
        "confirmed": confirmed,
        "is_private_person": company.is_private_person,
        "based_on": here,
        "shorter": mapping.shorter_forms(here, confirmed),
        "create_anyway": bool(judged),
        "seen_ids": sorted(judged),
    }


def check_create(*, company: Company) -> tuple[Connection, CustomerLink | None]:
    """Return the connection that the company can be added to, before a person fills in the sheet.

    An admin may have to fix the connection or its terms first (`ask_admin.admin_problem`). Also returns the link to a
    customer that is gone, which the create would replace. Takes no locks: `request_create` decides. Raises
    NotConnected before the first connection, AlreadyLinked, AlreadyUnderWay, Archived.
    """
    if company.archived_at is not None:
        raise Archived
    connection = current_connection(company.account_id)
    if connection is None:
        raise NotConnected
    return connection, _replaced(company, connection)


def _replaced(company: Company, connection: Connection) -> CustomerLink | None:
    """Return the link to a customer that is gone, if there is one. Raises AlreadyLinked, AlreadyUnderWay."""
    link = link_of(company, connection)
    if link and not link.broken:
        raise AlreadyLinked
    refuse_under_way(company)
    return link


def _refuse_terms(connection: Connection, chosen: TermsOfPayment | None) -> None:
    if connection.terms_problem:
        raise TermsNotConfirmed(connection.terms_problem, **connection.terms_particulars)
    if chosen is None or chosen == connection.default_terms:
        return
    if chosen.connection_id != connection.pk or not (chosen.is_choosable and chosen.offered):
        raise TermsNotAllowed


def _in_form(values: Values, company: Company) -> Values:
    return mapping.normal_values(values, country=str(company.country))


def confirm_create_anyway(*, user: User, push: Push, confirmed: Values | None = None) -> None:
    """Create the customer although possible duplicates were found: a person saw them and wants a new one.

    `push`: as they saw it, with the candidates that they said not to be the company. `confirmed`: the values that they
    saw, if no sheet had confirmed any before. Raises NothingToDecide, CannotSendValues.
    """
    wish: dict[str, object] = {}
    if not push.confirmed and confirmed is not None:
        whole = create_columns(push.company, contact=push.contact, confirmed=confirmed, terms=push.terms)
        wish = {name: whole[name] for name in ("confirmed", "is_private_person", "based_on", "shorter")}
    with transaction.atomic():
        if not push.decide_create_anyway(now=database_now(), **wish):
            raise NothingToDecide
        Event.add(EventKind.CREATE_ANYWAY, connection=push.connection, company=push.company, actor=user)
        wake_when_committed(push)
