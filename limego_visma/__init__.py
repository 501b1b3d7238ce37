"""The composition: settings, URLs, workers. It may import everything, nobody imports it."""

from limego_visma.celery import app as celery_app

__version__ = "0.1.0"
__all__ = ["celery_app"]
