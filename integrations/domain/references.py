"""Work out which customer a person means by what they typed or pasted. Pure.

On the customer's Edit and Statistics pages in eAccounting the address ends in the customer's id, after the last slash
(docs/eaccounting/facts.md, Web UI). The route before it is not documented, so it is ignored.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from companies import formats

LONGEST = 2000  # characters; no customer's name and no address is longer
_GUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_IN_ADDRESS = re.compile(rf"/({_GUID})(?![0-9a-zA-Z-])")
_AMONG_WORDS = re.compile(rf"(?<![0-9a-zA-Z/=-])({_GUID})(?![0-9a-zA-Z-])")
_QUERY = re.compile(r"\?[^#]*")  # an address up to the hash; the route may follow the hash
_BARE = re.compile(rf"[{{(\"'<]?({_GUID}|[0-9a-fA-F]{{32}})[}})\"'>]?/?(?:[?#].*)?", re.DOTALL)
# Longer than any registration number, so part of an id: three groups of it, or this many characters without a hyphen.
_PART_OF_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]*|[0-9a-f]{24,}", re.ASCII | re.IGNORECASE)
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"(?:[A-Z]{2} ?)?\d[\d .+-]*(?: ?MVA)?", re.ASCII | re.IGNORECASE)
_LETTERS_AND_DIGITS = re.compile(r"[A-Z][A-Z0-9-]*\d", re.ASCII | re.IGNORECASE)
_SEPARATORS = re.compile(r"[ .+-]")


class Kind(StrEnum):
    """What a text names a customer by."""

    NOTHING = "nothing"
    REFERENCE = "reference"  # its id, alone or in an address
    WRONG_FORM = "wrong_form"  # an address without an id, or part of an id
    NUMBER = "number"  # a customer number or a registration number; only a search can tell which
    NAME = "name"


@dataclass(frozen=True)
class Sought:
    """What to search for: for a reference the id in lower case, else the text with its spaces tidied."""

    kind: Kind
    value: str

    @property
    def spellings(self) -> tuple[str, ...]:
        """The ways in which a number may be stored: with and without what people write between its digits."""
        if self.kind is not Kind.NUMBER:
            return (self.value,)
        return tuple(dict.fromkeys((self.value, _SEPARATORS.sub("", self.value))))


def parse(text: str) -> Sought:
    """Work out what kind of reference a text is. Never raises.

    In an address the last id after a slash counts. Ids in a query belong to something else, including paths in it.
    """
    text = formats.visible(text[:LONGEST])
    found = _reference(text)
    if found:
        return Sought(Kind.REFERENCE, str(UUID(found)))
    tidy = formats.text(formats.plain_hyphens(text))
    if not tidy:
        return Sought(Kind.NOTHING, "")
    if _ADDRESS.match(tidy) or _PART_OF_ID.fullmatch(tidy):
        return Sought(Kind.WRONG_FORM, tidy)
    is_code = _DIGITS.fullmatch(tidy) or _LETTERS_AND_DIGITS.fullmatch(tidy)
    is_number = is_code or formats.is_registration_number(tidy)
    return Sought(Kind.NUMBER if is_number else Kind.NAME, tidy)


def _reference(text: str) -> str:
    """Return the one id in the text, or "". Addresses that were broken over several lines are joined first."""
    whole = "".join(text.split())
    bare = _BARE.fullmatch(whole)
    if bare:
        return bare[1]
    for written in (whole, text):
        in_address = _IN_ADDRESS.findall(_QUERY.sub("", written))
        if in_address:
            return str(in_address[-1])
    among_words = {found.lower() for found in _AMONG_WORDS.findall(_QUERY.sub("", text))}
    return among_words.pop() if len(among_words) == 1 else ""
