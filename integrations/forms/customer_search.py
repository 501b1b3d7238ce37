"""Find the customer in eAccounting that a person means: in the index, or in eAccounting by its id.

What is found is only shown; before anything is linked it is read again (views/link.py).
"""

from dataclasses import dataclass, field

from django.utils.translation import gettext

from companies import formats
from companies.models import Company
from integrations.delivery import calls
from integrations.domain.duplicates import PossibleDuplicate
from integrations.domain.references import Kind, Sought, parse
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.messages.customer_index import customer_index_words
from integrations.messages.sentences import NO_ANSWER, why
from integrations.models import Connection, RemoteCustomer
from integrations.services import customer_search
from integrations.services.customer_index import IndexStage, state_of

LIMIT = 8


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was found for a text; `trouble` says in a sentence why nothing was found."""

    sought: Sought
    candidates: list[PossibleDuplicate] = field(default_factory=list)
    trouble: str = ""
    caution: str = ""  # why the index may lack customers that eAccounting has
    is_suggestion: bool = False  # nothing was typed: these customers could be the company

    @property
    def has_more(self) -> bool:
        """Whether there may be more customers than these."""
        return len(self.candidates) == LIMIT


class CannotBeFound(Exception):
    """The customer cannot be found; the text is a sentence for the person."""


def answers(*, connection: Connection, company: Company, text: str) -> Answers:
    """Search for the customers that a text names; without a text, for those that could be the company.

    Makes a call only for a reference that the index does not have.
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
    found = customer_search.similar(connection=connection, company=company)
    caution = _caution(connection, is_found=True)
    return Answers(sought=sought, candidates=found, caution=caution, is_suggestion=bool(found))


def _referred_to(connection: Connection, company: Company, sought: Sought) -> Answers:
    try:
        return Answers(sought=sought, candidates=[who_is(connection, company, sought.value)])
    except CannotBeFound as trouble:
        return Answers(sought=sought, trouble=str(trouble))


def _search(connection: Connection, company: Company, sought: Sought) -> list[PossibleDuplicate]:
    rows: dict[int, RemoteCustomer] = {}
    for spelling in sought.spellings:
        if spelling:
            rows |= {row.pk: row for row in customer_search.find(connection=connection, query=spelling, limit=LIMIT)}
    return [PossibleDuplicate.of_row(row, company=company) for row in rows.values()][:LIMIT]


def who_is(connection: Connection, company: Company, reference: str) -> PossibleDuplicate:
    """Return the customer with this reference, from the index or else from eAccounting. Raises CannotBeFound."""
    known = known_row(connection, reference)
    if known:
        return PossibleDuplicate.of_row(known, company=company)
    try:
        customer = calls.read_customer(connection, customer_id=reference)
    except NotFound:
        raise CannotBeFound(not_found(connection, reference)) from None
    except NO_ANSWER as error:
        raise CannotBeFound(why(error)) from error
    return answered(customer, connection=connection, company=company)


def answered(customer: Customer, *, connection: Connection, company: Company) -> PossibleDuplicate:
    """Return a customer that eAccounting has just answered, beside a company here."""
    links = customer_search.links_to([customer.id], connection=connection)
    return PossibleDuplicate.of_answer(customer, company=company, link=links.get(customer.id))


def known_row(connection: Connection, reference: str) -> RemoteCustomer | None:
    """Return the customer's row of the index, or None; None also for one that is gone."""
    rows = RemoteCustomer.objects.select_related("link__company").filter(connection=connection, gone_at=None)
    return rows.filter(customer_id=reference).first()


def numbers_differ(here: str, there: str, *, country: str) -> bool:
    """Whether two registration numbers are certainly different; a blank one or a placeholder never is."""
    if not here or not there or formats.is_placeholder(here) or formats.is_placeholder(there):
        return False
    return not formats.is_same_registration_number(here, country, there, "")


# --- Sentences -----------------------------------------------------------------------------------


def wrong_form() -> str:
    """Return the sentence about what a reference looks like."""
    return gettext("That is not a Visma reference. It looks like 38fe43cc-c843-48e0-9efe-fa7b262a8191.")


def not_found(connection: Connection, reference: str) -> str:
    """Return the sentence that the company has no such customer, or which other eAccounting company has it."""
    others = RemoteCustomer.objects.select_related("connection").filter(account_id=connection.account_id)
    elsewhere = others.defer("connection__access_token", "connection__refresh_token").filter(customer_id=reference)
    row = elsewhere.exclude(connection=connection).order_by("-pk").first()
    if row is None:
        return gettext("There is no customer with that reference in %(company)s.") % {"company": connection}
    words = gettext(
        "That is a customer of %(other)s, but your account is connected to %(company)s. Look for a customer of "
        "%(company)s, or add the company."
    )
    return words % {"other": row.connection, "company": connection}


def _caution(connection: Connection, *, is_found: bool) -> str:
    """Return a sentence about what the index may lack; blank if it is up to date and something was found."""
    report = state_of(connection)
    if is_found and report.stage is IndexStage.READY:
        return ""
    if is_found:
        return customer_index_words(report)
    hint = gettext("If it was added in Visma eAccounting just now, paste the address of its page.")
    return f"{customer_index_words(report)} {hint}"


def _nothing(connection: Connection, sought: Sought) -> str:
    if sought.kind is Kind.NUMBER:
        words = gettext("No customer in %(company)s has the number %(text)s.")
    else:
        words = gettext("No customer in %(company)s matches “%(text)s”.")
    return words % {"company": connection, "text": sought.value}
