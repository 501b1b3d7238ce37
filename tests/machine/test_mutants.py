"""The command that plants bugs really plants them, and sees when none is there."""

import pkgutil

import pytest

from tests.machine.mutants import MUTANTS, Mutant, is_caught

FAIRNESS = "tests/integrations/test_fairness.py"


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_each_bug_has_something_to_take_the_place_of(mutant: Mutant) -> None:
    assert callable(pkgutil.resolve_name(mutant.target))
    assert pkgutil.resolve_name(f"tests.machine.bugs:{mutant.bug}")


def test_an_unfair_order_is_caught() -> None:
    assert is_caught("first come, first served", FAIRNESS)


def test_a_bug_that_a_test_does_not_concern_is_not_seen_by_it() -> None:
    assert not is_caught("no lock around the refresh", FAIRNESS)
