"""Bugs that somebody might write one day. Each takes the place of a function of the product (mutants.py)."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts.models import Account, Role, User
from companies.models import Company, CompanyQuerySet, Contact
from integrations.delivery.calls import Calls
from integrations.delivery.duplicate_look import Look, look
from integrations.domain.mapping import FIELDS, Group, Values, Write, values_of
from integrations.eaccounting.client import Client
from integrations.eaccounting.jsontext import Json
from integrations.models import Connection, CustomerLink, Push, PushState, push_queue


def wait_instead(push: Push, *, failure: dict[str, Any], now: datetime) -> None:
    """Try again what eAccounting will refuse as often as it is asked."""
    push.wait_to_retry(now=now, until=now, failure=failure)


def send_again(push: Push, calls: Calls) -> None:
    """Take a lost answer for a create that was not done."""
    push.prove_absent(until=calls.clock())


def find_nobody(client: Client, connection: Connection, values: Values, *, deadline: float) -> Look:
    """Look, and believe that nobody may be this company."""
    return replace(look(client, connection, values, deadline=deadline), same=())


def trust_the_broker(*, now: datetime) -> QuerySet[Push]:
    """Leave every new row to its message, however long ago that was sent."""
    return push_queue.due(now=now).filter(fence__gt=0)


def recheck_nothing(*, now: datetime) -> None:
    """Wake nobody whom something else held at the moment when all others were woken."""


def no_lock(_account_id: int, *, patience: float) -> AbstractContextManager[None]:
    """Let everybody refresh at once."""
    return nullcontext()


def forget_generations(connection: Connection, *_only: object, **fields: object) -> bool:
    """Write to the connection whoever has connected or disconnected since it was read."""
    return bool(Connection.objects.filter(pk=connection.pk).update(**fields))


def only_our_own_fields(raw: Mapping[str, Json], changes: Values, *, fallback: Values) -> dict[str, Json]:
    """Write back what we know of a customer, and forget the rest."""
    known = (*fallback, "TermsOfPaymentId", "IsPrivatePerson", "IsActive", "CustomerNumber")
    return {**{name: raw[name] for name in known if raw.get(name) is not None}, **changes}


def blank_the_rest(confirmed: Values, _there: Values) -> Values:
    """Write what was confirmed, and a blank for every single value that was not."""
    single = [field.remote for field in FIELDS if field.group is Group.SINGLE and not field.required]
    return {**dict.fromkeys(single, ""), **confirmed}


def overwrite(_confirmed: Values, _based_on: Values, _there: Values, *_histories: object) -> list[str]:
    """Take nothing for somebody's change since the sheet was read."""
    return []


def write_without_fence(push: Push, event: str, **fields: object) -> None:
    """Write to the row whoever has taken it over."""
    fields["state"] = push._after(event)
    Push.objects.filter(pk=push.pk).update(**fields)
    for name, value in fields.items():
        setattr(push, name, value)


def no_history(_push: Push, _link: CustomerLink) -> list[list[Write]]:
    """Know of nothing that we wrote since a sheet was read."""
    return []


def endless_history(push: Push, _link: CustomerLink) -> list[list[Write]]:
    """Take for ours what we wrote before the sheet was read, too."""
    rows = Push.objects.filter(company_id=push.company_id, state=PushState.DONE, before__isnull=False).order_by("pk")
    return [[(row.before or {}, row.values or {}) for row in rows]]


def may_everything(_user: User, _role: Role) -> bool:
    """Let everybody in who has a login."""
    return True


def of_everybody(companies: CompanyQuerySet, _account: Account) -> CompanyQuerySet:
    """Find companies whoever asks."""
    return companies.all()


def swap_phones(company: Company, contact: Contact | None, *, groups: list[str]) -> Values:
    """Send a person's mobile number as the direct one, and the direct one as the mobile number."""
    values, one, other = values_of(company, contact, groups=groups), "ContactPersonPhone", "ContactPersonMobile"
    return {**values, **({one: values[other], other: values[one]} if one in values else {})}


def first_come(now: datetime) -> Connection | None:
    """Let whoever asked first be served first."""
    first = push_queue.unattended(now=now).order_by("next_attempt_at").values_list("connection_id")[:1]
    rows = Connection.without_tokens().filter(pk__in=first)
    return rows.select_for_update(skip_locked=True, no_key=True).first()
