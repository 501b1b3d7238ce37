"""Reads single fields of a JSON object: strictly what is needed, with patience what is not."""

from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime
from uuid import UUID

from integrations.eaccounting.errors import UnexpectedAnswer
from integrations.eaccounting.jsontext import Json

LARGEST_INT = 2**31 - 1


def storable(value: str) -> str:
    """Return a text without what no database column holds: NUL, and halves of signs, which JSON can name."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def json_object(value: object) -> dict[str, Json]:
    """Return a JSON object. Raises UnexpectedAnswer."""
    if not isinstance(value, dict):
        raise UnexpectedAnswer("answer_unreadable")
    return value


def needed(source: Mapping[str, Json], name: str) -> str:
    """Return a text. Raises UnexpectedAnswer when it is missing."""
    value = source.get(name)
    if not isinstance(value, str):
        raise UnexpectedAnswer("field_missing", parameters={"field": name})
    return storable(value)


def needed_id(source: Mapping[str, Json], name: str) -> str:
    """Return a GUID in lower case. Raises UnexpectedAnswer when it is missing."""
    found = optional_id(source, name)
    if found is None:
        raise UnexpectedAnswer("field_missing", parameters={"field": name})
    return found


def text(source: Mapping[str, Json], name: str) -> str:
    """Return a text, or an empty one."""
    value = source.get(name)
    return storable(value) if isinstance(value, str) else ""


def optional_id(source: Mapping[str, Json], name: str) -> str | None:
    """Return a GUID in lower case, or None."""
    value = source.get(name)
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def optional_int(source: Mapping[str, Json], name: str) -> int | None:
    """Return a whole number that a column holds, or None."""
    value = whole_number(source, name)
    return value if value is not None and abs(value) <= LARGEST_INT else None


def whole_number(source: Mapping[str, Json], name: str) -> int | None:
    """Return a whole number however large, or None."""
    value = source.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def flag(source: Mapping[str, Json], name: str, *, default: bool) -> bool:
    """Return a truth value."""
    value = source.get(name)
    return value if isinstance(value, bool) else default


def moment(source: Mapping[str, Json], name: str) -> datetime | None:
    """Return a time in UTC; eAccounting's times are UTC even where the Z is missing.

    The first and the last year there are, which stand for no time at all, cannot be counted from and are None.
    """
    value = source.get(name)
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is None or not MINYEAR < found.year < MAXYEAR:
            return None
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def day(source: Mapping[str, Json], name: str) -> date | None:
    """Return a date; it may come as date-time, so the first ten characters count (facts.md)."""
    try:
        return date.fromisoformat(text(source, name)[:10])
    except ValueError:
        return None
