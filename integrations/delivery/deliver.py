"""A worker's whole job for one row: claim it, do what it wishes, record one outcome."""

import logging
from datetime import timedelta

from django.conf import settings

from accounts.models import Role
from integrations.clock import Clock, database_now
from integrations.delivery import creating, outcomes, updating
from integrations.delivery.calls import Calls
from integrations.delivery.outcomes import CannotSend
from integrations.eaccounting.errors import EAccountingError
from integrations.limiter import BudgetError
from integrations.models import Kind, Push, PushState, WaitReason
from integrations.models.push import CRASHES_ALLOWED, LostLease
from integrations.tokens import NotConnected

# A row that is due again at once (a refused token was replaced, say) need not wait for the sweeper.
ATTEMPTS_AT_ONCE = 3

log = logging.getLogger(__name__)


def deliver(push_id: int, *, clock: Clock = database_now) -> None:
    """Move one push as far as it goes now. Safe to call at any time, any number of times, from anywhere."""
    seconds = settings.EACCOUNTING_TOKEN_SECONDS + creating.LEASE_SLACK
    for _attempt in range(ATTEMPTS_AT_ONCE):
        push = Push.claim(push_id, now=clock(), seconds=seconds)
        if push is None:
            return
        try:
            _carry_out(push, Calls(connection=push.connection, clock=clock))
        except LostLease:
            log.warning("push %s was taken over by another worker; nothing was written", push_id)
            return


def _carry_out(push: Push, calls: Calls) -> None:
    """Do it, and turn every way in which it can end into one outcome on the row. Raises LostLease."""
    try:
        _try(push, calls)
    except CannotSend as reason:
        _refuse(push, reason, calls)
    except NotConnected as reason:
        _wait_for_connection(push, reason, calls)
    except BudgetError as reason:
        until = calls.clock() + timedelta(seconds=reason.retry_in)
        push.wait(WaitReason.BUDGET, until=until, failure=outcomes.failure_of(reason.code))
    except EAccountingError as error:
        _record(push, error, calls)


def _try(push: Push, calls: Calls) -> None:
    if push.crashes >= CRASHES_ALLOWED:
        raise CannotSend("crashed")
    if not push.connection.is_usable:
        raise NotConnected(push.connection.blocked_reason or push.connection.state)
    sent_before = push.state == PushState.UNKNOWN
    if not sent_before and not (push.requested_by.is_active and push.requested_by.may(Role.USER)):
        raise CannotSend("requester_may_not")
    steps = creating if push.kind == Kind.CREATE else updating
    steps.run(push, calls)


def _refuse(push: Push, reason: CannotSend, calls: Calls) -> None:
    """A reason on our side ends the push, unless its bytes have left: then a person has to decide."""
    if push.state == PushState.UNKNOWN:
        push.wait(WaitReason.DECISION, until=None, failure=outcomes.failure_of(reason.code, reason.parameters))
    else:
        outcomes.refuse(push, failure=outcomes.failure_of(reason.code, reason.parameters), now=calls.clock())


def _wait_for_connection(push: Push, reason: NotConnected, calls: Calls) -> None:
    """Wait until the connection works again; a superseded token only needs another try."""
    until = calls.clock() if reason.code == "superseded" else None
    push.wait(WaitReason.CONNECTION, until=until, failure=outcomes.failure_of(reason.code))


def _record(push: Push, error: EAccountingError, calls: Calls) -> None:
    """Record an error; recording a 401 refreshes the token, which may fail in turn."""
    try:
        outcomes.record_error(push, error, calls)
    except NotConnected as reason:
        _wait_for_connection(push, reason, calls)
    except EAccountingError as second:
        outcomes.record_error(push, second, calls)
