"""A process ends while eAccounting answers: the bytes have left, and what they did is there already."""

import os

import pytest

from integrations.crash_points import Point
from tests.crashes.orders import SIGNALS, Fate
from tests.crashes.scenarios import SCENARIOS
from tests.crashes.stage import Stage, at_work
from tests.holding import held
from tests.integrations.conftest import CUSTOMERS
from tests.integrations.workers import until
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True)]

# The scenario, its request, and the crash point whose verdict is this one's: the answer is on its way.
REQUESTS = [
    ("create", "POST", CUSTOMERS, Point.ANSWERED),
    ("update", "PUT", f"{CUSTOMERS}/.*", Point.ANSWERED),
    ("rotating refresh", "POST", "/connect/token", Point.TOKENS_RECEIVED),
    ("reusable refresh", "POST", "/connect/token", Point.TOKENS_RECEIVED),
]


@pytest.mark.parametrize("fate", mostly_thorough(SIGNALS, but=Fate.KILL))
@pytest.mark.parametrize(("name", "method", "path", "point"), REQUESTS)
def test_the_end_of_a_process_that_awaits_an_answer_does_no_harm(
    stage: Stage, name: str, method: str, path: str, point: Point, fate: Fate
) -> None:
    scenario = SCENARIOS[name]
    scenario.prepare(stage)
    with held(stage.sandbox, method=method, path=path, when="after") as request:
        scenario.begin(stage)
        request.wait_for()
        until(lambda: len(at_work()) == 1, what="the web process to be done")
        (process,) = at_work()
        scenario.meanwhile(stage)
        os.kill(process, SIGNALS[fate])
    stage.see_through(fate, process)
    stage.settle()
    until(lambda: bool(stage.sandbox.calls(method=method, path=path.removesuffix("/.*"))), what="its record")
    scenario.judge(stage, point, fate)
