"""Which customer in eAccounting a person means: looked for in the index, or asked of eAccounting by its id.

What is found is shown, and linked only after it was read anew (views/linking.py).
"""

from dataclasses import dataclass, field
from typing import TypedDict
from uuid import UUID

from django.utils.translation import gettext

from companies import formats
from companies.models import Company
from integrations.delivery import live_reads
from integrations.domain.mapping import Values
from integrations.domain.references import Kind, Sought, parse
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.messages.customer_index import customer_index_words
from integrations.messages.sentences import NO_ANSWER, sentence, why
from integrations.models import Connection, CustomerLink, RemoteCustomer
from integrations.services import customer_search
from integrations.services.customer_index import IndexStage, state_of

LIMIT = 8


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A customer that may be a company, and what it is linked to here already."""

    reference: str
    name: str
    number: str
    registration_number: str
    city: str
    is_active: bool
    elsewhere: Company | None  # another company here is linked to it
    is_linked_here: bool  # this company is, and the link is whole: nothing is to be done

    def __str__(self) -> str:
        return f"{self.name} ({self.number})" if self.number else self.name

    @classmethod
    def of_row(cls, row: RemoteCustomer, *, company: Company) -> "Candidate":
        """Return what the index knows; the row was read with `link__company`."""
        return cls(
            reference=str(row.customer_id),
            name=row.name,
            number=row.number,
            registration_number=row.registration_number,
            city=row.city,
            is_active=row.is_active,
            **_linked(getattr(row, "link", None), company),
        )

    @classmethod
    def of_answer(cls, customer: Customer, *, connection: Connection, company: Company) -> "Candidate":
        """Return what eAccounting has just answered."""
        links = CustomerLink.of_customers([UUID(customer.id)], connection=connection).select_related("company")
        return cls(
            reference=customer.id,
            name=customer.name,
            number=customer.number,
            registration_number=customer.registration_number,
            city=customer.city,
            is_active=customer.is_active,
            **_linked(links.first(), company),
        )

    @classmethod
    def of_values(cls, reference: str, values: Values) -> "Candidate":
        """Return what a sheet has shown of one that the index does not know."""
        return cls(
            reference=reference,
            name=values.get("Name", ""),
            number="",
            registration_number=values.get("CorporateIdentityNumber", ""),
            city=values.get("InvoiceCity", ""),
            is_active=True,
            elsewhere=None,
            is_linked_here=False,
        )

    @property
    def stop(self) -> str:
        """Why it cannot be linked to the company, in a sentence; blank when it can."""
        if self.elsewhere:
            return sentence("linked_elsewhere", {"name": self.elsewhere.name})
        return gettext("This company is linked to that customer already.") if self.is_linked_here else ""


class _Linked(TypedDict):
    elsewhere: Company | None
    is_linked_here: bool


def _linked(link: CustomerLink | None, company: Company) -> _Linked:
    is_here = link is not None and link.company_id == company.pk
    elsewhere = link.company if link and not is_here else None
    return {"elsewhere": elsewhere, "is_linked_here": bool(is_here and link and not link.broken)}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was found for what a person typed; `trouble` says in a sentence why there is nothing."""

    sought: Sought
    candidates: list[Candidate] = field(default_factory=list)
    trouble: str = ""
    caution: str = ""  # why the index may know less than eAccounting
    is_suggestion: bool = False  # nothing was typed: these could be the company

    @property
    def has_more(self) -> bool:
        """Whether there may be further ones."""
        return len(self.candidates) == LIMIT


class CannotBeFound(Exception):
    """There is no telling who it is; its text is a sentence for the person."""


def answers(*, connection: Connection, company: Company, text: str) -> Answers:
    """Look for the customers that a text names; for none, those that could be the company.

    A call is made only for a reference that the index does not know.
    """
    sought = parse(text)
    if sought.kind is Kind.WRONG_FORM:
        return Answers(sought=sought, trouble=wrong_form())
    if sought.kind is Kind.REFERENCE:
        return _referred_to(connection, company, sought)
    if sought.kind is Kind.NOTHING:
        return _suggestions(connection, company, sought)
    found = _search(connection, company, sought)
    trouble = "" if found else _nothing(connection, sought)
    caution = _caution(connection, is_found=bool(found))
    return Answers(sought=sought, candidates=found, trouble=trouble, caution=caution)


def _suggestions(connection: Connection, company: Company, sought: Sought) -> Answers:
    alike = customer_search.similar(connection=connection, company=company)
    found = [Candidate.of_row(suggestion.customer, company=company) for suggestion in alike]
    caution = _caution(connection, is_found=True)
    return Answers(sought=sought, candidates=found, caution=caution, is_suggestion=bool(found))


def _referred_to(connection: Connection, company: Company, sought: Sought) -> Answers:
    try:
        return Answers(sought=sought, candidates=[who_is(connection, company, sought.value)])
    except CannotBeFound as trouble:
        return Answers(sought=sought, trouble=str(trouble))


def _search(connection: Connection, company: Company, sought: Sought) -> list[Candidate]:
    rows: dict[int, RemoteCustomer] = {}
    for spelling in sought.spellings:
        if spelling:
            rows |= {row.pk: row for row in customer_search.find(connection=connection, query=spelling, limit=LIMIT)}
    return [Candidate.of_row(row, company=company) for row in rows.values()][:LIMIT]


def who_is(connection: Connection, company: Company, reference: str) -> Candidate:
    """Return the customer with this reference, from the index or else from eAccounting. Raises CannotBeFound."""
    known = known_row(connection, reference)
    if known:
        return Candidate.of_row(known, company=company)
    try:
        customer = live_reads.read_customer(connection, customer_id=reference)
    except NotFound:
        raise CannotBeFound(not_found(connection, reference)) from None
    except NO_ANSWER as error:
        raise CannotBeFound(why(error)) from error
    return Candidate.of_answer(customer, connection=connection, company=company)


def known_row(connection: Connection, reference: str) -> RemoteCustomer | None:
    """Return the customer as the index has it; None also for one that is gone."""
    rows = RemoteCustomer.objects.select_related("link__company").filter(connection=connection, gone_at=None)
    return rows.filter(customer_id=reference).first()


def numbers_differ(here: str, there: str, *, country: str) -> bool:
    """Whether two registration numbers are certainly not the same; a blank one or a placeholder differs from none."""
    if not here or not there or formats.is_placeholder(here) or formats.is_placeholder(there):
        return False
    return not formats.is_same_registration_number(here, country, there, "")


# --- Sentences -----------------------------------------------------------------------------------


def wrong_form() -> str:
    """Say what a reference looks like."""
    return gettext("That is not a Visma reference. It looks like 38fe43cc-c843-48e0-9efe-fa7b262a8191.")


def not_found(connection: Connection, reference: str) -> str:
    """Say that the company has no such customer, or which other eAccounting company had it."""
    others = RemoteCustomer.objects.select_related("connection").filter(account_id=connection.account_id)
    elsewhere = others.defer("connection__access_token", "connection__refresh_token").filter(customer_id=reference)
    row = elsewhere.exclude(connection=connection).order_by("-pk").first()
    if row is None:
        return gettext("There is no customer with that reference in %(company)s.") % {"company": connection}
    words = gettext(
        "That is a customer of %(other)s, and your account is connected to %(company)s. Look for the customer there, "
        "or add the company."
    )
    return words % {"other": row.connection, "company": connection}


def _caution(connection: Connection, *, is_found: bool) -> str:
    """Say what the index may not know; blank where it was brought up to date and something was found."""
    report = state_of(connection)
    if is_found and report.stage is IndexStage.READY:
        return ""
    if is_found:
        return customer_index_words(report)
    hint = gettext("One that was added there just now is found by the address of its page.")
    return f"{customer_index_words(report)} {hint}"


def _nothing(connection: Connection, sought: Sought) -> str:
    if sought.kind is Kind.NUMBER:
        words = gettext("No customer in %(company)s has the number %(text)s.")
    else:
        words = gettext("No customer in %(company)s matches “%(text)s”.")
    return words % {"company": connection, "text": sought.value}
