"""The short reads that a person waits for: at most four seconds, two at once, sixty a minute and account."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.conf import settings

from integrations import limiter
from integrations.clock import database_now
from integrations.delivery.calls import Calls
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import Forbidden, RateLimited, Unauthorized, Unreachable
from integrations.eaccounting.types import CompanySettings, Customer, TermsOfPayment
from integrations.models import Connection

Answer = TypeVar("Answer")
_places = threading.BoundedSemaphore(2)


class TooBusy(Exception):
    """eAccounting, or we ourselves, are busy just now: the person can try again in a moment."""


def read_customer(connection: Connection, *, customer_id: str) -> Customer:
    """Return one customer. Raises NotFound, TooBusy, NotConnected and every EAccountingError."""
    return _read(connection, lambda client, left: client.get_customer(customer_id=customer_id, deadline=left))


def read_company_settings(connection: Connection) -> CompanySettings:
    """Return the settings of the connected company: the test of a connection. Raises as read_customer."""
    return _read(connection, lambda client, left: client.get_company_settings(deadline=left))


def read_terms(connection: Connection) -> tuple[TermsOfPayment, ...]:
    """Return all terms of payment of the connected company. Raises as read_customer."""
    return _read(connection, lambda client, left: client.list_terms_of_payment(deadline=left))


@contextmanager
def _place(patience: float) -> Iterator[None]:
    if not _places.acquire(timeout=patience):
        raise TooBusy
    try:
        yield
    finally:
        _places.release()


def _read(connection: Connection, call: Callable[[Client, float], Answer]) -> Answer:
    """Make one read within the time a person waits; a refused token is replaced once."""
    end = time.monotonic() + settings.EACCOUNTING_LIVE_READ_SECONDS
    with _place(settings.EACCOUNTING_LIVE_READ_SECONDS / 2):
        calls = Calls(connection=connection, clock=database_now, patience=1.0)
        try:
            limiter.count_live_read(connection.account_id)
            answer = _attempt(calls, call, end)
        except limiter.BudgetError as error:
            raise TooBusy from error
        except Forbidden as error:
            if error.connection_wide:
                connection.block(reason=error.kind, now=database_now())
            raise
        except RateLimited as error:
            limiter.silence(calls.endpoint, connection_id=connection.pk, seconds=error.retry_after)
            raise
    connection.succeeded(now=database_now())
    return answer


def _attempt(calls: Calls, call: Callable[[Client, float], Answer], end: float) -> Answer:
    try:
        return _once(calls, call, end)
    except Unauthorized:
        calls.replace_refused_token()
        return _once(calls, call, end)


def _once(calls: Calls, call: Callable[[Client, float], Answer], end: float) -> Answer:
    calls.open()
    left = end - time.monotonic()
    if left <= 0:
        raise Unreachable("too_slow", retryable=True)
    return call(calls.booking(), left)

