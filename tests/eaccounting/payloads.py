"""Bodies that eAccounting accepts."""

from integrations.eaccounting.jsontext import Json

SWEDISH_30_DAYS = "8f9a8f7b-5ea9-44c6-9725-9b8a1addb036"


def payload(**more: Json) -> dict[str, Json]:
    """Return a customer with what is required, and more."""
    return {
        "Name": "Exempelbolaget AB",
        "IsPrivatePerson": False,
        "IsActive": True,
        "TermsOfPaymentId": SWEDISH_30_DAYS,
        "InvoicePostalCode": "111 22",
        "InvoiceCity": "Stockholm",
        **more,
    }
