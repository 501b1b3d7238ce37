"""The sandbox itself: one function from a request to an answer, whichever way the request came."""

import collections
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dev.sandbox import seed
from dev.sandbox.api import Api
from dev.sandbox.consent import Consent
from dev.sandbox.control import Action, Control
from dev.sandbox.faults import Fault
from dev.sandbox.identity import Identity
from dev.sandbox.messages import Request, Response
from dev.sandbox.pages import Pages
from dev.sandbox.store import Document, Store
from dev.sandbox.world import COMPANY, CUSTOMER, Settings, World
from integrations.eaccounting.jsontext import Json

MOST_CALLS = 100_000


@dataclass(frozen=True, kw_only=True)
class RecordedCall:
    """One call of the API or the identity server; holds no tokens and no bodies."""

    method: str
    path: str
    status: int
    """0 when no answer was sent."""
    at: float
    """On the monotonic clock, when the request had arrived."""
    remarks: tuple[str, ...]


class Sandbox:
    """A stand-in eAccounting: identity server, API, pages and control, in memory or kept in a folder."""

    def __init__(self, *, settings: Settings | None = None, data: Path | None = None) -> None:
        self.world = World(settings=settings or Settings(), store=Store(data))
        self.faults: list[Fault] = []
        self._calls: collections.deque[RecordedCall] = collections.deque(maxlen=MOST_CALLS)
        self._identity = Identity(self.world)
        self._api = Api(self.world, self._identity)
        self._consent = Consent(self.world, self._identity)
        self._pages, self._control = Pages(self.world), Control(self._actions())
        self._fault_lock = threading.Lock()
        if not self.world.store.all(COMPANY):
            seed.plant(world=self.world, content=seed.demo())

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        if request.path.startswith("/_sandbox/") and not request.path.endswith(".css"):
            return self._control.handle(request)
        at, remarks = time.monotonic(), list[str]()
        with self._fault_lock:
            fault = next((item for item in self.faults if item.meets(request)), None)
        if fault:
            response = fault.carry_out(lambda: self._carry_out(request, remarks))
        else:
            response = self._carry_out(request, remarks)
        if request.path.startswith(("/v2/", "/connect/")):
            self._calls.append(
                RecordedCall(
                    method=request.method,
                    path=request.path,
                    status=response.status,
                    at=at,
                    remarks=tuple(remarks),
                )
            )
        return response

    def _carry_out(self, request: Request, remarks: list[str]) -> Response:
        world = self.world
        with world.lock, world.store.together():
            if request.path.startswith("/v2/"):
                return self._api.handle(request, remarks)
            if request.path in ("/connect/token", "/connect/revocation"):
                return self._identity.handle(request)
            if request.path == "/connect/authorize":
                return self._consent.handle(request)
            return self._pages.handle(request)

    def _actions(self) -> dict[tuple[str, str], Action]:
        return {
            ("GET", "ready"): lambda _: {"ready": True},
            ("POST", "faults"): lambda content: self.faults.append(Fault.from_json(content)),
            ("GET", "faults"): lambda _: {"faults": [fault.as_json() for fault in self.faults]},
            ("DELETE", "faults"): lambda _: self.faults.clear(),
            ("GET", "calls"): lambda _: {"calls": [asdict(call) for call in self.calls()]},
            ("DELETE", "calls"): lambda _: self.forget_calls(),
            ("POST", "reset"): lambda _: self.reset(),
            ("POST", "seed"): self.seed,
            ("POST", "switches"): lambda content: self.switch(**content),
            ("GET", "switches"): lambda _: asdict(self.world.switches),
            ("POST", "clock"): self._move_clock,
            ("POST", "revoke"): self._revoke,
        }

    def _move_clock(self, content: dict[str, Json]) -> object:
        """`seconds` moves the clock on; `expire_access_tokens` lets all of them be over."""
        seconds = content.get("seconds", 0)
        if not isinstance(seconds, (int, float)):
            raise TypeError("seconds is a number")
        self.world.clock_offset += seconds
        expired = self.expire_access_tokens() if content.get("expire_access_tokens") else 0
        return {"now": self.world.timestamp(), "expired": expired}

    def _revoke(self, content: dict[str, Json]) -> object:
        """Revoke the grants of one `company`, by its key, or all."""
        company = content.get("company")
        return {"revoked": self.revoke_grants(company=str(company) if company is not None else None)}

    def fault(self, **content: Json) -> None:
        """Switch a fault on; the keywords are those of `Fault`."""
        self.faults.append(Fault.from_json(content))

    def calls(self, *, method: str = "", path: str = "") -> list[RecordedCall]:
        """Return the recorded calls, oldest first; `path` is a beginning."""
        return [call for call in list(self._calls) if method in ("", call.method) and call.path.startswith(path)]

    def forget_calls(self) -> None:
        """Forget the recorded calls and start the rate limit anew."""
        self._calls.clear()
        self._api.forget_calls()

    def reset(self) -> None:
        """Go back to the beginning: demo rows, no grants, no faults, default switches."""
        with self.world.lock:
            self.faults.clear()
            self.forget_calls()
            self.world.switches = type(self.world.switches)()
            self.world.clock_offset = 0.0
            self.world.store.clear()
            seed.plant(world=self.world, content=seed.demo())

    def seed(self, content: Mapping[str, Json]) -> None:
        """Add rows, in the structure of demo.json. Raises ValueError."""
        with self.world.lock, self.world.store.together():
            seed.plant(world=self.world, content=content)

    def switch(self, **values: object) -> None:
        """Set switches, by their names. Raises ValueError."""
        self.world.switches = self.world.switches.changed(values=values)

    def set_up(self, **values: object) -> None:
        """Change settings, by their names."""
        self.world.settings = replace(self.world.settings, **values)  # type: ignore[arg-type]  # checked by the dataclass

    def expire_access_tokens(self) -> int:
        """Let every access token be over; return how many."""
        with self.world.lock, self.world.store.together():
            return self._identity.expire_access_tokens()

    def revoke_grants(self, *, company: str | None = None) -> int:
        """Revoke all grants, or those of one company, as a changed password does; return how many."""
        with self.world.lock, self.world.store.together():
            return self._identity.revoke_grants(company=company)

    def edit_customer(self, *, company: str = "1", customer_id: str, **values: Json) -> None:
        """Change a customer as a person in eAccounting would, at once and unchecked."""
        with self.world.lock, self.world.store.together():
            row = self.world.row(CUSTOMER, company, customer_id) or {}
            self.world.put(CUSTOMER, company, {**row, **values, "ChangedUtc": self.world.change_timestamp()})

    def customers(self, *, company: str = "1") -> list[Document]:
        """Return the customers of a company as the API would answer them."""
        with self.world.lock:
            return [self.world.answered(company, row) for row in self.world.rows(CUSTOMER, company)]

    def close(self) -> None:
        """Close the files."""
        self.world.store.close()
