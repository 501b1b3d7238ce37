"""What the sandbox knows at first: two companies with customers, terms of payment and a few invoices.

The names are invented, the addresses end in `.example`. Some customers stand in the CRM's demo data too, with
other values, so that there is something to link and to update.
"""

import uuid
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from dev.sandbox.store import Document
from dev.sandbox.world import (
    COMPANY,
    CUSTOMER,
    INVOICE,
    LABEL,
    TERMS,
    USER,
    World,
)
from integrations.eaccounting import jsontext
from integrations.eaccounting.jsontext import Json

_NAMESPACE = uuid.UUID("6f1d3f0e-5b7a-4d0e-9a53-2f1c8e7b4a10")


def demo() -> Mapping[str, Json]:
    """Return the demo's rows; what they leave out is completed below."""
    return _mapping(jsontext.decode(Path(__file__).with_name("demo.json").read_bytes()))


def seeded_id(*parts: str) -> str:
    """Return the GUID of a seeded row: the same in every sandbox, so that descriptions stay true."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))


def plant(*, world: World, content: Mapping[str, Json]) -> None:
    """Add the companies of `content` with their rows. Raises ValueError or TypeError for another."""
    companies = _mapping(content.get("companies"))
    if not companies:
        raise ValueError("a seed is an object with companies by key")
    for key, company in companies.items():
        _plant_company(world, key, _mapping(company))


def _plant_company(world: World, key: str, content: Mapping[str, Json]) -> None:
    if settings := _mapping(content.get("settings")):
        world.store.put(COMPANY, key, dict(settings))
    for terms in _sequence(content.get("terms")):
        world.put(TERMS, key, _terms(key, _mapping(terms)))
    for label in _sequence(content.get("labels")):
        world.put(LABEL, key, {"Id": seeded_id(key, "label", str(label)), "Name": label, "Description": None})
    for user in _sequence(content.get("users")):
        row = _mapping(user)
        world.put(USER, key, {"Id": seeded_id(key, "user", str(row.get("Email"))), **row})
    for customer in _sequence(content.get("customers")):
        world.put(CUSTOMER, key, _customer(world, key, _mapping(customer)))
    for invoice in _sequence(content.get("invoices")):
        world.put(INVOICE, key, _invoice(world, key, _mapping(invoice)))


def _terms(key: str, terms: Mapping[str, Json]) -> Document:
    types = ("Normal", "CurrentMonth", "Cash", "CardPayment", "DigitalWallet", "PaymentServiceProvider")
    kind = terms.get("TermsOfPaymentTypeId", 0)
    return {
        "Id": terms.get("Id") or seeded_id(key, "terms", str(terms["NameEnglish"])),
        **terms,
        "TermsOfPaymentTypeText": types[kind] if isinstance(kind, int) else None,
        "AvailableForPurchase": True,
    }


def _customer(world: World, key: str, customer: Mapping[str, Json]) -> Document:
    """Complete a customer: its id from its number, its terms from their English name."""
    wanted = customer.get("Terms", "30 days")
    terms = next((row["Id"] for row in world.rows(TERMS, key) if row["NameEnglish"] == wanted), None)
    labels = [row for row in world.rows(LABEL, key) if row["Name"] in _sequence(customer.get("Labels"))]
    number = str(customer.get("CustomerNumber") or world.next_customer_number(key))
    rest = {name: value for name, value in customer.items() if name not in ("Terms", "Labels")}
    currency = (world.company(key) or {}).get("CurrencyCode")
    return {
        "Id": seeded_id(key, "customer", number),
        "CustomerNumber": number,
        "IsPrivatePerson": False,
        "IsActive": True,
        "TermsOfPaymentId": terms,
        "CurrencyCode": currency,
        "ChangedUtc": world.change_timestamp(),
        "CustomerLabels": [dict(label) for label in labels],
        **rest,
    }


def _invoice(world: World, key: str, invoice: Mapping[str, Json]) -> Document:
    """Complete an invoice; `DaysAgo` and `Days` make its dates."""
    number = str(invoice["CustomerNumber"])
    customer = next(row for row in world.rows(CUSTOMER, key) if row["CustomerNumber"] == number)
    day = date.fromisoformat(world.timestamp()[:10]) - timedelta(days=_whole(invoice.get("DaysAgo")))
    due = day + timedelta(days=_whole(invoice.get("Days", 30)))
    total, left = invoice["Total"], invoice["Remaining"]
    late = due < date.fromisoformat(world.timestamp()[:10])
    return {
        "Id": seeded_id(key, "invoice", str(invoice["InvoiceNumber"])),
        "InvoiceNumber": invoice["InvoiceNumber"],
        "CustomerId": customer["Id"],
        "CustomerNumber": number,
        "CustomerName": customer["Name"],
        "CustomerIsPrivatePerson": customer["IsPrivatePerson"],
        "IsCreditInvoice": False,
        "CurrencyCode": customer["CurrencyCode"],
        "InvoiceDate": day.isoformat(),
        "DueDate": due.isoformat(),
        "PaymentDate": None if left else f"{due.isoformat()}T00:00:00Z",
        "PaymentStatus": 0 if not left else 2 if late else 1,
        "TotalAmount": total,
        "TotalAmountInvoiceCurrency": total,
        "RemainingAmount": left,
        "RemainingAmountInvoiceCurrency": left,
        "TermsOfPaymentId": customer["TermsOfPaymentId"],
        "CreatedUtc": f"{day.isoformat()}T09:00:00Z",
        "ModifiedUtc": world.timestamp(),
        "Rows": [],
    }


def _whole(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _mapping(value: Json) -> Mapping[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError("an object is needed")
    return value


def _sequence(value: Json) -> list[Json]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError("a list is needed")
    return value
