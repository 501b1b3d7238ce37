"""Bugs that the tests must catch: `make mutants` plants each, and fails if one survives.

As a pytest plugin (`-p tests.machine.mutants`) it plants the bug that LIMEGO_MUTANT names. All is named and not
imported: a plugin is loaded before Django is.
"""

import os
import pkgutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

VARIABLE = "LIMEGO_MUTANT"
MACHINE = "tests/machine/test_machine.py"


@dataclass(frozen=True)
class Mutant:
    """A bug (of bugs.py), where it is planted, and the tests of which at least one must see it."""

    bug: str
    target: str
    tests: tuple[str, ...]


MUTANTS = {
    "no lock around the refresh": Mutant(
        "no_lock", "integrations.access.tokens.token_lock", ("tests/integrations/test_tokens.py", MACHINE)
    ),
    "a lost answer is sent again without looking": Mutant(
        "send_again", "integrations.delivery.create._resolve", ("tests/integrations/test_create.py", MACHINE)
    ),
    "first come, first served": Mutant(
        "first_come",
        "integrations.models.push_queue.next_in_turn",
        ("tests/integrations/test_fairness.py",),
    ),
    "an update writes only its own fields": Mutant(
        "only_our_own_fields",
        "integrations.domain.mapping.replace_payload",
        ("tests/integrations/test_update.py", MACHINE),
    ),
    "our own write is somebody's change": Mutant(
        "no_history",
        "integrations.delivery.update._written_since",
        ("tests/integrations/test_update_newest_wins.py", MACHINE),
    ),
    "what we wrote once is ours for ever": Mutant(
        "endless_history",
        "integrations.delivery.update._written_since",
        ("tests/integrations/test_update_newest_wins.py",),
    ),
}


def pytest_sessionstart() -> None:
    """Plant the bug for the whole session."""
    name = os.environ.get(VARIABLE)
    if name:
        bug = pkgutil.resolve_name(f"tests.machine.bugs:{MUTANTS[name].bug}")
        pytest.MonkeyPatch().setattr(MUTANTS[name].target, bug)


def _environment() -> dict[str, str]:
    """Return ours; but tests that start tests must not share their stores with them."""
    started = "LIMEGO_TEST_SERVICES" in os.environ
    stores = ("LIMEGO_TEST_SERVICES", "DATABASE_URL", "REDIS_URL", "PYTEST_XDIST_WORKER") if started else ()
    return {name: value for name, value in os.environ.items() if name not in stores}


def is_caught(name: str, tests: str) -> bool:
    """Run tests with a bug planted; tell whether they fail. Raises SystemExit when they cannot be run."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.machine.mutants", "--tb=no", tests]
    environment = {**_environment(), VARIABLE: name}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(f"the tests could not be run:\n{ended.stdout}\n{ended.stderr}")
    return ended.returncode == pytest.ExitCode.TESTS_FAILED


def main() -> int:
    """Plant each bug in turn; return how many nothing has caught."""
    survivors = 0
    for name, mutant in MUTANTS.items():
        caught_by = [tests for tests in mutant.tests if is_caught(name, tests)]
        survivors += not caught_by
        sys.stdout.write(f"{name}: {'caught by ' + ', '.join(caught_by) if caught_by else 'SURVIVED'}\n")
        sys.stdout.flush()
    return survivors


if __name__ == "__main__":
    raise SystemExit(main())
