"""How a request gets into the outbox: one push, and a worker woken once it is committed."""

from django.db import transaction

from accounts.models import User
from companies.models import Company
from integrations import tasks
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.mapping import Values
from integrations.exceptions import CannotSendValues, NothingToDecide
from integrations.models import Connection, Event, EventKind, Push


def record(user: User, company: Company, connection: Connection, **wish: object) -> Push:
    """Write the push into the outbox, and wake a worker once it is committed."""
    now = database_now()
    push = Push.objects.create(
        account_id=company.account_id,
        connection=connection,
        company=company,
        requested_by=user,
        requested_at=now,
        next_attempt_at=now,
        **wish,
    )
    wake_when_committed(push)
    return push


def wake_when_committed(push: Push) -> None:
    """Wake a worker after the commit. The push is recorded by then: a failure here must not fail the click."""
    transaction.on_commit(lambda: tasks.wake(push.pk), robust=True)


def refuse_problems(values: Values) -> None:
    """Raise CannotSendValues if a value is missing or too long."""
    problems = mapping.problems(values)
    if problems:
        raise CannotSendValues(problems)


def recheck_push(*, push: Push) -> None:
    """Look once more in eAccounting for what became of a push, because a person wants it. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.look_again(now=database_now()):
            raise NothingToDecide
        wake_when_committed(push)


def cancel_push(*, user: User, push: Push) -> None:
    """Cancel a waiting push. Raises NothingToDecide when it is being sent or was sent."""
    with transaction.atomic():
        if not push.cancel(now=database_now()):
            raise NothingToDecide
        Event.add(EventKind.CANCELLED, connection=push.connection, company=push.company, actor=user)
