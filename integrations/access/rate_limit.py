"""The rate limit that all workers and web processes share.

eAccounting allows 600 calls a minute per client and endpoint (docs/eaccounting/facts.md). A slot is booked ahead in
Redis with the generic cell rate algorithm (GCRA): first come, first served, no bursts at the turn of a minute. Without
Redis no call is made, because nobody counts the calls then.
"""

import time
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from integrations.eaccounting.client import Endpoint

SHARE = 0.975  # of the limit; the rest covers calls that eAccounting counts a moment later than we do
BURST = 5
SHORTEST_PAUSE = 0.01  # seconds between two attempts to book a slot
# Seconds that calls may be booked ahead. A click never waits longer for bulk calls than BULK_AHEAD.
CLICK_AHEAD, BULK_AHEAD = 5.0, 0.2
ANSWER_SECONDS = 0.5  # once for connecting to Redis and once for its answer
PATIENCE = 5.0  # seconds that a worker waits to book a slot and for its time, in all

# KEYS: booked until, silent until. ARGV: milliseconds a call, burst, milliseconds the caller would wait.
# Returns {1, wait} for a booked slot and {0, wait} when that is longer than the caller would wait.
_RESERVE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local start = math.max(free - ARGV[1] * ARGV[2], now, tonumber(redis.call('GET', KEYS[2]) or 0))
local wait = math.ceil(start - now)
if wait > tonumber(ARGV[3]) then return {0, wait} end
local booked = math.max(free, start) + ARGV[1]
redis.call('SET', KEYS[1], string.format('%.3f', booked), 'PX', math.ceil(booked - now) + 1000)
return {1, wait}
"""


# KEYS: silent until. ARGV: milliseconds. A shorter silence never ends a longer one.
_SILENCE = """
if redis.call('PTTL', KEYS[1]) >= tonumber(ARGV[1]) then return end
local t = redis.call('TIME')
redis.call('SET', KEYS[1], string.format('%.0f', t[1] * 1000 + math.ceil(t[2] / 1000) + ARGV[1]), 'PX', ARGV[1])
"""


class NoSlot(Exception):
    """No call may be made now; try again in `retry_in` seconds."""

    code = "budget"

    def __init__(self, *, retry_in: float) -> None:
        super().__init__(f"no slot for {retry_in:.1f} s")
        self.retry_in = retry_in


class RateLimitUnknown(NoSlot):
    """Redis cannot be reached, so nobody knows how many calls were made."""

    code = "budget_unknown"


@cache
def _redis() -> redis.Redis:
    # No second try: it would make a click wait again, and could book a slot twice.
    once = Retry(NoBackoff(), retries=0)
    times = {"socket_connect_timeout": ANSWER_SECONDS, "socket_timeout": ANSWER_SECONDS}
    return redis.Redis.from_url(settings.REDIS_URL, **times, retry=once)


def _keys(endpoint: Endpoint, connection_id: int) -> list[str]:
    by_connection = settings.EACCOUNTING_RATE_SCOPE == "connection"
    scope = f"{settings.EACCOUNTING_CLIENT_ID}:{connection_id if by_connection else 'all'}:{endpoint}"
    return [f"eaccounting:booked:{scope}", f"eaccounting:silent:{scope}"]


def book(endpoint: Endpoint, *, connection_id: int, patience: float, ahead: float = CLICK_AHEAD) -> None:
    """Book one call of an endpoint and wait until its time.

    `ahead`: most seconds to book ahead; if more is booked already, wait until that is less. `patience`: most seconds
    to wait in all. Raises NoSlot when it would take longer, RateLimitUnknown without Redis.
    """
    keys, ahead = _keys(endpoint, connection_id), min(ahead, patience)
    milliseconds = 60_000 / (settings.EACCOUNTING_RATE_LIMIT * SHARE)
    wait = _reserve_in_time([milliseconds, BURST, int(ahead * 1000)], keys=keys, ahead=ahead, patience=patience)
    if wait:
        time.sleep(wait)
        _refuse_in_silence(keys)


def _reserve_in_time(arguments: list[float], *, keys: list[str], ahead: float, patience: float) -> float:
    """Book a slot, waiting until one may be booked; return the seconds until its time. Raises as `book`."""
    end = time.monotonic() + patience
    while True:
        try:
            return _reserve(keys, arguments)
        except RateLimitUnknown:
            raise
        except NoSlot as full:
            if time.monotonic() + full.retry_in > end:
                raise
            time.sleep(max(full.retry_in - ahead, SHORTEST_PAUSE))


def _refuse_in_silence(keys: list[str]) -> None:
    """Raise if eAccounting answered 429 to somebody while we waited: it concerns our slot too.

    Raises NoSlot, RateLimitUnknown.
    """
    try:
        left = _redis().pttl(keys[1])
    except redis.RedisError as error:
        raise RateLimitUnknown(retry_in=5) from error
    if left > 0:
        raise NoSlot(retry_in=left / 1000)


def _reserve(keys: list[str], arguments: list[float]) -> float:
    """Book a slot; return the seconds until its time. Raises NoSlot, RateLimitUnknown."""
    try:
        booked, wait = _redis().eval(_RESERVE, 2, *keys, *arguments)
    except redis.RedisError as error:
        raise RateLimitUnknown(retry_in=5) from error
    seconds = float(wait) / 1000
    if not booked:
        raise NoSlot(retry_in=seconds)
    return seconds


def count_live_read(account_id: int) -> None:
    """Count one live read, at most 60 in any minute per account. Raises NoSlot, RateLimitUnknown."""
    # 20 at once and one every 1.5 s: never more than 60 in a minute.
    _reserve([f"live:booked:{account_id}", f"live:silent:{account_id}"], [1500, 19, 0])


def silence(endpoint: Endpoint, *, connection_id: int, seconds: int) -> None:
    """Let nobody call an endpoint for some seconds, because eAccounting answered 429."""
    _booked, silent = _keys(endpoint, connection_id)
    try:
        _redis().eval(_SILENCE, 1, silent, seconds * 1000)
    except redis.RedisError:
        # The caller's own push waits anyway; the next call gets a 429 again.
        return
