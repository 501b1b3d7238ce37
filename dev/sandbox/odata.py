"""`$filter`, `$orderby`, `$select` and paging, as far as facts.md knows them. Anything else is refused."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dev.sandbox.refuse import Refusal
from integrations.eaccounting.jsontext import Json, as_decimal

Row = Mapping[str, Json]
Test = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')"
    r"|(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"|(?P<date>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d)?)?)"
    r"|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<mark>[(),]))"
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_DEEPEST = 50


def bad_query(text: str) -> Refusal:
    """Return the refusal of a query that cannot be read (6000)."""
    return Refusal(6000, f"QueryParameterError - {text}")


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What nobody has measured about `$filter` (switches.py)."""

    minds_case_in_eq: bool = True
    knows_startswith_and_in: bool = False


def filtered(*, text: str, schema: Mapping[str, Mapping[str, Any]], dialect: Dialect = Dialect()) -> Test:
    """Return a test for rows. Raises Refusal 6000, or 6001 for a bad date."""
    parser = _Parser(_tokens(text), schema, dialect)
    test = parser.any_of(0)
    parser.expect_end()
    return test


def ordered(*, text: str, schema: Mapping[str, Mapping[str, Any]], rows: list[Row]) -> list[Row]:
    """Return the rows in the order of an `$orderby`. Raises Refusal 6000."""
    for part in reversed(text.split(",")):
        words = part.split()
        if not words or len(words) > 2 or words[0] not in schema:
            raise bad_query(f"$orderby cannot be read: {part.strip()!r}")
        direction = words[1].lower() if len(words) == 2 else "asc"
        if direction not in ("asc", "desc"):
            raise bad_query(f"$orderby knows asc and desc, not {direction!r}")
        kind = _kind(schema[words[0]])
        rows = sorted(rows, key=_sort_key(words[0], kind), reverse=direction == "desc")
    return rows


def selected(*, text: str, schema: Mapping[str, Mapping[str, Any]], row: Row) -> Row:
    """Return the properties that a `$select` names. Raises Refusal 6000."""
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in schema]:
        raise bad_query(f"$select names unknown properties: {', '.join(unknown)}")
    return {name: row.get(name) for name in names}


def page_numbers(*, query: Mapping[str, str]) -> tuple[int, int]:
    """Return page and page size. Raises Refusal 6001."""
    page, size = _number(query, "$page", 1, 2**31 - 1), _number(query, "$pagesize", 50, 1000)
    return page, size


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"\d{1,10}", text) or not 1 <= int(text) <= most:
        raise Refusal(6001, f"InvalidInput - {name} must be a number from 1 to {most}")
    return int(text)


def _sort_key(name: str, kind: str) -> Callable[[Row], tuple[bool, Any]]:
    def key(row: Row) -> tuple[bool, Any]:
        value = _comparable(row.get(name), kind)
        return (value is not None, value if value is not None else 0)

    return key


def _kind(schema: Mapping[str, Any]) -> str:
    kind = {"uuid": "guid", "date-time": "date"}.get(schema.get("format", ""))
    return kind or str(schema.get("type", "object"))


def _comparable(value: Json, kind: str) -> Any:  # text, number, truth or time: what the kind compares by
    if value is None:
        return None
    if kind == "date":
        return _moment(str(value))
    if kind == "guid":
        return str(value).lower()
    if kind in ("number", "integer"):
        return as_decimal(value)
    return value if kind in ("string", "boolean") else None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise bad_query(f"$filter cannot be read from {text[position : position + 20]!r}")
        found.append((str(match.lastgroup), str(match.group(str(match.lastgroup)))))
        position = match.end()
    return found


class _Parser:
    """Reads `or` over `and` over comparisons, `contains` and parentheses."""

    def __init__(
        self, tokens: list[tuple[str, str]], schema: Mapping[str, Mapping[str, Any]], dialect: Dialect
    ) -> None:
        self._tokens, self._schema, self._at, self._dialect = tokens, schema, 0, dialect

    def any_of(self, depth: int) -> Test:
        if depth > _DEEPEST:
            raise bad_query("$filter is nested too deeply")
        tests = [self._all_of(depth)]
        while self._take_word("or"):
            tests.append(self._all_of(depth))
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise bad_query(f"$filter has more than it should: {self._tokens[self._at][1]!r}")

    def _all_of(self, depth: int) -> Test:
        tests = [self._condition(depth)]
        while self._take_word("and"):
            tests.append(self._condition(depth))
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _condition(self, depth: int) -> Test:
        kind, text = self._next()
        if (kind, text) == ("mark", "("):
            test = self.any_of(depth + 1)
            self._expect(")")
            return test
        if (kind, text) == ("word", "contains"):
            return self._text_function(lambda stored, wanted: wanted in stored)
        if (kind, text) == ("word", "startswith") and self._dialect.knows_startswith_and_in:
            return self._text_function(str.startswith)
        if kind != "word" or text not in self._schema:
            raise bad_query(f"$filter names no known property: {text!r}")
        _, name = self._next()
        if name == "in" and self._dialect.knows_startswith_and_in:
            return self._one_of(text)
        if name not in _COMPARE:
            raise bad_query(f"$filter knows eq, ne, gt, ge, lt and le, not {name!r}")
        return self._comparison(text, name)

    def _one_of(self, field: str) -> Test:
        self._expect("(")
        tests = [self._comparison(field, "eq")]
        while self._next() == ("mark", ","):
            tests.append(self._comparison(field, "eq"))
        return lambda row: any(test(row) for test in tests)

    def _text_function(self, holds: Callable[[str, str], bool]) -> Test:
        self._expect("(")
        _, field = self._next()
        self._expect(",")
        kind, text = self._next()
        self._expect(")")
        if kind != "text" or self._schema.get(field, {}).get("type") != "string":
            raise bad_query("contains needs a text property and a text")
        wanted = _unquoted(text).lower()
        return lambda row: holds(str(row.get(field) or "").lower(), wanted)

    def _comparison(self, field: str, name: str) -> Test:
        kind = _kind(self._schema[field])
        wanted, compare = self._literal(kind), _COMPARE[name]
        if wanted is None:
            if name not in ("eq", "ne"):
                raise bad_query("null can be compared by eq and ne only")
            return lambda row: compare(row.get(field) is None, True)  # noqa: FBT003  # compared, not passed

        if name == "eq" and kind == "string" and not self._dialect.minds_case_in_eq:
            return lambda row: str(row.get(field) or "").casefold() == wanted.casefold()

        def test(row: Row) -> bool:
            value = _comparable(row.get(field), kind)
            return name == "ne" if value is None else compare(value, wanted)

        return test

    def _literal(self, kind: str) -> Any:
        given, text = self._next()
        if (given, text) == ("word", "null"):
            return None
        if kind == "date":
            moment = _moment(text) if given == "date" else None
            if moment is None:
                raise Refusal(6001, f"InvalidInput - {text!r} is not a date")
            return moment
        readers: dict[tuple[str, str], Callable[[str], Any]] = {
            ("string", "text"): _unquoted,
            ("guid", "guid"): str.lower,
            ("number", "number"): Decimal,
            ("integer", "number"): Decimal,
        }
        if kind == "boolean" and text in ("true", "false"):
            return text == "true"
        if (kind, given) not in readers:
            raise bad_query(f"{text!r} does not fit the property's type ({kind})")
        return readers[kind, given](text)

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise bad_query("$filter ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take_word(self, word: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == ("word", word):
            self._at += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        if self._next() != ("mark", mark):
            raise bad_query(f"$filter needs {mark!r} here")


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")
