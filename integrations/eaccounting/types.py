"""What eAccounting answers, as frozen values.

Each `from_json` raises UnexpectedAnswer when a field we cannot do without is missing or of the wrong type,
and is tolerant of everything else: eAccounting adds properties every few months (facts.md, Gotchas 9).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Self
from uuid import UUID

from integrations.eaccounting import jsontext
from integrations.eaccounting.errors import UnexpectedAnswer
from integrations.eaccounting.jsontext import Json

# openapi.yaml, schema Customer: answered, never sent.
READ_ONLY_PROPERTIES = frozenset(
    {
        "Id",
        "TermsOfPayment",
        "PayToAccountId",
        "LastInvoiceDate",
        "UnpaidInvoicesAmount",
        "IsFutureInvoiceDateAllowed",
        "RequiresReferenceNumber",
        "MessageThreads",
        "Notes",
        "ChangedUtc",
    }
)
# Documented lifetime of an access token, for an answer that does not say it (facts.md, OAuth).
USUAL_LIFETIME_SECONDS = 3600


def _object(value: object) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise UnexpectedAnswer("answer_unreadable")
    return value


def _needed(source: Mapping[str, Json], name: str) -> str:
    value = source.get(name)
    if not isinstance(value, str):
        raise UnexpectedAnswer("field_missing", parameters={"field": name})
    return value


def _needed_id(source: Mapping[str, Json], name: str) -> str:
    found = _optional_id(source, name)
    if found is None:
        raise UnexpectedAnswer("field_missing", parameters={"field": name})
    return found


def _optional(source: Mapping[str, Json], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _optional_id(source: Mapping[str, Json], name: str) -> str | None:
    value = source.get(name)
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _optional_int(source: Mapping[str, Json], name: str) -> int | None:
    value = source.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(source: Mapping[str, Json], name: str, *, default: bool) -> bool:
    value = source.get(name)
    return value if isinstance(value, bool) else default


def _moment(source: Mapping[str, Json], name: str) -> datetime | None:
    """Return a time in UTC; eAccounting's times are UTC even where the Z is missing."""
    value = source.get(name)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _day(source: Mapping[str, Json], name: str) -> date | None:
    """Return a date; it may come as date-time, so the first ten characters count (facts.md)."""
    try:
        return date.fromisoformat(_optional(source, name)[:10])
    except ValueError:
        return None


@dataclass(frozen=True, kw_only=True)
class TokenSet:
    """One answer of the token endpoint. Its text form shows no token."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: int
    """Seconds."""
    scope: str
    """As answered, or empty when the answer does not say."""
    company_claim: str | None
    """The Visma Online company the token is for: claim `customer_id` of the access token, unverified."""

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read a token answer; access_token is needed."""
        content = _object(source)
        access_token = _needed(content, "access_token")
        if not access_token:
            raise UnexpectedAnswer("field_missing", parameters={"field": "access_token"})
        scope = content.get("scope")
        return cls(
            access_token=access_token,
            refresh_token=_optional(content, "refresh_token") or None,
            expires_in=_lifetime(content.get("expires_in")),
            scope=" ".join(map(str, scope)) if isinstance(scope, list) else _optional(content, "scope"),
            company_claim=_company_claim(access_token),
        )


def _lifetime(value: object) -> int:
    try:
        seconds = int(value) if isinstance(value, (int, float, str)) else 0
    except (ValueError, OverflowError):
        seconds = 0
    return seconds if seconds > 0 else USUAL_LIFETIME_SECONDS


def _company_claim(access_token: str) -> str | None:
    """Read a claim without verifying: we only ask which company our own token is for."""
    parts = access_token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = jsontext.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    claim = claims.get("customer_id") if isinstance(claims, dict) else None
    return str(claim) if isinstance(claim, (str, int)) and str(claim) else None


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A customer as eAccounting answered it; blank texts are empty strings.

    `raw` is the complete answer, to be echoed by a full-replace PUT (facts.md, Customers 3).
    """

    raw: dict[str, Json] = field(repr=False)
    id: str
    """Lower-case GUID."""
    name: str = field(repr=False)
    number: str
    registration_number: str = field(repr=False)
    vat_number: str = field(repr=False)
    is_private_person: bool
    is_active: bool
    terms_of_payment_id: str | None
    email: str = field(repr=False)
    phone: str = field(repr=False)
    mobile: str = field(repr=False)
    website: str = field(repr=False)
    address1: str = field(repr=False)
    address2: str = field(repr=False)
    postal_code: str = field(repr=False)
    city: str = field(repr=False)
    country_code: str
    contact_name: str = field(repr=False)
    contact_email: str = field(repr=False)
    contact_phone: str = field(repr=False)
    contact_mobile: str = field(repr=False)
    currency_code: str
    changed_utc: datetime | None
    unpaid_amount: Decimal | None
    last_invoice_date: date | None

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read a customer; Id and Name are needed."""
        raw = _object(source)
        return cls(
            raw=raw,
            id=_needed_id(raw, "Id"),
            name=_needed(raw, "Name"),
            number=_optional(raw, "CustomerNumber"),
            registration_number=_optional(raw, "CorporateIdentityNumber"),
            vat_number=_optional(raw, "VatNumber"),
            is_private_person=_flag(raw, "IsPrivatePerson", default=False),
            is_active=_flag(raw, "IsActive", default=True),
            terms_of_payment_id=_optional_id(raw, "TermsOfPaymentId"),
            email=_optional(raw, "EmailAddress"),
            phone=_optional(raw, "Telephone"),
            mobile=_optional(raw, "MobilePhone"),
            website=_optional(raw, "WwwAddress"),
            address1=_optional(raw, "InvoiceAddress1"),
            address2=_optional(raw, "InvoiceAddress2"),
            postal_code=_optional(raw, "InvoicePostalCode"),
            city=_optional(raw, "InvoiceCity"),
            country_code=_optional(raw, "InvoiceCountryCode"),
            contact_name=_optional(raw, "ContactPersonName"),
            contact_email=_optional(raw, "ContactPersonEmail"),
            contact_phone=_optional(raw, "ContactPersonPhone"),
            contact_mobile=_optional(raw, "ContactPersonMobile"),
            currency_code=_optional(raw, "CurrencyCode"),
            changed_utc=_moment(raw, "ChangedUtc"),
            unpaid_amount=jsontext.as_decimal(raw.get("UnpaidInvoicesAmount")),
            last_invoice_date=_day(raw, "LastInvoiceDate"),
        )


@dataclass(frozen=True, kw_only=True)
class CustomerPage:
    """All customers that a list call found, from all its pages."""

    customers: tuple[Customer, ...]
    server_time: datetime
    """eAccounting's clock (UTC) when the first page was read."""


@dataclass(frozen=True, kw_only=True)
class TermsOfPayment:
    """Terms of payment; they can only be read, not created, through the API (facts.md, Terms of payment)."""

    id: str
    name: str
    """In the language of the company's country."""
    name_english: str
    number_of_days: int | None
    type_id: int | None
    """0 normal, 1 current month, 2 cash, 3 card, 4 digital wallet, 5 payment provider; others may come."""
    available_for_sales: bool

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read terms; Id is needed. Terms that do not say so are not offered for sales."""
        raw = _object(source)
        return cls(
            id=_needed_id(raw, "Id"),
            name=_optional(raw, "Name"),
            name_english=_optional(raw, "NameEnglish"),
            number_of_days=_optional_int(raw, "NumberOfDays"),
            type_id=_optional_int(raw, "TermsOfPaymentTypeId"),
            available_for_sales=_flag(raw, "AvailableForSales", default=False),
        )


@dataclass(frozen=True, kw_only=True)
class CompanySettings:
    """The eAccounting company that a token belongs to."""

    name: str
    country_code: str
    currency_code: str
    registration_number: str
    company_identifier: str
    status: int | None
    """0 inactive, 1 active, 2 read-only."""
    product_variant: int | None
    """1 Standard, 2 Invoicing, 3 Bookkeeping (no customers), 4 Solo, 5 Pro, 6 Invoicing collaboration."""
    terms_of_payment_id: str | None
    activated_modules: tuple[str, ...]

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read the settings; Name and CountryCode are needed."""
        raw = _object(source)
        modules = raw.get("ActivatedModules")
        return cls(
            name=_needed(raw, "Name"),
            country_code=_needed(raw, "CountryCode"),
            currency_code=_optional(raw, "CurrencyCode"),
            registration_number=_optional(raw, "CorporateIdentityNumber"),
            company_identifier=_optional(raw, "CompanyIdentifier"),
            status=_optional_int(raw, "CompanyStatus"),
            product_variant=_optional_int(raw, "ProductVariant"),
            terms_of_payment_id=_optional_id(raw, "TermsOfPaymentId"),
            activated_modules=tuple(str(item) for item in modules) if isinstance(modules, list) else (),
        )


@dataclass(frozen=True, kw_only=True)
class PageMeta:
    """The `Meta` part of a list answer."""

    pages: int
    results: int | None
    server_time: datetime

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read it; the number of pages and the server's time are needed."""
        raw = _object(source)
        pages, server_time = _optional_int(raw, "TotalNumberOfPages"), _moment(raw, "ServerTimeUtc")
        if pages is None or server_time is None:
            name = "TotalNumberOfPages" if pages is None else "ServerTimeUtc"
            raise UnexpectedAnswer("field_missing", parameters={"field": name})
        return cls(pages=pages, results=_optional_int(raw, "TotalNumberOfResults"), server_time=server_time)
