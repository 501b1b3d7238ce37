"""The locks, held against the metadata of what is installed: installing from them resolves nothing (pip --no-deps)."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
PRODUCTION, EVERYTHING = "requirements.txt", "requirements-dev.txt"
# What the markers of the locks and of the distributions ask about; all else is as on this machine.
MACHINES = {
    f"{system} {python}": {
        "sys_platform": system,
        "platform_system": "Darwin" if system == "darwin" else "Linux",
        "platform_machine": "arm64" if system == "darwin" else "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
    }
    for system in ("linux", "darwin")
    for python in ("3.11.0", "3.11.9", "3.12.0", "3.13.0", "3.14.0")
}
Lock = dict[str, Requirement]


def locked(text: str, machine: dict[str, str]) -> Lock:
    """Return the pins that count on this machine, by name."""
    lines = re.findall(r"^[a-zA-Z0-9].*?(?=\s*\\?$)", text, flags=re.MULTILINE)
    pins = [Requirement(line) for line in lines]
    return {canonicalize_name(pin.name): pin for pin in pins if pin.marker is None or pin.marker.evaluate(machine)}


def asked_for(pin: Requirement, machine: dict[str, str]) -> Iterator[Requirement]:
    """What the distribution asks for here, with the extras of its pin. Nothing when it is not installed."""
    try:
        lines = requires(pin.name) or []
    except PackageNotFoundError:  # a pin for other machines
        return
    for line in lines:
        asked = Requirement(line)
        if asked.marker is None or any(asked.marker.evaluate({**machine, "extra": e}) for e in ("", *pin.extras)):
            yield asked


def lacks(lock: Lock, machine: dict[str, str]) -> list[str]:
    """Name each requirement of what the lock holds that the lock does not meet."""
    asked_by = [(pin, asked) for pin in lock.values() for asked in asked_for(pin, machine)]
    pairs = [(pin, asked, lock.get(canonicalize_name(asked.name))) for pin, asked in asked_by]
    return [
        f"{pin.name} asks for {asked}, the lock has {held}"
        for pin, asked, held in pairs
        if held is None or not asked.extras <= held.extras or not asked.specifier.contains(_number(held))
    ]


def _number(pin: Requirement) -> str:
    [only] = pin.specifier
    assert only.operator == "==", f"{pin} is not pinned"
    return only.version


@pytest.mark.parametrize("machine", MACHINES.values(), ids=list(MACHINES))
@pytest.mark.parametrize("file", [PRODUCTION, EVERYTHING])
def test_everything_that_a_pinned_distribution_asks_for_is_pinned(file: str, machine: dict[str, str]) -> None:
    lock = locked((ROOT / file).read_text(), machine)
    assert len(lock) > 40
    assert lacks(lock, machine) == []


@pytest.mark.parametrize(
    ("given", "instead", "complaint"),
    [
        ("coverage[toml]==", "coverage==", "pytest-cov asks for coverage[toml]"),  # as it was
        ("psycopg-binary==", "another-name==", "psycopg asks for psycopg-binary"),
        ("vine==5", "vine==4", "celery asks for vine"),
    ],
    ids=["an extra", "a name", "a version"],
)
def test_a_lock_that_lacks_something_is_found(given: str, instead: str, complaint: str) -> None:
    machine = MACHINES["linux 3.11.9"]
    text = (ROOT / EVERYTHING).read_text()
    assert f"\n{given}" in text
    found = lacks(locked(text.replace(f"\n{given}", f"\n{instead}"), machine), machine)
    assert [line for line in found if line.startswith(complaint)]


def test_what_is_installed_is_what_is_locked_and_production_has_the_same_versions() -> None:
    here: dict[str, str] = {}
    everything = locked((ROOT / EVERYTHING).read_text(), here)
    assert {name: version(name) for name in everything} == {name: _number(pin) for name, pin in everything.items()}
    for name, pin in locked((ROOT / PRODUCTION).read_text(), here).items():
        assert _number(pin) == _number(everything[name])


def test_the_locks_hold_what_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    direct = project["project"]["dependencies"]
    for file, names in ((PRODUCTION, direct), (EVERYTHING, [*direct, *project["dependency-groups"]["dev"]])):
        lock = locked((ROOT / file).read_text(), {})
        for asked in map(Requirement, names):
            held = lock[canonicalize_name(asked.name)]
            assert (held.specifier, held.extras) == (asked.specifier, asked.extras)
