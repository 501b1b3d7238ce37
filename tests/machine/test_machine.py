"""Random runs of everything at once; `MACHINE=thorough` makes 2,000 of them, in two halves for two cores."""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from pytest_django import Settings as DjangoSettings

from accounts.models import User
from tests.machine.clock import hand_clock
from tests.machine.machine import Machine
from tests.machine.world import API, IDENTITY, World, world

THOROUGH = os.environ.get("MACHINE") == "thorough"
RUNS = int(os.environ.get("MACHINE_RUNS", "1000" if THOROUGH else "30"))
# To make a failing run small takes minutes: only who asks for it waits for it.
PHASES = (Phase.generate, Phase.shrink) if "MACHINE_SHRINK" in os.environ else (Phase.generate,)
PROFILE = settings(
    max_examples=RUNS,
    stateful_step_count=int(os.environ.get("MACHINE_STEPS", "8")),
    deadline=None,
    database=None,
    derandomize=not THOROUGH,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=PHASES,
)


@pytest.fixture
def small_world(transactional_db: None, anna: User, settings: DjangoSettings) -> Iterator[World]:
    """The account of all runs of a test; at the full scale of times, since nobody waits for them."""
    settings.EACCOUNTING_API_URL, settings.EACCOUNTING_IDENTITY_URL = f"{API}/v2", IDENTITY
    settings.EACCOUNTING_RATE_LIMIT = 10**8
    settings.EACCOUNTING_SETTLE_SECONDS, settings.EACCOUNTING_CALL_SECONDS = 90, 15
    settings.EACCOUNTING_SEND_BY_SECONDS, settings.EACCOUNTING_TOKEN_SECONDS = 5, 40
    settings.EACCOUNTING_ASK_AGAIN_SECONDS = 30
    settings.EACCOUNTING_LIVE_READ_SECONDS = 4
    logging.disable(logging.CRITICAL)
    try:
        with hand_clock() as clock, world(user=anna, clock=clock) as built:
            yield built
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("half", [1, 2])
def test_nothing_is_doubled_lost_or_left_hanging(small_world: World, half: int) -> None:
    class Half(Machine):
        world = small_world

    Half.__name__ = Half.__qualname__ = f"Machine{half}"  # by which a derandomised run is seeded
    run_state_machine_as_test(Half, settings=PROFILE)
