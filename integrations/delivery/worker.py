"""A worker's whole job for one push: claim it, do what it asks for, record one outcome."""

import logging
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import connection as database
from django.db import transaction

from accounts.models import Role
from integrations.access.rate_limit import BULK_AHEAD, CLICK_AHEAD, PATIENCE, NoSlot
from integrations.clock import Clock, ticking
from integrations.crash_points import Point, reach
from integrations.delivery import create, outcomes, update
from integrations.delivery.calls import LEASE_SLACK, Calls
from integrations.delivery.outcomes import CannotSend
from integrations.eaccounting.errors import EAccountingError
from integrations.exceptions import NotConnected
from integrations.models import Kind, Push, PushState, WaitReason, push_queue
from integrations.models.push import CRASHES_ALLOWED, LostLease

# A push that is due again at once (after a refused token was replaced, say) need not wait for the sweeper.
ATTEMPTS_AT_ONCE = 3
CRASHED = "crashed"

log = logging.getLogger(__name__)


def deliver(push_id: int, *, clock: Clock | None = None) -> None:
    """Take one push as far as it can go now. Safe to call at any time, any number of times, from anywhere."""
    clock = clock or ticking()
    for _attempt in range(ATTEMPTS_AT_ONCE):
        reach(Point.DELIVERY_BEGUN)
        push = push_queue.claim(push_id, now=clock(), seconds=_claim_seconds())
        if push is None or not _move(push, clock, ahead=CLICK_AHEAD):
            return


def deliver_next(*, clock: Clock | None = None) -> bool:
    """Deliver the push whose turn it is. Return False when none can be had now."""
    clock = clock or ticking()
    reach(Point.PULL_BEGUN)
    push = push_queue.claim_in_turn(now=clock(), seconds=_claim_seconds())
    if push is None:
        return False
    _move(push, clock, ahead=BULK_AHEAD)
    return True


def _claim_seconds() -> float:
    """Return the seconds of a first lease, for the first call and what precedes it; later calls extend it."""
    return PATIENCE + settings.EACCOUNTING_CALL_SECONDS + 2 * LEASE_SLACK


def _move(push: Push, clock: Clock, *, ahead: float) -> bool:
    """Do what this worker's push asks for. Return whether it is due again at once."""
    try:
        reach(Point.CLAIMED)
        _carry_out(push, Calls(connection=push.connection, clock=clock, ahead=ahead))
    except LostLease:
        log.warning("push %s was taken over by another worker; nothing was written", push.pk)
        return False
    except Exception:
        log.exception("push %s met a fault in this program", push.pk)
        _release(push, clock)
        raise
    reach(Point.SAVED)
    return push.is_open and push.next_attempt_at is not None and push.next_attempt_at <= clock()


def _release(push: Push, clock: Clock) -> None:
    """Release the push, so that it need not wait for the end of its lease; without a database it has to."""
    with suppress(LostLease, AnyDatabaseError):
        # The release would fail on a session that PostgreSQL has ended. A caller's transaction is left to the caller.
        if not database.in_atomic_block:
            database.close_if_unusable_or_obsolete()
        push.release(until=outcomes.next_try(push, now=clock()))


def _carry_out(push: Push, calls: Calls) -> None:
    """Do it, and record every way in which it can end as one outcome on the push. Raises LostLease."""
    try:
        _try(push, calls)
    except CannotSend as reason:
        _refuse(push, reason, calls)
    except NotConnected as reason:
        _wait_for_connection(push, reason, calls)
    except NoSlot as reason:
        until = calls.clock() + timedelta(seconds=reason.retry_in)
        push.wait(WaitReason.BUDGET, until=until, failure=outcomes.failure_of(reason.code))
    except EAccountingError as error:
        _record(push, error, calls)


def _try(push: Push, calls: Calls) -> None:
    if push.crashes >= CRASHES_ALLOWED:
        raise CannotSend(CRASHED)
    if not calls.connection.is_usable:
        raise NotConnected(calls.connection.blocked_reason or calls.connection.state)
    sent_before = push.state == PushState.UNKNOWN
    if not sent_before and not (push.requested_by.is_active and push.requested_by.may(Role.USER)):
        raise CannotSend("requester_may_not")
    steps = create if push.kind == Kind.CREATE else update
    steps.run(push, calls)


def _refuse(push: Push, reason: CannotSend, calls: Calls) -> None:
    """End the push for a reason on our side. A create that has been sent is left for a person to decide.

    An update is only checked once its lost write can no longer be stored late, so it can end.
    """
    failure = outcomes.failure_of(reason.code, reason.parameters)
    if push.state == PushState.UNKNOWN and (push.kind == Kind.CREATE or reason.code == CRASHED):
        push.wait(WaitReason.DECISION, until=None, failure=failure)
    elif outcomes.is_for_admin(push, reason.code):
        with transaction.atomic():
            outcomes.wait_for_terms(push, failure=failure, now=calls.clock())
    else:
        outcomes.refuse(push, failure=failure, now=calls.clock())


def _wait_for_connection(push: Push, reason: NotConnected, calls: Calls) -> None:
    """Wait until the connection works; if only this process cannot read its tokens, try again later."""
    failure = outcomes.failure_of(reason.code)
    if reason.code == "tokens_unreadable":
        outcomes.try_later(push, failure=failure, now=calls.clock())
    else:
        outcomes.wait_for_connection(push, failure=failure, now=calls.clock())


def _record(push: Push, error: EAccountingError, calls: Calls) -> None:
    """Record an error. Recording a 401 refreshes the token, which may fail in turn."""
    try:
        outcomes.record_error(push, error, calls)
    except NotConnected as reason:
        _wait_for_connection(push, reason, calls)
    except EAccountingError as second:
        outcomes.record_error(push, second, calls)
