"""What workers read by themselves: terms of payment, and whether a blocked connection works again."""

import logging
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from integrations.clock import database_now
from integrations.delivery.reads import read
from integrations.eaccounting.errors import EAccountingError
from integrations.eaccounting.types import CompanySettings
from integrations.limiter import CLICK_PATIENCE, BudgetError
from integrations.models import BlockedReason, Connection, Event, EventKind, Push
from integrations.tokens import NotConnected

log = logging.getLogger(__name__)

INACTIVE, READ_ONLY = 0, 2  # CompanySettings.status
BOOKKEEPING = 3  # CompanySettings.product_variant: it has no customers


def read_terms(connection_id: int) -> None:
    """Fetch and keep the terms of payment. Raises NotConnected, BudgetError and every EAccountingError."""
    connection = Connection.objects.get(pk=connection_id)
    answered = read(
        connection,
        lambda client, left: client.list_terms_of_payment(deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=CLICK_PATIENCE,
    )
    with transaction.atomic():
        connection.store_terms(answered=answered, now=database_now())


def look_after(*, now: datetime) -> None:
    """Fetch terms that were never fetched, and probe the blocked connections that are due."""
    connected = Connection.objects.filter(state=Connection.State.CONNECTED)
    for connection in connected.filter(blocked_reason="", terms_read_at=None):
        _quietly(lambda found: read_terms(found.pk), connection)
    for connection in connected.exclude(blocked_reason="").filter(probe_at__lte=now):
        connection.probe_later(now=now)
        _quietly(probe, connection)


def probe(connection: Connection) -> None:
    """Ask whether a blocked connection works again. Raises as read_terms."""
    answered = read(
        connection,
        lambda client, left: client.get_company_settings(deadline=left),
        seconds=settings.EACCOUNTING_CALL_SECONDS,
        patience=CLICK_PATIENCE,
    )
    apply_settings(connection, answered)


def apply_settings(connection: Connection, answered: CompanySettings) -> str:
    """Keep what the settings say: describe the company, block or unblock. Return the blocking reason or ""."""
    now = database_now()
    reason = problem_in(answered, connection)
    with transaction.atomic():
        connection.describe(settings=answered, now=now)
        if reason:
            if connection.block(reason=reason, now=now):
                Event.add(EventKind.BLOCKED, connection=connection, parameters={"reason": reason})
        elif connection.blocked_reason:
            connection.unblock()
            Event.add(EventKind.UNBLOCKED, connection=connection)
    if not reason:
        Push.pull_forward(connection=connection, now=now)
    return reason


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


def _quietly(step: Callable[[Connection], None], connection: Connection) -> None:
    """Do it for one connection; its failure must not keep the others waiting."""
    try:
        step(connection)
    except (EAccountingError, BudgetError, NotConnected) as error:
        log.info("connection %s: %s", connection.pk, error)
