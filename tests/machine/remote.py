"""eAccounting for the machine: mishaps that befall single calls, commits that come late, and a book of every write."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import requests

from dev.sandbox import customers
from dev.sandbox.core import Sandbox
from dev.sandbox.faults import Fault
from dev.sandbox.messages import Delivery, Request, Response
from dev.sandbox.refuse import Refusal
from dev.sandbox.store import Document
from dev.sandbox.switches import Switches
from dev.sandbox.world import CUSTOMER, TERMS
from integrations.domain import mapping
from integrations.eaccounting import jsontext
from integrations.eaccounting.jsontext import Json
from integrations.models import Push

LOST = Response(status=0, delivery=Delivery.HOLD)
# What the API works out by itself, in no request of ours.
WORKED_OUT = {"ChangedUtc", "TermsOfPayment", "UnpaidInvoicesAmount", "LastInvoiceDate"}
OURS = set(mapping.BY_PROPERTY)
Wish = tuple[int, int]  # a push, and how often a person wanted a new customer for it all the same


class Killed(BaseException):
    """kill -9: no handler of the product may see it, leases stay, transactions roll back."""


@dataclass(frozen=True)
class Mishap:
    """What befalls the next call of a kind ("read", "write", "token" or "any")."""

    kind: str
    where: str
    seconds: float = 0.0  # until a late commit


# Those of the sandbox itself, by the name they have here.
FAULTS: dict[str, dict[str, Json]] = {
    "500": {"kind": "status", "status": 500, "when": "before"},
    "500_done": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503, "when": "before"},
    "html": {"kind": "html", "when": "before"},
    "html_done": {"kind": "html"},
    "empty_done": {"kind": "empty"},
    "truncated_done": {"kind": "truncated"},
    "reset": {"kind": "reset", "when": "before"},
    "reset_done": {"kind": "reset"},
    "lost": {"kind": "no_answer", "when": "before"},
    "lost_done": {"kind": "no_answer"},
    "other_name": {"kind": "other_name"},
    "429": {"kind": "error", "when": "before", "error_code": 4010, "status": 429, "text": "Try again in 55 seconds."},
    "401": {"kind": "error", "when": "before", "error_code": 4005, "status": 401},
    "403": {"kind": "status", "status": 403, "when": "before"},  # of something on the way
    "404": {"kind": "status", "status": 404, "when": "before"},
    "404_done": {"kind": "status", "status": 404},
    "refused": {"kind": "error", "when": "before", "error_code": 2000},
    "conflict": {"kind": "error", "when": "before", "error_code": 4000},
    "gone": {"kind": "error", "when": "before", "error_code": 3000, "status": 404},
    "licence": {"kind": "error", "when": "before", "error_code": 4004, "status": 403},
    "module": {"kind": "error", "when": "before", "error_code": 4003, "status": 403},
}


# Of the token endpoint alone.
FAULTS_OF_TOKENS: dict[str, dict[str, Json]] = {"invalid_grant": {"kind": "invalid_grant", "when": "before"}}


@dataclass
class Late:
    """A write that eAccounting has got and will store later."""

    at: datetime
    wish: Wish | None  # of a create
    customer: str  # of an update
    store: Callable[[], object]


@dataclass
class Book:
    """What was written by whom, and what should never have been."""

    stems: dict[Wish, list[str]] = field(default_factory=dict)
    late: list[Late] = field(default_factory=list)
    anew: dict[int, int] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)  # by people there
    edited: set[tuple[str, str]] = field(default_factory=set)  # customers and those of our properties, by people there
    theirs: dict[tuple[str, str], str] = field(default_factory=dict)  # what they wrote, until we wrote over it
    harmed: bool = False  # the grant, by revoking or by an answer of the token endpoint that got lost

    def wish(self, push_id: int) -> Wish:
        """Name the wish that a push stands for now."""
        return push_id, self.anew.get(push_id, 0)

    def made(self, push_id: int) -> list[str]:
        """Return the customers that a push made for its wish of now and that nobody has deleted."""
        return [made for made in self.stems.get(self.wish(push_id), []) if made not in self.deleted]

    def pushes_of(self, customer_id: str) -> set[int]:
        """Return the pushes that made a customer."""
        return {wish[0] for wish, made in self.stems.items() if customer_id in made}


class Remote(Sandbox):
    """A sandbox whose calls meet mishaps."""

    chosen_terms: frozenset[str] = frozenset()  # the defaults of the companies, which our people choose

    def begin(self, *, documents: dict[str, dict[str, Document]], now: Callable[[], datetime]) -> None:
        """Go back to these documents, with a clean book."""
        self.forget_calls()
        self.faults.clear()
        self.world.switches = Switches()
        self.world._last_change = 0.0
        self.world.store._kinds = {kind: dict(rows) for kind, rows in documents.items()}
        self.now = now
        self.book = Book()
        self.armed: list[Mishap] = []
        self.meanwhile: Callable[[], object] | None = None
        self.meanwhile_at = ""
        self._seen: dict[str, Document] = {}
        self._refused = ""  # how the last token was refused, with no good answer since
        self._doubted = False  # the grant was refused, with no good answer since
        self._worker = threading.local()

    def documents(self) -> dict[str, dict[str, Document]]:
        """Return all that is stored."""
        return {kind: dict(rows) for kind, rows in self.world.store._kinds.items()}

    @contextmanager
    def worker(self, push_id: int) -> Iterator[None]:
        """Calls of this thread are this push's."""
        self._worker.push_id = push_id
        try:
            yield
        finally:
            self._worker.push_id = None

    @contextmanager
    def whose_turn(self) -> Iterator[None]:
        """Calls of this thread are of the push that it takes now."""
        self._worker.fences = dict(Push.objects.values_list("pk", "fence"))
        try:
            yield
        finally:
            self._worker.push_id = self._worker.fences = None

    @property
    def push_id(self) -> int | None:
        """The push whose worker calls, or None for a call that a person waits for."""
        push_id: int | None = getattr(self._worker, "push_id", None)
        fences = getattr(self._worker, "fences", None)
        if push_id is None and fences is not None:
            [push_id] = [pk for pk, fence in Push.objects.values_list("pk", "fence") if fence != fences.get(pk)]
            self._worker.push_id = push_id
        return push_id

    def handle(self, request: Request) -> Response:
        """Answer one request, or let happen what is due to it."""
        self._run_meanwhile(request)
        mishap = next((one for one in self.armed if self._meets(one, request)), None)
        if mishap is None:
            return self._noted(self._carry(request), request, by_mishap=False)
        self.armed.remove(mishap)
        if request.path == "/connect/token" and ("done" in mishap.kind or mishap.kind in ("killed_after", "late")):
            self.book.harmed = True
        fault = FAULTS.get(mishap.kind) or FAULTS_OF_TOKENS.get(mishap.kind)
        if fault:
            answered = Fault.from_json(fault).carry_out(lambda: self._carry(request))
            return self._noted(answered, request, by_mishap=True)
        return self._special(mishap, request)

    def _noted(self, response: Response, request: Request, *, by_mishap: bool) -> Response:
        """Note a refused token or grant: whose new one is refused too, by a mishap, has to be connected anew."""
        if request.path == "/connect/token":
            # A grant that is refused a second time is believed to be over.
            self.book.harmed = self.book.harmed or (self._doubted and by_mishap and response.status == 400)
            self._doubted = response.status == 400 or (self._doubted and response.status != 200)
        if not request.path.startswith("/v2/"):
            return response
        if response.status == 401:
            self.book.harmed = self.book.harmed or (bool(self._refused) and (by_mishap or "mishap" in self._refused))
            self._refused = "by a mishap" if by_mishap else "rightly"
        elif 200 <= response.status < 300:
            self._refused = ""
        return response

    def _special(self, mishap: Mishap, request: Request) -> Response:
        if mishap.kind == "unreachable":
            raise requests.ConnectionError
        if mishap.kind == "killed_before":
            raise Killed
        if mishap.kind == "killed_after":
            self._carry(request)
            raise Killed
        answered = self._carry_late(request, mishap.seconds)
        if mishap.kind == "killed_late":
            raise Killed
        return answered

    def _meets(self, mishap: Mishap, request: Request) -> bool:
        if mishap.kind.startswith("killed") and self.push_id is None:
            return False
        return mishap.where in ("any", _where(request))

    def _run_meanwhile(self, request: Request) -> None:
        if self.meanwhile and self.push_id is not None and self.meanwhile_at == _where(request):
            action, self.meanwhile = self.meanwhile, None
            action()

    # --- Carrying out, and writing it into the book ---------------------------------------------------

    def _carry(self, request: Request) -> Response:
        self._check_arrival(request)
        response = super().handle(request)
        where, id_ = _where(request), request.path.removeprefix("/v2/customers").strip("/")
        if response.status in (200, 201) and where in ("read", "write"):
            content = jsontext.decode(response.body)
            if isinstance(content, dict) and "Data" not in content:
                self._note(request.method, id_, content)
        return response

    def _note(self, method: str, id_: str, content: Document) -> None:
        if method == "POST":
            self._note_created(self.push_id, content)
        elif method == "PUT":
            self._note_replaced(id_, content)
        elif method == "GET" and self.push_id is not None:
            self._seen[id_] = content

    def _check_arrival(self, request: Request) -> None:
        """No write may arrive while an earlier one of the same wish could still be stored."""
        if _where(request) != "write" or self.push_id is None:
            return
        id_ = request.path.removeprefix("/v2/customers").strip("/")
        wish = self.book.wish(self.push_id)
        is_coming = any(late.wish == wish for late in self.book.late)
        if request.method == "POST" and (is_coming or self.book.made(self.push_id)):
            self.book.wrongs.append(f"push {self.push_id} was sent again although its customer is, or may come, there")
        if request.method == "PUT" and any(late.customer == id_ for late in self.book.late):
            self.book.wrongs.append(f"customer {id_} was written while an earlier write of ours could still be stored")

    def _note_created(self, push_id: int | None, row: Document) -> None:
        if push_id is None:
            self.book.wrongs.append("a customer was created outside any push")
            return
        made = self.book.stems.setdefault(self.book.wish(push_id), [])
        made.append(str(row["Id"]).lower())
        if len(self.book.made(push_id)) > 1:
            self.book.wrongs.append(f"push {push_id} made {len(made)} customers")
        if row["TermsOfPaymentId"] not in self.chosen_terms:
            self.book.wrongs.append(f"push {push_id} made a customer with other terms than the chosen ones")

    def _note_replaced(self, id_: str, after: Document) -> None:
        before = self._seen.get(id_)
        if before is None:
            self.book.wrongs.append(f"customer {id_} was written without being read")
            return
        names = (before.keys() | after.keys()) - WORKED_OUT
        lost = [name for name in sorted(names - OURS) if before.get(name) != after.get(name)]
        if lost:
            self.book.wrongs.append(f"an update of {id_} changed what is not ours: {lost}")
        blanked = [f.remote for f in mapping.FIELDS if f.group == mapping.Group.SINGLE and before.get(f.remote)]
        blanked = [name for name in blanked if not after.get(name)]
        if blanked:
            self.book.wrongs.append(f"an update of {id_} blanked {blanked}")
        self._note_overwritten(id_, mapping.owned(before), mapping.owned(after))

    def _note_overwritten(self, id_: str, before: mapping.Values, after: mapping.Values) -> None:
        """Nobody's edit that was there when we read is written over unless the sheet had shown it."""
        push = Push.objects.filter(pk=self.push_id).first()
        for name in mapping.differences(before, after):
            theirs = self.book.theirs.pop((id_, name), None)
            shown = push.based_on.get(name) if push else None
            if theirs == before[name] and shown is not None and mapping.differences({name: shown}, before):
                self.book.wrongs.append(f"push {self.push_id} wrote over {theirs!r}, which nobody had seen: {name}")

    # --- Late commits ----------------------------------------------------------------------------------

    def _carry_late(self, request: Request, seconds: float) -> Response:
        """Take a write and store it only later; anything else is carried out and its answer lost."""
        grant = self._identity.grant_of(authorization=request.headers.get("authorization", ""))
        if _where(request) != "write" or grant is None or self.push_id is None:
            self._carry(request)
            return LOST
        self._check_arrival(request)
        push_id, body = self.push_id, jsontext.decode(request.body)
        assert isinstance(body, dict)
        id_ = request.path.removeprefix("/v2/customers").strip("/")

        def store() -> None:
            try:
                with self.world.lock, self.world.store.together():
                    if request.method == "POST":
                        made = customers.create(world=self.world, company=grant.company, body=body)
                        self._note_created(push_id, made)
                    else:
                        customers.replace(world=self.world, company=grant.company, customer_id=id_, body=body)
            except Refusal:
                return

        wish = self.book.wish(push_id) if request.method == "POST" else None
        self.book.late.append(Late(self.now() + timedelta(seconds=seconds), wish, id_, store))
        return LOST

    def store_late(self, now: datetime) -> None:
        """Store what has become due."""
        for late in [one for one in self.book.late if one.at <= now]:
            self.book.late.remove(late)
            late.store()

    # --- What people do there ---------------------------------------------------------------------------

    def rows(self, company: str) -> list[Document]:
        """Return the customers, in the order of their numbers: ids differ from run to run."""
        return sorted(self.customers(company=company), key=lambda row: str(row["CustomerNumber"]))

    def row(self, customer_id: str) -> Document | None:
        """Return one customer, whichever company it is of."""
        found = [row for key in ("1", "2") for row in self.customers(company=key) if row["Id"] == customer_id]
        return found[0] if found else None

    def delete(self, *, company: str, customer_id: str) -> None:
        """A person deletes a customer."""
        self.world.remove(CUSTOMER, company, customer_id)
        self.book.deleted.add(customer_id.lower())

    def edit_by_hand(self, *, company: str, customer_id: str, name: str, value: Json) -> None:
        """A person edits a customer."""
        before = mapping.owned(self.row(customer_id) or {})
        self.edit_customer(company=company, customer_id=customer_id, **{name: value})
        if name in OURS and (mine := str(value or "")) != before[name]:
            self.book.edited.add((customer_id, name))
            self.book.theirs[customer_id, name] = mine

    def type_in(self, *, company: str, payload: Document) -> None:
        """A person makes a customer by hand."""
        terms = next(iter(self.world.rows(TERMS, company)))
        with self.world.lock, self.world.store.together():
            customers.create(world=self.world, company=company, body={**payload, "TermsOfPaymentId": terms["Id"]})


def _where(request: Request) -> str:
    if request.path == "/connect/token":
        return "token"
    if not request.path.startswith("/v2/customers"):
        return "other"
    return "read" if request.method == "GET" else "write"
