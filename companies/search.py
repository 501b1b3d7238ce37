"""How companies are searched and sorted: folded text, words as patterns, and a sort key in byte order."""

import re
import unicodedata

from django.db.models import Q

from companies import formats

# Letters that are not a base letter with a mark, and so survive decomposition.
_WITHOUT_MARK = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"})
_AFTER_Z = "{"  # the byte after z
_SWEDISH_ORDER = {"å": "a", "ä": "b", "æ": "b", "ö": "c", "ø": "c"}
_DANISH_ORDER = {"æ": "a", "ä": "a", "ø": "b", "ö": "b", "å": "c"}
_LAST_LETTERS = {"DK": _DANISH_ORDER, "NO": _DANISH_ORDER}
_KEY_LENGTH = 250  # letters; a row of a B-tree holds about 2,700 bytes
_TRIGRAM = 3
_SHORTEST_NUMBER = 8  # digits; no register has shorter numbers


def fold(value: str) -> str:
    """Drop case, marks and invisible characters: `BJÖRK` and `bjork` are equal. Queries and rows are both folded."""
    # Decomposed before and after casefold: some signs become letters with a case only then.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", formats.visible(value)).casefold())
    plain = plain.translate(_WITHOUT_MARK)
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def search_text(*, values: list[str], registration_number: str) -> str:
    """Return the text that a company is searched by: its folded values, and its number with and without separators."""
    bare = re.sub(r"[^0-9A-Za-z]", "", registration_number)
    words = fold(" ".join([*values, registration_number, bare])).split()
    return "".join(f" {word}" for word in words)  # each word has a space before it: see `matching`


def matching(query: str) -> Q:
    """Return the condition that every word of the query occurs in `search_text`, or the number that it is.

    A trigram index knows words of one or two letters only where a word begins, so they are searched there.
    """
    words = Q()
    for word in fold(query).split():
        words &= Q(search_text__contains=word if len(word) >= _TRIGRAM else f" {word}")
    condition = words
    for digits in _numbers_in(query):
        condition |= Q(search_text__contains=digits)
    return condition


def _numbers_in(query: str) -> list[str]:
    """Return the digits of a registration number that was searched for, as `search_text` has them too."""
    keys = formats.registration_keys(query, "")
    return list(dict.fromkeys(key for key in keys if key.isdecimal() and len(key) >= _SHORTEST_NUMBER))


def name_sort(name: str, *, country: str) -> str:
    """Return a key whose plain byte order (COLLATE "C") sorts names as readers in `country` expect.

    Case, marks and punctuation do not count; å ä ö come after z (in Denmark and Norway: æ ø å).
    """
    order = _LAST_LETTERS.get(country, _SWEDISH_ORDER)
    letters = []
    for letter in unicodedata.normalize("NFC", name.casefold()):
        if letter in order:
            letters.append(_AFTER_Z + order[letter])
        else:
            letters.append("".join(part if part.isalnum() else " " for part in fold(letter)))
    key = " ".join("".join(letters).split())
    return (key or name)[:_KEY_LENGTH]
