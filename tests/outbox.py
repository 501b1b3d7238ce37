"""Rows for tests of what surrounds the engine: nothing is ever sent for them."""

from datetime import timedelta

from accounts.models import Account, User
from companies.models import Company
from integrations.clock import database_now
from integrations.models import Connection, Kind, Push


def due_push(*, account: Account, user: User) -> Push:
    """Make a row that is due now and that no worker has claimed."""
    now = database_now()
    connection = Connection.objects.create(
        account=account,
        identity="1",
        issued_at=now,
        expires_at=now + timedelta(hours=1),
        connected_by=user,
        connected_at=now,
    )
    company = Company.add(account=account, now=now, values={"name": "Björk & Son Måleri AB", "country": "SE"})
    return Push.objects.create(
        account=account,
        connection=connection,
        company=company,
        kind=Kind.CREATE,
        requested_by=user,
        next_attempt_at=now,
    )
