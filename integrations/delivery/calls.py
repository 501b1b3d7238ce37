"""How the product calls eAccounting: a worker for one push, reads in the background, reads a person waits for."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction

from integrations.access import rate_limit, tokens
from integrations.access.client_factory import http
from integrations.clock import Clock, database_now
from integrations.crash_points import Point, reach
from integrations.domain import mapping
from integrations.eaccounting import filters
from integrations.eaccounting.client import Client, Endpoint
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
from integrations.eaccounting.types import CompanySettings, Customer
from integrations.exceptions import NotConnected
from integrations.models import Connection, Event, EventKind, Push, RemoteCustomer, push_queue

LEASE_SLACK = 5.0  # seconds a lease outlives the deadline of the call it covers


@dataclass
class Calls:
    """What a delivery needs to call eAccounting. Call `open` first: it gets the token."""

    connection: Connection
    clock: Clock
    patience: float = rate_limit.PATIENCE  # seconds to wait for a slot, or for somebody else's refresh
    ahead: float = rate_limit.CLICK_AHEAD  # seconds that a slot may be booked ahead
    endpoint: Endpoint = Endpoint.COMPANY_SETTINGS  # the endpoint of the last booked call: a 429 silences it
    access: tokens.Access | None = field(default=None, init=False)

    def open(self, push: Push) -> None:
        """Get a valid token for a push, keeping its lease alive. Raises NotConnected, LostLease, or as the refresh."""

        def renew() -> None:
            push.renew_lease(now=self.clock(), seconds=self.token_seconds + LEASE_SLACK)

        reach(Point.TOKEN_WANTED)
        self.access = tokens.access(self.connection.pk, clock=self.clock, patience=self.patience, before_refresh=renew)

    def open_within(self, *, seconds: float) -> None:
        """Like `open`, for a person who waits at most some seconds."""
        self.access = tokens.access_within(self.connection.pk, clock=self.clock, seconds=seconds)

    def book(self, endpoint: Endpoint) -> None:
        """Book one call and wait for its time. Raises NoSlot."""
        self.endpoint = endpoint
        rate_limit.book(endpoint, connection_id=self.connection.pk, ahead=self.ahead, patience=self.patience)

    @property
    def token(self) -> str:
        """The token in use. Raises NotConnected before `open`."""
        if self.access is None:
            raise NotConnected("not_open")
        return self.access.token

    @property
    def generation(self) -> int:
        """The generation of the connection that the token belongs to."""
        return self.access.generation if self.access else -1

    def booking(self) -> Client:
        """Return a client that books each of its calls itself: for reads of any number of pages."""
        return Client(http=http(), access_token=self.token, before_call=self.book)

    def booked(self) -> Client:
        """Return a client whose calls were booked beforehand, so that nothing delays them."""
        return Client(http=http(), access_token=self.token)

    def answered(self) -> None:
        """Note that eAccounting answered: the token works, and pushes that waited for an answer are due now."""
        now, refused = self.clock(), self.access is not None and self.access.was_refused
        if not refused and not self.connection.is_worth_noting(now=now):
            return
        if self.connection.succeeded(now=now):
            push_queue.pull_forward(connection=self.connection, now=now)
        self.connection.last_ok_at = now

    def replace_refused_token(self) -> None:
        """After a 401: get another token. Raises ConnectionRevoked when that will not help."""
        reach(Point.TOKEN_REFUSED)
        tokens.replace_refused(self.connection.pk, refused=self.token, clock=self.clock, patience=self.patience)

    @property
    def token_seconds(self) -> float:
        """Return the longest time that `open` or `replace_refused_token` may take: another's refresh, then our own."""
        return self.patience + settings.EACCOUNTING_TOKEN_SECONDS


Answer = TypeVar("Answer")


def read(
    connection: Connection,
    call: Callable[[Client, float], Answer],
    *,
    seconds: float,
    patience: float,
    ahead: float = rate_limit.CLICK_AHEAD,
) -> Answer:
    """Make one read that takes at most `seconds`, after waiting at most `patience` seconds for its turn.

    A read that nobody waits for books less far `ahead` (rate_limit.BULK_AHEAD), so that it delays no click. Raises
    NotConnected, NoSlot and every EAccountingError.
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
        rate_limit.silence(calls.endpoint, connection_id=connection.pk, seconds=error.retry_after)
        raise
    calls.answered()
    return answer


def note_blocked(connection: Connection, *, reason: str) -> None:
    """Block the connection, and write it into its timeline once."""
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
        calls.replace_refused_token()  # raises ConnectionRevoked if the new token is refused too
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
    """Return one customer. Raises NotFound only if eAccounting itself says so, or its list does not name it either."""
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
    """Tell whether a customer was deleted whose address answered 404 without eAccounting's body.

    It was deleted when a list that can be read does not name its number. Raises what the list call raises about the
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


Shown = TypeVar("Shown")
PLACES = 2  # at a time in this process; the other threads stay free for pages that need no call
_places = threading.BoundedSemaphore(PLACES)


class TooBusy(Exception):
    """eAccounting or Lime Go is busy; the person can try again in a moment."""

    code = "too_busy"


def read_customer(connection: Connection, *, customer_id: str) -> Customer:
    """Return one customer. Raises NotFound, TooBusy, NotConnected and every EAccountingError."""
    return read_now(
        connection, lambda client, left: get_customer(client, connection, customer_id=customer_id, deadline=left)
    )


def read_company_settings(connection: Connection) -> CompanySettings:
    """Return the settings of the connected company, as a test of the connection. Raises as read_customer."""
    return read_now(connection, lambda client, left: client.get_company_settings(deadline=left))


def read_now(connection: Connection, call: Callable[[Client, float], Shown]) -> Shown:
    seconds = settings.EACCOUNTING_LIVE_READ_SECONDS
    end = time.monotonic() + seconds
    if not _places.acquire(timeout=seconds / 2):
        raise TooBusy
    try:
        rate_limit.count_live_read(connection.account_id)
        return read(connection, call, seconds=end - time.monotonic(), patience=seconds / 4)
    except rate_limit.NoSlot as error:
        raise TooBusy from error
    finally:
        _places.release()
