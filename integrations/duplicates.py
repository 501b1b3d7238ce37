"""Which customers in eAccounting could be the company that is about to be added, and how they are asked for. Pure."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from companies import formats
from integrations import mapping
from integrations.eaccounting import filters


class Reason(StrEnum):
    """What a customer has in common with the company, so that a person has to judge whether it is the same."""

    SAME_NUMBER = "same_number"
    SAME_NAME = "same_name"


def look_filter(values: mapping.Values, *, changed_since: datetime, by_name: bool) -> str:
    """Return the filter for possible duplicates: known ones by number and name, and all that changed since a moment.

    eAccounting compares numbers as the text that is stored (facts.md, Reading lists): the forms that can be listed are
    asked for. A name is asked for by its longest word, since eAccounting keeps spaces as they were typed.
    """
    number, country = values["CorporateIdentityNumber"], values.get(mapping.COUNTRY, "")
    asked = [filters.eq("CorporateIdentityNumber", form) for form in formats.written_forms(number, country)]
    asked += [filters.contains("Name", word) for word in _spellings(longest_word(values["Name"])) if by_name]
    return filters.any_of(*asked, filters.changed_since(changed_since))


def longest_word(name: str) -> str:
    """Return the word of a name that the fewest others will have; blank for a blank name."""
    return max(formats.text(name).split(), key=len, default="")


def _spellings(word: str) -> list[str]:
    """Return the ways to store the letters of a word: composed (Å), and a letter with its mark behind it."""
    forms = (unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word))
    return list(dict.fromkeys(form for form in forms if form))


def in_common(values: mapping.Values, other: Mapping[str, str]) -> list[Reason]:
    """Return why a customer may be the one with these values, the stronger reason first; nothing: it is another.

    `other` holds the customer's name, registration number and country by their properties in eAccounting. A number that
    is only a placeholder is the same as none.
    """
    number, name, country = "CorporateIdentityNumber", "Name", mapping.COUNTRY
    reasons = []
    if formats.is_same_registration_number(
        values.get(number, ""), values.get(country, ""), other.get(number, ""), other.get(country, "")
    ):
        reasons.append(Reason.SAME_NUMBER)
    if values.get(name) and formats.without_case(values[name]) == formats.without_case(other.get(name, "")):
        reasons.append(Reason.SAME_NAME)
    return reasons
