"""Bugs that somebody might write one day. Each takes the place of a function of the product (mutants.py)."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from integrations.delivery.calls import Calls
from integrations.domain.mapping import Values, Write
from integrations.eaccounting.jsontext import Json
from integrations.models import Connection, CustomerLink, Push, PushState, push_queue


def no_lock(_account_id: int, *, patience: float) -> AbstractContextManager[None]:
    """Let everybody refresh at once."""
    return nullcontext()


def send_again(push: Push, calls: Calls) -> None:
    """Take a lost answer for a create that was not done."""
    push.prove_absent(until=calls.clock())


def first_come(now: datetime) -> Connection | None:
    """Let whoever asked first be served first."""
    first = push_queue.unattended(now=now).order_by("next_attempt_at").values_list("connection_id")[:1]
    rows = Connection.without_tokens().filter(pk__in=first)
    return rows.select_for_update(skip_locked=True, no_key=True).first()


def only_our_own_fields(raw: Mapping[str, Json], changes: Values, *, fallback: Values) -> dict[str, Json]:
    """Write back what we know of a customer, and forget the rest."""
    known = (*fallback, "TermsOfPaymentId", "IsPrivatePerson", "IsActive", "CustomerNumber")
    return {**{name: raw[name] for name in known if raw.get(name) is not None}, **changes}


def no_history(_push: Push, _link: CustomerLink) -> list[list[Write]]:
    """Know of nothing that we wrote since a sheet was read."""
    return []


def endless_history(push: Push, _link: CustomerLink) -> list[list[Write]]:
    """Take for ours what we wrote before the sheet was read, too."""
    rows = Push.objects.filter(company_id=push.company_id, state=PushState.DONE, before__isnull=False).order_by("pk")
    return [[(row.before or {}, row.values or {}) for row in rows]]
