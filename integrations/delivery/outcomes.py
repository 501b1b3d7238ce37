"""What an answer, or a missing one, means for a push, and when to try or to look again.

One table of errors, one function for each success.
"""

import logging
import random
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from companies.models import Company, Contact
from integrations.access import rate_limit
from integrations.crash_points import Point, reach
from integrations.database import breaks
from integrations.delivery.calls import LEASE_SLACK, Calls, note_blocked
from integrations.domain import mapping
from integrations.domain.duplicates import PossibleDuplicate
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    Forbidden,
    GrantDoubted,
    NotSent,
    RateLimited,
    Refused,
    Unauthorized,
)
from integrations.eaccounting.types import Customer
from integrations.models import (
    Connection,
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
from integrations.models.connection import TERMS_PROBLEMS

FIRST_BACK_OFF, LONGEST_BACK_OFF, LONGEST_TWIN_WAIT = 2.0, 900.0, 30.0  # seconds
DAILY_AFTER, GIVE_UP_AFTER = timedelta(days=1), timedelta(days=7)


def absent_from(push: Push) -> datetime:
    """Return the moment after which a look that finds nothing proves that nothing was stored."""
    unsent = push.send_by or push.requested_at
    return unsent + timedelta(seconds=settings.EACCOUNTING_CALL_SECONDS + settings.EACCOUNTING_SETTLE_SECONDS)


def next_try(push: Push, *, now: datetime) -> datetime:
    """Return when to try again after another failure: 2 s, doubling to 15 min; after a day once a day."""
    if push.retrying_since and now - push.retrying_since > DAILY_AFTER:
        return now + timedelta(days=1)
    return _about(now, FIRST_BACK_OFF * 2 ** min(push.attempts, 10))


def _about(now: datetime, seconds: float) -> datetime:
    """Return the moment in so many seconds, give or take a quarter: what failed together is not retried together."""
    jitter = random.uniform(0.75, 1.25)  # noqa: S311  # no secret
    return now + timedelta(seconds=min(LONGEST_BACK_OFF, seconds) * jitter)


def next_twin_try(push: Push, *, now: datetime) -> datetime:
    """Return when to check whether the twin has ended: soon at first, since nobody may tell us."""
    waited = (now - push.requested_at).total_seconds()
    return _about(now, min(LONGEST_TWIN_WAIT, max(FIRST_BACK_OFF, waited)))


def next_look(push: Push, *, now: datetime) -> datetime:
    """Return when to look again for what may have been stored: after as long as the outcome has been unknown.

    So the first look comes soon and the pause doubles; one look always comes right after the settle time.
    """
    since = push.unknown_since or now
    look = _about(now, max(FIRST_BACK_OFF, (now - since).total_seconds()))
    settled = absent_from(push) + timedelta(milliseconds=100)
    return min(look, settled) if now < settled else look


def is_given_up(push: Push, *, now: datetime) -> bool:
    """Whether a push has failed for so long that a person has to take over."""
    return push.retrying_since is not None and now - push.retrying_since > GIVE_UP_AFTER


def is_lost_for_good(push: Push, *, now: datetime) -> bool:
    """Like is_given_up, for answers that are lost again and again; a single one lost long ago does not count."""
    return push.attempts > 1 and is_given_up(push, now=now)


log = logging.getLogger(__name__)

CUSTOMER_LINKED_ONCE = "integrations_customerlink_customer_id_key"


class CannotSend(Exception):
    """A reason on our side why this push is not sent; a person can fix it."""

    def __init__(self, code: str, **parameters: object) -> None:
        super().__init__(code)
        self.code = code
        self.parameters = parameters


def failure_of(
    code: str, parameters: dict[str, Any] | None = None, error: EAccountingError | None = None
) -> dict[str, Any]:
    """Return the columns that hold a failure; the sentence is made from them when it is shown."""
    return {
        "failure": code,
        "failure_parameters": parameters or {},
        "failure_detail": error.detail if error else "",
        "error_id": (error.error_id or "") if error else "",
    }


# --- Errors ----------------------------------------------------------------------------------------


def record_error(push: Push, error: EAccountingError, calls: Calls) -> None:
    """Record on the push what an error of eAccounting means. Raises LostLease, or a later error of a refresh."""
    now = calls.clock()
    log.info("push %s: %s", push.pk, error)
    failure = failure_of(error.code, {**error.parameters, **_problems(error)}, error)
    if push.state == PushState.SENDING and error.may_have_been_done:
        reach(Point.ANSWER_LOST)
        soon = min(now + timedelta(seconds=FIRST_BACK_OFF), absent_from(push))
        push.mark_unknown(now=now, until=soon, failure=failure)
    elif isinstance(error, Unauthorized):
        push.mark_not_stored(now=now, seconds=calls.token_seconds + LEASE_SLACK)
        calls.replace_refused_token()
        push.wait_to_retry(now=now, until=now, failure=failure)
    elif isinstance(error, GrantDoubted):
        _wait_in_doubt(push, until=now + timedelta(seconds=error.retry_in), failure=failure, now=now)
    elif isinstance(error, ConnectionRevoked):
        wait_for_connection(push, failure=failure, now=now)
    elif isinstance(error, Forbidden) and error.connection_wide:
        note_blocked(calls.connection, reason=error.kind)
        wait_for_connection(push, failure=failure, now=now)
    elif isinstance(error, RateLimited):
        rate_limit.silence(calls.endpoint, connection_id=push.connection_id, seconds=error.retry_after)
        push.wait(WaitReason.BUDGET, until=now + timedelta(seconds=error.retry_after), failure=failure)
    elif isinstance(error, (NotSent, ClientMisconfigured)) or error.retryable or push.state == PushState.UNKNOWN:
        try_later(push, failure=failure, now=now)
    else:
        refuse(push, failure=failure, now=now)


def try_later(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """Try again later; after seven days give up with a sentence. An UNKNOWN push is never given up."""
    if push.state == PushState.UNKNOWN:
        push.wait(WaitReason.SETTLING, until=next_look(push, now=now), failure=failure)
        return
    if is_given_up(push, now=now):
        refuse(push, failure={**failure, "failure": "gave_up"}, now=now)
    else:
        push.wait_to_retry(now=now, until=next_try(push, now=now), failure=failure)


def _wait_in_doubt(push: Push, *, until: datetime, failure: dict[str, Any], now: datetime) -> None:
    """Wait until the identity server is asked once more. Raises LostLease."""
    if push.state == PushState.UNKNOWN:
        push.wait(WaitReason.SETTLING, until=until, failure=failure)
    else:
        push.wait_to_retry(now=now, until=until, failure=failure)


def send_again(push: Push, *, now: datetime) -> None:
    """Send again, because it is proven that nothing was stored; the first time at once. Raises LostLease."""
    if is_lost_for_good(push, now=now):
        refuse(push, failure=failure_of("gave_up"), now=now)
    else:
        push.prove_absent(until=now if push.attempts <= 1 else next_try(push, now=now))


def refuse(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """End the push as FAILED, on its row and in the activity."""
    with transaction.atomic():
        _lock(push)
        push.fail(now=now, failure=failure)
        _event(push, EventKind.FAILED, {"code": failure["failure"]})
        push.open_next(now=now)


def _problems(error: EAccountingError) -> dict[str, Any]:
    """Return the fields that eAccounting refused, with its own words."""
    if not isinstance(error, Refused):
        return {}
    return {"problems": [{"field": p.field, "message": p.message} for p in error.problems]}


def wait_for_connection(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """Wait until the connection works again. Raises LostLease.

    Reconnecting and unblocking change the connection's row before they wake what waits. So its lock decides: either
    they see this push waiting, or we see that there is nothing to wait for any more. A disconnect cancels what waits;
    a push that was just being sent then, and failed to be, is cancelled too.
    """
    with transaction.atomic():
        rows = Connection.without_tokens().select_for_update(no_key=True)
        connection = rows.get(pk=push.connection_id)
        if connection.state == Connection.State.DISCONNECTED and push.state != PushState.UNKNOWN:
            push.cancel_disconnected(now=now)
            Event.add(EventKind.CANCELLED_WITH, connection=connection, company=push.company)
        else:
            push.wait(WaitReason.CONNECTION, until=now if connection.is_usable else None, failure=failure)


# --- Successes -------------------------------------------------------------------------------------


def record_created(push: Push, customer: Customer, calls: Calls) -> None:
    """Link the company to the customer that eAccounting answered, and end the push. Raises LostLease."""
    now = calls.clock()
    try:
        with transaction.atomic():
            _lock(push)
            push.finish(now=now)
            _link(push, customer, Origin.CREATED, now)
            _event(push, EventKind.CREATED, {"number": customer.number})
            _note_other_values(push, push.values or {}, customer)
            reach(Point.SAVING)
    except IntegrityError as error:
        if not breaks(error, CUSTOMER_LINKED_ONCE):
            raise
        # Somebody has linked this customer to another company since it was created.
        push.refresh_from_db(fields=["state"])  # DONE was rolled back
        refuse(push, failure=failure_of("linked_elsewhere", {"number": customer.number}), now=now)


def adopt(push: Push, customer: Customer, calls: Calls) -> None:
    """Link the company to the customer that a lost answer was about; the push stays open. Raises LostLease."""
    with transaction.atomic():
        _lock(push)
        push.lock_lease()
        _link(push, customer, Origin.ADOPTED, calls.clock())


def record_adopted(push: Push, calls: Calls) -> None:
    """End a push whose customer was found and is the only one. Raises LostLease."""
    now = calls.clock()
    with transaction.atomic():
        _lock(push)
        push.finish(now=now)
        _event(push, EventKind.ADOPTED, {})


def ask_person(push: Push, customers: list[Customer]) -> None:
    """Stop and let a person decide: one of these customers may be the company. Raises LostLease."""
    with transaction.atomic():
        _lock(push)
        found = [PossibleDuplicate.of_answer(customer, company=push.company, link=None) for customer in customers]
        push.ask_person(candidates=[one.stored for one in (*_given_up(push), *found)])
        Event.add(EventKind.DECISION_NEEDED, connection=push.connection, company=push.company)


def _given_up(push: Push) -> list[PossibleDuplicate]:
    """Remove the link of an adopted customer, so that a person can decide; return the customer."""
    links = CustomerLink.objects.select_related("customer").filter(company_id=push.company_id)
    adopted = links.filter(connection_id=push.connection_id).first()
    if adopted is None:
        return []
    adopted.delete()
    return [PossibleDuplicate.of_row(adopted.customer, company=push.company)]


def _link(push: Push, customer: Customer, origin: Origin, now: datetime) -> None:
    """Link the company, which is locked, to the customer."""
    # A blank value was left out of the payload, but counts as sent: it has not changed since.
    # What a person typed only for this sending differs from the company on purpose: it is no difference to report.
    typed = _typed(push)
    CustomerLink.objects.create(
        account_id=push.account_id,
        connection_id=push.connection_id,
        company_id=push.company_id,
        customer=_remember(push, customer, now),
        contact=_still_there(push),
        origin=origin,
        linked_at=now,
        linked_by=push.requested_by,
        sent={**dict.fromkeys(push.confirmed, ""), **(push.values or {}), **typed},
        kept=sorted(typed),
        answered=mapping.owned(customer.raw),
        shorter=push.shorter,
        sent_at=now,
        sent_by=push.requested_by,
    )


def _typed(push: Push) -> mapping.Values:
    """Return the company's values, at the time the create was confirmed, where the confirmed value was another one."""
    here: mapping.Values = push.based_on
    typed = mapping.differences(here, push.confirmed)
    return {name: here[name] for name in typed if name not in push.shorter}


def _still_there(push: Push) -> Contact | None:
    """Return the chosen person, locked, or None if they were removed while the call was under way."""
    people = Contact.objects.select_for_update(no_key=True)
    return people.filter(pk=push.contact_id).first() if push.contact_id else None


def record_updated(push: Push, link: CustomerLink, customer: Customer, calls: Calls, *, values: mapping.Values) -> None:
    """Store what eAccounting answered to an update (or already had), and end the push. Raises LostLease."""
    now = calls.clock()
    with transaction.atomic():
        _lock(push)
        answered = mapping.owned(customer.raw)
        push.finish(now=now, after={name: answered[name] for name in push.values or {}})
        _remember(push, customer, now)
        # A person may have decided something else about it while the calls were under way.
        link.refresh_from_db(fields=["sent", "answered", "kept", "shorter"])
        if push.values:
            link.mark_sent(values=values, answered=answered, user=push.requested_by, now=now)
        else:
            link.mark_equal(values=values, answered=answered)
        link.shorten(push.shorter)
        if push.undoes_id and push.values:
            _keep_put_back(push, link, answered)
        told = {"fields": sorted(push.values or {}), "push": push.pk}
        _event(push, EventKind.UPDATED if push.values else EventKind.UNCHANGED, told)
        _note_other_values(push, push.values or {}, customer)
        push.open_next(now=now)
        reach(Point.SAVING)


def _keep_put_back(push: Push, link: CustomerLink, answered: mapping.Values) -> None:
    """Record the values that were put back as agreed, so that the card does not report them as differences."""
    company = Company.objects.get(pk=push.company_id)
    todays = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    written: mapping.Values = push.values or {}
    here = {name: value for name, value in mapping.shortened(todays, link.shorter).items() if name in written}
    link.keep(here=here, there=answered)


def _lock(push: Push) -> None:
    """Lock the company. Whether the push is still ours shows at the next write to it."""
    Company.objects.select_for_update(no_key=True).values_list("pk").get(pk=push.company_id)


def _remember(push: Push, customer: Customer, now: datetime) -> RemoteCustomer:
    answered = mapping.owned(customer.raw)
    return RemoteCustomer.remember(connection=push.connection, customer=customer, answered=answered, now=now)


def _note_other_values(push: Push, sent: mapping.Values, customer: Customer) -> None:
    """Write into the activity what eAccounting stored differently; nothing is sent again for it."""
    other = mapping.differences(sent, mapping.owned(customer.raw))
    if other:
        _event(push, EventKind.ANSWERED_OTHERWISE, {"fields": other})


def _event(push: Push, kind: EventKind, parameters: dict[str, Any]) -> None:
    Event.add(kind, connection=push.connection, company=push.company, actor=push.requested_by, parameters=parameters)


def is_for_admin(push: Push, code: str) -> bool:
    """Whether a create that waits for an admin is stopped by the terms of payment: then it goes on waiting."""
    return push.kind == Kind.CREATE and push.waits_for_admin and code in TERMS_PROBLEMS


def wait_for_terms(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """Wait until an admin has chosen or confirmed the terms. The caller is in a transaction. Raises LostLease.

    Choosing changes the connection's row before it wakes what waits. So its lock decides: either choosing sees this
    push waiting, or we see that there is nothing to wait for any more.
    """
    # The terms are read in a query of their own: a join would return them as they were before we waited for the lock.
    connection = Connection.without_tokens().select_for_update(no_key=True).get(pk=push.connection_id)
    push.wait(WaitReason.TERMS, until=None if connection.terms_problem else now, failure=failure)
