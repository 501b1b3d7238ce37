"""The Celery application of the workers that die on command: the product's own, with its crash points armed."""

import os

from celery.signals import task_postrun, task_prerun

from integrations import crash_points
from integrations.crash_points import Point
from limego_visma.celery import app
from tests.crashes.orders import AT_WORK, MET, SIGNALS, TRACE, Fate, armed, store

__all__ = ["app"]


class Crash(Exception):
    """An exception that nobody expects."""


def act(point: Point) -> None:
    """Note that the point was reached, and meet the fate that waits there."""
    store().rpush(TRACE, point)
    fate = store().lpop(armed(point))
    if fate is None:
        return
    store().rpush(MET, os.getpid())
    if fate == Fate.RAISE:
        raise Crash(point)
    os.kill(os.getpid(), SIGNALS[Fate(str(fate))])


@task_prerun.connect
def begin(**_: object) -> None:
    store().sadd(AT_WORK, os.getpid())


@task_postrun.connect
def end(**_: object) -> None:
    store().srem(AT_WORK, os.getpid())


app.autodiscover_tasks(["tests.crashes"])
crash_points.arm(act)
