"""Faults that the state machine (tests/machine) found in the engine, each in as few steps as it takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError
from django.db import connection as database

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from dev.sandbox.messages import Request, Response
from integrations.models import Connection, CustomerLink, PushState
from tests import sheets
from tests.integrations.conftest import Run, named
from tests.integrations.threads import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def during(sandbox: Sandbox, method: str, act: Callable[[], object]) -> Iterator[None]:
    """Let something happen while a call of this kind is under way."""
    answer = sandbox.handle

    def act_first(request: Request) -> Response:
        if request.method == method and "/customers" in request.path:
            in_thread(act).result(60)
        return answer(request)

    sandbox.handle = act_first  # type: ignore[method-assign]  # of this one stand-in
    try:
        yield
    finally:
        del sandbox.handle


@contextmanager
def no_event_can_be_stored() -> Iterator[None]:
    """Let the database refuse to end any wish."""
    with database.cursor() as cursor:
        cursor.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'full'; end $$;"
            "create trigger full_disk before insert on integrations_event execute function refuse();"
        )
        try:
            yield
        finally:
            cursor.execute("drop trigger full_disk on integrations_event; drop function refuse();")


def test_a_person_erased_while_the_customer_is_created_costs_nothing(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    wish = sheets.create(user=ulf, company=company, contact=contact)
    with during(sandbox, "POST", lambda: Contact.objects.get(pk=contact.pk).delete()):
        push = run(wish)
    assert (push.state, push.crashes, push.contact) == (PushState.DONE, 0, None)
    link = CustomerLink.objects.get(company=company)
    assert (str(link.reference), link.contact) == (named(sandbox)[0]["Id"], None)


def test_a_contact_person_is_sent_as_confirmed_though_edited_since(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    wish = sheets.create(user=ulf, company=company, contact=contact)
    with during(sandbox, "GET", lambda: Contact.objects.filter(pk=contact.pk).update(first_name="Bo")):
        run(wish)
    assert named(sandbox)[0]["ContactPersonName"] == str(contact)


def test_nothing_is_sent_of_a_person_who_was_erased_during_the_look(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    wish = sheets.create(user=ulf, company=company, contact=contact)
    with during(sandbox, "GET", lambda: Contact.objects.get(pk=contact.pk).delete()):
        push = run(wish)
    assert (push.state, push.failure) == (PushState.FAILED, "contact_gone")
    assert named(sandbox) == []


def test_a_success_that_could_not_be_stored_is_no_success(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle: Run
) -> None:
    wish = sheets.create(user=ulf, company=company)
    with no_event_can_be_stored(), pytest.raises(DatabaseError):
        run(wish)
    wish.refresh_from_db()
    assert (wish.state, wish.finished_at, wish.crashes) == (PushState.UNKNOWN, None, 1)
    push = settle(wish)
    assert push.state == PushState.DONE
    assert [row["Id"] for row in named(sandbox)] == [str(CustomerLink.objects.get(company=company).reference)]
