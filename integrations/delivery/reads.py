"""One read on a connection: a refused token is replaced once, a connection-wide refusal is kept.

And what a customer's address answers that something on the way may have answered instead of eAccounting.
"""

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from integrations import limiter, mapping
from integrations.clock import database_now
from integrations.delivery.calls import Calls
from integrations.eaccounting import filters
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import (
    Conflict,
    Forbidden,
    Intercepted,
    NotFound,
    RateLimited,
    Refused,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from integrations.eaccounting.types import Customer
from integrations.models import Connection, Event, EventKind, RemoteCustomer

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


# --- One customer ------------------------------------------------------------------------------------------


def get_customer(client: Client, connection: Connection, *, customer_id: str, deadline: float) -> Customer:
    """Return one customer. Raises NotFound only when eAccounting says so, or its list does not name it either."""
    end = time.monotonic() + deadline
    try:
        return client.get_customer(customer_id=customer_id, deadline=deadline)
    except Intercepted as answer:
        if not is_deleted(answer, client, connection, customer_id=customer_id, deadline=_left(end)):
            raise
    raise NotFound("not_found", status=404)


def is_deleted(
    answer: Intercepted, client: Client, connection: Connection, *, customer_id: str, deadline: float
) -> bool:
    """Tell whether a customer is gone whose address answered 404 without eAccounting's body: one look in the list.

    It is gone when a list that can be read does not name it under its number. Raises what the look says of the
    connection or the moment: Unauthorized, RateLimited, Forbidden, Unreachable …
    """
    wanted = UUID(customer_id)
    number = RemoteCustomer.number_of(wanted, connection=connection)
    if answer.status != 404 or not number:
        return False
    try:
        found = client.customer_page(page=1, filter=filters.eq(mapping.NUMBER, number), deadline=deadline)
    except (NotFound, Refused, Conflict, ServerError, UnexpectedAnswer):
        return False  # the list does not work either
    named = [customer.id for customer in found.customers]
    is_whole = found.is_last and not found.unread and found.results in (None, len(named))
    return is_whole and str(wanted) not in named
