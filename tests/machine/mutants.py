"""Bugs that the tests must catch: `make mutants` plants each, and fails if one of its tests does not see it.

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
PROMISES = {"R1", "R2", "R3", "R4", "R5", "R6", "R7", "rights", "mapping", "fairness"}


@dataclass(frozen=True)
class Mutant:
    """A bug (of bugs.py), the promise it breaks, where it is planted, and the tests that each must see it.

    The promises are those of docs/reliability.md, and three more. The tests are of `make test`, named by file and
    function.
    """

    promise: str
    bug: str
    target: str
    tests: tuple[str, ...]


MUTANTS = {
    "a refusal is taken for an outage": Mutant(
        "R1",
        "wait_instead",
        "integrations.delivery.outcomes.refuse",
        ("tests/integrations/test_create.py::test_a_refusal_ends_the_wish_and_is_not_repeated",),
    ),
    "a lost answer is sent again without looking": Mutant(
        "R2",
        "send_again",
        "integrations.delivery.create._resolve",
        ("tests/integrations/test_create.py::test_a_lost_answer_never_doubles_and_never_loses",),
    ),
    "whom the look before a create finds is passed over": Mutant(
        "R2",
        "find_nobody",
        "integrations.delivery.create.look",
        ("tests/integrations/test_create.py::test_a_registration_number_that_is_there_already_stops_for_a_person",),
    ),
    "a lost message is never made up for": Mutant(
        "R3",
        "trust_the_broker",
        "integrations.models.push_queue.unattended",
        ("tests/integrations/test_tasks.py::test_the_sweeper_wakes_who_pulls_for_rows_that_no_poke_takes_care_of",),
    ),
    "who was passed over when a wait ended waits for ever": Mutant(
        "R4",
        "recheck_nothing",
        "integrations.models.push_queue.recheck",
        ("tests/integrations/test_wake_ups.py::test_a_row_that_something_held_when_its_wait_was_over_moves_later",),
    ),
    "two refresh at once": Mutant(
        "R5",
        "no_lock",
        "integrations.access.tokens.token_lock",
        ("tests/integrations/test_tokens.py::test_eight_workers_that_meet_an_expired_token_make_one_call",),
    ),
    "a late token is stored over a newer connection": Mutant(
        "R5",
        "forget_generations",
        "integrations.models.connection.Connection._update_generation",
        ("tests/integrations/test_tokens.py::test_a_refresh_that_is_answered_after_a_reconnect_is_revoked_not_stored",),
    ),
    "an update writes only its own fields": Mutant(
        "R6",
        "only_our_own_fields",
        "integrations.domain.mapping.replace_payload",
        ("tests/integrations/test_update.py::test_an_update_writes_our_values_and_keeps_everything_else",),
    ),
    "an update blanks what nobody confirmed": Mutant(
        "R6",
        "blank_the_rest",
        "integrations.domain.mapping.confirmed_to_write",
        (
            "tests/integrations/test_update_confirmed.py::test_only_what_was_chosen_is_written_and_the_rest_is_agreed_on",
        ),
    ),
    "somebody's newer edit is overwritten": Mutant(
        "R6",
        "overwrite",
        "integrations.domain.mapping.overtaken",
        (
            "tests/integrations/test_update_confirmed.py::test_what_changed_there_after_it_was_confirmed_is_not_overwritten",
        ),
    ),
    "a worker writes after its lease": Mutant(
        "R7",
        "write_without_fence",
        "integrations.models.push.Push._write",
        ("tests/integrations/test_push_transitions.py::test_who_was_frozen_past_its_lease_writes_nothing",),
    ),
    "our own write is somebody's change": Mutant(
        "R7",
        "no_history",
        "integrations.delivery.update._written_since",
        (
            "tests/integrations/test_update_newest_wins.py::test_a_sheet_opened_before_an_update_was_sent_is_good_after_it",
        ),
    ),
    "what we wrote once is ours for ever": Mutant(
        "R7",
        "endless_history",
        "integrations.delivery.update._written_since",
        (
            (
                "tests/integrations/test_update_newest_wins.py"
                "::test_our_write_from_before_the_sheet_is_no_base_when_somebody_repeats_it"
            ),
        ),
    ),
    "every role may do everything": Mutant(
        "rights",
        "may_everything",
        "accounts.models.User.may",
        ("tests/test_rights.py::test_only_those_who_may_get_in",),
    ),
    "companies of every account are found": Mutant(
        "rights",
        "of_everybody",
        "companies.models.CompanyQuerySet.of",
        ("tests/test_rights.py::test_another_accounts_ids_do_not_exist",),
    ),
    "a value is sent as another property": Mutant(
        "mapping",
        "swap_phones",
        "integrations.domain.mapping.values_of",
        ("tests/integrations/test_mapping.py::test_the_values_are_those_of_the_company_and_the_person",),
    ),
    "first come, first served": Mutant(
        "fairness",
        "first_come",
        "integrations.models.push_queue.next_in_turn",
        (
            (
                "tests/integrations/test_fairness.py"
                "::test_the_account_served_least_recently_comes_first_and_its_longest_waiting_row"
            ),
        ),
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
    """Plant each bug in turn; return how many were not seen by a test that must see them."""
    survivors = 0
    for name, mutant in MUTANTS.items():
        blind = [test for test in mutant.tests if not is_caught(name, test)]
        survivors += bool(blind)
        sys.stdout.write(f"{mutant.promise}, {name}: {'NOT SEEN by ' + ', '.join(blind) if blind else 'caught'}\n")
        sys.stdout.flush()
    return survivors


if __name__ == "__main__":
    raise SystemExit(main())
