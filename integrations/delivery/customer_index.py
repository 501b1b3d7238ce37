"""The copy of all customers of a connected company, kept page by page: shown and searched, never trusted for a create.

First a full pass, then what changed since; every 24 hours a full pass again, because eAccounting does not list what
was removed (docs/eaccounting/facts.md, Reading lists). Whom a full pass did not come by is asked for by its id.
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
from integrations.access.tokens import NotConnected
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
from integrations.models import Connection, CustomerIndex, CustomerLink, RemoteCustomer
from integrations.models.customer_index import FULL_EVERY, Overtaken, Pass

log = logging.getLogger(__name__)

AT_ONCE = 2  # connections whose index is read at the same time: the other workers of the queue stay free for pushes
STORING_SECONDS = 30.0  # the longest that a page takes to be stored
MOST_LOOKED_FOR = 50  # customers that a full pass did not come by; the rest is for the next one
ERASED_AT_ONCE = 2000
# Seconds until a step that failed is tried again: the longer nothing came of it, the longer.
SHORTEST_PAUSE, LONGEST_PAUSE = 60.0, 600.0
STUCK_AFTER = timedelta(hours=1)
FAULT = "fault"  # the failure of a step that met an error of ours
OF_THE_CONNECTION = (Unauthorized, ConnectionRevoked, GrantDoubted, ClientMisconfigured, RateLimited, NotSent)
Mark = datetime  # the end of a lease, which names who holds the step


def look_after(*, now: datetime, hand_on: Callable[[int, Mark], None]) -> None:
    """Book the steps that are due, as far as there is room, and hand each on to a task of its own."""
    room = AT_ONCE - CustomerIndex.objects.filter(lease_until__gt=now).count()
    for index in CustomerIndex.due(now=now)[: max(0, room)]:
        if index.book_step(now=now, seconds=lease_seconds()) and index.lease_until:
            hand_on(index.connection_id, index.lease_until)


def lease_seconds() -> float:
    """The longest that a step takes: a refresh, one call, and storing what it answered."""
    waiting = PATIENCE + settings.EACCOUNTING_TOKEN_SECONDS
    return waiting + settings.EACCOUNTING_CALL_SECONDS + STORING_SECONDS


def step(connection_id: int, *, lease: Mark) -> Mark | None:
    """Take one step. Return the mark of the next one when there is more to do at once.

    Nothing happens when the step is somebody else's by now; what eAccounting refuses is tried again later.
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
        # Not at once again: the lease would hold room that others need.
        due = database_now() + timedelta(seconds=LONGEST_PAUSE)
        index.postpone_step(due=due, failure=FAULT, anew=_is_stuck(index))
    return index.lease_until


def _take(index: CustomerIndex) -> None:
    """Do what is next. Raises Overtaken, NotConnected, BudgetError and every EAccountingError."""
    kind = index.next_pass(now=database_now())
    if index.erasing:
        _erase(index)
    elif kind == Pass.MISSING:
        _look_for_one(index)
    else:
        _read_page(index, kind)


def _wait(index: CustomerIndex, error: NoSlot | NotConnected) -> None:
    """Nothing was asked: try again later."""
    log.info("the index of connection %s: %s", index.connection_id, error)
    if isinstance(error, NoSlot):
        seconds, failure = error.retry_in, index.failure
    else:
        seconds, failure = _pause(index), error.code
    index.postpone_step(due=database_now() + timedelta(seconds=seconds), failure=failure)


def _postpone(index: CustomerIndex, error: EAccountingError) -> None:
    """Try again later: after the silence that was asked for, or ever more seldom; what is stuck begins anew."""
    log.info("the index of connection %s: %s", index.connection_id, error)
    seconds = error.retry_after if isinstance(error, RateLimited) else _pause(index)
    anew = not _is_everybodys(error) and (not error.retryable or _is_stuck(index))
    index.postpone_step(due=database_now() + timedelta(seconds=seconds), failure=error.code, anew=anew)


def _pause(index: CustomerIndex) -> float:
    """Return the seconds until a step that failed is tried again."""
    since = index.read_at or index.connection.connected_at
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, (database_now() - since).total_seconds() / 4))


def _is_everybodys(error: EAccountingError) -> bool:
    """Whether an error says nothing about what was asked for, but about the connection or the moment."""
    return error.connection_wide or isinstance(error, OF_THE_CONNECTION)


def _is_stuck(index: CustomerIndex) -> bool:
    """Whether a step that fails is in a pass that is old: where that stands may be no more.

    A page must have failed the time before too. Of those who are looked for each may fail, and changes wait meanwhile.
    """
    began = index.began_at
    is_over = index.failure != "" or index.reading == Pass.MISSING
    return began is not None and is_over and database_now() > began + STUCK_AFTER


# --- Pages -----------------------------------------------------------------------------------------------


def _read_page(index: CustomerIndex, kind: Pass) -> None:
    """Read the next page, and store it together with how far that is."""
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
    """Whether a page names anybody whom this pass did not come by: pages by id that repeat each other never end."""
    keys = {UUID(key) for key in (*(customer.id for customer in page.customers), *page.unread_ids)}
    return not RemoteCustomer.all_seen_since(index.began_at, connection=index.connection, keys=keys)


def _store(
    connection: Connection, customers: Sequence[Customer], *, began: datetime, unread: Sequence[str] = ()
) -> None:
    """Keep what was answered, and break or mend the links to it. In the caller's transaction."""
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
    """Write down how far the index is. Raises Overtaken, and then nothing of this page is stored."""
    if number == 1:
        index.began_at, index.skipped = began, 0
        # What is committed there late, with an earlier time, is within the settle time.
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
    """Return when the next pass is due: so long after this one began."""
    now = database_now()
    return max(now, (index.began_at or now) + timedelta(seconds=settings.EACCOUNTING_INDEX_SECONDS))


# --- Who is not there any more -----------------------------------------------------------------------------


def _end_full_pass(index: CustomerIndex) -> None:
    """All pages are read: look for whom none of them named, unless the pages themselves did not name all.

    A page can skip rows when one is removed meanwhile. The first pass is then begun again when the next one is due.
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
    """Whether no pass of a whole day named as many as eAccounting says there are: then its number is not believed."""
    return database_now() > index.connection.connected_at + FULL_EVERY


def _look_for_one(index: CustomerIndex) -> None:
    """Ask for one customer that the pages did not name: only its own answer tells that it is gone. Raises as _take."""
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
        keep = partial(missing.mark_unread, now=began)  # there, as far as anybody can tell
    else:
        keep = partial(_store, index.connection, [customer], began=began)
    reach(Point.INDEX_PAGE_READ)
    with transaction.atomic():
        index.lock_step()
        keep()
        index.go_on(now=database_now(), seconds=lease_seconds(), page=index.page + 1)


def _is_its_own(error: EAccountingError, index: CustomerIndex) -> bool:
    """Whether an answer is about this one customer: one that may be the moment's is, when it comes a second time."""
    if _is_everybodys(error):
        return False
    return isinstance(error, UnexpectedAnswer) or not error.retryable or index.failure == error.code


def _next_missing(index: CustomerIndex) -> RemoteCustomer | None:
    """Return the next one to ask for; the linked ones come first, and not all of very many in one pass."""
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
    """Erase some of those that are not linked. Raises Overtaken."""
    if RemoteCustomer.erase_some(connection=index.connection, most=ERASED_AT_ONCE):
        index.go_on(now=database_now(), seconds=lease_seconds())
    else:
        index.end_erasing()
