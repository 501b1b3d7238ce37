"""Which customers in eAccounting could be the company that is about to be added. Pure."""

import re

from integrations import mapping
from integrations.eaccounting import filters

_SWEDISH = re.compile(r"(\d\d(\d)\d{3})[-+](\d{4})", re.ASCII)
# What a Swedish number may have in front: 16 a company's, the others a century of birth.
_COMPANY, _PERSON = ("16",), ("18", "19", "20")


def duplicate_filter(values: mapping.Values) -> str:
    """Return the filter for possible duplicates: the registration number in all its forms, else the name.

    eAccounting compares numbers as the text that is stored (facts.md, Reading lists).
    """
    number = values["CorporateIdentityNumber"]
    if not number:
        return filters.eq("Name", values["Name"])
    forms = written_forms(number, country=values.get(mapping.COUNTRY, ""))
    return filters.any_of(*(filters.eq("CorporateIdentityNumber", form) for form in forms))


def written_forms(number: str, *, country: str) -> list[str]:
    """Return the forms in which somebody may have stored a number that is given in the country's written form."""
    digits = "".join(character for character in number if character.isalnum())
    forms = [number, digits]
    if country == "SE":
        forms += _swedish_forms(number)
    elif country == "NO":
        forms += [f"{number} MVA", f"{digits}MVA", f"NO{digits}MVA", f"NO {number} MVA"]
    elif country in ("DK", "FI"):
        forms += [f"{country}{digits}"]
    return list(dict.fromkeys(forms))


def _swedish_forms(number: str) -> list[str]:
    """A company's number has at least 2 as its third digit; any other is a person's, with a birthday."""
    match = _SWEDISH.fullmatch(number)
    if match is None:
        return []
    first, last = match[1], match[3]
    is_company = match[2] >= "2"
    forms = [f"{first}-{last}"] if is_company else [f"{first}-{last}", f"{first}+{last}"]
    for century in _COMPANY if is_company else _PERSON:
        forms += [f"{century}{first}-{last}", f"{century}{first}{last}"]
    return forms
