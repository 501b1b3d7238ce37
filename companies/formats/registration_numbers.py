"""Registration and VAT numbers, by the rules of python-stdnum and of each register."""

import re
from collections.abc import Callable

from django.utils.translation import gettext as _
from stdnum.dk import cvr
from stdnum.eu import vat as eu_vat
from stdnum.fi import ytunnus
from stdnum.no import mva
from stdnum.no import orgnr as norwegian_orgnr
from stdnum.se import orgnr as swedish_orgnr

from companies.formats.text import leniently, text, wrong

_BIRTHDAY = re.compile(r"\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])\d{4}", re.ASCII)
_SWEDISH = re.compile(r"(?:16|18|19|20)?(\d{6})[-+]?(\d{4})", re.ASCII)
_DUTCH_CHAMBER = re.compile(r"\d{8}", re.ASCII)
_NORWEGIAN_TAX = re.compile(r"(?:NO)?(\d{9})(?:MVA)?", re.ASCII)
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
        raise wrong(sentence, country, example) from error


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
        raise wrong(sentence, country, _VAT_EXAMPLES.get(country, _vat_prefix(country))) from error


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


def registration_number(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return leniently(value, lambda: check_registration_number(value, country))


def vat_number(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return leniently(value, lambda: check_vat_number(value, country))
