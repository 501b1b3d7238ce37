"""Whatever end a process meets at a crash point: one customer or none, nothing lost, everything settled.

A new point has to be given to a scenario here: `test_every_point_has_its_cases` fails until it is, and
`test_an_undisturbed_run_comes_by_its_points` when the scenario does not come by it.
"""

import pytest

from integrations.crash_points import Point
from tests.crashes.orders import Fate
from tests.crashes.scenarios import SCENARIOS
from tests.crashes.stage import Stage
from tests.thorough import mostly_thorough

CASES = [(name, point) for name, scenario in SCENARIOS.items() for point in scenario.points]


def test_every_point_has_its_cases() -> None:
    assert {point for _, point in CASES} == set(Point)


@pytest.mark.thorough
@pytest.mark.workers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", SCENARIOS)
def test_an_undisturbed_run_comes_by_its_points(stage: Stage, name: str) -> None:
    scenario = SCENARIOS[name]
    scenario.prepare(stage)
    scenario.begin(stage)
    stage.come_by(scenario.points)
    stage.quiet()
    stage.settle()
    scenario.judge(stage, None, None)


@pytest.mark.workers
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fate", mostly_thorough(Fate, but=Fate.KILL))
@pytest.mark.parametrize(("name", "point"), CASES)
def test_the_end_of_a_process_does_no_harm(stage: Stage, name: str, point: Point, fate: Fate) -> None:
    scenario = SCENARIOS[name]
    scenario.prepare(stage)
    stage.arm(point, fate)
    scenario.begin(stage)
    stage.suffer(fate, meanwhile=scenario.meanwhile)
    stage.settle()
    scenario.judge(stage, point, fate)
