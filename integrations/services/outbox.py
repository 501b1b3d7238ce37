"""How a wish gets into the outbox: one row, and a poke to a worker once it is committed."""

from django.db import transaction

from accounts.models import User
from companies.models import Company
from integrations import mapping, tasks
from integrations.clock import database_now
from integrations.mapping import Values
from integrations.models import Connection, Push
from integrations.refusing import CannotSendValues


def record(user: User, company: Company, connection: Connection, **wish: object) -> Push:
    """Write the wish into the outbox and poke a worker once it is committed."""
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
    poke_when_committed(push)
    return push


def poke_when_committed(push: Push) -> None:
    """Tell a worker. The wish is recorded by then, so nothing that goes wrong here may fail the click."""
    transaction.on_commit(lambda: tasks.poke(push.pk), robust=True)


def refuse_problems(values: Values) -> None:
    """Raise CannotSendValues for what is missing or too long."""
    problems = mapping.problems(values)
    if problems:
        raise CannotSendValues(problems)
