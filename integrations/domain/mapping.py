"""Company and contact in Lime Go ↔ customer in eAccounting: what is sent, its limits, what counts as equal. Pure.

The table below is the whole mapping; docs/development.md tells how to add a field. Limits:
docs/eaccounting/openapi.yaml.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from django_countries import countries

from companies import formats
from companies.models import Company, Contact
from integrations.eaccounting import jsontext
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.types import READ_ONLY_PROPERTIES, text

Values = dict[str, str]
Write = tuple[Values, Values]  # what an update overwrote, and what it left in eAccounting
COUNTRY = "InvoiceCountryCode"
TERMS = "TermsOfPaymentId"
NUMBER = "CustomerNumber"
CONTACT_NAME = "ContactPersonName"


class Group(StrEnum):
    """Fields that are written together. Those of SINGLE stand alone, and a blank one is left as is in eAccounting."""

    SINGLE = "single"
    ADDRESS = "address"
    CONTACT = "contact"


COMPANY_GROUPS = (Group.SINGLE, Group.ADDRESS)


@dataclass(frozen=True)
class Field:
    """One property of a customer that this product writes."""

    remote: str  # the property in eAccounting
    label: str | Promise
    limit: int
    group: Group
    read: Callable[[Company, Contact | None], str]
    normal: Callable[[str, str], str]
    here: str  # field of the company form; blank: it belongs to the contact
    required: bool = False
    key: Callable[[str, str], str] | None = None  # key by which two spellings count as equal; None: the normal form

    def same(self, value: str, country: str) -> str:
        """Return the key that all spellings of a value have in common."""
        return (self.key or self.normal)(value, country)


def _plain(value: str, _country: str) -> str:
    return formats.text(value)


def _email(value: str, _country: str) -> str:
    return formats.email(value)


def _email_key(value: str, _country: str) -> str:
    return formats.email_key(value)


def _website(value: str, _country: str) -> str:
    return formats.website(value)


def _website_key(value: str, _country: str) -> str:
    return formats.website_key(value)


def _country(value: str, _country: str) -> str:
    return formats.text(value).upper()


def _full_name(contact: Contact | None) -> str:
    return f"{contact.first_name} {contact.last_name}".strip() if contact else ""


_S, _A, _C = Group.SINGLE, Group.ADDRESS, Group.CONTACT
_number, _postal, _phone, _phone_key = (
    formats.registration_number,
    formats.postal_code,
    formats.phone,
    formats.phone_key,
)
FIELDS = (
    Field("Name", _("Company name"), 50, _S, lambda c, _p: c.name, _plain, "name", required=True),
    Field(
        "CorporateIdentityNumber",
        _("Registration number"),
        20,
        _S,
        lambda c, _p: c.registration_number,
        _number,
        "registration_number",
    ),
    Field("InvoiceAddress1", _("Address line 1"), 50, _A, lambda c, _p: c.address_line1, _plain, "address_line1"),
    Field("InvoiceAddress2", _("Address line 2"), 50, _A, lambda c, _p: c.address_line2, _plain, "address_line2"),
    Field(
        "InvoicePostalCode",
        _("Postal code"),
        10,
        _A,
        lambda c, _p: c.postal_code,
        _postal,
        "postal_code",
        required=True,
    ),
    Field("InvoiceCity", _("City"), 50, _A, lambda c, _p: c.city, _plain, "city", required=True),
    Field(COUNTRY, _("Country"), 2, _A, lambda c, _p: str(c.country), _country, "country"),
    Field("Telephone", _("Phone number"), 50, _S, lambda c, _p: c.phone, _phone, "phone", key=_phone_key),
    Field("EmailAddress", _("E-mail"), 255, _S, lambda c, _p: c.email, _email, "email", key=_email_key),
    Field("WwwAddress", _("Website"), 255, _S, lambda c, _p: c.website, _website, "website", key=_website_key),
    Field("ContactPersonName", _("Contact person"), 100, _C, lambda _c, p: _full_name(p), _plain, ""),
    Field(
        "ContactPersonEmail",
        _("Contact person's e-mail"),
        255,
        _C,
        lambda _c, p: p.email if p else "",
        _email,
        "",
        key=_email_key,
    ),
    Field(
        "ContactPersonPhone",
        _("Contact person's direct phone"),
        50,
        _C,
        lambda _c, p: p.direct_phone if p else "",
        _phone,
        "",
        key=_phone_key,
    ),
    Field(
        "ContactPersonMobile",
        _("Contact person's mobile"),
        50,
        _C,
        lambda _c, p: p.mobile if p else "",
        _phone,
        "",
        key=_phone_key,
    ),
)
LONGEST_ANSWERED = 1000  # several times what eAccounting takes into any of them: nothing endless is kept
BY_PROPERTY = {field.remote: field for field in FIELDS}


@dataclass(frozen=True)
class Problem:
    """Why a value cannot be sent; it is reported before anything is sent."""

    remote: str
    kind: str  # "missing" or "too_long"
    length: int = 0

    @property
    def field(self) -> Field:
        """The field it concerns."""
        return BY_PROPERTY[self.remote]


def values_of(company: Company, contact: Contact | None, *, groups: Iterable[str]) -> Values:
    """Return the values of these groups in the form that is sent, blank ones included."""
    wanted, country = set(groups), str(company.country)
    return {f.remote: f.normal(f.read(company, contact), country) for f in FIELDS if f.group in wanted}


def company_properties() -> list[str]:
    """Return the properties that come from the company itself, not from a contact person."""
    return [field.remote for field in FIELDS if field.group in COMPANY_GROUPS]


def names_a_person(values: Values) -> bool:
    """Whether any of the values is a contact person's."""
    return any(values.get(field.remote) for field in FIELDS if field.group is Group.CONTACT)


def shortened(values: Values, shorter: Mapping[str, Mapping[str, str]]) -> Values:
    """Return the values with the shorter forms that a person chose; a value that changed since has none."""
    return {
        name: shorter[name]["there"] if name in shorter and shorter[name]["here"] == value else value
        for name, value in values.items()
    }


def groups_for(contact: Contact | None) -> list[str]:
    """Return the groups that a create or a full update carries: those of a contact person only if one is chosen."""
    return [*COMPANY_GROUPS, Group.CONTACT] if contact else [*COMPANY_GROUPS]


def problems(values: Values) -> list[Problem]:
    """Return what is missing or over its limit in values that are to be sent."""
    found = []
    for name, value in values.items():
        field = BY_PROPERTY[name]
        if field.required and not value:
            found.append(Problem(name, "missing"))
        elif len(value) > field.limit:
            found.append(Problem(name, "too_long", len(value)))
    return found


def shorter_forms(here: Values, confirmed: Values) -> dict[str, dict[str, str]]:
    """Return the values that were confirmed in another form because eAccounting would refuse them.

    A shorter one for a value that is too long; a stand-in for one that is required and blank.
    """
    refused = {problem.remote for problem in problems(here)}
    return {name: {"here": here[name], "there": confirmed[name]} for name in refused & confirmed.keys()}


def create_payload(values: Values, *, is_private_person: bool, terms_id: str) -> dict[str, Json]:
    """Return the body of a create; blank values are left out, and eAccounting gives the number."""
    sent: dict[str, Json] = {name: value for name, value in values.items() if value}
    return {**sent, "IsPrivatePerson": is_private_person, "IsActive": True, TERMS: terms_id}


def fingerprint(payload: Mapping[str, Json]) -> str:
    """Return a short key of the company that a create is about: two creates with the same key wait for each other.

    Branches share a registration number, so they share a key whatever else is sent. Without a number that identifies
    the company its name counts, as in the look before a create.
    """
    key = formats.registration_key(text(payload, "CorporateIdentityNumber"), text(payload, COUNTRY))
    named: dict[str, Json] = {"Number": key} if key else {"Name": formats.without_case(text(payload, "Name"))}
    return hashlib.sha256(jsontext.encode(named)).hexdigest()


def owned(raw: Mapping[str, Json]) -> Values:
    """Return the properties that we write, as eAccounting holds them (null as blank), cut to fit the database."""
    return {field.remote: text(raw, field.remote)[:LONGEST_ANSWERED] for field in FIELDS}


def normal_values(values: Values, *, country: str) -> Values:
    """Return the values in normal form; `country` is used if they name none."""
    own_country = _country_of(values, country)
    return {name: BY_PROPERTY[name].normal(value, own_country) for name, value in values.items()}


def differences(here: Values, there: Values) -> list[str]:
    """Return the properties whose values differ in normal form, including those that are blank in `here`."""
    country = here.get(COUNTRY) or there.get(COUNTRY, "")
    return unequal(here, {name: there.get(name, "") for name in here}, country=country)


def unequal(values: Mapping[str, str], others: Mapping[str, str], *, country: str) -> list[str]:
    """Return the common properties whose normal forms differ; `country` is used where a side names none.

    Texts that are equal as they stand are not normalised, since that takes most of the time of a list of companies.
    """
    one, other = _country_of(values, country), _country_of(others, country)
    unlike = [name for name, value in values.items() if name in others and (one != other or value != others[name])]
    return [name for name in unlike if _same(name, values[name], one) != _same(name, others[name], other)]


def moved(now: Mapping[str, str], then: Mapping[str, str], *, country: str) -> list[str]:
    """Return the properties of one side whose values have changed between two moments.

    Both are read by the rules of today's country, so that a new country alone changes no number.
    """
    own = _country_of(now, country)
    unlike = [name for name, value in now.items() if name in then and then[name] != value]
    return [name for name in unlike if _same(name, now[name], own) != _same(name, then[name], own)]


def _same(name: str, value: str, country: str) -> str:
    return BY_PROPERTY[name].same(value, country)


def _country_of(values: Mapping[str, str], country: str) -> str:
    return _country(values.get(COUNTRY) or country, "")


def to_write(here: Values, there: Values) -> Values:
    """Return the values that an update has to write to make `there` equal `here`.

    A blank single field leaves the remote value alone. A group is written whole, blanks included, when one of its
    values differs; an address that is blank altogether counts as no address and is not written.
    """
    differing = set(differences(here, there))
    changes: Values = {}
    for group in Group:
        members = {name: value for name, value in here.items() if BY_PROPERTY[name].group == group}
        if group is Group.SINGLE:
            changes |= {name: value for name, value in members.items() if value and name in differing}
        elif differing & members.keys() and any(value for name, value in members.items() if name != COUNTRY):
            changes |= members
    return changes


def confirmed_to_write(confirmed: Values, there: Values) -> Values:
    """Return the confirmed values, blanks included, that eAccounting does not have yet; groups whole."""
    apart = set(differences(confirmed, there))
    groups = {BY_PROPERTY[name].group for name in apart} - {Group.SINGLE}
    return {name: value for name, value in confirmed.items() if name in apart or BY_PROPERTY[name].group in groups}


def overtaken(confirmed: Values, based_on: Values, there: Values, *histories: Iterable[Write]) -> list[str]:
    """Return the properties that somebody changed in eAccounting after a person confirmed what to overwrite.

    What we ourselves wrote since, over the very value that the person saw, does not count. `histories`: our writes
    since then, oldest first, in two versions (as sent, as answered).
    """
    base = {name: based_on[name] for name in differences(confirmed, there) if name in based_on}
    changed = differences(base, there)
    for history in histories:
        after = _followed(base, history, country=there.get(COUNTRY, ""))
        changed = [name for name in changed if name in differences(after, there)]
    return changed


def _followed(base: Values, history: Iterable[Write], *, country: str) -> Values:
    """Return what our writes alone have made of these values."""
    for before, after in history:
        apart = set(unequal(base, before, country=country))
        ours = [name for name in base if name in before and name in after and name not in apart]
        base = {**base, **{name: after[name] for name in ours}}
    return base


def replace_payload(raw: Mapping[str, Json], changes: Values, *, fallback: Values) -> dict[str, Json]:
    """Return the body of a full replace: everything as eAccounting answered it, our changes over it.

    Unknown properties stay, known read-only ones are left out. A stored customer may lack what a replace requires:
    postal code and city then come from the CRM (`fallback`); terms of payment are never set by us.
    """
    payload = {name: value for name, value in raw.items() if name not in READ_ONLY_PROPERTIES}
    payload |= {name: value or None for name, value in changes.items()}
    for field in FIELDS:
        if field.required and not payload.get(field.remote) and fallback.get(field.remote):
            payload[field.remote] = fallback[field.remote]
    return payload


def missing_in(payload: Mapping[str, Json]) -> list[Problem]:
    """Return what a replace requires and this payload lacks."""
    return [Problem(f.remote, "missing") for f in FIELDS if f.required and not payload.get(f.remote)]


def is_equal(sent: Values, raw: Mapping[str, Json]) -> bool:
    """Whether a customer holds exactly what was sent, in normal form (eAccounting may reformat values)."""
    return not differences(sent, owned(raw))


def is_near(sent: Values, raw: Mapping[str, Json]) -> bool:
    """Whether a customer could be the one that was sent: same registration number, name or e-mail."""
    theirs = owned(raw)
    number, country = sent.get("CorporateIdentityNumber", ""), sent.get(COUNTRY, "")
    if formats.is_same_registration_number(number, country, theirs["CorporateIdentityNumber"], theirs[COUNTRY]):
        return True
    one, other = _country_of(sent, country), _country_of(theirs, country)
    return any(
        sent.get(name)
        and formats.without_case(_same(name, sent[name], one)) == formats.without_case(_same(name, theirs[name], other))
        for name in ("Name", "EmailAddress")
    )


CONTACT_FIELDS = [field for field in FIELDS if field.group is Group.CONTACT]


def contact_in_one_line(values: Mapping[str, str]) -> str:
    """Return a customer's contact person in one line; blank if there is none."""
    return ", ".join(values[field.remote] for field in CONTACT_FIELDS if values.get(field.remote))


POSTAL_CODE, CITY = "InvoicePostalCode", "InvoiceCity"
# What others are known to send; whether a blank or a dash is accepted is not documented (facts.md, Customers).
NO_POSTAL_CODE = "00000"


def postal_defaults(values: Values) -> Values:
    """Return what can be sent as postal code and city where these values have none.

    Nothing in countries where everybody knows them and an address without them is incomplete.
    """
    country = formats.text(values.get(COUNTRY, "")).upper()
    if not country:
        return {}
    possible = {}
    if not formats.needs_postal_code(country):
        possible[POSTAL_CODE] = NO_POSTAL_CODE
    if not formats.has_cities(country):
        possible[CITY] = _in_english(country)
    return {name: value for name, value in possible.items() if values.get(name) == ""}


def is_postal_default(remote: str, value: str, *, values: Values) -> bool:
    """Whether a value may be a stand-in for a missing one: the suggestion, or text that looks like no postal code."""
    suggested = postal_defaults(values).get(remote)
    return suggested is not None and (value == suggested or not any(sign.isdigit() for sign in value))


def _in_english(country: str) -> str:
    """Return a country's name as it is written on a letter from abroad."""
    with override("en"):
        return str(countries.name(country))
