"""The product's Celery application with one more task, which does nothing: what Celery itself can do here."""

import logging

from celery.signals import worker_ready

from limego_visma.celery import app

__all__ = ["READY", "app", "noop"]

READY = "The worker takes messages."  # in its log, at a level that is shown without asking for it


@worker_ready.connect
def say(**_: object) -> None:
    """Tell who started it that messages are taken from now on."""
    logging.getLogger(__name__).warning(READY)


@app.task(queue="bulk", name="benchmarks.noop")
def noop(**_: object) -> None:
    """Do nothing."""
