"""What waits for an admin and meets, on its way, that there still is something only an admin can do."""

from datetime import datetime
from typing import Any

from integrations.models import Connection, Kind, Push, WaitReason
from integrations.models.chosen_terms import TERMS_PROBLEMS


def is_for_admin(push: Push, code: str) -> bool:
    """Whether a create that has been waiting for an admin is stopped by the terms of payment: it goes on waiting."""
    return push.kind == Kind.CREATE and push.waits_for_admin and code in TERMS_PROBLEMS


def wait_for_terms(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """Wait until an admin has chosen or confirmed the terms. The caller is in a transaction. Raises LostLease.

    Choosing changes the connection's row before it wakes what waits. So its lock decides who is first: either this
    row is seen waiting, or it sees that there is nothing to wait for any more.
    """
    # The terms are read by a query of their own: joined, they would be those of before the wait.
    connection = Connection.without_tokens().select_for_update(no_key=True).get(pk=push.connection_id)
    push.wait(WaitReason.TERMS, until=None if connection.terms_problem else now, failure=failure)
