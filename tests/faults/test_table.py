"""The list of fault cases in docs/reliability.md names tests that are there, and every test of this folder."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
TEXT = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Fault cases and where they are proved")[2].partition("\n## ")[0]
CASES = re.findall(r"^- (.+?): (`.+)$", SECTION, flags=re.MULTILINE)


def found_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    return {f"{file.relative_to(TESTS)}::{name}" for name in found}


def named() -> set[str]:
    return {name for _case, names in CASES for name in re.findall(r"`([^`]+)`", names)}


@pytest.mark.parametrize(("case", "names"), CASES, ids=[case for case, _ in CASES])
def test_each_case_names_tests_that_are_there(case: str, names: str) -> None:
    listed = re.findall(r"`([^`]+)`", names)
    assert listed
    assert [name for name in listed if name not in found_in(TESTS / name.partition("::")[0])] == []


def test_every_line_of_the_list_is_a_case() -> None:
    assert len(CASES) == sum(line.startswith("- ") for line in SECTION.splitlines())
    groups = re.findall(r"^\*\*(.+)\*\*$", SECTION, flags=re.MULTILINE)
    assert groups == [
        "Click and outbox", "Worker", "API, create", "API, update", "Tokens", "Limits", "Stores and people",
    ]  # fmt: skip


def test_every_test_of_a_fault_stands_in_the_list() -> None:
    here = {
        name for file in Path(__file__).parent.glob("test_*.py") if file != Path(__file__) for name in found_in(file)
    }
    assert here - named() == set()
