"""What is written where eAccounting requires a value of an address that the country or the company does not have. Pure.

A suggestion only: a person sees it on a sheet and can change it. What they confirm is kept with the link, beside the
blank it stands for (`mapping.shorter_forms`).
"""

from django.utils.translation import override
from django_countries import countries

from companies import formats
from integrations.domain.mapping import COUNTRY, Values

POSTAL_CODE, CITY = "InvoicePostalCode", "InvoiceCity"
# What others are known to send; whether a blank or a dash is taken, nobody says (facts.md, Customers).
NO_POSTAL_CODE = "00000"


def postal_defaults(values: Values) -> Values:
    """Return what can be written for the postal code and the city that these values lack.

    None where everybody knows them: in a country whose addresses are incomplete without.
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
    """Whether a value may stand for one that these lack: the suggestion, or a text that looks like no postal code."""
    suggested = postal_defaults(values).get(remote)
    return suggested is not None and (value == suggested or not any(sign.isdigit() for sign in value))


def _in_english(country: str) -> str:
    """Name a country as a letter from abroad does."""
    with override("en"):
        return str(countries.name(country))
