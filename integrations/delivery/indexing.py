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

from integrations import mapping
from integrations.clock import database_now
from integrations.crashpoints import Point, reach
from integrations.delivery.reads import read
from integrations.eaccounting import filters
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    NotFound,
    NotSent,
    RateLimited,
    Unauthorized,
    UnexpectedAnswer,
)
from integrations.eaccounting.types import Customer, CustomerSlice
from integrations.limiter import BULK_AHEAD, PATIENCE, BudgetError
from integrations.models import Connection, CustomerLink, RemoteCustomer
from integrations.models.index_state import FULL_EVERY, Overtaken, Pass
from integrations.tokens import NotConnected

log = logging.getLogger(__name__)

AT_ONCE = 2  # connections whose index is read at the same time: the other workers of the queue stay free for pushes
STORING_SECONDS = 30.0  # the longest that a page takes to be stored
MOST_LOOKED_FOR = 50  # customers that a full pass did not come by; the rest is for the next one
ERASED_AT_ONCE = 2000
# Seconds until a step that failed is tried again: the longer nothing came of it, the longer.
SHORTEST_PAUSE, LONGEST_PAUSE = 60.0, 600.0
STUCK_AFTER = timedelta(hours=1)
FAULT = "fault"  # the failure of a step that met an error of ours
OF_THE_CONNECTION = (Unauthorized, ConnectionRevoked, ClientMisconfigured, RateLimited, NotSent)
Mark = datetime  # the end of a lease, which names who holds the step


def look_after(*, now: datetime, hand_on: Callable[[int, Mark], None]) -> None:
    """Book the steps that are due, as far as there is room, and hand each on to a task of its own."""
    room = AT_ONCE - Connection.objects.filter(index_lease_until__gt=now).count()
    for connection in Connection.index_due(now=now)[: max(0, room)]:
        if connection.book_step(now=now, seconds=lease_seconds()) and connection.index_lease_until:
            hand_on(connection.pk, connection.index_lease_until)


def lease_seconds() -> float:
    """The longest that a step takes: a refresh, one call, and storing what it answered."""
    waiting = PATIENCE + settings.EACCOUNTING_TOKEN_SECONDS
    return waiting + settings.EACCOUNTING_CALL_SECONDS + STORING_SECONDS


def step(connection_id: int, *, lease: Mark) -> Mark | None:
    """Take one step. Return the mark of the next one when there is more to do at once.

    Nothing happens when the step is somebody else's by now; what eAccounting refuses is tried again later.
    """
    connection = Connection.without_tokens().get(pk=connection_id)
    if not connection.hold_step(lease=lease, now=database_now(), seconds=lease_seconds()):
        return None
    try:
        _take(connection)
    except Overtaken:
        log.info("the index of connection %s went on without this step", connection.pk)
        return None
    except (BudgetError, NotConnected) as error:
        _wait(connection, error)
    except EAccountingError as error:
        _postpone(connection, error)
    except Exception:
        log.exception("the index of connection %s could not be read on", connection.pk)
        # Not at once again: the lease would hold room that others need.
        due = database_now() + timedelta(seconds=LONGEST_PAUSE)
        connection.postpone_step(due=due, failure=FAULT, anew=_is_stuck(connection))
    return connection.index_lease_until


def _take(connection: Connection) -> None:
    """Do what is next. Raises Overtaken, NotConnected, BudgetError and every EAccountingError."""
    kind = connection.next_pass(now=database_now())
    if connection.index_erasing:
        _erase(connection)
    elif kind == Pass.MISSING:
        _look_for_one(connection)
    else:
        _read_page(connection, kind)


def _wait(connection: Connection, error: BudgetError | NotConnected) -> None:
    """Nothing was asked: try again later."""
    log.info("the index of connection %s: %s", connection.pk, error)
    if isinstance(error, BudgetError):
        seconds, failure = error.retry_in, connection.index_failure
    else:
        seconds, failure = _pause(connection), error.code
    connection.postpone_step(due=database_now() + timedelta(seconds=seconds), failure=failure)


def _postpone(connection: Connection, error: EAccountingError) -> None:
    """Try again later: after the silence that was asked for, or ever more seldom; what is stuck begins anew."""
    log.info("the index of connection %s: %s", connection.pk, error)
    seconds = error.retry_after if isinstance(error, RateLimited) else _pause(connection)
    anew = not _is_everybodys(error) and (not error.retryable or _is_stuck(connection))
    connection.postpone_step(due=database_now() + timedelta(seconds=seconds), failure=error.code, anew=anew)


def _pause(connection: Connection) -> float:
    """Return the seconds until a step that failed is tried again."""
    since = connection.index_read_at or connection.connected_at
    return min(LONGEST_PAUSE, max(SHORTEST_PAUSE, (database_now() - since).total_seconds() / 4))


def _is_everybodys(error: EAccountingError) -> bool:
    """Whether an error says nothing about what was asked for, but about the connection or the moment."""
    return error.connection_wide or isinstance(error, OF_THE_CONNECTION)


def _is_stuck(connection: Connection) -> bool:
    """Whether a step that fails is in a pass that is old: where that stands may be no more.

    A page must have failed the time before too. Of those who are looked for each may fail, and changes wait meanwhile.
    """
    began = connection.index_began_at
    is_over = connection.index_failure != "" or connection.index_pass == Pass.MISSING
    return began is not None and is_over and database_now() > began + STUCK_AFTER


# --- Pages -----------------------------------------------------------------------------------------------


def _read_page(connection: Connection, kind: Pass) -> None:
    """Read the next page, and store it together with how far that is."""
    began, number = database_now(), max(1, connection.index_page)
    since = connection.index_watermark if kind == Pass.CHANGES else None
    wanted = filters.changed_since(since) if since else None
    page = read(
        connection,
        lambda client, left: client.customer_page(page=number, filter=wanted, deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=PATIENCE,
        ahead=BULK_AHEAD,
    )
    reach(Point.INDEX_PAGE_READ)
    with transaction.atomic():
        connection.lock_step()
        is_last = page.is_last or (number > 1 and not _brings_news(connection, page))
        _store(connection, page.customers, unread=page.unread_ids, began=began)
        _advance(connection, kind, replace(page, is_last=is_last), number=number, began=began)
    reach(Point.INDEX_PAGE_STORED)


def _brings_news(connection: Connection, page: CustomerSlice) -> bool:
    """Whether a page names anybody whom this pass did not come by: pages by id that repeat each other never end."""
    keys = {UUID(key) for key in (*(customer.id for customer in page.customers), *page.unread_ids)}
    return not RemoteCustomer.all_seen_since(connection.index_began_at, connection=connection, keys=keys)


def _store(
    connection: Connection, customers: Sequence[Customer], *, began: datetime, unread: Sequence[str] = ()
) -> None:
    """Keep what was answered, and break or mend the links to it. In the caller's transaction."""
    rows = [
        RemoteCustomer.of(connection=connection, customer=customer, answered=mapping.owned(customer.raw), now=began)
        for customer in customers
    ]
    keys = [row.customer_id for row in rows]
    CustomerLink.settle(connection=connection, customers=keys)
    returned = RemoteCustomer.take_in(
        connection=connection, rows=rows, unread=[UUID(key) for key in unread], began=began
    )
    CustomerLink.follow(connection=connection, customers=keys, returned=returned)


def _advance(connection: Connection, kind: Pass, page: CustomerSlice, *, number: int, began: datetime) -> None:
    """Write down how far the index is. Raises Overtaken, and then nothing of this page is stored."""
    if number == 1:
        connection.index_began_at, connection.index_skipped = began, 0
        # What is committed there late, with an earlier time, is within the settle time.
        connection.index_next_watermark = page.server_time - timedelta(seconds=settings.EACCOUNTING_SETTLE_SECONDS)
    connection.go_on(
        now=database_now(),
        seconds=lease_seconds(),
        index_pass=kind,
        index_page=number + 1,
        index_began_at=connection.index_began_at,
        index_next_watermark=connection.index_next_watermark,
        index_skipped=connection.index_skipped + page.unread,
        index_total=page.results if kind == Pass.FULL else connection.index_total,
    )
    if page.is_last and kind == Pass.FULL:
        _end_full_pass(connection)
    elif page.is_last:
        connection.end_pass(due=_next_time(connection))


def _next_time(connection: Connection) -> datetime:
    """Return when the next pass is due: so long after this one began."""
    now = database_now()
    return max(now, (connection.index_began_at or now) + timedelta(seconds=settings.EACCOUNTING_INDEX_SECONDS))


# --- Who is not there any more -----------------------------------------------------------------------------


def _end_full_pass(connection: Connection) -> None:
    """All pages are read: look for whom none of them named, unless the pages themselves did not name all.

    A page can skip rows when one is removed meanwhile. The first pass is then begun again when the next one is due.
    Raises Overtaken.
    """
    seen = RemoteCustomer.objects.filter(connection=connection, seen_at__gte=connection.index_began_at).count()
    named_all = seen + connection.index_skipped >= (connection.index_total or 0)
    if named_all or connection.is_index_filled or _is_total_wrong(connection):
        connection.note_filled()
    if seen and named_all:
        connection.go_on(now=database_now(), seconds=lease_seconds(), index_pass=Pass.MISSING, index_page=0)
    else:
        connection.end_pass(due=_next_time(connection))


def _is_total_wrong(connection: Connection) -> bool:
    """Whether no pass of a whole day named as many as eAccounting says there are: then its number is not believed."""
    return database_now() > connection.connected_at + FULL_EVERY


def _look_for_one(connection: Connection) -> None:
    """Ask for one customer that the pages did not name: only its own answer tells that it is gone. Raises as _take."""
    missing = _next_missing(connection)
    if missing is None:
        connection.end_pass(due=_next_time(connection))
        return
    began = database_now()
    try:
        customer = _read_one(connection, missing)
    except NotFound:
        keep = partial(_mark_gone, missing, now=began)
    except EAccountingError as error:
        if not _is_its_own(error, connection):
            raise
        log.info("the index of connection %s: one customer cannot be read: %s", connection.pk, error)
        keep = partial(missing.mark_unread, now=began)  # there, as far as anybody can tell
    else:
        keep = partial(_store, connection, [customer], began=began)
    reach(Point.INDEX_PAGE_READ)
    with transaction.atomic():
        connection.lock_step()
        keep()
        connection.go_on(now=database_now(), seconds=lease_seconds(), index_page=connection.index_page + 1)


def _is_its_own(error: EAccountingError, connection: Connection) -> bool:
    """Whether an answer is about this one customer: one that may be the moment's is, when it comes a second time."""
    if _is_everybodys(error):
        return False
    return isinstance(error, UnexpectedAnswer) or not error.retryable or connection.index_failure == error.code


def _next_missing(connection: Connection) -> RemoteCustomer | None:
    """Return the next one to ask for; the linked ones come first, and not all of very many in one pass."""
    since = connection.index_began_at
    if since is None or connection.index_page >= MOST_LOOKED_FOR:
        return None
    return RemoteCustomer.unseen_since(since, connection=connection).first()


def _read_one(connection: Connection, missing: RemoteCustomer) -> Customer:
    return read(
        connection,
        lambda client, left: client.get_customer(customer_id=str(missing.customer_id), deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=PATIENCE,
        ahead=BULK_AHEAD,
    )


def _mark_gone(missing: RemoteCustomer, *, now: datetime) -> None:
    if missing.mark_gone(now=now):
        for link in CustomerLink.objects.filter(customer=missing).order_by("pk"):
            link.mark_broken(CustomerLink.Broken.DELETED)


# --- Erasing ------------------------------------------------------------------------------------------------


def _erase(connection: Connection) -> None:
    """Erase some of those that are not linked. Raises Overtaken."""
    if RemoteCustomer.erase_some(connection=connection, most=ERASED_AT_ONCE):
        connection.go_on(now=database_now(), seconds=lease_seconds())
    else:
        connection.end_erasing()
