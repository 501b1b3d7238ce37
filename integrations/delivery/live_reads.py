"""The short reads that a person waits for: at most four seconds, two at once per process, 60 a minute per account."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings

from integrations.access import rate_limit
from integrations.delivery.calls import get_customer, read
from integrations.delivery.duplicate_look import look
from integrations.domain.mapping import Values
from integrations.eaccounting.client import Client
from integrations.eaccounting.types import CompanySettings, Customer
from integrations.models import Connection

Answer = TypeVar("Answer")
PLACES = 2  # at a time in this process; the other threads stay free for pages that need no call
_places = threading.BoundedSemaphore(PLACES)


class TooBusy(Exception):
    """eAccounting or Lime Go is busy; the person can try again in a moment."""

    code = "too_busy"


def read_customer(connection: Connection, *, customer_id: str) -> Customer:
    """Return one customer. Raises NotFound, TooBusy, NotConnected and every EAccountingError."""
    return _read(
        connection, lambda client, left: get_customer(client, connection, customer_id=customer_id, deadline=left)
    )


def look_for(connection: Connection, *, values: Values) -> list[Customer]:
    """Return the customers that may be the company with these values, as delivery will look for them before a create.

    Raises TooBusy, NotConnected and every EAccountingError.
    """
    return list(_read(connection, lambda client, left: look(client, connection, values, deadline=left)).same)


def read_company_settings(connection: Connection) -> CompanySettings:
    """Return the settings of the connected company, as a test of the connection. Raises as read_customer."""
    return _read(connection, lambda client, left: client.get_company_settings(deadline=left))


def _read(connection: Connection, call: Callable[[Client, float], Answer]) -> Answer:
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
