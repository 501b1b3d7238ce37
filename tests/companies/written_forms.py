"""The written forms of values, country by country: what the tests check, and what docs/values.md shows.

One row for each form: everything in `typed` is put into `form`, and compares as equal to it. `form` is None where what
is typed is refused. Country "" means any. After a change: `make values`, which writes docs/values.md anew.
"""

from collections.abc import Iterator
from typing import NamedTuple

REGISTRATION, VAT = "registration number", "VAT number"
POSTAL, PHONE, EMAIL, WEBSITE, TEXT = "postal code", "phone", "e-mail", "website", "text"


class Row(NamedTuple):
    """One form, or one reason to refuse, with what people type."""

    kind: str
    country: str
    form: str | None
    typed: tuple[str, ...]
    why: str


class Same(NamedTuple):
    """Values that are kept as they are typed, and compare as equal."""

    kind: str
    country: str
    values: tuple[str, ...]
    why: str


# fmt: off  # tables: one line for each form
_NUMBERS = (
    Row(REGISTRATION, "SE", "556677-8899", ("556677-8899", "5566778899", "16556677-8899"), "Bolagsverket"),
    Row(REGISTRATION, "NO", "923 609 016", ("923609016", "NO 923 609 016 MVA"), "Brønnøysundregistrene"),
    Row(REGISTRATION, "FI", "0112038-9", ("01120389", "112038-9", "FI01120389"), "YTJ"),
    Row(REGISTRATION, "DK", "13585628", ("DK 13 58 56 28", "13585628"), "CVR"),
    Row(REGISTRATION, "NL", "12345678", ("1234 5678",), "KVK"),
)

_POSTAL_CODES = (Row(POSTAL, "SE", "111 22", ("111 22", "11122", "SE-111 22", "S-11122"), "PostNord"),)
# fmt: on

ROWS: tuple[Row, ...] = (*_NUMBERS, *_POSTAL_CODES)
SAME: tuple[Same, ...] = ()


def cases(*kinds: str) -> Iterator[tuple[str, str, str, str | None]]:
    """Yield kind, country, what is typed and its form, for each of these kinds (all without any)."""
    for row in ROWS:
        if not kinds or row.kind in kinds:
            for typed in row.typed:
                yield row.kind, row.country, typed, row.form
