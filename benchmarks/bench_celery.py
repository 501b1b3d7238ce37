"""The product's Celery application with one more task, which does nothing: what Celery itself can do here."""

from limego_visma.celery import app

__all__ = ["app", "noop"]


@app.task(queue="clicks", name="benchmarks.noop")
def noop(**_: object) -> None:
    """Do nothing."""
