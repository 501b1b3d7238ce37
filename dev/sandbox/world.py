"""The sandbox's state: its clock, its switches, its companies and their rows."""

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dev.sandbox.contract import properties
from dev.sandbox.store import Document, Store
from dev.sandbox.switches import Switches
from integrations.eaccounting.jsontext import Json, as_decimal

COMPANY, CUSTOMER, TERMS, INVOICE, LABEL, USER = "company", "customer", "terms", "invoice", "label", "user"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a sandbox is set up; times in seconds."""

    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"  # noqa: S105  # of a stand-in that guards nothing
    redirect_uris: tuple[str, ...] = ("http://127.0.0.1:8000/integrations/visma-eaccounting/callback/",)
    token_lifetime: int = 3600
    rate_limit: int = 600
    issuer: str = ""
    """Set by the server once it knows its address."""


@dataclass(kw_only=True)
class World:
    """Everything that requests change; `lock` is held while one is carried out."""

    settings: Settings
    store: Store
    switches: Switches = field(default_factory=Switches)
    clock_offset: float = 0.0
    lock: threading.RLock = field(default_factory=threading.RLock)
    _last_change: float = 0.0

    def now(self) -> float:
        """Return the sandbox's time, in seconds since 1970."""
        return time.time() + self.clock_offset

    def timestamp(self) -> str:
        """Return the sandbox's time as eAccounting writes it."""
        return _written(self.now())

    def change_timestamp(self) -> str:
        """Return a time that no earlier change has."""
        self._last_change = max(self.now(), self._last_change + 0.000002)
        return _written(self._last_change)

    def company(self, key: str) -> Document | None:
        """Return one company by its key, 1 and up."""
        return self.store.get(COMPANY, key)

    def rows(self, kind: str, company: str) -> list[Document]:
        """Return the rows of one company."""
        return list(self.store.all(f"{kind}:{company}").values())

    def row(self, kind: str, company: str, key: str) -> Document | None:
        """Return one row, by its id in any case."""
        return self.store.get(f"{kind}:{company}", key.lower())

    def put(self, kind: str, company: str, row: Mapping[str, Json]) -> None:
        """Store one row under its Id."""
        self.store.put(f"{kind}:{company}", str(row["Id"]).lower(), dict(row))

    def remove(self, kind: str, company: str, key: str) -> None:
        """Remove one row."""
        self.store.remove(f"{kind}:{company}", key.lower())

    def next_customer_number(self, company: str) -> int:
        """Return the number that the next customer without one gets."""
        document = self.company(company) or {}
        number = document.get("NextCustomerNumber")
        taken = {row.get("CustomerNumber") for row in self.rows(CUSTOMER, company)}
        candidate = number if isinstance(number, int) else 1
        while str(candidate) in taken:
            candidate += 1
        return candidate

    def moved_by_invoices(self, company: str, row: Document) -> Document:
        """Return a customer with the time of its newest invoice, if that moves it and is later."""
        if not self.switches.invoice_moves_customer:
            return row
        invoices = [item for item in self.rows(INVOICE, company) if item.get("CustomerId") == row["Id"]]
        times = [str(item["ModifiedUtc"]) for item in invoices]
        return {**row, "ChangedUtc": max([str(row["ChangedUtc"]), *times])}

    def answered(self, company: str, row: Document) -> Document:
        """Return a customer as the API shows it: terms filled in, money from its invoices."""
        terms = self.row(TERMS, company, str(row.get("TermsOfPaymentId")))
        invoices = [item for item in self.rows(INVOICE, company) if item.get("CustomerId") == row["Id"]]
        unpaid = sum((as_decimal(item.get("RemainingAmount")) or 0 for item in invoices), start=0)
        dates = [str(item["InvoiceDate"]) for item in invoices]
        return {
            **_BLANK_CUSTOMER,
            **self.moved_by_invoices(company, row),
            **({"TermsOfPayment": terms} if terms else {}),
            "UnpaidInvoicesAmount": float(unpaid),
            "LastInvoiceDate": max(dates) + "T00:00:00Z" if dates else None,
        }


def new_id() -> str:
    """Return a new GUID."""
    return str(uuid.uuid4())


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _blank(schema: dict[str, Any]) -> Json:
    if schema.get("nullable") or "type" not in schema:
        return None
    return {"boolean": False, "number": 0.0, "integer": 0}.get(schema["type"])


# Objects are left out while they are empty: openapi.yaml's way of writing them (allOf) does not allow null.
_BLANK_CUSTOMER: Document = {
    name: _blank(schema) for name, schema in properties("Customer").items() if "allOf" not in schema
}
