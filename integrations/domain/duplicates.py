"""Which customers in eAccounting could be the company that is about to be added, and how they are asked for. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from companies import formats
from companies.search import fold
from integrations.domain import mapping
from integrations.eaccounting import filters


class CommonValue(StrEnum):
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


def in_common(values: mapping.Values, other: Mapping[str, str]) -> list[CommonValue]:
    """Return why a customer may be the one with these values, the stronger reason first; nothing: it is another.

    `other` holds the customer's name, registration number and country by their properties in eAccounting. A number that
    is only a placeholder is the same as none.
    """
    number, name, country = "CorporateIdentityNumber", "Name", mapping.COUNTRY
    reasons = []
    if formats.is_same_registration_number(
        values.get(number, ""), values.get(country, ""), other.get(number, ""), other.get(country, "")
    ):
        reasons.append(CommonValue.SAME_NUMBER)
    if values.get(name) and formats.without_case(values[name]) == formats.without_case(other.get(name, "")):
        reasons.append(CommonValue.SAME_NAME)
    return reasons


# Folded. What says only how a company is owned, or where, or ties words together.
_FORMS = """
ab aktiebolag publ hb handelsbolag kb kommanditbolag ek for ekonomisk forening enskild firma
as asa ans da sa enk aps is ivs oy oyj ky tmi ay bv nv vof ltd limited gmbh inc filial nuf
och ja and en i sverige norge sweden norway finland danmark
"""
# Everybody can have an address there.
_FREE_MAIL = """
gmail.com googlemail.com outlook.com outlook.se hotmail.com hotmail.se hotmail.no hotmail.fi live.com live.se live.no
msn.com icloud.com me.com mac.com yahoo.com yahoo.se yahoo.no mail.com gmx.com gmx.net proton.me protonmail.com
telia.com bredband.net comhem.se swipnet.se spray.se passagen.se home.se bahnhof.se tele2.se
online.no broadpark.no getmail.no frisurf.no luukku.com kolumbus.fi elisanet.fi saunalahti.fi welho.com
ziggo.nl kpnmail.nl planet.nl xs4all.nl hetnet.nl telenet.dk mail.dk jubii.dk ofir.dk
"""
_IGNORED, _OPEN_TO_ALL = frozenset(_FORMS.split()), frozenset(_FREE_MAIL.split())


def core_words(name: str) -> list[str]:
    """Return the words of a name by which a company is known, folded: without AB, & and the like."""
    words = re.findall(r"[^\W_]+", fold(name))
    return [word for word in words if word not in _IGNORED] or words


def likeness(one: str, other: str) -> float:
    """Return from 0 to 1 how much of two names is the same, by the trigrams of their core words (Dice)."""
    ours, theirs = _trigrams(core_words(one)), _trigrams(core_words(other))
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours and theirs else 0.0


def _trigrams(words: Iterable[str]) -> set[str]:
    return {padded[at : at + 3] for word in words for padded in [f"  {word} "] for at in range(len(padded) - 2)}


def own_domain(email: str) -> str:
    """Return the domain of an e-mail address when it can belong to one company only, else a blank."""
    domain = formats.email_key(email).rpartition("@")[2].casefold() if "@" in email else ""
    return domain if "." in domain and domain not in _OPEN_TO_ALL else ""
