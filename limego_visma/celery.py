"""The Celery application.

A broker message only pokes a worker; the database row is the truth. So there are no results, no
acknowledging late, no countdowns and no Celery retries here: what is due again stands in a row.
"""

import os

from celery import Celery, Task
from django.db import close_old_connections

from integrations.access.token_lock import uninterrupted

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "limego_visma.settings")


class WorkerTask(Task):  # type: ignore[type-arg]  # it takes type arguments for the checker only
    """A task that keeps the database connection of its process (or thread) for the next one.

    Celery closes it around every task unless CELERY_DB_REUSE_MAX says otherwise, and a new one costs more than
    all queries of a push. In exchange each task begins as a web request does: a connection that is too old or
    has met an error is closed, and the first query asks whether the other still answers (CONN_HEALTH_CHECKS).
    """

    def before_start(self, *_: object) -> None:
        """Celery calls this before each task."""
        close_old_connections()

    def __call__(self, *arguments: object, **named: object) -> object:
        """Do the task to its end, whoever asks this process to stop meanwhile.

        Celery asks only the parent and lets it wait for its children; a supervisor that signals the whole group of
        processes asks these too, and they would end in the middle of a call.
        """
        with uninterrupted():
            return self.run(*arguments, **named)


app = Celery("limego_visma", task_cls=WorkerTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()
