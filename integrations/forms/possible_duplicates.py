"""Customers in eAccounting that could be the company which is about to be added, each with the reason in words.

The index suggests them at once; eAccounting itself is asked while the sheet is open. What decides is neither: the
engine asks again before anything is created (delivery/creating.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from companies.models import Company, Contact
from integrations.delivery import live_reads
from integrations.domain.duplicates import CommonValue as Same
from integrations.domain.duplicates import in_common
from integrations.domain.mapping import COUNTRY, Values, owned
from integrations.eaccounting.types import Customer
from integrations.models import Connection, CustomerLink, Push
from integrations.services.customer_search import Reason, similar

WORDS = {
    Reason.SAME_NUMBER: _("same registration number"),
    Reason.SIMILAR_NAME: _("similar name"),
    Reason.SAME_EMAIL_DOMAIN: _("same e-mail domain"),
    Reason.SAME_CITY: _("same city"),
}
SAME = {Same.SAME_NUMBER: WORDS[Reason.SAME_NUMBER], Same.SAME_NAME: _("same name")}


@dataclass(frozen=True, kw_only=True)
class PossibleDuplicate:
    """One of them, as it is shown."""

    id: str
    number: str
    name: str
    registration_number: str
    city: str
    is_active: bool
    why: str
    company: Company | None  # the one that is linked to it already
    is_same: bool  # so likely that a person has to judge it
    is_answered: bool = False  # by eAccounting itself, just now


def suggested(*, connection: Connection, company: Company, contact: Contact | None) -> list[PossibleDuplicate]:
    """Return what the index suggests, the likeliest first. A few queries, no call."""
    found = similar(connection=connection, company=company, contact=contact)
    return [
        PossibleDuplicate(
            id=str(one.customer.customer_id),
            number=one.customer.number,
            name=one.customer.name,
            registration_number=one.customer.registration_number,
            city=one.customer.city,
            is_active=one.customer.is_active,
            why=_in_words(WORDS[reason] for reason in one.reasons),
            company=one.customer.company_here,
            is_same=Reason.SAME_NUMBER in one.reasons,
        )
        for one in found
    ]


def asked(*, connection: Connection, values: Values) -> list[PossibleDuplicate]:
    """Ask eAccounting, as the engine will: by registration number and by name.

    Raises TooBusy, NotConnected and every EAccountingError.
    """
    customers = live_reads.look_for(connection, values=values)
    linked = _companies(connection, customers)
    return [
        PossibleDuplicate(
            id=customer.id,
            number=customer.number,
            name=customer.name,
            registration_number=customer.registration_number,
            city=customer.city,
            is_active=customer.is_active,
            why=_in_words(SAME[reason] for reason in in_common(values, owned(customer.raw))),
            company=linked.get(customer.id),
            is_same=True,
            is_answered=True,
        )
        for customer in customers
    ]


def candidates_of(push: Push, *, values: Values) -> list[PossibleDuplicate]:
    """Return those that a create stopped at, as they were found, with what they have in common with its values."""
    found = push.candidates
    ids = [UUID(one["id"]) for one in found]
    links = CustomerLink.of_customers(ids, connection=push.connection_id).select_related("company", "customer")
    linked = {str(link.reference): link.company for link in links}
    return [
        PossibleDuplicate(
            id=one["id"],
            number=one.get("number", ""),
            name=one.get("name", ""),
            registration_number=one.get("registration_number", ""),
            city=one.get("city", ""),
            is_active=bool(one.get("is_active", "yes")),
            why=_in_words(SAME[reason] for reason in in_common(values, _known(one, values))),
            company=linked.get(one["id"]),
            is_same=True,
        )
        for one in found
    ]


def _known(candidate: Mapping[str, str], values: Values) -> Values:
    """Return what is kept of a candidate, by its properties there; its country is taken to be the company's."""
    name, number = candidate.get("name", ""), candidate.get("registration_number", "")
    return {"Name": name, "CorporateIdentityNumber": number, COUNTRY: values.get(COUNTRY, "")}


def _in_words(reasons: Iterable[str | Promise]) -> str:
    """One line, e.g. "Same registration number, similar name"."""
    words = ", ".join(map(str, reasons))
    return words[:1].upper() + words[1:]


def _companies(connection: Connection, customers: Iterable[Customer]) -> dict[str, Company]:
    ids = [UUID(customer.id) for customer in customers]
    found = CustomerLink.of_customers(ids, connection=connection).select_related("company", "customer")
    return {str(link.reference): link.company for link in found}


def merged(answered: list[PossibleDuplicate], known: list[PossibleDuplicate]) -> list[PossibleDuplicate]:
    """Return both, each customer once; what eAccounting answered just now comes first."""
    ids = {one.id for one in answered}
    return [*answered, *(one for one in known if one.id not in ids)]
