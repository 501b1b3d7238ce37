"""What to send where eAccounting requires a postal code or city that the country or the company does not have. Pure.

Only a suggestion: a person sees it on a sheet and can change it. What they confirm is kept with the link, beside the
blank that it stands for (`mapping.shorter_forms`).
"""

from django.utils.translation import override
from django_countries import countries

from companies import formats
from integrations.domain.mapping import COUNTRY, Values

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
