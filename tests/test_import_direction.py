"""Imports go one way, and stand at the top of their module: the house of docs/architecture.md.

A module may import from its own room and from the rooms before it. A pattern names a module or a package with all
below it; the longest one that fits decides.
"""

import ast

from tests.house import CLICK, PRODUCT, ROOT, closure, files, imports, trees

ROOMS = [
    ["accounts"],
    ["companies"],
    ["integrations.eaccounting"],
    ["integrations.clock", "integrations.database", "integrations.crash_points"],
    ["integrations.models", "integrations.migrations"],
    ["integrations.domain"],
    ["integrations.exceptions"],
    ["integrations.access"],
    ["integrations.delivery"],
    ["integrations.tasks"],
    ["integrations.services"],
    ["integrations.messages"],
    ["integrations.panel"],
    ["integrations.forms"],
    ["integrations.views"],
    ["integrations"],  # what Django wants: urls, admin, apps, checks, commands, template tags
    ["limego_visma"],
]
ROOM_OF = {pattern: number for number, patterns in enumerate(ROOMS) for pattern in patterns}
FRAMEWORKS = {"django", "celery", "companies", "accounts"}


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _room(name: str) -> int | None:
    fitting = [pattern for pattern in ROOM_OF if _is_in(name, pattern)]
    return ROOM_OF[max(fitting, key=len)] if fitting else None


MODULES = trees(*PRODUCT)


def test_imports_go_one_way() -> None:
    wrong = []
    for module, tree in MODULES.items():
        own = _room(module)
        assert own is not None, f"{module} stands in no room"
        wrong += [f"{module} -> {name}" for name in imports(tree) if (_room(name) or 0) > own]
    assert not wrong


def test_the_composition_is_imported_by_nobody() -> None:
    others = {module: tree for module, tree in MODULES.items() if not _is_in(module, "limego_visma")}
    assert not [
        f"{module} -> {name}"
        for module, tree in others.items()
        for name in imports(tree)
        if _is_in(name, "limego_visma")
    ]


def test_the_product_imports_nothing_of_what_runs_or_tests_it() -> None:
    tools = ("dev", "tests", "benchmarks")
    assert not [
        f"{module} -> {name}"
        for module, tree in MODULES.items()
        for name in imports(tree)
        if any(_is_in(name, tool) for tool in tools)
    ]


def test_one_module_alone_touches_the_http_library() -> None:
    users = {module for module, tree in MODULES.items() if any(_is_in(name, "requests") for name in imports(tree))}
    assert users == {"integrations.eaccounting.transport"}


def test_the_wire_knows_no_framework() -> None:
    wire = {module: tree for module, tree in MODULES.items() if _is_in(module, "integrations.eaccounting")}
    assert not [
        f"{module} -> {name}"
        for module, tree in wire.items()
        for name in imports(tree)
        if name.split(".")[0] in FRAMEWORKS
    ]


def test_every_import_stands_at_the_top_of_its_module() -> None:
    inside = [
        f"{module}:{node.lineno}"
        for module, tree in trees(*PRODUCT, "dev").items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not inside


def test_the_house_stays_small_enough_to_be_read() -> None:
    assert len(closure(CLICK, MODULES)) <= 60
    long = [name for name, file in files(*PRODUCT, "dev").items() if len(file.read_text().splitlines()) > 500]
    assert not long
    loose = [file.stem for file in (ROOT / "integrations").glob("*.py") if file.name != "__init__.py"]
    assert len(loose) <= 9
