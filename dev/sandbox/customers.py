"""Create, replace and delete customers, as strict as facts.md (Customers) says."""

import re

from dev.sandbox import contract
from dev.sandbox.refuse import Refusal, validation
from dev.sandbox.store import Document
from dev.sandbox.world import (
    COMPANY,
    CUSTOMER,
    INVOICE,
    TERMS,
    World,
    new_id,
)
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.types import READ_ONLY_PROPERTIES

EU = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()  # noqa: SIM905  # a list of words
)
# Kept when a PUT leaves them out (facts.md, Customers 3).
KEPT_WHEN_OMITTED = ("Iban", "IsDirectDebitEnabled")
PHONES = ("Telephone", "MobilePhone", "ContactPersonPhone", "ContactPersonMobile")


def create(*, world: World, company: str, body: Document) -> Document:
    """Create a customer and return it. Raises Refusal."""
    _check_schema(world, "CustomerCreate", body)
    _check_rules(world, company, body, own_id=None)
    number = body.get("CustomerNumber") or str(world.next_customer_number(company))
    currency = body.get("CurrencyCode") or (world.company(company) or {}).get("CurrencyCode")
    row = _formatted(world, body) | {
        "Id": new_id(),
        "CustomerNumber": number,
        "CurrencyCode": currency,
        "ChangedUtc": world.change_timestamp(),
    }
    world.put(CUSTOMER, company, row)
    _move_number(world, company, str(number))
    return row


def replace(*, world: World, company: str, customer_id: str, body: Document) -> tuple[Document, list[str]]:
    """Replace a customer; return it, and remarks on what was sent needlessly. Raises Refusal."""
    stored = existing(world=world, company=company, customer_id=customer_id)
    read_only = sorted(READ_ONLY_PROPERTIES.intersection(body))
    if read_only and world.switches.refuse_read_only_on_replace:
        raise validation([(name, f"{name} is read-only.") for name in read_only])
    writable = {name: value for name, value in body.items() if name not in READ_ONLY_PROPERTIES}
    _check_schema(world, "CustomerReplace", writable)
    _check_rules(world, company, writable, own_id=str(stored["Id"]))
    kept = {name: stored.get(name) for name in KEPT_WHEN_OMITTED if name not in writable}
    row = _formatted(world, writable) | kept | {"Id": stored["Id"], "ChangedUtc": world.change_timestamp()}
    row["CurrencyCode"] = writable.get("CurrencyCode") or (world.company(company) or {}).get("CurrencyCode")
    if not writable.get("CustomerNumber") or not world.switches.allow_number_change:
        row["CustomerNumber"] = stored["CustomerNumber"]
    if not world.switches.allow_private_person_change:
        row["IsPrivatePerson"] = stored.get("IsPrivatePerson")
    world.put(CUSTOMER, company, row)
    return row, [f"read-only property sent: {name}" for name in read_only]


def delete(*, world: World, company: str, customer_id: str) -> None:
    """Delete a customer. Raises Refusal 4001 when it has invoices."""
    stored = existing(world=world, company=company, customer_id=customer_id)
    if any(item.get("CustomerId") == stored["Id"] for item in world.rows(INVOICE, company)):
        raise Refusal(4001, "CanNotBeDeleted - The customer has transactions.")
    world.remove(CUSTOMER, company, customer_id)


def existing(*, world: World, company: str, customer_id: str) -> Document:
    """Return one customer. Raises Refusal 3000."""
    row = world.row(CUSTOMER, company, customer_id)
    if row is None:
        status, has_body = world.switches.unknown_id_status, world.switches.unknown_id_body
        raise Refusal(3000, "ResourceNotFound - The customer could not be found.", status=status, has_body=has_body)
    return row


def _check_schema(world: World, schema: str, body: Document) -> None:
    lenient = set()
    if world.switches.accept_empty_strings:
        lenient.add("minLength")
    if world.switches.accept_unknown_on_create:
        lenient.add("additionalProperties")
    found = contract.problems(schema=schema, value=body, lenient=frozenset(lenient))
    if found:
        raise validation(found)


def _check_rules(world: World, company: str, body: Document, *, own_id: str | None) -> None:
    if problems := _field_rules(world, body):
        raise validation(problems)
    terms = world.row(TERMS, company, str(body["TermsOfPaymentId"]))
    if terms is None or not terms.get("AvailableForSales"):
        raise Refusal(3000, "ResourceNotFound - TermsOfPaymentId could not be found.")
    _check_number(world, company, body.get("CustomerNumber"), own_id)
    vat = body.get("VatNumber")
    if vat and not re.fullmatch(r"[A-Z]{2}[A-Za-z0-9]{8,12}", str(vat)):
        raise Refusal(4025, "InvalidVatNumber - The VAT number is not valid.")
    if body.get("ForceBookkeepVat") and body.get("InvoiceCountryCode") in EU:
        raise Refusal(4035, "InvalidForceBookkeepVat - Not allowed for customers in the EU.")


def _check_number(world: World, company: str, number: Json, own_id: str | None) -> None:
    switches = world.switches
    rows = world.rows(CUSTOMER, company) if number and not switches.accept_duplicate_numbers else []
    if any(row.get("CustomerNumber") == number and row["Id"] != own_id for row in rows):
        words = "CustomerNumber is already in use."
        problems = [("CustomerNumber", words)] if switches.duplicate_number_code == 2000 else None
        text = f"Conflict - {words}"
        raise Refusal(switches.duplicate_number_code, text, status=switches.duplicate_number_status, problems=problems)


def _field_rules(world: World, body: Document) -> list[tuple[str, str]]:
    """Return what the contract's types cannot say (facts.md, Customers 8 to 10)."""
    found = []
    vat = body.get("VatNumber")
    if body.get("ReverseChargeOnConstructionServices") and not vat:
        text = "VatNumber can not be null or empty when using ReverseChargeOnConstructionServices"
        found.append(("VatNumber", text))
    if vat and world.switches.check_vat_country and not body.get("InvoiceCountryCode"):
        found.append(("InvoiceCountryCode", "InvoiceCountryCode is needed with VatNumber."))
    if body.get("EmailAddresses") and not body.get("EmailAddress"):
        found.append(("EmailAddresses", "EmailAddresses can only be used with EmailAddress."))
    if body.get("DeliveryBasedVat"):
        needed = ("DeliveryCity", "DeliveryCountryCode", "DeliveryPostalCode")
        found += [(name, f"{name} is needed with DeliveryBasedVat.") for name in needed if not body.get(name)]
    return found


def _formatted(world: World, body: Document) -> Document:
    row = dict(body)
    if world.switches.reformat_on_store:
        _rewrite(row, "CorporateIdentityNumber", r"\D")
        for name in PHONES:
            _rewrite(row, name, r"[\s\-()]")
    return row


def _rewrite(row: dict[str, Json], name: str, unwanted: str) -> None:
    value = row.get(name)
    if isinstance(value, str):
        row[name] = re.sub(unwanted, "", value)


def _move_number(world: World, company: str, number: str) -> None:
    """Let the series go on behind the highest number used."""
    document = world.company(company)
    following = document.get("NextCustomerNumber") if document else None
    if document and isinstance(following, int) and number.isdigit() and int(number) >= following:
        world.store.put(COMPANY, company, document | {"NextCustomerNumber": min(int(number) + 1, 2**31 - 1)})
