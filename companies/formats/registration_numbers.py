"""Registration numbers, by the rules of python-stdnum and of each register.

One number is written in many ways. For each register this module knows what is valid, the one form that is stored and
sent, the forms in which somebody may have stored it elsewhere, the key by which all of them are equal, and which
numbers are only placeholders.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from stdnum.dk import cvr
from stdnum.eu import vat as eu_vat
from stdnum.fi import ytunnus
from stdnum.no import mva
from stdnum.no import orgnr as norwegian_orgnr
from stdnum.se import orgnr as swedish_orgnr

from companies.formats.text import leniently, text, wrong

LONGEST_KEY = 50
LONGEST_READ = 300  # characters; a number does not follow more words than that, and every form is tried on each of them
# Countries whose companies are in another country's register: Åland's in Finland's, Svalbard's in Norway's.
_KEPT_IN = {"AX": "FI", "SJ": "NO"}
# Every hyphen and dash that is pasted for one, the minus sign and the soft hyphen too.
_DASHES = re.compile("[\u00ad\u2010-\u2015\u2043\u2212\ufe58\ufe63\uff0d]")
# What people write in front of a number to say what it is, in the languages of the registers below.
_LABEL = re.compile(
    r"(?:ORG(?:ANISATIONS|ANISASJONS)?|PERS(?:ON)?|SAMORDNINGS|CVR|KVK|Y|FO|VAT|MOMS(?:REG)?)"
    r"[\s.-]*(?:NR|NO|NUMMER|TUNNUS)?[\s.:-]*(?=(?:[A-Z]{2})?[\s-]?\d)",
    re.ASCII,
)
_BIRTHDAY = re.compile(r"\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]|6[1-9]|[78]\d|9[01])\d{4}", re.ASCII)
# The number, then the VAT number: it ends in 01 nearly always, and without SE only that ending is recognised.
_SWEDISH = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"(?:SE)?(?P<century>16|18|19|20)?(?P<first>\d{6})(?P<sign>[-+]?)(?P<last>\d{4})",
        r"(?:SE)?(?P<century>)(?P<first>\d{6})(?P<sign>-?)(?P<last>\d{4})-?01",
        r"SE(?P<century>)(?P<first>\d{6})(?P<sign>-?)(?P<last>\d{4})-?\d\d",
    )
)
_DUTCH_CHAMBER = re.compile(r"(?:NL)?(\d{8})", re.ASCII)
NORWEGIAN_TAX = re.compile(r"(?:NO)?(\d{9})(?:MVA)?", re.ASCII)
# Nothing but zeros, or nothing but nines, whatever stands around them. No register gives these numbers. Other digits
# said over and over are left alone: their check digits are right too, and a register may have given them (Norway's
# 888 888 888, the Netherlands' 11111111). To ask about a placeholder once too often costs a click; to take a
# company's number for one would let it be added twice.
_PLACEHOLDER = re.compile(r"(?:SE|NO|FI|DK|NL)?(?:(?:16|18|19|20)?(?:0{10}|9{10})(?:01)?|0+|9{6,})(?:MVA)?", re.ASCII)


def plain_hyphens(value: str) -> str:
    """Return a text with a hyphen for every dash that is taken for one."""
    return _DASHES.sub("-", value)


def tidy_number(value: str) -> str:
    """Return a number in capitals, with single spaces and plain hyphens."""
    return text(plain_hyphens(text(value)).upper())


def _plain(value: str) -> str:
    """Return a tidy number of one of our registers without the words that say what it is."""
    tidy = tidy_number(value)
    label = _LABEL.match(tidy)
    return tidy[label.end() :] if label else tidy


def bare_number(value: str) -> str:
    """Drop what people write between the digits, except the + of a person aged 100 or more."""
    return re.sub(r"[\s./-]", "", value)


def _digits(value: str) -> str:
    return re.sub(r"[^0-9]", "", value)


# --- The registers: each reads a number in any of its forms and writes it in its own; ValueError for none --


def _swedish(value: str) -> str:
    """Ten digits with a check digit: a company's number, or a person's (sole traders use their own).

    The third digit of a company's number is at least 2; otherwise the digits are a birthday (with 60 added to the
    day for a coordination number). A century in front is dropped, and so are the letters and the end of a VAT number.
    """
    written = re.sub(r"[\s./]", "", value)
    for pattern in _SWEDISH:
        match = pattern.fullmatch(written)
        with suppress(ValueError):
            if match:
                return _swedish_form(match["century"] or "", match["first"], match["sign"], match["last"])
    raise ValueError(value)


def _swedish_form(century: str, first: str, sign: str, last: str) -> str:
    digits = swedish_orgnr.validate(first + last)
    is_company = digits[2] >= "2"
    if _PLACEHOLDER.fullmatch(digits) or not (is_company or _BIRTHDAY.fullmatch(digits)):
        raise ValueError(digits)
    return f"{first}{_age_sign(century, first, sign, is_company=is_company)}{last}"


def _age_sign(century: str, first: str, sign: str, *, is_company: bool) -> str:
    """Return + from the year in which a person becomes 100, else - (folkbokföringslagen 18 §); - for companies.

    Without a century the typed sign decides; without both the person is taken to be the younger one.
    """
    if is_company:
        return "-"
    if century in ("18", "19", "20"):
        return "+" if timezone.localdate().year - int(century + first[:2]) >= 100 else "-"
    return sign or "-"


def _norwegian(value: str) -> str:
    """Nine digits; `NO` before and `MVA` after belong to the VAT number and are dropped."""
    match = NORWEGIAN_TAX.fullmatch(bare_number(value))
    if match is None:
        raise ValueError(value)
    return str(norwegian_orgnr.format(norwegian_orgnr.validate(match[1])))


def _finnish(value: str) -> str:
    return str(ytunnus.format(ytunnus.validate(eight_digits(bare_number(value).removeprefix("FI")))))


def eight_digits(digits: str) -> str:
    """Return the number with a leading zero if it has six digits, as numbers given before 1979 have."""
    return f"0{digits}" if len(digits) == 7 else digits


def _danish(value: str) -> str:
    return str(cvr.validate(bare_number(value)))


def _dutch(value: str) -> str:
    """Eight digits of the chamber of commerce; they have no check digit, and the VAT number has others."""
    match = _DUTCH_CHAMBER.fullmatch(bare_number(value))
    if match is None:
        raise ValueError(value)
    return match[1]


# --- How else a number is written there, from its digits ----------------------------------------------------


def _swedish_forms(digits: str) -> list[str]:
    first, last = digits[:6], digits[6:]
    is_company = digits[2] >= "2"
    signs, centuries = (["-"], ["16"]) if is_company else (["-", "+"], ["18", "19", "20"])
    forms = [f"{first}{sign}{last}" for sign in (*signs, " ", "\u2013")]
    for century in centuries:
        forms += [f"{century}{first}-{last}", f"{century}{digits}"]
    vat = [f"SE{digits}01", f"SE {digits}01", f"SE{first}-{last}01", f"{digits}01"]
    return [*forms, *vat, f"SE{digits}", f"SE{first}-{last}", f"SE {first}-{last}"]


def _norwegian_forms(digits: str) -> list[str]:
    spaced = f"{digits[:3]} {digits[3:6]} {digits[6:]}"
    bodies = [digits, spaced]
    tax = [f"{before}{body}{after}" for body in bodies for before in ("", "NO", "NO ") for after in ("MVA", " MVA")]
    plain = [f"{before}{body}" for body in bodies for before in ("NO", "NO ")]
    return [*plain, *tax, spaced.replace(" ", "."), spaced.replace(" ", "\u00a0")]


def _finnish_forms(digits: str) -> list[str]:
    numbers = [digits, digits[1:]] if digits.startswith("0") else [digits]
    hyphened = [f"{number[:-1]}-{number[-1]}" for number in numbers]
    return [f"{before}{number}" for number in (*numbers, *hyphened) for before in ("", "FI", "FI ", "FI-")]


def _forms_of_eight(country: str) -> Callable[[str], list[str]]:
    def forms(digits: str) -> list[str]:
        pairs = " ".join(re.findall("..", digits))
        bodies = [digits, pairs, f"{digits[:4]} {digits[4:]}"]
        dotted = [pairs.replace(" ", "."), f"{country}-{digits}"]
        return [f"{before}{body}" for body in bodies for before in ("", country, f"{country} ")] + dotted

    return forms


@dataclass(frozen=True)
class _Register:
    """How one register's numbers are read and written."""

    form: Callable[[str], str]  # from any of its forms; raises ValueError
    forms: Callable[[str], list[str]]  # from its digits
    example: str
    lengths: tuple[int, ...]  # in digits, as they are written among other words
    letters: str  # that may stand before them

    def digits_of(self, plain: str) -> str:
        """Return the digits of a number that stands alone, or a blank."""
        try:
            return _digits(self.form(plain))
        except ValueError:
            return ""

    def digits_in(self, plain: str) -> str:
        """Return the digits of a number that stands alone; among other words those of the first that is one."""
        runs = (match[1] for pattern in self._among_words for match in pattern.finditer(plain))
        return self.digits_of(plain) or next(filter(None, map(self.digits_of, runs)), "")

    @cached_property
    def _among_words(self) -> list[re.Pattern[str]]:
        """Patterns of so many digits, which no further digit follows or precedes but behind a space."""
        more = r"(?:[\s./+-]{0,2}\d)"
        before, after = r"(?<!\d)(?<!\d[./+-])", r"(?![./+-]?\d)"
        number = rf"(?:{self.letters}[ -]?)?\d{more}"
        return [re.compile(rf"{before}(?=({number}{{{count - 1}}}){after})", re.ASCII) for count in self.lengths]


_REGISTERS = {
    "SE": _Register(_swedish, _swedish_forms, "556677-8899", (12, 10), "SE"),
    "NO": _Register(_norwegian, _norwegian_forms, "923 609 016", (9,), "NO"),
    "FI": _Register(_finnish, _finnish_forms, "0112038-9", (8, 7), "FI"),
    "DK": _Register(_danish, _forms_of_eight("DK"), "13585628", (8,), "DK"),
    "NL": _Register(_dutch, _forms_of_eight("NL"), "12345678", (8,), "NL"),
}


# --- What is stored and sent --------------------------------------------------------------------------------


def check_registration_number(value: str, country: str) -> str:
    """Return the country's written form, e.g. 556677-8899. Raises ValidationError."""
    value = text(value)
    register = _REGISTERS.get(register_of(country))
    if not value or register is None:
        return value
    try:
        return register.form(_plain(value))
    except ValueError as error:
        sentence = _("That is not a registration number in %(country)s. It looks like %(example)s.")
        raise wrong(sentence, country, register.example) from error


def registration_number(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return leniently(value, lambda: check_registration_number(value, country))


def register_of(country: str) -> str:
    """Return the country in whose register a country's companies stand."""
    return _KEPT_IN.get(country, country)


def countries_of_register(country: str) -> list[str]:
    """Return the countries whose companies stand in the same register as this one's."""
    register = register_of(country)
    return [register, *(other for other, kept_in in _KEPT_IN.items() if kept_in == register)]


def is_registration_number(value: str) -> bool:
    """Whether a text is a number of one of the registers, in any of its forms."""
    return any(register.digits_of(_plain(value)) for register in _REGISTERS.values())


def is_placeholder(number: str) -> bool:
    """Whether something was written in place of an unknown number: it does not identify the company."""
    return bool(_PLACEHOLDER.fullmatch(bare_number(_plain(number))))


# --- What is the same ---------------------------------------------------------------------------------------


def written_forms(number: str, country: str) -> list[str]:
    """Return the forms in which somebody may have stored a number; none for a placeholder.

    Forms with other words around the number cannot be listed: compare by `registration_keys`.
    """
    number = number[:LONGEST_READ]
    if not registration_key(number, country):
        return []
    register = _REGISTERS.get(register_of(country))
    digits = register.digits_in(_plain(number)) if register else ""
    forms = [digits, *register.forms(digits)] if register and digits else [_letters_and_digits(tidy_number(number))]
    return list(dict.fromkeys([registration_number(number, country), *forms]))


def registration_key(number: str, country: str) -> str:
    """Return one text for all forms of a number: the register's country and the digits. Blank for a placeholder.

    A number that is not valid in its country, or has no country, gets a key without one: see `registration_keys`.
    """
    return "".join(_identity(number[:LONGEST_READ], country))


def registration_keys(number: str, country: str) -> tuple[str, ...]:
    """Return the keys under which the same number may be stored: its own first, then less certain ones.

    A number whose country is known may have been stored without a country, or with another one in which it is not
    valid. Without a country it may be the number of any register in which it is valid. Nothing for a placeholder.
    """
    return _keys(number[:LONGEST_READ], country)


@lru_cache(maxsize=256)  # one number is compared with many
def _keys(number: str, country: str) -> tuple[str, ...]:
    register, rest = _identity(number, country)
    if register or not rest:
        return (f"{register}{rest}", rest) if rest else ()
    readings = [f"{found_in}{digits}" for found_in, digits in _readings(number)]
    return tuple(dict.fromkeys([rest, *readings, *(reading[2:] for reading in readings)]))


def is_same_registration_number(number: str, country: str, other: str, other_country: str) -> bool:
    """Whether two numbers are the same, whatever their forms; a blank country means unknown."""
    return registration_key(other, other_country) in registration_keys(number, country)


def _identity(number: str, country: str) -> tuple[str, str]:
    """Return the country of the register, blank if uncertain, and the digits, or the tidied text."""
    kept_in, letters = register_of(country), _letters_and_digits(tidy_number(number))
    if not re.search("[0-9]", letters) or is_placeholder(number):
        return "", ""
    if kept_in in _REGISTERS and (digits := _REGISTERS[kept_in].digits_in(_plain(number))):
        return ("", "") if is_placeholder(digits) else (kept_in, digits)
    readings = _readings(number)
    if kept_in and kept_in not in _REGISTERS and not readings:
        return kept_in, letters[: LONGEST_KEY - len(kept_in)]
    register, rest = readings[0] if readings else ("", letters[:LONGEST_KEY])
    # A VAT number says its country itself.
    return ("", "") if is_placeholder(rest) else (register if letters.startswith(register) else "", rest)


def _readings(number: str) -> list[tuple[str, str]]:
    """Return the registers in which a number is valid, each with its digits: read as a whole, else among words."""
    plain = _plain(number)
    whole = [(country, register.digits_of(plain)) for country, register in _REGISTERS.items()]
    found = [(country, digits) for country, digits in whole if digits]
    among = [(country, register.digits_in(plain)) for country, register in _REGISTERS.items() if not found]
    return found or [(country, digits) for country, digits in among if digits]


def _letters_and_digits(tidy: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", tidy)


_EUROPEAN_UNION = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905  # short
)
_VAT_EXAMPLES = {
    "SE": "SE556677889901",
    "NO": "NO 923 609 016 MVA",
    "FI": "FI01120389",
    "DK": "DK13585628",
    "NL": "NL004495445B01",
}


def check_vat_number(value: str, country: str) -> str:
    """Return the VAT number with its country in front (EU), as NO 923 609 016 MVA (NO), else tidied.

    Raises ValidationError.
    """
    value = text(value)
    kept_in = register_of(country)
    if not value or (kept_in not in _EUROPEAN_UNION and kept_in != "NO"):
        return value
    try:
        return _norwegian_vat(tidy_number(value)) if kept_in == "NO" else _european_vat(tidy_number(value), kept_in)
    except ValueError as error:
        if kept_in in _VAT_EXAMPLES:
            sentence = _("That is not a VAT number in %(country)s. It looks like %(example)s.")
        else:
            sentence = _("That is not a VAT number in %(country)s. It starts with %(example)s.")
        raise wrong(sentence, country, _VAT_EXAMPLES.get(kept_in, _vat_prefix(kept_in))) from error


def _vat_prefix(country: str) -> str:
    return "EL" if country == "GR" else country


def _norwegian_vat(value: str) -> str:
    match = NORWEGIAN_TAX.fullmatch(bare_number(value))
    if match is None:
        raise ValueError(value)
    return str(mva.format(mva.validate(f"{match[1]}MVA")))


def _european_vat(value: str, country: str) -> str:
    prefix = _vat_prefix(country)
    number = bare_number(value).removeprefix(prefix)
    return str(eu_vat.validate(prefix + (eight_digits(number) if country == "FI" else number)))


def vat_number(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return leniently(value, lambda: check_vat_number(value, country))


# Only a warning: a text that is no number can be saved, but cannot be found by number.
PLACEHOLDER_WARNING = gettext_lazy(
    "This registration number looks like a placeholder. It is saved, but the company is searched for by name instead. "
    "Leave the field empty if you do not know the number."
)
