"""What an answer, or the lack of one, means for the row. One table of errors, one record of a success."""

import logging
import random
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from companies.models import Company
from integrations import limiter, mapping
from integrations.delivery.calls import Calls
from integrations.eaccounting.errors import (
    ConnectionRevoked,
    EAccountingError,
    Forbidden,
    NotSent,
    RateLimited,
    Refused,
    Unauthorized,
)
from integrations.eaccounting.types import Customer
from integrations.models import (
    CustomerLink,
    Event,
    EventKind,
    Kind,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
    WaitReason,
)

Candidate = dict[str, str]

log = logging.getLogger(__name__)

FIRST_BACK_OFF, LONGEST_BACK_OFF = 2.0, 900.0  # seconds
DAILY_AFTER, GIVE_UP_AFTER = timedelta(days=1), timedelta(days=7)


class CannotSend(Exception):
    """A reason on our side why this wish is not sent; a person can mend it."""

    def __init__(self, code: str, **parameters: object) -> None:
        super().__init__(code)
        self.code = code
        self.parameters = parameters


def failure_of(
    code: str, parameters: dict[str, Any] | None = None, error: EAccountingError | None = None
) -> dict[str, Any]:
    """Return the columns that say why; the sentence is made from them when it is shown."""
    return {
        "failure": code,
        "failure_parameters": parameters or {},
        "failure_detail": error.detail if error else "",
        "error_id": (error.error_id or "") if error else "",
    }


def absent_from(push: Push) -> datetime:
    """The moment after which a look that finds nothing proves that nothing was stored."""
    unsent = push.send_by or push.requested_at
    return unsent + timedelta(seconds=settings.EACCOUNTING_CALL_SECONDS + settings.EACCOUNTING_SETTLE_SECONDS)


def next_try(push: Push, *, now: datetime) -> datetime:
    """Return when to try again: 2 s, doubling to 15 min, with jitter; after a day once a day."""
    if now - push.requested_at > DAILY_AFTER:
        return now + timedelta(days=1)
    seconds = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(push.attempts - 1, 10))
    return now + timedelta(seconds=seconds * random.uniform(0.75, 1.25))  # noqa: S311  # jitter, no secret


def next_look(push: Push, *, now: datetime) -> datetime:
    """Return when to look again for what may have been stored: soon, and surely right after settling."""
    settled = absent_from(push) + timedelta(milliseconds=100)
    return min(next_try(push, now=now), settled) if now < settled else next_try(push, now=now)


# --- Errors ----------------------------------------------------------------------------------------


def record_error(push: Push, error: EAccountingError, calls: Calls) -> None:
    """Write what an error of eAccounting means onto the row. Raises LostLease, or a later error of a refresh."""
    now = calls.clock()
    log.info("push %s: %s", push.pk, error)
    failure = failure_of(error.code, {**error.parameters, **_problems(error)}, error)
    if push.state == PushState.SENDING and error.may_have_been_done:
        soon = min(now + timedelta(seconds=FIRST_BACK_OFF), absent_from(push))
        push.lose_answer(now=now, until=soon, failure=failure)
    elif isinstance(error, Unauthorized):
        calls.replace_refused_token()
        push.wait(WaitReason.RETRY, until=now, failure=failure)
    elif isinstance(error, ConnectionRevoked):
        push.wait(WaitReason.CONNECTION, until=None, failure=failure)
    elif isinstance(error, Forbidden) and error.connection_wide:
        _block(push, error, failure, now, calls)
    elif isinstance(error, RateLimited):
        limiter.silence(calls.endpoint, connection_id=push.connection_id, seconds=error.retry_after)
        push.wait(WaitReason.BUDGET, until=now + timedelta(seconds=error.retry_after), failure=failure)
    elif isinstance(error, NotSent):
        push.wait(WaitReason.RETRY, until=now, failure=failure)
    elif error.retryable or push.state == PushState.UNKNOWN:
        retry(push, failure=failure, now=now)
    else:
        refuse(push, failure=failure, now=now)


def retry(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """Wait for a better moment; after seven days say that it was given up. UNKNOWN is never given up."""
    if push.state == PushState.UNKNOWN:
        push.wait(WaitReason.SETTLING, until=next_look(push, now=now), failure=failure)
    elif now - push.requested_at > GIVE_UP_AFTER:
        refuse(push, failure={**failure, "failure": "gave_up"}, now=now)
    else:
        push.wait(WaitReason.RETRY, until=next_try(push, now=now), failure=failure)


def refuse(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """End the push as FAILED, on the row and in the activity."""
    with transaction.atomic():
        push.fail(now=now, failure=failure)
        _event(push, EventKind.FAILED, {"code": failure["failure"]})


def _problems(error: EAccountingError) -> dict[str, Any]:
    """Name the fields that eAccounting refused, in its own words."""
    if not isinstance(error, Refused):
        return {}
    return {"problems": [{"field": p.field, "message": p.message} for p in error.problems]}


def _block(push: Push, error: Forbidden, failure: dict[str, Any], now: datetime, calls: Calls) -> None:
    """Let every row of the connection wait: the refusal concerns all of them."""
    with transaction.atomic():
        if calls.connection.block(reason=error.kind, now=now):
            Event.add(EventKind.BLOCKED, connection=calls.connection, parameters={"reason": error.kind})
        push.wait(WaitReason.CONNECTION, until=None, failure=failure)


# --- Successes -------------------------------------------------------------------------------------


def record_created(push: Push, customer: Customer, calls: Calls) -> None:
    """Link the company to the customer that eAccounting answered and end the push. Raises LostLease."""
    now = calls.clock()
    try:
        with transaction.atomic():
            _link(push, customer, Origin.CREATED, now)
            push.finish(now=now)
            _event(push, EventKind.CREATED, {"number": customer.number})
            _note_other_values(push, push.values or {}, customer)
    except IntegrityError:
        # Somebody linked this very customer to another company between its creation and now.
        refuse(push, failure=failure_of("linked_elsewhere", {"number": customer.number}), now=now)
    _succeed(calls, now)


def adopt(push: Push, customer: Customer, calls: Calls) -> None:
    """Link the company to the customer that a lost answer was about; the push stays open. Raises LostLease."""
    with transaction.atomic():
        _link(push, customer, Origin.ADOPTED, calls.clock())


def record_adopted(push: Push, calls: Calls) -> None:
    """End a push whose customer was found and is the only one. Raises LostLease."""
    now = calls.clock()
    with transaction.atomic():
        _lock(push)
        push.finish(now=now)
        _event(push, EventKind.ADOPTED, {})
    _succeed(calls, now)


def give_up_adopted(adopted: CustomerLink | None) -> list[Candidate]:
    """Take an adopted link back, for a person to decide; return the customer as a candidate."""
    if adopted is None:
        return []
    customer = adopted.customer
    adopted.delete()
    return [
        {
            "id": str(customer.customer_id),
            "number": customer.number,
            "name": customer.name,
            "registration_number": customer.registration_number,
            "city": customer.answered.get("InvoiceCity", ""),
            "is_active": "yes" if customer.is_active else "",
        }
    ]


def candidate(customer: Customer) -> Candidate:
    """Return what a person needs to see in order to tell customers apart."""
    return {
        "id": customer.id,
        "number": customer.number,
        "name": customer.name,
        "registration_number": customer.registration_number,
        "city": customer.city,
        "is_active": "yes" if customer.is_active else "",
    }


def _link(push: Push, customer: Customer, origin: Origin, now: datetime) -> None:
    _lock(push)
    link = CustomerLink.objects.create(
        account_id=push.account_id,
        connection_id=push.connection_id,
        company_id=push.company_id,
        customer=_remember(push, customer, now),
        contact=push.contact,
        origin=origin,
        linked_at=now,
        linked_by=push.requested_by,
    )
    link.mark_sent(values=push.values or {}, user=push.requested_by, now=now)


def record_updated(push: Push, link: CustomerLink, customer: Customer, calls: Calls, *, values: mapping.Values) -> None:
    """Keep what eAccounting answered to an update (or already had) and end the push. Raises LostLease."""
    now = calls.clock()
    with transaction.atomic():
        _lock(push)
        _remember(push, customer, now)
        link.mark_sent(values=values, user=push.requested_by, now=now)
        again_at = Push.objects.values_list("again_at", flat=True).get(pk=push.pk)
        push.finish(now=now)
        changed = bool(push.values)
        _event(push, EventKind.UPDATED if changed else EventKind.UNCHANGED, {"fields": sorted(push.values or {})})
        _note_other_values(push, push.values or {}, customer)
        if again_at is not None:
            _open_next(push, now)
    _succeed(calls, now)


def _lock(push: Push) -> None:
    Company.objects.select_for_update().get(pk=push.company_id)
    push.hold()


def _remember(push: Push, customer: Customer, now: datetime) -> RemoteCustomer:
    answered = mapping.owned(customer.raw)
    return RemoteCustomer.remember(connection=push.connection, customer=customer, answered=answered, now=now)


def _note_other_values(push: Push, sent: mapping.Values, customer: Customer) -> None:
    """Say in the activity what eAccounting stored otherwise; nothing is sent again for it."""
    other = mapping.differences(sent, mapping.owned(customer.raw))
    if other:
        _event(push, EventKind.ANSWERED_OTHERWISE, {"fields": other})


def _open_next(push: Push, now: datetime) -> None:
    """A click came while this push was being sent: its wish becomes the next push."""
    newest = Push.objects.get(pk=push.pk)
    Push.objects.create(
        account_id=push.account_id,
        connection_id=push.connection_id,
        company_id=push.company_id,
        kind=Kind.UPDATE,
        groups=newest.groups,
        contact=newest.contact,
        requested_by_id=newest.requested_by_id,
        next_attempt_at=now,
    )


def _succeed(calls: Calls, now: datetime) -> None:
    """eAccounting answers: what waited for it on this connection is due now."""
    calls.connection.succeeded(now=now)
    Push.pull_forward(connection=calls.connection, now=now)


def _event(push: Push, kind: EventKind, parameters: dict[str, Any]) -> None:
    Event.add(kind, connection=push.connection, company=push.company, actor=push.requested_by, parameters=parameters)
