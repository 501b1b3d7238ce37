"""One read on a connection: a refused token is replaced once, a connection-wide refusal is kept."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

from integrations import limiter
from integrations.clock import database_now
from integrations.delivery.calls import Calls
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import Forbidden, RateLimited, Unauthorized, Unreachable
from integrations.models import Connection, Event, EventKind

Answer = TypeVar("Answer")


def read(
    connection: Connection,
    call: Callable[[Client, float], Answer],
    *,
    seconds: float,
    patience: float,
    ahead: float = limiter.CLICK_AHEAD,
) -> Answer:
    """Make one read that takes at most `seconds`, waiting at most `patience` seconds for its turn.

    What nobody waits for books its slot less far `ahead` (limiter.BULK_AHEAD) and so stands in nobody's way.
    Raises NotConnected, BudgetError and every EAccountingError.
    """
    end = time.monotonic() + seconds
    calls = Calls(connection=connection, clock=database_now, patience=patience, ahead=ahead)
    try:
        answer = _attempt(calls, call, end)
    except Forbidden as error:
        if error.connection_wide:
            note_blocked(connection, reason=error.kind)
        raise
    except RateLimited as error:
        limiter.silence(calls.endpoint, connection_id=connection.pk, seconds=error.retry_after)
        raise
    calls.answered()
    return answer


def note_blocked(connection: Connection, *, reason: str) -> None:
    """Stop everything on the connection, and say so once in its timeline."""
    with transaction.atomic():
        if connection.block(reason=reason, now=database_now()):
            Event.add(EventKind.BLOCKED, connection=connection, parameters={"reason": reason})


def _attempt(calls: Calls, call: Callable[[Client, float], Answer], end: float) -> Answer:
    try:
        return _once(calls, call, end)
    except Unauthorized:
        calls.replace_refused_token()
    try:
        return _once(calls, call, end)
    except Unauthorized:
        calls.replace_refused_token()  # raises ConnectionRevoked: a new token is refused too
        raise


def _once(calls: Calls, call: Callable[[Client, float], Answer], end: float) -> Answer:
    calls.open_within(seconds=_left(end))
    return call(calls.booking(), _left(end))


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise Unreachable("too_slow", retryable=True)
    return left
