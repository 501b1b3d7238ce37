"""Keep a copy of all customers of a connected company, page by page: for display and search; no create relies on it.

First one full pass, then only what changed since; a full pass again every 24 hours, because eAccounting does not list
removed customers (docs/eaccounting/facts.md, Reading lists). Customers that a full pass did not return are asked for
one by one.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction

from integrations.access.rate_limit import BULK_AHEAD, PATIENCE, NoSlot
from integrations.clock import database_now
from integrations.crash_points import Point, reach
from integrations.delivery.calls import get_customer, read
from integrations.domain import mapping
from integrations.eaccounting import filters
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    GrantDoubted,
    NotFound,
    NotSent,
    RateLimited,
    Unauthorized,
    UnexpectedAnswer,
)
from integrations.eaccounting.types import Customer, CustomerSlice
from integrations.exceptions import NotConnected
from integrations.models import Connection, CustomerIndex, CustomerLink, RemoteCustomer
from integrations.models.customer_index import FULL_EVERY, Overtaken, Pass

log = logging.getLogger(__name__)

AT_ONCE = 2  # connections whose index is read at the same time; the other workers of the queue stay free for pushes
STORING_SECONDS = 30.0  # the longest time that storing a page takes
MOST_LOOKED_FOR = 50  # most customers to ask for one by one after a full pass; the rest is left for the next pass
ERASED_AT_ONCE = 2000
# Seconds until a failed step is tried again, growing with each failure.
SHORTEST_PAUSE, LONGEST_PAUSE = 60.0, 600.0
STUCK_AFTER = timedelta(hours=1)
FAULT = "fault"  # the failure code of a step that hit an error in our own code
OF_THE_CONNECTION = (Unauthorized, ConnectionRevoked, GrantDoubted, ClientMisconfigured, RateLimited, NotSent)
Mark = datetime  # the end of a lease; it also identifies the holder of the step


def look_after(*, now: datetime, hand_on: Callable[[int, Mark], None]) -> None:
    """Book the steps that are due, as far as there is room, and start a task for each."""
    room = AT_ONCE - CustomerIndex.objects.filter(lease_until__gt=now).count()
    for index in CustomerIndex.due(now=now)[: max(0, room)]:
        if index.book_step(now=now, seconds=lease_seconds()) and index.lease_until:
            hand_on(index.connection_id, index.lease_until)


def lease_seconds() -> float:
    """Return the longest time that a step takes: a refresh, one call, and storing its answer."""
    waiting = PATIENCE + settings.EACCOUNTING_TOKEN_SECONDS
    return waiting + settings.EACCOUNTING_CALL_SECONDS + STORING_SECONDS


def step(connection_id: int, *, lease: Mark) -> Mark | None:
    """Do one step of an index. Return the lease of the next step if there is more to do at once, else None.

    Does nothing when somebody else holds the step now. A failed step is tried again later.
    """
    index = CustomerIndex.with_connection().get(connection=connection_id)
    if not index.hold_step(lease=lease, now=database_now(), seconds=lease_seconds()):
        return None
    try:
        _take(index)
    except Overtaken:
        log.info("the index of connection %s went on without this step", connection_id)
        return None
    except (NoSlot, NotConnected) as error:
        _wait(index, error)
    except EAccountingError as error:
        _postpone(index, error)
    except Exception:
        log.exception("the index of connection %s could not be read on", connection_id)
        # Not again at once: its lease would take room that other connections need.
        due = database_now() + timedelta(seconds=LONGEST_PAUSE)
        index.postpone_step(due=due, failure=FAULT, anew=_is_stuck(index))
    return index.lease_until


def _take(index: CustomerIndex) -> None:
    """Do the next step. Raises Overtaken, NotConnected, NoSlot and every EAccountingError."""
    kind = index.next_pass(now=database_now())
    if index.erasing:
        _erase(index)
    elif kind == Pass.MISSING:
        _look_for_one(index)
    else:
        _read_page(index, kind)


def _wait(index: CustomerIndex, error: NoSlot | NotConnected) -> None:
    """Try again later without a failure, because nothing was asked."""
    log.info("the index of connection %s: %s", index.connection_id, error)
    if isinstance(error, NoSlot):
        seconds, failure = error.retry_in, index.failure
    else:
        seconds, failure = _pause(index), error.code
    index.postpone_step(due=database_now() + timedelta(seconds=seconds), failure=failure)


def _postpone(index: CustomerIndex, error: EAccountingError) -> None:
    """Try a failed step again later: after the pause that eAccounting asked for, else after an ever longer one.

    A pass that is stuck begins again from the first page.
    """
    log.info("the index of connection %s: %s", index.connection_id, error)
    seconds = error.retry_after if isinstance(error, RateLimited) else _pause(index)
    anew = not _is_everybodys(error) and (not error.retryable or _is_stuck(index))
    index.postpone_step(due=database_now() + timedelta(seconds=seconds), failure=error.code, anew=anew)


def _pause(index: CustomerIndex) -> float:
    """Return the seconds until a failed step is tried again."""
    since = index.read_at or index.connection.connected_at
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, (database_now() - since).total_seconds() / 4))


def _is_everybodys(error: EAccountingError) -> bool:
    """Whether an error concerns the connection or the moment, not the page that was asked for."""
    return error.connection_wide or isinstance(error, OF_THE_CONNECTION)


def _is_stuck(index: CustomerIndex) -> bool:
    """Whether the pass is old and its position may no longer exist, so that it has to begin again.

    A page must have failed the time before too. Customers asked for one by one may each fail, and changes can wait.
    """
    began = index.began_at
    is_over = index.failure != "" or index.reading == Pass.MISSING
    return began is not None and is_over and database_now() > began + STUCK_AFTER


# --- Pages -----------------------------------------------------------------------------------------------


def _read_page(index: CustomerIndex, kind: Pass) -> None:
    """Read the next page, and store it together with the position after it."""
    began, number = database_now(), max(1, index.page)
    since = index.watermark if kind == Pass.CHANGES else None
    wanted = filters.changed_since(since) if since else None
    page = read(
        index.connection,
        lambda client, left: client.customer_page(page=number, filter=wanted, deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=PATIENCE,
        ahead=BULK_AHEAD,
    )
    reach(Point.INDEX_PAGE_READ)
    with transaction.atomic():
        index.lock_step()
        is_last = page.is_last or (number > 1 and not _brings_news(index, page))
        _store(index.connection, page.customers, unread=page.unread_ids, began=began)
        _advance(index, kind, replace(page, is_last=is_last), number=number, began=began)
    reach(Point.INDEX_PAGE_STORED)


def _brings_news(index: CustomerIndex, page: CustomerSlice) -> bool:
    """Whether a page holds a customer that this pass has not seen yet; else pages that repeat would never end."""
    keys = {UUID(key) for key in (*(customer.id for customer in page.customers), *page.unread_ids)}
    return not RemoteCustomer.all_seen_since(index.began_at, connection=index.connection, keys=keys)


def _store(
    connection: Connection, customers: Sequence[Customer], *, began: datetime, unread: Sequence[str] = ()
) -> None:
    """Store the answer, and break or repair the links to these customers. Runs in the caller's transaction."""
    rows = [
        RemoteCustomer.of(connection=connection, customer=customer, answered=mapping.owned(customer.raw), now=began)
        for customer in customers
    ]
    keys = [row.customer_id for row in rows]
    returned = RemoteCustomer.take_in(
        connection=connection, rows=rows, unread=[UUID(key) for key in unread], began=began
    )
    CustomerLink.follow(connection=connection, customers=keys, returned=returned)


def _advance(index: CustomerIndex, kind: Pass, page: CustomerSlice, *, number: int, began: datetime) -> None:
    """Record the position. Raises Overtaken, and then nothing of this page is stored."""
    if number == 1:
        index.began_at, index.skipped = began, 0
        # A change that eAccounting commits late, with an earlier time, falls within the settle time.
        index.next_watermark = page.server_time - timedelta(seconds=settings.EACCOUNTING_SETTLE_SECONDS)
    index.go_on(
        now=database_now(),
        seconds=lease_seconds(),
        reading=kind,
        page=number + 1,
        began_at=index.began_at,
        next_watermark=index.next_watermark,
        skipped=index.skipped + page.unread,
        total=page.results if kind == Pass.FULL else index.total,
    )
    if page.is_last and kind == Pass.FULL:
        _end_full_pass(index)
    elif page.is_last:
        index.end_pass(due=_next_time(index))


def _next_time(index: CustomerIndex) -> datetime:
    """Return when the next pass is due, counted from the beginning of this one."""
    now = database_now()
    return max(now, (index.began_at or now) + timedelta(seconds=settings.EACCOUNTING_INDEX_SECONDS))


# --- Who is not there any more -----------------------------------------------------------------------------


def _end_full_pass(index: CustomerIndex) -> None:
    """End a full pass: ask next for the customers that no page returned, unless the pages were incomplete.

    A page can skip rows when one is removed meanwhile. The first pass then begins again when the next one is due.
    Raises Overtaken.
    """
    seen = RemoteCustomer.objects.filter(connection=index.connection, seen_at__gte=index.began_at).count()
    named_all = seen + index.skipped >= (index.total or 0)
    if named_all or index.is_filled or _is_total_wrong(index):
        index.note_filled()
    if seen and named_all:
        index.go_on(now=database_now(), seconds=lease_seconds(), reading=Pass.MISSING, page=0)
    else:
        index.end_pass(due=_next_time(index))


def _is_total_wrong(index: CustomerIndex) -> bool:
    """Whether no pass of a whole day returned as many customers as eAccounting counts: then the count is ignored."""
    return database_now() > index.connection.connected_at + FULL_EVERY


def _look_for_one(index: CustomerIndex) -> None:
    """Ask for one customer that no page returned; only its own answer proves that it is gone. Raises as `_take`."""
    missing = _next_missing(index)
    if missing is None:
        index.end_pass(due=_next_time(index))
        return
    began = database_now()
    try:
        customer = _read_one(index.connection, missing)
    except NotFound:
        keep = partial(_mark_gone, missing, now=began)
    except EAccountingError as error:
        if not _is_its_own(error, index):
            raise
        log.info("the index of connection %s: one customer cannot be read: %s", index.connection_id, error)
        keep = partial(missing.mark_unread, now=began)  # still there, as far as anybody can tell
    else:
        keep = partial(_store, index.connection, [customer], began=began)
    reach(Point.INDEX_PAGE_READ)
    with transaction.atomic():
        index.lock_step()
        keep()
        index.go_on(now=database_now(), seconds=lease_seconds(), page=index.page + 1)


def _is_its_own(error: EAccountingError, index: CustomerIndex) -> bool:
    """Whether an error is about this one customer; one that may only be of the moment counts the second time."""
    if _is_everybodys(error):
        return False
    return isinstance(error, UnexpectedAnswer) or not error.retryable or index.failure == error.code


def _next_missing(index: CustomerIndex) -> RemoteCustomer | None:
    """Return the next customer to ask for, linked ones first; at most MOST_LOOKED_FOR in one pass."""
    since = index.began_at
    if since is None or index.page >= MOST_LOOKED_FOR:
        return None
    return RemoteCustomer.unseen_since(since, connection=index.connection).first()


def _read_one(connection: Connection, missing: RemoteCustomer) -> Customer:
    customer_id = str(missing.customer_id)
    return read(
        connection,
        lambda client, left: get_customer(client, connection, customer_id=customer_id, deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=PATIENCE,
        ahead=BULK_AHEAD,
    )


def _mark_gone(missing: RemoteCustomer, *, now: datetime) -> None:
    if missing.mark_gone(now=now):
        for link in CustomerLink.objects.filter(customer=missing).order_by("pk"):
            link.mark_broken(CustomerLink.Broken.DELETED)


# --- Erasing ------------------------------------------------------------------------------------------------


def _erase(index: CustomerIndex) -> None:
    """Erase some of the customers that are not linked. Raises Overtaken."""
    if RemoteCustomer.erase_some(connection=index.connection, most=ERASED_AT_ONCE):
        index.go_on(now=database_now(), seconds=lease_seconds())
    else:
        index.end_erasing()
