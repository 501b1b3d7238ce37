"""`$filter` texts: the one place where they are built and escaped (facts.md, Reading lists)."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

Value = str | bool | int | Decimal | datetime | UUID


def eq(field: str, value: Value) -> str:
    """Return a filter for an equal value; a GUID is passed as UUID, since a string would be quoted."""
    return f"{_name(field)} eq {_literal(value)}"


def contains(field: str, text: str) -> str:
    """Return a filter for a text anywhere in a field."""
    return f"contains({_name(field)},{_literal(text)})"


def changed_since(moment: datetime) -> str:
    """Return a filter for customers changed at or after a moment.

    The moment is cut down to its second: no vendor page shows fractions in a filter, and looking back
    a second too far does no harm.
    """
    return f"ChangedUtc ge {_literal(moment)}"


def any_of(*filters: str) -> str:
    """Return a filter that finds what any of the given ones finds.

    Without parentheses: `and` and `or` are documented, parentheses are not.
    """
    if not filters:
        raise ValueError("a filter needs at least one condition")
    return " or ".join(filters)


def _name(field: str) -> str:
    if not re.fullmatch(r"[A-Za-z]+", field):
        raise ValueError("a field name holds letters only")
    return field


def _literal(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | UUID():
            return str(value)
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a time in a filter needs its zone")
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case str():
            return "'" + value.replace("'", "''") + "'"
