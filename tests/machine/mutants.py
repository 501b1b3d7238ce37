"""Three bugs that the tests must catch: `python -m tests.machine.mutants` plants each, and fails if one survives.

As a pytest plugin (`-p tests.machine.mutants`) it plants the bug that LIMEGO_MUTANT names. Targets are named, not
imported: a plugin is loaded before Django is.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest

VARIABLE = "LIMEGO_MUTANT"


def _no_lock(_account_id: int, *, patience: float) -> AbstractContextManager[None]:
    """Let everybody refresh at once."""
    return nullcontext()


def _send_again(push: Any, calls: Any) -> None:
    """Take a lost answer for a create that was not done."""
    push.prove_absent(now=calls.clock())


def _only_our_own_fields(
    raw: Mapping[str, Any], changes: Mapping[str, Any], *, fallback: Mapping[str, Any]
) -> dict[str, Any]:
    """Write back what we know of a customer, and forget the rest."""
    known = (*fallback, "TermsOfPaymentId", "IsPrivatePerson", "IsActive", "CustomerNumber")
    return {name: raw[name] for name in known if raw.get(name) is not None} | {**changes}


@dataclass(frozen=True)
class Mutant:
    """A bug, where it is planted, and which tests of the engine should see it beside the machine."""

    target: str
    bug: Callable[..., object]
    tests: str


MUTANTS = {
    "no lock around the refresh": Mutant(
        "integrations.tokens.token_lock", _no_lock, "tests/integrations/test_tokens.py"
    ),
    "a lost answer is sent again without looking": Mutant(
        "integrations.delivery.creating._resolve", _send_again, "tests/integrations/test_creating.py"
    ),
    "an update writes only its own fields": Mutant(
        "integrations.mapping.replace_payload", _only_our_own_fields, "tests/integrations/test_updating.py"
    ),
}
MACHINE = "tests/machine/test_machine.py"


def pytest_sessionstart() -> None:
    """Plant the bug for the whole session."""
    name = os.environ.get(VARIABLE)
    if name:
        pytest.MonkeyPatch().setattr(MUTANTS[name].target, MUTANTS[name].bug)


def _is_caught(name: str, tests: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "tests.machine.mutants", "--tb=no", tests]
    ended = subprocess.run(command, env={**os.environ, VARIABLE: name}, capture_output=True, text=True, check=False)
    if ended.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SystemExit(f"the tests could not be run:\n{ended.stdout}\n{ended.stderr}")
    return ended.returncode == pytest.ExitCode.TESTS_FAILED


def main() -> int:
    """Plant each bug in turn; return how many were caught neither by the machine nor by the engine's tests."""
    survivors = 0
    for name, mutant in MUTANTS.items():
        caught_by = [tests for tests in (MACHINE, mutant.tests) if _is_caught(name, tests)]
        survivors += not caught_by
        sys.stdout.write(f"{name}: {'caught by ' + ', '.join(caught_by) if caught_by else 'SURVIVED'}\n")
        sys.stdout.flush()
    return survivors


if __name__ == "__main__":
    raise SystemExit(main())
