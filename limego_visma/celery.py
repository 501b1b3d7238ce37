"""The Celery application.

A broker message only wakes a worker; the database row is the truth. So there are no results, no late acknowledgements,
no countdowns and no Celery retries: the row itself says when it is due again.
"""

import os

from celery import Celery, Task
from django.db import close_old_connections

from integrations.access.token_lock import uninterrupted

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "limego_visma.settings")


class WorkerTask(Task):  # type: ignore[type-arg]  # it takes type arguments for the checker only
    """A task that keeps the database connection of its process (or thread) for the next task.

    Celery closes it around every task unless CELERY_DB_REUSE_MAX says otherwise, and a new one costs more than all
    queries of a push. In exchange each task begins as a web request does: a connection that is too old or has failed
    is closed, and the first query checks whether the other side still answers (CONN_HEALTH_CHECKS).
    """

    def before_start(self, *_: object) -> None:
        """Check the database connection; Celery calls this before each task."""
        close_old_connections()

    def __call__(self, *arguments: object, **named: object) -> object:
        """Run the task to its end, even if this process is asked to stop meanwhile.

        Celery asks only the parent to stop and lets it wait for its children. A supervisor that signals the whole
        process group asks the children too, and they would stop in the middle of a call.
        """
        with uninterrupted():
            return self.run(*arguments, **named)


app = Celery("limego_visma", task_cls=WorkerTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
app.autodiscover_tasks()
