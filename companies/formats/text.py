"""Tidy text as people write it, and make the sentence for a wrong value."""

import re
import unicodedata
from collections.abc import Callable

from django.core.exceptions import ValidationError
from django_countries import countries

# What renders as nothing although its category says otherwise: fillers, variation selectors, tags and what is set
# aside for more of them (Unicode's Default_Ignorable_Code_Point), the place of a picture that was not copied along.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\ufffc\U0001d159"
    "\U000e0000-\U000e0fff]"
)
_BLANK_BRAILLE = "\u2800"  # looks like a space and is meant as one


def visible(value: str) -> str:
    """Return a value without invisible characters: format characters (Cf), control characters, fillers.

    They come along when text is copied, and make two texts differ that look alike. Some join the characters beside
    them (an emoji of a family): such an emoji falls apart into its parts, which are visible. White space stays, line
    ends and tabs included.
    """
    if value.isascii() and value.isprintable():
        return value
    value = _UNSEEN.sub("", value).replace(_BLANK_BRAILLE, " ")
    return "".join(sign for sign in value if sign.isspace() or unicodedata.category(sign) not in ("Cf", "Cc"))


def text(value: str) -> str:
    """Drop invisible characters, trim, leave single spaces, and compose letters so that both ways of `Å` are equal."""
    return " ".join(unicodedata.normalize("NFC", visible(value)).split())


def without_case(value: str) -> str:
    """Return a text as names are compared: tidied and folded."""
    return text(text(value).casefold())


def wrong(sentence: str, country: str, example: str) -> ValidationError:
    """Return the error that names the country and shows an example of a valid value."""
    return ValidationError(sentence, code="format", params={"country": countries.name(country), "example": example})


def leniently(value: str, check: Callable[[], str]) -> str:
    """Return what `check` makes of the value, or the tidied value if it is refused."""
    try:
        return check()
    except ValidationError:
        return text(value)
