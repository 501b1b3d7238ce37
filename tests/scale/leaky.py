"""The product's workers, to which every process of their pool looks as if it leaked."""

from limego_visma.celery import app

app.conf.worker_max_memory_per_child = 1  # KB

__all__ = ["app"]
