"""What the tests and the worker that dies on command tell each other, in Redis."""

import signal
from enum import StrEnum
from functools import cache
from urllib.parse import urlsplit, urlunsplit

import redis
from django.conf import settings

from integrations.crash_points import Point

TRACE, MET, AT_WORK = "crashes:trace", "crashes:met", "crashes:at work"
OWN_DATABASES = 8  # other tests use the first ones


class Fate(StrEnum):
    """What happens to a process at a crash point."""

    KILL = "SIGKILL"
    TERM = "SIGTERM"
    RAISE = "exception"
    HANG = "hang"


SIGNALS = {Fate.KILL: signal.SIGKILL, Fate.TERM: signal.SIGTERM, Fate.HANG: signal.SIGSTOP}


def own_redis_url() -> str:
    """Return the address of a Redis database of our own: this worker would take the messages of other tests."""
    parts = urlsplit(settings.REDIS_URL)
    return urlunsplit(parts._replace(path=f"/{OWN_DATABASES + int(parts.path.strip('/') or 0)}"))


def armed(point: Point) -> str:
    """Return the key of the fates that wait at a point."""
    return f"crashes:armed:{point}"


def store() -> redis.Redis:
    """Return the store of this process's settings."""
    return _store(settings.REDIS_URL)


@cache
def _store(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)
