"""Whether each kind of worker takes its messages.

Beat sends a heartbeat through every queue, and the worker that takes it stores the time. The times are kept in the
broker and need no other storage: after a wipe they are back within seconds.
"""

from celery import shared_task
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ANSWER_SECONDS = 0.5
KEPT_SECONDS = 24 * 3600
_KEY = "limego:heartbeat:"


@shared_task
def mark(*, queue: str, **_later: object) -> None:
    """Record that a worker has just taken a heartbeat from this queue, by the broker's clock."""
    with _broker() as broker:
        broker.set(f"{_KEY}{queue}", _now(broker), ex=KEPT_SECONDS)


def seconds_since() -> dict[str, float | None]:
    """Return for each queue the seconds since its last heartbeat; None if the broker knows of none.

    Raises RedisError and OSError when the broker does not answer within ANSWER_SECONDS.
    """
    with _broker() as broker:
        marks = broker.mget([f"{_KEY}{queue}" for queue in settings.WORKER_QUEUES])
        now = _now(broker)
    ages = [None if at is None else max(0.0, round(now - float(at), 1)) for at in marks]
    return dict(zip(settings.WORKER_QUEUES, ages, strict=True))


def _now(broker: Redis) -> float:
    seconds, microseconds = broker.time()
    return seconds + microseconds / 1_000_000


def _broker() -> Redis:
    once = Retry(NoBackoff(), 0)
    times = {"socket_connect_timeout": ANSWER_SECONDS, "socket_timeout": ANSWER_SECONDS}
    return Redis.from_url(settings.CELERY_BROKER_URL, retry=once, **times)
