"""The structure of the code, read from its imports: `python -m tests.house` prints rooms, arrows and sizes."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ["accounts", "companies", "integrations", "limego_visma"]
# Where a click begins: the view of the create sheet, and the worker that carries it out.
CLICK = ["integrations.views.create", "integrations.tasks"]


def files(*folders: str) -> dict[str, Path]:
    """Return every module of these folders by its dotted name; a package stands for its `__init__`."""
    found = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in found}


def trees(*folders: str) -> dict[str, ast.Module]:
    """Return the same, parsed."""
    return {name: ast.parse(file.read_text()) for name, file in files(*folders).items()}


def imports(tree: ast.Module) -> list[str]:
    """Return what a module imports: `a.b` for `import a.b`, `a.b.c` for `from a.b import c`."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    names = [f"{node.module}.{alias.name}" for node in froms for alias in node.names]
    return names + [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]


def closure(starts: list[str], modules: dict[str, ast.Module]) -> set[str]:
    """Return the modules that these need, themselves included; packages count only by what is in them."""
    seen, waiting = set[str](), list(starts)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for imported in imports(modules[name]):
            parent = imported.rpartition(".")[0]
            waiting += [known for known in (imported, parent) if known in modules]
    known = files(*PRODUCT)
    return {name for name in seen if known[name].name != "__init__.py"}


def room(name: str) -> str:
    """Return the room of a module: its app, and below integrations/ its package."""
    parts = name.split(".")
    is_inner = parts[0] == "integrations" and (ROOT / "integrations" / (parts[1] if len(parts) > 1 else "")).is_dir()
    return ".".join(parts[: 2 if is_inner and len(parts) > 1 else 1])


def main() -> None:
    """Print the house."""
    modules = trees(*PRODUCT, "dev")
    known = files(*PRODUCT, "dev")
    sizes = {name: len(file.read_text().splitlines()) for name, file in known.items() if ".migrations" not in name}
    rooms = Counter[str]()
    for name, size in sizes.items():
        rooms[room(name)] += size
    arrows = {
        (room(name), room(imported))
        for name, tree in modules.items()
        for imported in imports(tree)
        if imported.split(".")[0] in (*PRODUCT, "dev") and room(name) != room(imported)
    }
    for name, size in sorted(rooms.items()):
        to = ", ".join(sorted(there for here, there in arrows if here == name))
        print(f"{name:<28} {size:>6} lines → {to}")  # noqa: T201
    click = closure(CLICK, trees(*PRODUCT))
    print(f"{len(rooms)} rooms, {len(arrows)} arrows")  # noqa: T201
    print(f"a click needs {len(click)} modules, {sum(sizes[name] for name in click):,} lines")  # noqa: T201
    loose = [file.stem for file in (ROOT / "integrations").glob("*.py") if file.name != "__init__.py"]
    print(f"{len(loose)} loose modules in integrations/: {', '.join(sorted(loose))}")  # noqa: T201
    longest = max(sizes, key=lambda name: sizes[name])
    print(f"the longest module is {longest}: {sizes[longest]} lines")  # noqa: T201
    for folder in ("tests", "benchmarks", "dev"):
        total = sum(len(file.read_text().splitlines()) for file in files(folder).values())
        print(f"{folder}: {total:,} lines")  # noqa: T201
    app = sum(size for name, size in sizes.items() if not name.startswith("dev"))
    print(f"the product without migrations: {app:,} lines")  # noqa: T201


if __name__ == "__main__":
    main()
