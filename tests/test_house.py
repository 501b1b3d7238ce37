"""Rules of this code base that no linter knows."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent
LONGEST_NAME = 80


def test_names_of_tests_are_short_enough_to_read_in_one_line() -> None:
    names = {
        node.name
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert names
    assert [name for name in sorted(names) if len(name) > LONGEST_NAME] == []
