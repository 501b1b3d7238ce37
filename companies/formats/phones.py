"""Phone numbers, by the numbering plans of phonenumbers."""

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from companies.formats.text import leniently, text, wrong


def check_phone(value: str, country: str) -> str:
    """Return the international form, e.g. +46 8 123 45 67; read as a number of `country`. Raises ValidationError."""
    value = text(value)
    if not value:
        return value
    try:
        number = phonenumbers.parse(value, country or None)
    except phonenumbers.NumberParseException as error:
        raise _wrong_phone(country) from error
    if not phonenumbers.is_valid_number(number):
        raise _wrong_phone(country)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _wrong_phone(country: str) -> ValidationError:
    known = phonenumbers.example_number(country)
    number = known or phonenumbers.example_number("SE")
    example = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL) if number else ""
    sentence = _("That is not a phone number. A number in another country starts with + and the country's code.")
    in_country = _("That is not a phone number in %(country)s. It looks like %(example)s.")
    return wrong(in_country if known else sentence, country, example)


def phone(value: str, country: str) -> str:
    """Return `value` in international form, or tidied; never raises."""
    return leniently(value, lambda: check_phone(value, country))
