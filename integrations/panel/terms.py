"""Linked customers whose terms of payment are not the default. For display only: an update never changes terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from companies.models import Company, CompanyQuerySet
from integrations.models import Connection, CustomerLink, TermsOfPayment


@dataclass(frozen=True)
class OtherTerms:
    """A linked customer with other terms of payment than the default."""

    company: Company
    link: CustomerLink
    terms: TermsOfPayment | None  # None: eAccounting has not listed these terms


def links_with_other_terms(connection: Connection) -> QuerySet[CustomerLink]:
    """Return the links whose customers, as last read, have other terms than the default; none without a default."""
    # Both belong to one connection; filtered twice, so that other accounts' customers are not scanned.
    links = CustomerLink.objects.filter(connection=connection, customer__connection=connection)
    if connection.default_terms is None:
        return links.none()
    others = links.exclude(customer__terms_id=None)
    return others.exclude(customer__terms_id=connection.default_terms.remote_id)


def companies_with_other_terms(connection: Connection) -> CompanyQuerySet:
    """Return the companies of these links, for paging."""
    links = links_with_other_terms(connection).values("company")
    return Company.objects.filter(account_id=connection.account_id, pk__in=links)


def rows_of(connection: Connection, companies: Sequence[Company]) -> list[OtherTerms]:
    """Return the page's rows for these companies: two queries, however many companies."""
    links = CustomerLink.objects.select_related("customer").filter(connection=connection, company__in=companies)
    link_of = {link.company_id: link for link in links}
    terms_of_connection = TermsOfPayment.objects.filter(connection=connection)
    known: dict[UUID | None, TermsOfPayment] = {terms.remote_id: terms for terms in terms_of_connection}
    found = [(company, link_of[company.pk]) for company in companies if company.pk in link_of]
    return [OtherTerms(company, link, known.get(link.customer.terms_id)) for company, link in found]
