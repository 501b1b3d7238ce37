"""Rows that are the same in every company, and rows made from others."""

from dev.sandbox.store import Document
from integrations.eaccounting.jsontext import Json

_COUNTRIES = (
    ("SE", "Sverige", "Sweden", True),
    ("NO", "Norge", "Norway", False),
    ("DK", "Danmark", "Denmark", True),
    ("FI", "Finland", "Finland", True),
    ("NL", "Nederländerna", "Netherlands", True),
    ("DE", "Tyskland", "Germany", True),
    ("GB", "Storbritannien", "United Kingdom", False),
)
COUNTRIES: tuple[Document, ...] = tuple(
    {"Code": code, "Name": name, "NameEnglish": english, "IsEuMember": member}
    for code, name, english, member in _COUNTRIES
)
CURRENCIES: tuple[Document, ...] = tuple({"Code": code} for code in ("SEK", "NOK", "EUR", "DKK", "USD", "GBP"))


def ledger_item(invoice: Document) -> dict[str, Json]:
    """Return the receivable of an invoice."""
    return {
        "Id": invoice["Id"],
        "CustomerId": invoice["CustomerId"],
        "CurrencyCode": invoice["CurrencyCode"],
        "CurrencyRate": 1.0,
        "CurrencyRateUnit": 1,
        "InvoiceNumber": invoice["InvoiceNumber"],
        "InvoiceDate": invoice["InvoiceDate"],
        "DueDate": invoice["DueDate"],
        "IsCreditInvoice": invoice["IsCreditInvoice"],
        "TotalAmountInvoiceCurrency": invoice["TotalAmountInvoiceCurrency"],
        "RemainingAmountInvoiceCurrency": invoice["RemainingAmountInvoiceCurrency"],
        "ModifiedUtc": invoice["ModifiedUtc"],
    }
