"""The eAccounting API: one method per endpoint used.

The vendor's documents: https://eaccountingapi.vismaonline.com/openapi/v2.json, browsable at /scalar/v2; the
part we use is docs/eaccounting/openapi.yaml, whose operationId stands above each method. Every method takes a
`deadline`, the seconds for the whole call with all its pages, and raises an EAccountingError.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from integrations.eaccounting import jsontext
from integrations.eaccounting.errors import NotSent, UnexpectedAnswer
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.refusals import error_for
from integrations.eaccounting.transport import Answer, Http
from integrations.eaccounting.types import (
    CompanySettings,
    Customer,
    CustomerPage,
    CustomerSlice,
    PageMeta,
    TermsOfPayment,
)

LARGEST_PAGE = 1000
# How often a list is read again from its start if rows were added or removed between its pages.
READINGS = 3


class TooManyPages(Exception):
    """A list has more pages than wanted; none of them was returned."""


class Endpoint(StrEnum):
    """Path templates, as the rate limit counts them: methods together, ids folded."""

    CUSTOMERS = "/customers"
    CUSTOMER = "/customers/{id}"
    TERMS_OF_PAYMENT = "/termsofpayments"
    COMPANY_SETTINGS = "/companysettings"
    # Asked by smoke/ only.
    LEDGER_ITEMS = "/customerledgeritems"
    INVOICES = "/customerinvoices"


@dataclass(frozen=True, kw_only=True)
class _Page:
    meta: PageMeta
    rows: list[Json]


class Client:
    """Calls for one eAccounting company, the one its access token is for.

    `before_call` is called before each HTTP request with its endpoint: a list of several pages is several
    calls of the shared budget. What it raises is passed on.
    """

    def __init__(self, *, http: Http, access_token: str, before_call: Callable[[Endpoint], None] | None = None) -> None:
        self._http = http
        self._authorization = f"Bearer {access_token}"
        self._before_call = before_call

    # operationId listCustomers
    def list_customers(
        self,
        *,
        filter: str | None = None,  # noqa: A002  # what it is called there
        page_size: int = LARGEST_PAGE,
        most_pages: int | None = None,
        deadline: float,
    ) -> CustomerPage:
        """Return all customers, or those a filter finds, from all pages; one failing page fails all.

        Raises TooManyPages, after one call, when there are more than `most_pages`.
        """
        pages = self._all_pages(Endpoint.CUSTOMERS, filter, page_size, deadline, most_pages)
        found = {customer.id: customer for customer in map(Customer.from_json, _rows(pages))}
        return CustomerPage(customers=tuple(found.values()), server_time=pages[0].meta.server_time)

    # operationId listCustomers
    def customer_page(
        self,
        *,
        page: int,
        filter: str | None = None,  # noqa: A002  # as above
        deadline: float,
    ) -> CustomerSlice:
        """Return one page of 1,000 customers, ordered by id; rows that cannot be read are counted, not raised."""
        found = self._one_page(Endpoint.CUSTOMERS, page, filter, LARGEST_PAGE, deadline)
        return CustomerSlice.from_rows(
            found.rows,
            is_last=not found.rows or page >= found.meta.pages,
            results=found.meta.results,
            server_time=found.meta.server_time,
        )

    # operationId getCustomer
    def get_customer(self, *, customer_id: str, deadline: float) -> Customer:
        """Return one customer. Raises NotFound when there is none with this id; see also delivery/calls.py."""
        answered = Customer.from_json(self._get(_path(customer_id), Endpoint.CUSTOMER, None, deadline))
        return _asked_for(answered, customer_id, may_have_been_done=False)

    # operationId createCustomer
    def create_customer(
        self, *, payload: Mapping[str, object], deadline: float, send_by: float | None = None
    ) -> Customer:
        """Create a customer. Not repeatable: after an error with `may_have_been_done` look for it first.

        `send_by` is a `time.monotonic()` value: past it NotSent is raised and nothing was sent.
        """
        path = Endpoint.CUSTOMERS
        return Customer.from_json(self._write("POST", path, path, payload, deadline, send_by))

    # operationId replaceCustomer
    def replace_customer(
        self,
        *,
        customer_id: str,
        payload: Mapping[str, object],
        deadline: float,
        send_by: float | None = None,
    ) -> Customer:
        """Replace a customer whole: what the payload leaves out becomes null (facts.md, Customers 3)."""
        path = _path(customer_id)
        answered = Customer.from_json(self._write("PUT", path, Endpoint.CUSTOMER, payload, deadline, send_by))
        return _asked_for(answered, customer_id, may_have_been_done=True)

    # operationId listTermsOfPayment
    def list_terms_of_payment(self, *, deadline: float) -> tuple[TermsOfPayment, ...]:
        """Return all terms of payment, those for purchases too; a row without an id is left out."""
        pages = self._all_pages(Endpoint.TERMS_OF_PAYMENT, None, LARGEST_PAGE, deadline)
        rows = [TermsOfPayment.read(row) for row in _rows(pages)]
        if rows and not any(rows):
            raise UnexpectedAnswer("answer_unreadable", may_have_been_done=False)
        return tuple(terms for terms in rows if terms)

    # operationId getCompanySettings
    def get_company_settings(self, *, deadline: float) -> CompanySettings:
        """Return the settings of the company that the token is for; the cheapest test of a connection."""
        path = Endpoint.COMPANY_SETTINGS
        return CompanySettings.from_json(self._get(path, path, None, deadline))

    def _all_pages(
        self,
        endpoint: Endpoint,
        filter_text: str | None,
        page_size: int,
        deadline: float,
        most_pages: int | None = None,
    ) -> list[_Page]:
        ends_at = time.monotonic() + deadline
        for _ in range(READINGS):
            pages = list(self._pages(endpoint, filter_text, page_size, ends_at, most_pages))
            if _complete(pages):
                return pages
        raise UnexpectedAnswer("list_changed_while_reading", may_have_been_done=False)

    def _pages(
        self, endpoint: Endpoint, filter_text: str | None, page_size: int, ends_at: float, most_pages: int | None
    ) -> Iterator[_Page]:
        number, last = 1, 1
        while number <= last:
            page = self._one_page(endpoint, number, filter_text, page_size, _left(ends_at))
            yield page
            number, last = number + 1, page.meta.pages
            if most_pages is not None and last > most_pages:
                raise TooManyPages

    def _one_page(
        self, endpoint: Endpoint, number: int, filter_text: str | None, page_size: int, deadline: float
    ) -> _Page:
        # Ordered by a value that never changes, so that a row edited meanwhile keeps its place.
        params = {"$page": str(number), "$pagesize": str(page_size), "$orderby": "Id asc"}
        if filter_text:
            params["$filter"] = filter_text
        return _page(self._get(endpoint, endpoint, params, deadline))

    def _get(self, path: str, endpoint: Endpoint, params: Mapping[str, str] | None, deadline: float) -> Json:
        self._announce(endpoint)
        return _content(
            self._http.request("GET", path, deadline=deadline, authorization=self._authorization, params=params)
        )

    def _write(
        self,
        method: str,
        path: str,
        endpoint: Endpoint,
        payload: Mapping[str, object],
        deadline: float,
        send_by: float | None,
    ) -> Json:
        self._announce(endpoint)
        answer = self._http.request(
            method,
            path,
            deadline=deadline,
            authorization=self._authorization,
            json=payload,
            send_by=send_by,
            fresh=True,
        )
        return _content(answer)

    def _announce(self, endpoint: Endpoint) -> None:
        if self._before_call:
            self._before_call(endpoint)


def _path(customer_id: str) -> str:
    """Return the path of one customer. Raises ValueError for anything but a GUID."""
    return Endpoint.CUSTOMER.replace("{id}", str(UUID(customer_id)))


def _asked_for(answered: Customer, customer_id: str, *, may_have_been_done: bool) -> Customer:
    """Return the customer that was asked for. Raises UnexpectedAnswer if another one was answered."""
    if answered.id != str(UUID(customer_id)):
        raise UnexpectedAnswer("answer_unreadable", may_have_been_done=may_have_been_done)
    return answered


def _content(answer: Answer) -> Json:
    """Return the JSON of a success. Raises the error that any other answer means."""
    if not 200 <= answer.status < 300:
        raise error_for(answer=answer)
    try:
        return jsontext.decode(answer.body)
    except ValueError:
        pass
    raise UnexpectedAnswer("answer_unreadable", status=answer.status)


def _page(content: Json) -> _Page:
    if not isinstance(content, dict):
        raise UnexpectedAnswer("answer_unreadable")
    rows = content.get("Data")
    if not isinstance(rows, list):
        raise UnexpectedAnswer("field_missing", parameters={"field": "Data"})
    return _Page(meta=PageMeta.from_json(content.get("Meta")), rows=rows)


def _rows(pages: list[_Page]) -> Iterator[Json]:
    for page in pages:
        yield from page.rows


def _complete(pages: list[_Page]) -> bool:
    """Tell whether no row was added or removed while the pages were read; otherwise a row may have been skipped."""
    totals = {page.meta.results for page in pages if page.meta.results is not None}
    if len(pages) == 1 or not totals:
        return True
    ids = {str(row.get("Id")).lower() for row in _rows(pages) if isinstance(row, dict)}
    return totals == {len(ids)}


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise NotSent("deadline_before_sending", retryable=True)
    return left
