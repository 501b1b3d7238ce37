"""The shared budget of API calls, for all workers and web processes together.

eAccounting allows 600 calls a minute per client and endpoint (docs/eaccounting/facts.md). A slot is booked
ahead in Redis by the generic cell rate algorithm: first come, first booked, no bursts at the minute's edge.
Without Redis nothing is called: a budget that nobody counts is no budget.
"""

import time
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from integrations.eaccounting.client import Endpoint

SHARE = 0.975  # of the limit; the rest is for calls of ours that eAccounting counts a moment later than we
BURST = 5
SHORTEST_PAUSE = 0.01  # seconds between two questions whether a slot can be booked
# Seconds that calls may be booked ahead. Those of a run never stand in the way of a click for longer than theirs.
CLICK_AHEAD, BULK_AHEAD = 5.0, 0.2
ANSWER_SECONDS = 0.5  # each for connecting to Redis and for its answer
PATIENCE = 5.0  # seconds that a worker waits until it may book and for its slot, all in all

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
    """No call may be made now; `retry_in` is the number of seconds after which it is worth asking again."""

    code = "budget"

    def __init__(self, *, retry_in: float) -> None:
        super().__init__(f"no slot for {retry_in:.1f} s")
        self.retry_in = retry_in


class RateLimitUnknown(NoSlot):
    """Redis is away: nobody knows how many calls were made."""

    code = "budget_unknown"


@cache
def _redis() -> redis.Redis:
    # Asked once: a second try would let a click wait again, and might book a slot twice.
    once = Retry(NoBackoff(), retries=0)
    times = {"socket_connect_timeout": ANSWER_SECONDS, "socket_timeout": ANSWER_SECONDS}
    return redis.Redis.from_url(settings.REDIS_URL, **times, retry=once)


def _keys(endpoint: Endpoint, connection_id: int) -> list[str]:
    by_connection = settings.EACCOUNTING_RATE_SCOPE == "connection"
    scope = f"{settings.EACCOUNTING_CLIENT_ID}:{connection_id if by_connection else 'all'}:{endpoint}"
    return [f"eaccounting:booked:{scope}", f"eaccounting:silent:{scope}"]


def book(endpoint: Endpoint, *, connection_id: int, patience: float, ahead: float = CLICK_AHEAD) -> None:
    """Book one call of an endpoint at most `ahead` seconds before its time, and wait until then.

    Who may not book as far ahead as is booked already waits until it may, at most `patience` seconds in all.
    Raises BudgetError when it would take longer, BudgetUnknown without Redis.
    """
    keys, ahead = _keys(endpoint, connection_id), min(ahead, patience)
    milliseconds = 60_000 / (settings.EACCOUNTING_RATE_LIMIT * SHARE)
    wait = _reserve_in_time([milliseconds, BURST, int(ahead * 1000)], keys=keys, ahead=ahead, patience=patience)
    if wait:
        time.sleep(wait)
        _refuse_in_silence(keys)


def _reserve_in_time(arguments: list[float], *, keys: list[str], ahead: float, patience: float) -> float:
    """Return the seconds until the slot that was booked, waiting until it may be. Raises as book."""
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
    """A 429 while we waited for our slot concerns us too. Raises BudgetError, BudgetUnknown."""
    try:
        left = _redis().pttl(keys[1])
    except redis.RedisError as error:
        raise RateLimitUnknown(retry_in=5) from error
    if left > 0:
        raise NoSlot(retry_in=left / 1000)


def _reserve(keys: list[str], arguments: list[float]) -> float:
    """Return the seconds until the slot that was booked. Raises BudgetError, BudgetUnknown."""
    try:
        booked, wait = _redis().eval(_RESERVE, 2, *keys, *arguments)
    except redis.RedisError as error:
        raise RateLimitUnknown(retry_in=5) from error
    seconds = float(wait) / 1000
    if not booked:
        raise NoSlot(retry_in=seconds)
    return seconds


def count_live_read(account_id: int) -> None:
    """Count one read that a person waits for: 60 in any minute and account. Raises BudgetError, BudgetUnknown."""
    # 20 at once and one every 1.5 s: never more than 60 in a minute.
    _reserve([f"live:booked:{account_id}", f"live:silent:{account_id}"], [1500, 19, 0])


def silence(endpoint: Endpoint, *, connection_id: int, seconds: int) -> None:
    """Keep every worker away from an endpoint for so many seconds: eAccounting said 429."""
    _booked, silent = _keys(endpoint, connection_id)
    try:
        _redis().eval(_SILENCE, 1, silent, seconds * 1000)
    except redis.RedisError:
        # The caller's own row waits all the same; the next one meets the 429 again.
        return
