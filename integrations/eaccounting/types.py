"""eAccounting's answers as frozen values; strict about the fields we need, tolerant about the others."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from decimal import Decimal
from typing import Self
from uuid import UUID

from integrations.eaccounting import jsontext
from integrations.eaccounting.errors import UnexpectedAnswer
from integrations.eaccounting.jsontext import Json

LARGEST_INT = 2**31 - 1


def storable(value: str) -> str:
    """Return a text without what no database column holds: NUL, and lone surrogates, which JSON can name."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def json_object(value: object) -> dict[str, Json]:
    """Return a JSON object. Raises UnexpectedAnswer."""
    if not isinstance(value, dict):
        raise UnexpectedAnswer("answer_unreadable")
    return value


def needed(source: Mapping[str, Json], name: str) -> str:
    """Return a text. Raises UnexpectedAnswer when it is missing."""
    value = source.get(name)
    if not isinstance(value, str):
        raise UnexpectedAnswer("field_missing", parameters={"field": name})
    return storable(value)


def needed_id(source: Mapping[str, Json], name: str) -> str:
    """Return a GUID in lower case. Raises UnexpectedAnswer when it is missing."""
    found = optional_id(source, name)
    if found is None:
        raise UnexpectedAnswer("field_missing", parameters={"field": name})
    return found


def text(source: Mapping[str, Json], name: str) -> str:
    """Return a text, or an empty one."""
    value = source.get(name)
    return storable(value) if isinstance(value, str) else ""


def optional_id(source: Mapping[str, Json], name: str) -> str | None:
    """Return a GUID in lower case, or None."""
    value = source.get(name)
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def optional_int(source: Mapping[str, Json], name: str) -> int | None:
    """Return a whole number that fits its column, or None."""
    value = whole_number(source, name)
    return value if value is not None and abs(value) <= LARGEST_INT else None


def whole_number(source: Mapping[str, Json], name: str) -> int | None:
    """Return a whole number however large, or None."""
    value = source.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(source: Mapping[str, Json], name: str, *, default: bool) -> bool:
    """Return a truth value."""
    value = source.get(name)
    return value if isinstance(value, bool) else default


def moment(source: Mapping[str, Json], name: str) -> datetime | None:
    """Return a time in UTC; eAccounting's times are UTC even without the Z.

    Dates of the years 1 and 9999, which stand for "no time", become None: they cannot be counted from.
    """
    value = source.get(name)
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is None or not MINYEAR < found.year < MAXYEAR:
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day(source: Mapping[str, Json], name: str) -> date | None:
    """Return a date; it may come as date-time, so the first ten characters count (facts.md)."""
    try:
        return date.fromisoformat(text(source, name)[:10])
    except ValueError:
        return None


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
# What we ask for (facts.md, OAuth).
SCOPES = ("ea:api", "ea:sales", "offline_access")
# Documented lifetime of an access token, for an answer that does not say it (facts.md, OAuth).
USUAL_LIFETIME_SECONDS = 3600
# Refreshing once a day does no harm; a lifetime that ends after year 9999 could not be added to a date.
LONGEST_LIFETIME_SECONDS = 24 * 3600
# An access token is sent in a header: no server accepts a longer one, or other characters (RFC 6750, 2.1).
_FIT_FOR_A_HEADER = re.compile(r"[\x21-\x7e]{1,32768}")
# What the columns of a connected company hold.
LONGEST_IDENTITY, LONGEST_COMPANY_NAME, LONGEST_COMPANY_NUMBER = 100, 255, 50


@dataclass(frozen=True, kw_only=True)
class TokenSet:
    """One answer of the token endpoint. Its `repr` shows no token."""

    access_token: str = field(repr=False)
    """Empty when the answer holds none that can be used: then there is a refresh token, which must not be lost."""
    refresh_token: str | None = field(repr=False)
    expires_in: int
    """Seconds."""
    scope: str
    """As answered, or empty when the answer does not say."""
    company_claim: str | None
    """The Visma Online company the token is for: claim `customer_id` of the access token, unverified."""

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read a token answer; it needs at least one token, and nothing else in it can make us lose a token."""
        content = json_object(source)
        access_token = _access_token(content.get("access_token"))
        refresh_token = text(content, "refresh_token").strip() or None
        if not access_token and not refresh_token:
            raise UnexpectedAnswer("field_missing", parameters={"field": "access_token"})
        return cls(
            access_token=access_token,
            refresh_token=refresh_token,
            expires_in=_lifetime(content.get("expires_in")),
            scope=_scope(content.get("scope")),
            company_claim=_company_claim(access_token),
        )


def _access_token(value: object) -> str:
    return value if isinstance(value, str) and _FIT_FOR_A_HEADER.fullmatch(value) else ""


def _lifetime(value: object) -> int:
    """Return the seconds that a token lives: as answered, the documented value if that is odd, at most the longest."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return USUAL_LIFETIME_SECONDS
    try:
        seconds = int(value) if isinstance(value, str) else int(min(value, LONGEST_LIFETIME_SECONDS))
    except (ValueError, OverflowError):
        seconds = 0
    return min(seconds, LONGEST_LIFETIME_SECONDS) if seconds > 0 else USUAL_LIFETIME_SECONDS


def _scope(value: object) -> str:
    """Return the granted rights, those we asked for first, so that cutting a long list loses none of them."""
    words = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
    rights = dict.fromkeys(storable(word) for word in words if isinstance(word, str))
    return " ".join(sorted(rights, key=lambda right: right not in SCOPES))


def _company_claim(access_token: str) -> str | None:
    """Read a claim without verifying it: we only ask which company our own token is for."""
    parts = access_token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = jsontext.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    claim = claims.get("customer_id") if isinstance(claims, dict) else None
    if not isinstance(claim, (str, int)) or isinstance(claim, bool):
        return None
    # Not cut: two companies could then look like the same one. An id that fits no column counts as none.
    named = storable(str(claim))
    return named if 0 < len(named) <= LONGEST_IDENTITY else None


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
        raw = json_object(source)
        return cls(
            raw=raw,
            id=needed_id(raw, "Id"),
            name=needed(raw, "Name"),
            number=text(raw, "CustomerNumber"),
            registration_number=text(raw, "CorporateIdentityNumber"),
            vat_number=text(raw, "VatNumber"),
            is_private_person=flag(raw, "IsPrivatePerson", default=False),
            is_active=flag(raw, "IsActive", default=True),
            terms_of_payment_id=optional_id(raw, "TermsOfPaymentId"),
            email=text(raw, "EmailAddress"),
            phone=text(raw, "Telephone"),
            mobile=text(raw, "MobilePhone"),
            website=text(raw, "WwwAddress"),
            address1=text(raw, "InvoiceAddress1"),
            address2=text(raw, "InvoiceAddress2"),
            postal_code=text(raw, "InvoicePostalCode"),
            city=text(raw, "InvoiceCity"),
            country_code=text(raw, "InvoiceCountryCode"),
            contact_name=text(raw, "ContactPersonName"),
            contact_email=text(raw, "ContactPersonEmail"),
            contact_phone=text(raw, "ContactPersonPhone"),
            contact_mobile=text(raw, "ContactPersonMobile"),
            currency_code=text(raw, "CurrencyCode"),
            changed_utc=moment(raw, "ChangedUtc"),
            unpaid_amount=jsontext.as_decimal(raw.get("UnpaidInvoicesAmount")),
            last_invoice_date=day(raw, "LastInvoiceDate"),
        )


@dataclass(frozen=True, kw_only=True)
class CustomerPage:
    """All customers that a list call found, from all its pages."""

    customers: tuple[Customer, ...]
    server_time: datetime
    """eAccounting's clock (UTC) when the first page was read."""


@dataclass(frozen=True, kw_only=True)
class CustomerSlice:
    """One page of customers. A row that cannot be read as a customer is only counted."""

    customers: tuple[Customer, ...]
    unread: int
    unread_ids: tuple[str, ...]
    """Of the rows that are no customers: the ids that could be read nevertheless."""
    is_last: bool
    results: int | None
    """How many customers there are on all pages, as far as eAccounting says so."""
    server_time: datetime

    @classmethod
    def from_rows(cls, rows: Iterable[Json], *, is_last: bool, results: int | None, server_time: datetime) -> Self:
        """Read each row on its own; of several with the same id the last one counts."""
        customers: dict[str, Customer] = {}
        unread: list[str | None] = []
        for row in rows:
            try:
                customer = Customer.from_json(row)
            except UnexpectedAnswer:
                unread.append(optional_id(row, "Id") if isinstance(row, dict) else None)
            else:
                customers[customer.id] = customer
        return cls(
            customers=tuple(customers.values()),
            unread=len(unread),
            unread_ids=tuple(key for key in unread if key),
            is_last=is_last,
            results=results,
            server_time=server_time,
        )


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
    def read(cls, source: object) -> Self | None:
        """Read one row of terms; None if it cannot be read."""
        try:
            return cls.from_json(source)
        except UnexpectedAnswer:
            return None

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read terms; Id is needed. Terms that do not say so are not offered for sales."""
        raw = json_object(source)
        return cls(
            id=needed_id(raw, "Id"),
            name=text(raw, "Name"),
            name_english=text(raw, "NameEnglish"),
            number_of_days=optional_int(raw, "NumberOfDays"),
            type_id=optional_int(raw, "TermsOfPaymentTypeId"),
            available_for_sales=flag(raw, "AvailableForSales", default=False),
        )


@dataclass(frozen=True, kw_only=True)
class CompanySettings:
    """The eAccounting company that a token belongs to."""

    name: str
    country_code: str
    """Two letters, or empty."""
    currency_code: str
    """Three letters, or empty."""
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
        """Read the settings; Name and CountryCode are needed. What is too long is cut, or left out where it names."""
        raw = json_object(source)
        modules, identifier = raw.get("ActivatedModules"), text(raw, "CompanyIdentifier")
        return cls(
            name=needed(raw, "Name")[:LONGEST_COMPANY_NAME],
            country_code=_code(needed(raw, "CountryCode"), 2),
            currency_code=_code(text(raw, "CurrencyCode"), 3),
            registration_number=text(raw, "CorporateIdentityNumber")[:LONGEST_COMPANY_NUMBER],
            company_identifier=identifier if len(identifier) <= LONGEST_IDENTITY else "",
            status=optional_int(raw, "CompanyStatus"),
            product_variant=optional_int(raw, "ProductVariant"),
            terms_of_payment_id=optional_id(raw, "TermsOfPaymentId"),
            activated_modules=tuple(str(item) for item in modules) if isinstance(modules, list) else (),
        )


def _code(value: str, length: int) -> str:
    """Return a code of exactly so many letters, else ""; a longer one, cut, would be the code of something else."""
    return value if len(value) == length else ""


@dataclass(frozen=True, kw_only=True)
class PageMeta:
    """The `Meta` part of a list answer."""

    pages: int
    results: int | None
    server_time: datetime

    @classmethod
    def from_json(cls, source: object) -> Self:
        """Read it; the number of pages and the server's time are needed."""
        raw = json_object(source)
        pages, server_time = whole_number(raw, "TotalNumberOfPages"), moment(raw, "ServerTimeUtc")
        if pages is None or server_time is None:
            name = "TotalNumberOfPages" if pages is None else "ServerTimeUtc"
            raise UnexpectedAnswer("field_missing", parameters={"field": name})
        return cls(pages=pages, results=_count(whole_number(raw, "TotalNumberOfResults")), server_time=server_time)


def _count(number: int | None) -> int | None:
    """Return a number of rows that fits its column; an impossible number becomes one that no list can have."""
    return None if number is None else max(0, min(number, LARGEST_INT))
