"""The clock of periodic tasks, when the host's clock is set."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from celery import Celery, current_app

from integrations.access import rate_limit
from limego_visma.beat import SteadyScheduler
from tests.integrations.workers import until
from tests.proxy import Proxy

EVERY = 0.4  # seconds
TASKS = {
    name: {"task": f"integrations.tasks.{name}", "schedule": EVERY, "options": {"expires": 7200}}
    for name in ("sweep", "look_after_connections")
}


@pytest.fixture
def scheduler() -> Iterator[SteadyScheduler]:
    """The scheduler that beat runs, with a quick schedule."""
    before, current_app.conf.beat_schedule = current_app.conf.beat_schedule, TASKS
    rate_limit._redis().flushdb()
    yield SteadyScheduler(app=current_app)
    current_app.conf.beat_schedule = before
    rate_limit._redis().flushdb()


def assert_in_time(scheduler: SteadyScheduler) -> None:
    """Let it tick as beat does until it has asked for each task three times: at its pace, and in no flood."""
    rate_limit._redis().delete("sweep", "upkeep")
    began = time.monotonic()

    def asked() -> list[int]:
        return [rate_limit._redis().llen(queue) for queue in ("sweep", "upkeep")]

    def asked_thrice() -> bool:
        time.sleep(min(EVERY, max(0.0, scheduler.tick())))
        return min(asked()) >= 3

    until(asked_thrice, what="the tasks")
    assert max(asked()) <= (time.monotonic() - began) / EVERY + 2


@pytest.mark.parametrize("hours", [-1, 1], ids=["back", "forth"])
def test_a_clock_that_is_set_changes_nothing(scheduler: SteadyScheduler, hours: int) -> None:
    assert_in_time(scheduler)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours), tick=True):
        assert_in_time(scheduler)


def test_a_broker_away_is_one_line_in_the_log_and_one_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    with Proxy.before(os.environ["REDIS_URL"]) as proxy:
        app = Celery("clock", broker=proxy.url, set_as_current=False)
        app.conf.update(beat_schedule=TASKS, task_default_queue="sweep")
        scheduler = SteadyScheduler(app=app)
        proxy.down()
        for _ in range(3):
            scheduler.apply_entry(scheduler.schedule["sweep"])
        [away] = caplog.records
        assert (away.levelname, away.exc_info) == ("ERROR", None)
        assert len(away.getMessage()) < 300
        caplog.clear()
        proxy.up()
        for _ in range(3):
            scheduler.apply_entry(scheduler.schedule["sweep"])
        assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
            ("WARNING", "Periodic tasks are asked for again.")
        ]
        app.pool.force_close_all()
    rate_limit._redis().flushdb()
