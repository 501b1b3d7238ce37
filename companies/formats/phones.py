"""Phone numbers, by the numbering plans of phonenumbers, short numbers included."""

import re

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from companies.formats.text import leniently, text, wrong

# In Swedish, Norwegian and Danish, Finnish, Dutch and German, and those that the library knows.
_WORDS = (
    r"ankn(?:ytn(?:ing)?)?|internt?(?:nr|nummer)?|lokal(?:nr|nummer)?|ala(?:-?nro|nr|numero)|toestel(?:nr)?|tst"
    r"|durchwahl|app|ext(?:ension|n)?|x(?:tn)?|int|anexo|доб"
)
_LETTER = r"[^\W\d_]"
_BETWEEN = " ,;.:("  # what people write between a number and its extension
_EXTENSION = re.compile(rf"(?<!{_LETTER})(?:{_WORDS})[\s.:=]*(?:nr[\s.:]*)?(\d{{1,7}})\)?", re.IGNORECASE)
# A word before the number that only repeats the label of the field.
_LABEL = re.compile(r"(?:tel(?:efone?|ephone)?|t[fl][nf]|phone|puh(?:elin)?)[\s.:]+", re.IGNORECASE)
_NORWEGIAN, _NORWAY = ("NO", "SJ"), 47
_FIVE_DIGITS = re.compile(r"0[2-9]\d{3}", re.ASCII)  # 02000–09999, the whole series: dialled as written


def check_phone(value: str, country: str) -> str:
    """Return the international form, e.g. +46 8 123 45 67; the number is read as one of `country`.

    An extension follows as ` ext. 12`, whatever it was called. A number without an international form is kept: a short
    one as typed (114 14), Norwegian ones of five digits without spaces. Raises ValidationError.
    """
    value = text(value)
    if not value:
        return value
    main, extension = _parted(_LABEL.sub("", value) if _LABEL.match(value) else value)
    _refuse_letters(main, country)
    try:
        number = phonenumbers.parse(main, country or None)
    except phonenumbers.NumberParseException as error:
        raise _wrong_phone(country) from error
    whole = _domestic(number, main, country) or _international(number)
    if not whole:
        raise _wrong_phone(country)
    return f"{whole} ext. {extension}" if extension else whole


def _parted(value: str) -> tuple[str, str]:
    """Return the number and its extension, which follows a word for it."""
    found = next((found for found in _EXTENSION.finditer(value) if found.end() == len(value)), None)
    return (value[: found.start()].rstrip(_BETWEEN), found[1]) if found else (value, "")


def _refuse_letters(main: str, country: str) -> None:
    """Raise for letters: the library would dial them, or drop what a person has to know about."""
    first = re.search(_LETTER, main)
    if first is None:
        return
    if not re.search(r"\d", main):
        raise _wrong_phone(country)
    before, rest = main[: first.start()].rstrip(" ,;:/(-–"), main[first.start() :]
    try:
        number = check_phone(before, country)
    except ValidationError:
        number = ""
    if number:
        words = _("“%(rest)s” is not part of the number. Write %(number)s, or with an extension %(number)s ext. 12.")
    else:
        words = _(
            "A phone number cannot contain letters, but this one has “%(rest)s”. Write %(number)s, or with an "
            "extension %(number)s ext. 12."
        )
    raise ValidationError(words, code="format", params={"rest": rest, "number": number or _example(country)})


def _domestic(number: phonenumbers.PhoneNumber, main: str, country: str) -> str:
    """Return a number that can be dialled only in its own country, or ""."""
    digits = phonenumbers.national_significant_number(number)
    if country in _NORWEGIAN and number.country_code == _NORWAY and _FIVE_DIGITS.fullmatch(digits):
        return digits
    is_short = digits == phonenumbers.normalize_digits_only(main) and not main.startswith("+")
    served_by = {country, phonenumbers.region_code_for_country_code(number.country_code or 0)}  # Åland through Finland
    if is_short and any(phonenumbers.is_valid_short_number_for_region(number, region) for region in served_by):
        return main if re.fullmatch(r"\d[\d -]*", main, re.ASCII) else digits
    return ""


def _international(number: phonenumbers.PhoneNumber) -> str:
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _wrong_phone(country: str) -> ValidationError:
    known = phonenumbers.example_number(country)
    sentence = _("That is not a phone number. A number in another country starts with + and the country's code.")
    in_country = _("That is not a phone number in %(country)s. It looks like %(example)s.")
    return wrong(in_country if known else sentence, country, _example(country))


def _example(country: str) -> str:
    number = phonenumbers.example_number(country) or phonenumbers.example_number("SE")
    return _international(number) if number else ""


def phone(value: str, country: str) -> str:
    """Return `value` in the form above, or tidied; never raises."""
    return leniently(value, lambda: check_phone(value, country))


def phone_key(value: str, country: str) -> str:
    """Return the key by which two spellings of a number are equal; short numbers are stored with the spaces typed."""
    return re.sub(r"[^\w+]", "", phone(value, country))
