"""The API under /v2: who may call, how often, and which function answers."""

import collections
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from dev.sandbox import customers, odata, reference
from dev.sandbox.contract import properties
from dev.sandbox.identity import Grant, Identity
from dev.sandbox.messages import Request, Response, json_response
from dev.sandbox.refuse import Refusal
from dev.sandbox.store import Document
from dev.sandbox.world import (
    CUSTOMER,
    INVOICE,
    LABEL,
    TERMS,
    USER,
    World,
)
from integrations.eaccounting.jsontext import Json

SALES = frozenset({"ea:sales"})
SALES_READ = SALES | {"ea:sales_readonly"}
TERMS_READ = SALES_READ | {"ea:purchase", "ea:purchase_readonly"}
ANY_READ = TERMS_READ | {"ea:accounting", "ea:accounting_readonly"}
GUID = "[0-9a-fA-F-]+"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One authorised request."""

    request: Request
    company: str
    key: str
    remarks: list[str]


@dataclass(frozen=True)
class Route:
    """One operation: how it is found, which scopes allow it, what answers."""

    method: str
    template: str
    scopes: frozenset[str]
    answer: Callable[[Call], Response]

    def matches(self, path: str) -> re.Match[str] | None:
        """Match a path below /v2."""
        return re.fullmatch(self.template.replace("{id}", f"(?P<id>{GUID})"), path)


class Api:
    """The operations of openapi.yaml."""

    def __init__(self, world: World, identity: Identity) -> None:
        self._world, self._identity = world, identity
        self._windows: dict[tuple[str, str, str], collections.deque[float]] = {}
        self._routes = self._make_routes()

    def handle(self, request: Request, remarks: list[str]) -> Response:
        """Answer one request; never raises for what a client does."""
        try:
            return self._answer(request, remarks)
        except Refusal as refusal:
            return refusal.response()

    def _answer(self, request: Request, remarks: list[str]) -> Response:
        grant = self._identity.grant_of(authorization=request.headers.get("authorization", ""))
        if grant is None:
            text = "AuthorizationException - Authorization has been denied for this request."
            raise Refusal(4005, text)
        path = request.path.removeprefix("/v2")
        routes = [(route, found) for route in self._routes if (found := route.matches(path))]
        if not routes:
            raise Refusal(3000, "ResourceNotFound - No such path.", status=404)
        self._count(grant, routes[0][0].template)
        self._check_module(grant)
        for route, found in routes:
            if route.method == request.method:
                self._check_scopes(grant, route)
                key = found.groupdict().get("id") or ""
                call = Call(request=request, company=grant.company, key=_guid(key), remarks=remarks)
                return route.answer(call)
        raise Refusal(3000, "The requested resource does not support this method.", status=405)

    def _count(self, grant: Grant, template: str) -> None:
        """Book one call, or refuse it (facts.md, Rate limit)."""
        limit, switches = self._world.settings.rate_limit, self._world.switches
        company = grant.company if switches.limit_per_company else ""
        window = self._windows.setdefault((grant.client_id, company, template), collections.deque())
        now = time.monotonic() + self._world.clock_offset
        if not switches.limit_window_slides and window and window[0] <= now - 60:
            window.clear()
        while window and window[0] <= now - 60:
            window.popleft()
        if len(window) >= limit:
            wait = max(1, math.ceil(window[0] + 60 - now))
            text = f"API calls quota exceeded! maximum admitted {limit} per Minute. Try again in {wait} seconds."
            headers = {"Retry-After": str(wait)} if self._world.switches.retry_after_header else None
            raise Refusal(4010, text, headers=headers)
        window.append(now)

    def forget_calls(self) -> None:
        """Start the rate limit anew."""
        self._windows.clear()

    def _check_module(self, grant: Grant) -> None:
        modules = (self._world.company(grant.company) or {}).get("ActivatedModules")
        if self._world.switches.need_api_module and isinstance(modules, list) and "api_standard" not in modules:
            raise Refusal(4002, "ForbiddenRequestException - No access to module: api_standard.", status=403)

    def _check_scopes(self, grant: Grant, route: Route) -> None:
        if "ea:api" not in grant.scopes or not route.scopes & grant.scopes:
            raise Refusal(4006, "NoAccessToScopes - The token lacks a scope for this resource.")

    def _make_routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/customers", SALES_READ, self._list_customers),
            Route("POST", "/customers", SALES, self._create),
            Route("GET", "/customers/{id}", SALES_READ, self._get),
            Route("PUT", "/customers/{id}", SALES, self._replace),
            Route("DELETE", "/customers/{id}", SALES, self._delete),
            Route("GET", "/customerlabels", SALES_READ, self._lister(LABEL, "CustomerLabel")),
            Route("GET", "/termsofpayments", TERMS_READ, self._lister(TERMS, "TermsOfPayment")),
            Route("GET", "/termsofpayments/{id}", TERMS_READ, self._getter(TERMS)),
            Route("GET", "/companysettings", SALES_READ, self._company_settings),
            Route("GET", "/customerledgeritems", SALES_READ, self._ledger),
            Route("GET", "/customerinvoices", SALES_READ, self._invoices),
            Route("GET", "/customerinvoices/{id}", SALES_READ, self._getter(INVOICE)),
            Route("GET", "/users", ANY_READ, self._lister(USER, "User")),
            Route("GET", "/countries", SALES_READ, lambda call: self._page(call, reference.COUNTRIES, "Country")),
            Route(
                "GET",
                "/currencies",
                SALES_READ,
                lambda call: self._page(call, reference.CURRENCIES, "Currency"),
            ),
        )

    def _list_customers(self, call: Call) -> Response:
        rows = self._world.rows(CUSTOMER, call.company)
        if self._world.switches.invoice_moves_customer:
            rows = [self._world.moved_by_invoices(call.company, row) for row in rows]
        return self._page(call, rows, "Customer", lambda row: self._world.answered(call.company, row))

    def _create(self, call: Call) -> Response:
        row = customers.create(world=self._world, company=call.company, body=_body(call.request))
        return json_response(self._world.answered(call.company, row), status=201)

    def _get(self, call: Call) -> Response:
        row = customers.existing(world=self._world, company=call.company, customer_id=call.key)
        return json_response(self._world.answered(call.company, row))

    def _replace(self, call: Call) -> Response:
        row, remarks = customers.replace(
            world=self._world, company=call.company, customer_id=call.key, body=_body(call.request)
        )
        call.remarks.extend(remarks)
        return json_response(self._world.answered(call.company, row))

    def _delete(self, call: Call) -> Response:
        customers.delete(world=self._world, company=call.company, customer_id=call.key)
        return Response(status=200)

    def _company_settings(self, call: Call) -> Response:
        company = self._world.company(call.company) or {}
        number = self._world.next_customer_number(call.company)
        return json_response({**company, "NextCustomerNumber": number})

    def _invoices(self, call: Call) -> Response:
        rows = self._world.rows(INVOICE, call.company)
        since = call.request.query.get("modifiedSinceUtc")
        if since:
            if not re.match(r"\d{4}-\d\d-\d\d", since):
                raise Refusal(6001, "InvalidInput - modifiedSinceUtc is not a date")
            rows = [row for row in rows if str(row["ModifiedUtc"]) >= since]
        return self._page(call, rows, "CustomerInvoice")

    def _ledger(self, call: Call) -> Response:
        if "CustomerId" in call.request.query.get("$filter", "") and not self._world.switches.filter_receivables:
            raise odata.bad_query("CustomerId cannot be filtered by")
        rows = [reference.ledger_item(row) for row in self._world.rows(INVOICE, call.company)]
        return self._page(call, rows, "CustomerLedgerItem")

    def _lister(self, kind: str, schema: str) -> Callable[[Call], Response]:
        return lambda call: self._page(call, self._world.rows(kind, call.company), schema)

    def _getter(self, kind: str) -> Callable[[Call], Response]:
        def answer(call: Call) -> Response:
            row = self._world.row(kind, call.company, call.key)
            if row is None:
                status, has_body = self._world.switches.unknown_id_status, self._world.switches.unknown_id_body
                raise Refusal(3000, "ResourceNotFound - No such object.", status=status, has_body=has_body)
            return json_response(row)

        return answer

    def _dialect(self) -> odata.Dialect:
        switches = self._world.switches
        return odata.Dialect(
            minds_case_in_eq=switches.mind_case_in_eq, knows_startswith_and_in=switches.know_startswith_and_in
        )

    def _page(
        self,
        call: Call,
        rows: Sequence[Document],
        schema: str,
        shown: Callable[[Document], Document] = lambda row: row,
    ) -> Response:
        """Answer one page of a list; `shown` completes the rows of that page only."""
        query, known = call.request.query, properties(schema)
        page, size = odata.page_numbers(query=query)
        found: list[Mapping[str, Json]] = list(rows)
        if text := query.get("$filter"):
            found = list(filter(odata.filtered(text=text, schema=known, dialect=self._dialect()), found))
        if text := query.get("$orderby"):
            found = odata.ordered(text=text, schema=known, rows=found)
        data = [shown(dict(row)) for row in found[(page - 1) * size : page * size]]
        if text := query.get("$select"):
            data = [dict(odata.selected(text=text, schema=known, row=row)) for row in data]
        meta = {
            "CurrentPage": page,
            "PageSize": size,
            "TotalNumberOfPages": math.ceil(len(found) / size),
            "TotalNumberOfResults": len(found),
            "ServerTimeUtc": self._world.timestamp(),
        }
        return json_response({"Meta": meta, "Data": data})


def _guid(text: str) -> str:
    if not text:
        return ""
    try:
        return str(UUID(text))
    except ValueError:
        raise Refusal(2000, "DataModelValidationError - The id is not a GUID.") from None


def _body(request: Request) -> Document:
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        raise Refusal(2000, "DataModelValidationError - The body must be JSON.", status=415)
    try:
        content = request.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Refusal(2000, "DataModelValidationError - The body is no JSON object.")
    return content
