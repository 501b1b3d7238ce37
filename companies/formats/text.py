"""Text as people write it: tidied, and the sentence for what is wrong."""

import unicodedata
from collections.abc import Callable

from django.core.exceptions import ValidationError
from django_countries import countries


def text(value: str) -> str:
    """Trim, and leave single spaces; letters are composed, so that two ways to store `Å` are equal."""
    return " ".join(unicodedata.normalize("NFC", value).split())


def wrong(sentence: str, country: str, example: str) -> ValidationError:
    """Return the refusal that names the country and shows how the value looks there."""
    return ValidationError(sentence, code="format", params={"country": countries.name(country), "example": example})


def leniently(value: str, check: Callable[[], str]) -> str:
    """Return what `check` makes of the value, or the tidied value when it is refused."""
    try:
        return check()
    except ValidationError:
        return text(value)
