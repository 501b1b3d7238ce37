"""Writes docs/values.md from written_forms.py: `make values`. test_written_forms.py fails while the page is stale."""

import re
import unicodedata
from itertools import groupby
from pathlib import Path

from tests.companies.written_forms import FOUND, ROWS, SAME, Row

PAGE = Path(__file__).parents[2] / "docs" / "values.md"
_HEAD = """# Values in their written forms

What people type, and the one form in which it is stored, shown, sent and compared. Every line is a test
(tests/companies/written_forms.py, from which `make values` writes this page). U+… names a character that cannot be
seen, or that looks like another one.
"""
_COLUMNS = ("Country", "Form", "Written also", "By")


def render() -> str:
    """Return the page: a table for each kind of value."""
    parts = [_HEAD]
    for kind, rows in groupby(sorted(ROWS, key=lambda row: (row.kind, row.country)), key=lambda row: row.kind):
        parts += [f"## {kind[:1].upper()}{kind[1:]}\n", _table([_cells(row) for row in rows])]
        same = [row for row in SAME if row.kind == kind]
        if same:
            parts.append("Kept as they are typed, and equal all the same:\n")
            parts.append(
                _table([(_country(row.country), _first(row.values), _listed(row.values[1:]), row.why) for row in same])
            )
        found = [row for row in FOUND if row.kind == kind]
        if found:
            parts.append("Not taken with these words around it, and found all the same where it is stored with them:\n")
            cells = [(_country(row.country), _first(row.values), _listed(row.values[1:]), row.why) for row in found]
            parts.append(_table(cells))
    return "\n".join(parts)


def _cells(row: Row) -> tuple[str, ...]:
    others = tuple(typed for typed in row.typed if typed != row.form)
    return _country(row.country), "refused" if row.form is None else _code(row.form), _listed(others), row.why


def _first(values: tuple[str, ...]) -> str:
    return _code(values[0])


def _listed(values: tuple[str, ...]) -> str:
    return " · ".join(map(_code, values))


def _country(code: str) -> str:
    return code or "any"


def _code(value: str) -> str:
    """Quote a value for Markdown, its characters that cannot be told apart by their names."""
    if not value:
        return "blank"
    value = re.sub(r"(.)\1{19,}", lambda run: f"{run[1]} × {len(run[0])} ", value)
    told = "".join(_seen(character) for character in value)
    return f"`{told}`".replace("|", "\\|")


def _seen(character: str) -> str:
    is_letter = unicodedata.name(character, "").startswith(("LATIN", "FULLWIDTH"))
    is_plain = is_letter or character == "×" or (character.isascii() and character.isprintable())
    return character if is_plain else f"⟨U+{ord(character):04X}⟩"


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = [_COLUMNS, tuple("---" for _column in _COLUMNS), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(render())
