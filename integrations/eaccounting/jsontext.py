"""JSON whose numbers survive a round trip.

A customer is read, changed and written back whole. A number that Python's float cannot hold exactly must come
back as it was, or the update would change a value it does not own.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Self

LONGEST_WHOLE_NUMBER = 4000  # digits

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class ExactNumber(float):
    """A JSON number with a fraction or exponent that remembers how it was written."""

    literal: str

    def __new__(cls, literal: str) -> Self:
        number = super().__new__(cls, literal)
        number.literal = literal
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]  # float's own gives a float; copies need the text
        return (self.literal,)


def as_decimal(value: object) -> Decimal | None:
    """Return a JSON number as it was written, or None when it is not a number, or one that no Decimal holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return Decimal(value.literal if isinstance(value, ExactNumber) else str(value))
    except InvalidOperation:
        return None


def decode(text: bytes) -> Json:
    """Read JSON. Raises ValueError for anything else, `NaN`, `Infinity` and bottomless nesting included."""
    try:
        decoded: Json = json.loads(text, parse_float=ExactNumber, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return decoded


def decode_patiently(text: bytes) -> Json:
    """Read JSON that is slightly invalid, for an answer that comes only once.

    Unreadable parts become None or replacement characters. Accepts `NaN` and `Infinity`, whole numbers of any length,
    invalid UTF-8 and control characters in texts. Raises ValueError for what is not JSON even so.
    """
    try:
        decoded: Json = json.loads(
            text.decode(json.detect_encoding(text), "replace"),
            strict=False,
            parse_float=ExactNumber,
            parse_int=_whole_number,
            parse_constant=lambda _constant: None,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return decoded


def encode(value: object) -> bytes:
    """Write JSON in ASCII; numbers that came through `decode` are written exactly as they were."""
    return _written(value).encode("ascii")


def _whole_number(literal: str) -> int | float:
    """Read a whole number of any length, which Python otherwise refuses beyond some thousand digits."""
    return int(literal) if len(literal) <= LONGEST_WHOLE_NUMBER else ExactNumber(literal)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _written(value: object) -> str:
    if isinstance(value, ExactNumber):
        return value.literal
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(str(key))}:{_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_written(item) for item in value) + "]"
    return json.dumps(value, allow_nan=False)
