"""The command that plants bugs really plants them, and sees when none is there."""

import pkgutil

import pytest

from tests.machine.mutants import MUTANTS, PROMISES, Mutant, is_caught

FAIRNESS = MUTANTS["first come, first served"].tests[0]
every_mutant = pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)


def _marks(marked: object) -> set[str]:
    found = getattr(marked, "pytestmark", [])
    return {mark.name for mark in (found if isinstance(found, list) else [found])}


def test_every_promise_has_a_bug() -> None:
    assert {mutant.promise for mutant in MUTANTS.values()} == PROMISES


@every_mutant
def test_each_bug_has_something_to_take_the_place_of(mutant: Mutant) -> None:
    assert callable(pkgutil.resolve_name(mutant.target))
    assert pkgutil.resolve_name(f"tests.machine.bugs:{mutant.bug}")


@every_mutant
def test_each_bug_names_tests_that_make_test_runs(mutant: Mutant) -> None:
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        module = pkgutil.resolve_name(file.removesuffix(".py").replace("/", "."))
        assert "thorough" not in _marks(module) | _marks(getattr(module, name))


@pytest.mark.thorough
def test_an_unfair_order_is_caught() -> None:
    assert is_caught("first come, first served", FAIRNESS)


@pytest.mark.thorough
def test_a_bug_that_a_test_does_not_concern_is_not_seen_by_it() -> None:
    assert not is_caught("two refresh at once", FAIRNESS)
