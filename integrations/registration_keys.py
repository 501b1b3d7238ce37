"""A registration number without the ways of writing it, so that equal numbers are equal texts. Pure.

Whoever stored a number may have put a century or 16 in front (Sweden), NO before or MVA behind it (Norway), or the
country of a VAT number. The key is the same for all of them, whatever the country: a key finds candidates, it decides
nothing.
"""

import re

LONGEST_KEY = 50
_CORE = re.compile(
    r"(?:16|18|19|20)(\d{10})"  # Sweden: a company's prefix, or the century of a person's birth
    r"|SE(\d{10})\d\d"  # Sweden's VAT number
    r"|(?:NO)?(\d{9})(?:MVA)?"
    r"|(?:FI|DK)(\d{8})",
    re.ASCII,
)


def registration_key(number: str) -> str:
    """Return the letters and digits of a number in upper case, without what may stand around its core."""
    bare = re.sub(r"[^0-9A-Z]", "", number.upper())[:LONGEST_KEY]
    core = _CORE.fullmatch(bare)
    return next(filter(None, core.groups())) if core else bare
