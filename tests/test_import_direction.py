"""Imports go one way, and stand at the top of their module.

A module may import from its own level and from the levels before it. A pattern names a module or a package with all
below it; the longest one that fits decides.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
APPS = ["accounts", "companies", "integrations", "limego_visma"]
LEVELS = [
    ["accounts"],
    ["companies"],
    ["integrations.eaccounting"],
    [
        *(f"integrations.{name}" for name in ("clock", "constraints", "crashpoints", "database_away", "fields")),
        *(f"integrations.{name}" for name in ("gateway", "limiter", "locks", "references")),
        "integrations.shielding",
    ],
    ["integrations.models", "integrations.migrations"],
    ["integrations.mapping"],
    ["integrations.duplicates", "integrations.comparing", "integrations.likeness", "integrations.undoing"],
    ["integrations.tokens"],
    ["integrations.delivery"],
    ["integrations.refusing", "integrations.offers", "integrations.customer_index"],
    ["integrations.tasks", "integrations.services"],
    ["integrations.connecting", "integrations.asking"],
    ["integrations"],  # panel, forms, views, urls, admin, checks, commands, template tags
    ["limego_visma"],
]
LEVEL_OF = {pattern: level for level, patterns in enumerate(LEVELS) for pattern in patterns}
NEVER = {"limego_visma", "tests"}  # the composition is imported by nobody
STAND_IN = "integrations.eaccounting.sandbox"  # only commands and tests start it
FRAMEWORKS = {"django", "celery", "companies", "accounts"}


def _modules() -> dict[str, ast.Module]:
    files = [file for app in APPS for file in (ROOT / app).rglob("*.py")]
    names = {file: ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in files}
    return {name: ast.parse(file.read_text()) for file, name in names.items()}


def _imports(tree: ast.Module) -> list[str]:
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names = [f"{node.module}.{alias.name}" for node in froms for alias in node.names]
    return names + [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _level(name: str) -> int | None:
    fitting = [pattern for pattern in LEVEL_OF if _is_in(name, pattern)]
    return LEVEL_OF[max(fitting, key=len)] if fitting else None


MODULES = _modules()


def test_imports_go_one_way() -> None:
    wrong = []
    for module, tree in MODULES.items():
        own = _level(module)
        assert own is not None, f"{module} stands on no level"
        wrong += [f"{module} -> {name}" for name in _imports(tree) if (_level(name) or 0) > own]
    assert not wrong


def test_the_composition_and_the_tests_are_imported_by_nobody() -> None:
    ours = {module: tree for module, tree in MODULES.items() if not _is_in(module, "limego_visma")}
    assert not [
        f"{module} -> {name}" for module, tree in ours.items() for name in _imports(tree) if name.split(".")[0] in NEVER
    ]


def test_the_stand_in_is_started_by_commands_only() -> None:
    others = {
        module: tree
        for module, tree in MODULES.items()
        if not _is_in(module, STAND_IN) and not _is_in(module, "integrations.management")
    }
    assert not [module for module, tree in others.items() if any(_is_in(name, STAND_IN) for name in _imports(tree))]


def test_one_module_alone_touches_the_http_library() -> None:
    users = {module for module, tree in MODULES.items() if any(_is_in(name, "requests") for name in _imports(tree))}
    assert users <= {"integrations.eaccounting.http", "integrations.eaccounting.sandbox.inprocess"}


def test_the_wire_knows_no_framework() -> None:
    wire = {module: tree for module, tree in MODULES.items() if _is_in(module, "integrations.eaccounting")}
    assert not [
        f"{module} -> {name}"
        for module, tree in wire.items()
        for name in _imports(tree)
        if name.split(".")[0] in FRAMEWORKS
    ]


def test_every_import_stands_at_the_top_of_its_module() -> None:
    inside = [
        f"{module}:{node.lineno}"
        for module, tree in MODULES.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not inside
