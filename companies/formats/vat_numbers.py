"""VAT numbers, by the rules of python-stdnum: of the European Union's countries and of Norway."""

from django.utils.translation import gettext as _
from stdnum.eu import vat as eu_vat
from stdnum.no import mva

from companies.formats.registration_numbers import NORWEGIAN_TAX, bare_number, eight_digits, register_of, tidy_number
from companies.formats.text import leniently, text, wrong

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


def check_vat_number(value: str, country: str) -> str:
    """Return the VAT number with its country in front (EU), as NO 923 609 016 MVA (NO), else tidied.

    Raises ValidationError.
    """
    value = text(value)
    kept_in = register_of(country)
    if not value or (kept_in not in _EUROPEAN_UNION and kept_in != "NO"):
        return value
    try:
        return _norwegian_vat(tidy_number(value)) if kept_in == "NO" else _european_vat(tidy_number(value), kept_in)
    except ValueError as error:
        if kept_in in _VAT_EXAMPLES:
            sentence = _("That is not a VAT number in %(country)s. It looks like %(example)s.")
        else:
            sentence = _("That is not a VAT number in %(country)s. It starts with %(example)s.")
        raise wrong(sentence, country, _VAT_EXAMPLES.get(kept_in, _vat_prefix(kept_in))) from error


def _vat_prefix(country: str) -> str:
    return "EL" if country == "GR" else country


def _norwegian_vat(value: str) -> str:
    match = NORWEGIAN_TAX.fullmatch(bare_number(value))
    if match is None:
        raise ValueError(value)
    return str(mva.format(mva.validate(f"{match[1]}MVA")))


def _european_vat(value: str, country: str) -> str:
    prefix = _vat_prefix(country)
    number = bare_number(value).removeprefix(prefix)
    return str(eu_vat.validate(prefix + (eight_digits(number) if country == "FI" else number)))


def vat_number(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return leniently(value, lambda: check_vat_number(value, country))
