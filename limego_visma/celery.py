"""The Celery application.

A broker message only pokes a worker; the database row is the truth. So there are no results, no
acknowledging late, no countdowns and no Celery retries here: what is due again stands in a row.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "limego_visma.settings")

app = Celery("limego_visma")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()
