"""Which worker takes which messages, and what beat sends how often."""

from typing import Any

QUEUES = ("clicks", "bulk", "sweep", "upkeep", "mail")
ROUTES = {
    # Pushes that were just clicked, and nothing else: a click never waits behind bulk work.
    "integrations.tasks.deliver_push": {"queue": "clicks"},
    # Bulk work, retries and lost wakes: workers that take these messages pull pushes in turn.
    "integrations.tasks.pull": {"queue": "bulk"},
    # One page of the customers' index, at most two of these at once (delivery/customer_index.py).
    "integrations.tasks.index_customers": {"queue": "bulk"},
    # Sweeping takes milliseconds and must not wait behind upkeep, whose calls may take many seconds. Who pulls
    # sweeps too: when all of them are busy, there is nobody to wake anyway.
    "integrations.tasks.sweep": {"queue": "sweep"},
    # A silent mail server holds a worker for EMAIL_TIMEOUT: one of its own, or the sweeper would wait behind it.
    "accounts.tasks.send_due_mail": {"queue": "mail"},
}

MAIL_SECONDS, HEARTBEAT_SECONDS = 5.0, 15.0
# A message that nobody took for so long is stale. Not shorter: each host compares it with its own clock, which may be
# wrong.
STALE_SECONDS = 2 * 3600


def beat_schedule(*, sweep_seconds: float) -> dict[str, dict[str, Any]]:
    """Return beat's entries, in Celery's form."""
    periodic = {
        "send-due-mail": ("accounts.tasks.send_due_mail", MAIL_SECONDS),
        "sweep": ("integrations.tasks.sweep", sweep_seconds),
        "look-after-connections": ("integrations.tasks.look_after_connections", sweep_seconds),
    }
    entries: dict[str, dict[str, Any]] = {
        name: {"task": task, "schedule": seconds, "options": {"expires": STALE_SECONDS}}
        for name, (task, seconds) in periodic.items()
    }
    return entries | {f"heartbeat-{queue}": _heartbeat(queue) for queue in QUEUES}


def _heartbeat(queue: str) -> dict[str, Any]:
    """A mark through a queue: /readyz tells when a worker last took one."""
    return {
        "task": "limego_visma.heartbeat.mark",
        "schedule": HEARTBEAT_SECONDS,
        "kwargs": {"queue": queue},
        "options": {"queue": queue, "expires": STALE_SECONDS},
    }
