"""What workers do without a click: read terms of payment, probe blocked connections, keep idle grants alive."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from accounts.models import Account
from integrations.access import tokens
from integrations.access.rate_limit import PATIENCE, NoSlot
from integrations.clock import database_now
from integrations.crash_points import Point, reach
from integrations.delivery.calls import note_blocked, read
from integrations.eaccounting.errors import EAccountingError
from integrations.eaccounting.types import CompanySettings
from integrations.exceptions import NotConnected
from integrations.models import BlockedReason, Connection, Event, EventKind, WaitReason, push_queue

log = logging.getLogger(__name__)

IDLE_FOR = timedelta(days=7)  # a refresh token that is never used may expire
INACTIVE, READ_ONLY = 0, 2  # CompanySettings.status
BOOKKEEPING = 3  # CompanySettings.product_variant: it has no customers


def read_terms(connection_id: int) -> None:
    """Fetch and store the terms of payment. Raises NotConnected, NoSlot and every EAccountingError."""
    connection = Connection.without_tokens().get(pk=connection_id)
    answered = read(
        connection,
        lambda client, left: client.list_terms_of_payment(deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=PATIENCE,
    )
    reach(Point.TERMS_ANSWERED)
    with transaction.atomic():
        # The chosen terms are read in a query of their own: a join would return them as they were before we waited.
        connection = Connection.without_tokens().select_for_update(no_key=True).get(pk=connection_id)
        before, now = connection.terms_problem, database_now()
        connection.store_terms(answered=answered, now=now)
        _note_news_of_terms(connection, before, now=now)


def _note_news_of_terms(connection: Connection, before: str, *, now: datetime) -> None:
    """Write into the timeline that the chosen terms are gone, changed or back; pushes that wait for them go on."""
    problem = connection.terms_problem
    if problem and problem != before:
        parameters = {"code": problem, **connection.terms_particulars}
        Event.add(EventKind.TERMS_LOST, connection=connection, parameters=parameters)
    elif before and not problem:
        Event.add(EventKind.TERMS_BACK, connection=connection)
        push_queue.pull_forward(connection=connection, now=now, reasons=(WaitReason.TERMS,))


def look_after_one(connection_id: int) -> None:
    """Do the upkeep that is due for one connection, already booked. A failure is left for the next time."""
    connection = Connection.without_tokens().get(pk=connection_id)
    try:
        if connection.blocked_reason:
            probe(connection)
        elif _terms_are_due(connection):
            read_terms(connection.pk)
        else:
            tokens.access(connection.pk, clock=database_now, patience=PATIENCE)
    except (EAccountingError, NoSlot, NotConnected) as error:
        log.info("connection %s: %s", connection.pk, error)


def _terms_are_due(connection: Connection) -> bool:
    read_at, zone = connection.terms_read_at, connection.account.zone
    return read_at is None or read_at < last_night(now=database_now(), zone=zone)


def look_after(*, now: datetime, hand_on: Callable[[int], None] = look_after_one) -> None:
    """Book the upkeep that is due and start a task for each connection, so that a slow one delays no other.

    Due are: terms that were never fetched, or not since the account's last night; probes of blocked connections;
    tokens that were unused for so long that the grant could expire.
    """
    due = Connection.without_tokens().filter(Q(probe_at=None) | Q(probe_at__lte=now), state=Connection.State.CONNECTED)
    terms = Q(terms_read_at=None) | not_since_last_night("terms_read_at", now=now)
    idle = Q(issued_at__lte=now - IDLE_FOR)
    for connection in due.filter(~Q(blocked_reason="") | terms | idle).order_by("pk"):
        if connection.book_upkeep(now=now):
            hand_on(connection.pk)


def probe(connection: Connection) -> None:
    """Check whether a blocked connection works again. Raises as read_terms."""
    answered = read(
        connection,
        lambda client, left: client.get_company_settings(deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=PATIENCE,
    )
    reach(Point.PROBE_ANSWERED)
    apply_settings(connection, answered)


def apply_settings(connection: Connection, answered: CompanySettings) -> str:
    """Store what the settings say about the company, and block or unblock it. Return the blocking reason or ""."""
    now = database_now()
    reason = problem_in(answered, connection)
    with transaction.atomic():
        connection.describe(settings=answered, now=now)
        if reason:
            note_blocked(connection, reason=reason)
            return reason
        if connection.unblock():
            Event.add(EventKind.UNBLOCKED, connection=connection)
        push_queue.pull_forward(connection=connection, now=now)
    return ""


def problem_in(answered: CompanySettings, connection: Connection) -> str:
    """Return why customers cannot be written although the settings could be read, or ""."""
    if answered.status == INACTIVE:
        return BlockedReason.COMPANY_INACTIVE
    if answered.status == READ_ONLY:
        return BlockedReason.COMPANY_READ_ONLY
    if answered.product_variant == BOOKKEEPING:
        return BlockedReason.PRODUCT_VARIANT
    granted = connection.scope.split()
    return BlockedReason.SCOPE if granted and "ea:sales" not in granted else ""


HOUR = 3  # o'clock at night, in the account's time zone


def last_night(*, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the last time it was three in the morning in this time zone."""
    here = now.astimezone(zone)
    night = here.replace(hour=HOUR, minute=0, second=0, microsecond=0, fold=0)
    return night if night <= here else night - timedelta(days=1)


def not_since_last_night(column: str, *, now: datetime) -> Q:
    """Return the condition that a column's moment lies before the last night of the row's account."""
    found = Q(pk__in=[])
    for zone in Account.objects.order_by("time_zone").values_list("time_zone", flat=True).distinct():
        night = last_night(now=now, zone=ZoneInfo(zone))
        found |= Q(account__time_zone=zone, **{f"{column}__lt": night})
    return found
