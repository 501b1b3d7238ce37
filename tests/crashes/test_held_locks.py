"""A process is frozen in the middle of a transaction, and PostgreSQL takes its locks away: others go on at once."""

import os
import signal

import pytest

from integrations.crash_points import Point
from tests.crashes.orders import Fate
from tests.crashes.scenarios import SCENARIOS
from tests.crashes.stage import Stage, frozen
from tests.integrations.workers import until

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("create", Point.SENDING_UNCOMMITTED),
        ("create", Point.SAVING),
        ("update", Point.SENDING_UNCOMMITTED),
        ("update", Point.SAVING),
    ],
)
def test_what_a_frozen_process_had_locked_is_settled_by_others(stage: Stage, name: str, point: Point) -> None:
    scenario = SCENARIOS[name]
    scenario.prepare(stage)
    stage.arm(point, Fate.HANG)
    scenario.begin(stage)
    process = stage.met()
    until(lambda: frozen(process), what="the freeze")
    assert stage.end_transactions() == 1
    scenario.meanwhile(stage)
    stage.settle()
    scenario.judge(stage, point, Fate.HANG)
    os.kill(process, signal.SIGCONT)
    stage.quiet()
    scenario.judge(stage, point, Fate.HANG)
