"""Why a value is suggested that the company does not have."""

from django.utils.translation import gettext
from django_countries import countries

from companies import formats
from integrations.stand_ins import CITY


def stand_in_words(remote: str, suggested: str, *, country: str) -> str:
    """Say why something has to stand in the postal code or the city, and how long it is remembered."""
    if remote == CITY:
        words = gettext(
            "Addresses in %(country)s name no city, but Visma eAccounting requires one. Change this as you like; it is "
            "remembered until a city stands in Lime Go."
        )
    elif formats.has_postal_codes(country):
        words = gettext(
            "Visma eAccounting requires a postal code, and Lime Go has none. Write the right one if you know it; "
            "%(suggested)s stands for one that is not known. It is remembered until a postal code stands in Lime Go."
        )
    else:
        words = gettext(
            "There are no postal codes in %(country)s, but Visma eAccounting requires one. Change this as you like; it "
            "is remembered until a postal code stands in Lime Go."
        )
    return words % {"country": countries.name(country), "suggested": suggested}
