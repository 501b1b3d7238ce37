"""The health checks for monitors and load balancers: does this process live, and does what it needs answer?

Both pages are for machines: no login, no words to translate, nothing about tenants, never cached.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db import Error as AnyDatabaseError
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import RedisError

from integrations.clock import database_now
from integrations.models import push_queue
from limego_visma import heartbeat

# Seconds. If a push is due and unclaimed for so long, or a queue's heartbeat is so old, workers are missing or slow.
LATE_SECONDS = 60.0
DATABASE_SECONDS = 2.0
Answer = TypeVar("Answer")


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer that the process lives; asks neither the database nor the broker."""
    return JsonResponse({"process": "ok"})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 if database and broker answer, else 503; and whether workers live and keep up.

    Late pushes and silent workers leave the status at 200: taking web hosts out of service for them would help nobody.
    """
    age, database = _asked(oldest_due_seconds, AnyDatabaseError)
    heartbeats, broker = _asked(heartbeat.seconds_since, RedisError)
    answer = {
        "database": database,
        "broker": broker,
        "oldest_due_seconds": age,
        "due": _keeping_up(age),
        "workers": _living(heartbeats),
        "heartbeat_seconds": heartbeats,
    }
    return JsonResponse(answer, status=200 if (database, broker) == ("ok", "ok") else 503)


def oldest_due_seconds() -> float:
    """Return for how long the oldest due push has waited for a worker to claim it; 0 if none waits.

    Raises a database error, also when the database takes longer than DATABASE_SECONDS.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("select set_config('statement_timeout', %s, true)", [f"{int(DATABASE_SECONDS * 1000)}ms"])
        now = database_now()
        oldest = push_queue.due(now=now).order_by("next_attempt_at").values_list("next_attempt_at", "lease_until")
        return max((_waited(now, *times) for times in oldest[:1]), default=0.0)


def _waited(now: datetime, due_at: datetime | None, lease_until: datetime | None) -> float:
    """Return the seconds since a push could have been claimed: it was due, and its last lease had ended."""
    since = max((moment for moment in (due_at, lease_until) if moment), default=now)
    return round((now - since).total_seconds(), 1)


def _asked(question: Callable[[], Answer], failure: type[Exception]) -> tuple[Answer | None, str]:
    """Run a check; return its answer and a word for it. The failure's text is hidden: it may name hosts and users."""
    try:
        return question(), "ok"
    except (failure, OSError):
        return None, "away"


def _keeping_up(age: float | None) -> str:
    if age is None:
        return "unknown"
    return "late" if age > LATE_SECONDS else "ok"


def _living(heartbeats: dict[str, float | None] | None) -> str:
    """Return whether workers of every queue take messages; one that never did is as bad as one that stopped."""
    if heartbeats is None:
        return "unknown"
    return "late" if any(age is None or age > LATE_SECONDS for age in heartbeats.values()) else "ok"
