"""Ask an admin: one mail to each of them, and the wish waits until they have mended what only they can."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone

from accounts.mail import send_due
from accounts.models import Account, Mail, Role, User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from integrations.clock import database_now
from integrations.delivery import calls, upkeep
from integrations.delivery.worker import deliver
from integrations.eaccounting.types import Customer
from integrations.exceptions import AlreadyUnderWay, Archived, CannotSendValues, NothingToDecide, NotLinked
from integrations.messages.sentences import event_words
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Kind,
    Origin,
    Push,
    PushState,
    WaitReason,
    push_queue,
)
from integrations.models.push import ASKED_LONG_AGO
from integrations.services import ask_admin, connect
from integrations.services.link import link_company
from integrations.services.requests import cancel_push
from tests import sheets
from tests.integrations.conftest import AddCompany, Run, confirm_terms, connect_as, named, posts, puts
from tests.integrations.threads import at_once, in_thread
from tests.sheets import seen_by_asking

EIGHT_DAYS = timedelta(days=8)
real_threads = pytest.mark.django_db(transaction=True)


def _current() -> Connection:
    return Connection.objects.select_related("default_terms").get(is_current=True)


def _lose_terms(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(terms_confirmed_at=None)


def _confirm(user: User) -> None:
    connection = _current()
    terms = connect.suggested_terms(connection)
    assert terms is not None
    connect.choose_terms(user=user, connection=connection, terms=terms)


def _revoke(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(state=Connection.State.NEEDS_RECONNECT, broken_at=timezone.now())


def _stop(connection: Connection) -> None:
    Connection.objects.filter(pk=connection.pk).update(blocked_reason="licence", blocked_at=timezone.now())


def _disconnect(connection: Connection) -> None:
    connect.disconnect(user=None, connection=connection)


def _ask(user: User, company: Company) -> Push:
    """Ask on the sheet, with what it shows."""
    push = ask_admin.ask_admins(user=user, company=company, **seen_by_asking(company)).push
    assert push is not None
    return Push.objects.get(pk=push.pk)


@pytest.fixture
def bo(account: Account) -> User:
    """A second admin."""
    return User.objects.create_user(
        email="bo@nordvik.example", account=account, password="x" * 20, role=Role.ADMIN, first_name="Bo", last_name="Ek"
    )


# --- Asking --------------------------------------------------------------------------------------------------


def test_before_the_first_connection_admins_get_a_mail_and_the_activity_an_entry(
    add_company: AddCompany, anna: User, bo: User, ulf: User
) -> None:
    company = add_company(name="Björk & Son AB")
    asked = ask_admin.ask_admins(user=ulf, company=company)
    assert (asked.mailed, asked.spared, asked.push) == ([anna, bo], [], None)
    send_due(now=database_now())
    assert sorted(message.to[0] for message in mail.outbox) == [anna.email, bo.email]
    assert mail.outbox[0].subject == "Ulf Ek asks you to connect Visma eAccounting"
    body = mail.outbox[0].body
    for words in (company.name, "not connected", "http://testserver/settings/integrations/visma-eaccounting/"):
        assert words in body
    assert f"http://testserver/companies/{company.pk}/" in body
    event = Event.objects.get(company=company)
    assert event_words(EventKind(event.kind), event.parameters) == "asked an admin (Anna Ek, Bo Ek)"
    assert not Push.objects.exists()


@pytest.mark.parametrize(
    ("lose", "subject", "words", "reason"),
    [
        (_revoke, "reconnect", "no longer accepts the connection", WaitReason.CONNECTION),
        (_stop, "check the connection", "licence agreement is not accepted", WaitReason.CONNECTION),
        (_disconnect, "connect", "not connected", WaitReason.CONNECTION),
        (_lose_terms, "choose terms of payment", "have not been chosen", WaitReason.TERMS),
    ],
)
def test_each_cause_has_its_own_mail_and_parks_the_wish(
    ready: Connection, company: Company, ulf: User, anna: User,
    lose: Callable[[Connection], None], subject: str, words: str, reason: WaitReason,
) -> None:  # fmt: skip
    lose(ready)
    push = _ask(ulf, company)
    assert (push.kind, push.state, push.wait_reason) == (Kind.CREATE, PushState.WAITING, reason)
    assert push.next_attempt_at is None
    assert push.is_parked
    send_due(now=database_now())
    [message] = mail.outbox
    assert (message.to, subject in message.subject, words in message.body) == ([anna.email], True, True)
    assert "It is sent to Nordvik Bygg AB automatically" in message.body


def test_the_mail_is_in_the_language_of_its_reader(ready: Connection, company: Company, ulf: User, anna: User) -> None:
    anna.language = "sv"
    anna.save()
    terms = _current().default_terms
    assert terms is not None
    Connection.objects.update(terms_were={**terms.meaning, "name": "Trettio"}, terms_confirmed_at=None)
    _ask(ulf, company)
    send_due(now=database_now())
    for words in ("Trettio", "30 dagar netto"):
        assert words in mail.outbox[0].body
    assert "30 days" not in mail.outbox[0].body


def test_asking_twice_is_one_mail_one_row_and_one_entry(
    ready: Connection, add_company: AddCompany, company: Company, ulf: User, anna: User
) -> None:
    _lose_terms(ready)
    first = _ask(ulf, company)
    send_due(now=database_now())
    again = ask_admin.ask_admins(user=ulf, company=company)
    assert (again.push, again.mailed, again.spared) == (first, [], [anna])
    other = _ask(ulf, add_company(name="Annan AB"))
    assert other != first
    send_due(now=database_now())
    assert len(mail.outbox) == 1
    assert Event.objects.filter(kind=EventKind.ADMIN_ASKED, company=company).count() == 1


def test_asking_again_after_five_minutes_is_another_mail_and_another_entry(
    ready: Connection, company: Company, ulf: User, anna: User
) -> None:
    _lose_terms(ready)
    _ask(ulf, company)
    send_due(now=database_now())
    _confirm(anna)
    _lose_terms(ready)  # once more, on the same day
    long_ago = database_now() - timedelta(minutes=6)
    Mail.objects.update(sent_at=long_ago)
    Event.objects.filter(kind=EventKind.ADMIN_ASKED).update(at=long_ago)
    again = ask_admin.ask_admins(user=ulf, company=company)
    assert (again.mailed, again.spared) == ([anna], [])
    send_due(now=database_now())
    assert len(mail.outbox) == 2
    assert Event.objects.filter(kind=EventKind.ADMIN_ASKED, company=company).count() == 2


def test_each_admin_is_told_of_as_it_is(ready: Connection, company: Company, ulf: User, anna: User, bo: User) -> None:
    _lose_terms(ready)
    _ask(ulf, company)
    send_due(now=database_now())
    Mail.objects.filter(user=bo).update(sent_at=database_now() - timedelta(minutes=6))
    asked = ask_admin.ask_admins(user=ulf, company=company)
    assert (asked.mailed, asked.spared) == ([bo], [anna])


def test_asking_again_renews_what_waits(ready: Connection, company: Company, ulf: User, anna: User, run: Run) -> None:
    _revoke(ready)
    push = _old(_ask(anna, company))
    assert _ask(ulf, company) == push
    connect_as(anna)
    row = run(push)
    assert (row.state, row.requested_by) == (PushState.DONE, ulf)


def test_only_admins_who_can_log_in_are_asked(
    ready: Connection, company: Company, ulf: User, anna: User, bo: User, olav: User
) -> None:
    _lose_terms(ready)
    bo.deactivate()
    assert ask_admin.ask_admins(user=ulf, company=company).mailed == [anna]
    anna.set_unusable_password()
    anna.save()
    nobody = ask_admin.ask_admins(user=ulf, company=company, **seen_by_asking(company))
    assert (nobody.mailed, nobody.spared) == ([], [])
    assert nobody.push is not None
    assert not Mail.objects.filter(user=olav).exists()


def test_what_needs_no_admin_is_not_asked(ready: Connection, company: Company, ulf: User) -> None:
    with pytest.raises(ask_admin.NothingToAsk):
        ask_admin.ask_admins(user=ulf, company=company)
    assert not Mail.objects.exists()


def test_what_cannot_be_sent_as_it_stands_is_refused_before_anybody_is_asked(
    ready: Connection, company: Company, add_company: AddCompany, ulf: User
) -> None:
    _lose_terms(ready)
    too_long = add_company(name="Å" * 51)
    with pytest.raises(CannotSendValues):
        ask_admin.ask_admins(user=ulf, company=too_long, **seen_by_asking(too_long))
    assert not Mail.objects.exists()
    company.archive(now=timezone.now())
    with pytest.raises(Archived):
        ask_admin.ask_admins(user=ulf, company=company)
    assert not Push.objects.exists()


def test_a_wish_that_is_being_sent_is_not_parked(ready: Connection, company: Company, ulf: User) -> None:
    push = sheets.create(user=ulf, company=company)
    _lose_terms(ready)
    with pytest.raises(AlreadyUnderWay):
        ask_admin.ask_admins(user=ulf, company=company)
    assert Push.objects.get() == push


def test_a_wish_that_already_waits_for_the_connection_is_theirs_who_asked_last(
    ready: Connection, company: Company, ulf: User, anna: User, run: Run
) -> None:
    push = sheets.create(user=anna, company=company)
    _revoke(ready)
    assert run(push).waits_for_admin
    assert ask_admin.ask_admins(user=ulf, company=company).push == push
    assert Push.objects.get().requested_by == ulf


def test_without_a_sheet_nothing_is_parked(ready: Connection, company: Company, ulf: User, anna: User) -> None:
    """Neither a create nor an update that nobody has seen; what waits already is asked for once more."""
    _lose_terms(ready)
    assert ask_admin.ask_admins(user=ulf, company=company).push is None
    assert not Push.objects.exists()
    push = _ask(ulf, company)
    assert ask_admin.ask_admins(user=anna, company=company).push == push


def test_another_sheet_does_not_replace_what_waits_unseen(
    ready: Connection, company: Company, ulf: User, anna: User
) -> None:
    _lose_terms(ready)
    push = _ask(ulf, company)
    with pytest.raises(AlreadyUnderWay):
        ask_admin.ask_admins(user=anna, company=company, confirmed={"InvoiceCity": "Solna"})
    assert (Push.objects.get(), Push.objects.get().requested_by) == (push, ulf)


def test_an_update_of_another_customer_than_was_seen_is_not_parked(
    ready: Connection, company: Company, ulf: User, run: Run
) -> None:
    run(sheets.create(user=ulf, company=company))
    company.save_changes(now=timezone.now(), values={"city": "Uppsala"})
    _revoke(ready)
    seen = seen_by_asking(company)
    with pytest.raises(NotLinked):
        ask_admin.ask_admins(user=ulf, company=company, **{**seen, "customer_id": "another"})
    push = ask_admin.ask_admins(user=ulf, company=company, **seen).push
    assert push is not None
    assert (push.confirmed or {})["InvoiceCity"] == "Uppsala"
    assert (push.based_on or {})["InvoiceCity"] == "Stockholm"  # and over nothing else


# --- Going on ------------------------------------------------------------------------------------------------


def test_choosing_terms_sends_what_waited_for_them_as_it_stood_when_it_was_asked_for(
    ready: Connection, company: Company, contact: Contact, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _lose_terms(ready)
    push = _ask(ulf, company)
    assert run(push).is_parked
    connect.test(_current())  # a good answer is not what it waits for
    assert Push.objects.get().is_parked
    company.save_changes(now=timezone.now(), values={"city": "Uppsala"})
    _confirm(anna)
    assert run(push).state == PushState.DONE
    assert named(sandbox)[0]["InvoiceCity"] == "Stockholm"


def test_what_was_confirmed_on_a_sheet_is_sent_as_confirmed(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _lose_terms(ready)
    push = ask_admin.ask_admins(user=ulf, company=company, confirmed={"InvoiceCity": "Solna"}).push
    assert push is not None
    company.save_changes(now=timezone.now(), values={"city": "Uppsala"})
    _confirm(anna)
    assert run(push).state == PushState.DONE
    assert named(sandbox)[0]["InvoiceCity"] == "Solna"


@pytest.mark.parametrize("lose", [_revoke, _disconnect])
def test_reconnecting_the_same_company_sends_what_was_parked(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run,
    lose: Callable[[Connection], None],
) -> None:  # fmt: skip
    lose(ready)
    push = _ask(ulf, company)
    assert run(push).is_parked
    connect_as(anna)
    assert run(push).state == PushState.DONE
    assert (len(named(sandbox)), posts(sandbox)) == (1, 1)


def test_a_linked_customer_is_updated_when_the_stop_is_lifted(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    run(sheets.create(user=ulf, company=company))
    company.save_changes(now=timezone.now(), values={"city": "Uppsala"})
    _stop(ready)
    push = _ask(ulf, company)
    assert (push.kind, push.wait_reason) == (Kind.UPDATE, WaitReason.CONNECTION)
    connect.test(_current())
    assert run(push).state == PushState.DONE
    assert puts(sandbox) == 1
    assert named(sandbox)[0]["InvoiceCity"] == "Uppsala"


def test_what_was_parked_goes_to_no_other_company(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _disconnect(ready)
    push = _ask(ulf, company)
    other = connect_as(anna, company="2")
    assert other.is_connected
    confirm_terms(other, anna)
    row = run(push)
    assert row.state == PushState.CANCELLED
    event = Event.objects.get(company=company, kind=EventKind.CANCELLED_LEAVING)
    assert event.actor == anna
    assert posts(sandbox) == 0
    assert sheets.create(user=ulf, company=company).connection == other


def test_terms_that_are_lost_as_well_go_on_being_waited_for(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _revoke(ready)
    push = _ask(ulf, company)
    _lose_terms(ready)
    connect_as(anna)
    row = run(push)
    assert (row.state, row.wait_reason, row.next_attempt_at) == (PushState.WAITING, WaitReason.TERMS, None)
    assert row.failure == "terms_not_chosen"
    _confirm(anna)
    assert run(push).state == PushState.DONE
    assert posts(sandbox) == 1


def test_a_link_made_meanwhile_ends_a_parked_create(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _lose_terms(ready)
    push = _ask(ulf, company)
    with pytest.raises(AlreadyUnderWay):
        link_company(
            user=ulf, company=company, connection=_current(), customer=_customer(ready, sandbox), origin=Origin.PASTED
        )
    cancel_push(user=ulf, push=push)
    link_company(
        user=ulf, company=company, connection=_current(), customer=_customer(ready, sandbox), origin=Origin.PASTED
    )
    _confirm(anna)
    assert run(push).state == PushState.CANCELLED
    assert CustomerLink.objects.count() == 1


def _customer(connection: Connection, sandbox: Sandbox) -> Customer:
    return calls.read_customer(connection, customer_id=str(sandbox.customers()[0]["Id"]))


def test_terms_that_come_back_unchanged_let_it_go_on(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    terms = _current().default_terms
    assert terms is not None
    row = sandbox.world.row("terms", "1", str(terms.remote_id))
    assert row is not None
    sandbox.world.remove("terms", "1", str(terms.remote_id))
    upkeep.read_terms(ready.pk)
    push = _ask(ulf, company)
    sandbox.world.put("terms", "1", row)
    upkeep.read_terms(ready.pk)
    assert run(push).state == PushState.DONE


@real_threads
def test_whoever_asks_while_the_terms_are_being_chosen_does_not_wait_for_ever(
    ready: Connection, company: Company, ulf: User, anna: User
) -> None:
    terms = list(ready.choosable_terms()[:2])
    for turn in range(20):
        _lose_terms(ready)
        chosen = terms[turn % 2]
        ends = at_once(
            [
                lambda: ask_admin.ask_admins(user=ulf, company=company, **seen_by_asking(company)),
                lambda chosen=chosen: connect.choose_terms(user=anna, connection=_current(), terms=chosen),
            ]
        )
        assert not [end for end in ends if isinstance(end, Exception) and not isinstance(end, ask_admin.NothingToAsk)]
        assert not Push.objects.filter(wait_reason=WaitReason.TERMS, next_attempt_at=None).exists()
        Push.objects.all().delete()


@real_threads
def test_a_worker_that_meets_lost_terms_while_they_are_being_chosen_goes_on(
    ready: Connection, company: Company, ulf: User, anna: User
) -> None:
    push = sheets.create(user=ulf, company=company)
    Push.objects.update(wait_reason=WaitReason.CONNECTION)  # it has waited for an admin before
    _lose_terms(ready)
    with transaction.atomic():
        _confirm(anna)  # not committed yet: the worker still sees the lost terms
        worker = in_thread(lambda: deliver(push.pk))
        with pytest.raises(TimeoutError):
            worker.result(1)
    worker.result(60)
    assert Push.objects.get().state == PushState.DONE


@real_threads
def test_two_who_ask_at_once_are_one_row_and_one_mail(
    ready: Connection, company: Company, ulf: User, anna: User
) -> None:
    _lose_terms(ready)
    seen = seen_by_asking(company)
    ends = at_once([lambda: ask_admin.ask_admins(user=ulf, company=company, **seen)] * 4)
    assert len({end.push for end in ends if isinstance(end, ask_admin.Asked)}) == 1
    assert Push.objects.count() == Mail.objects.count() == 1


# --- After more than seven days ------------------------------------------------------------------------------


def _old(push: Push) -> Push:
    Push.objects.filter(pk=push.pk).update(requested_at=database_now() - EIGHT_DAYS)
    return push


def test_what_waited_for_more_than_seven_days_asks_the_person_again(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _lose_terms(ready)
    push = _old(_ask(ulf, company))
    _confirm(anna)
    row = run(push)
    assert (row.state, row.wait_reason, row.failure) == (PushState.WAITING, WaitReason.DECISION, ASKED_LONG_AGO)
    assert row.is_asked_about
    assert posts(sandbox) == 0
    ask_admin.send_parked_push(user=ulf, push=row)
    row = run(push)
    assert (row.state, row.failure) == (PushState.DONE, "")
    assert posts(sandbox) == 1
    with pytest.raises(NothingToDecide):
        ask_admin.send_parked_push(user=ulf, push=row)


def test_it_can_be_cancelled_instead(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _revoke(ready)
    push = _old(_ask(ulf, company))
    connect_as(anna)
    assert run(push).is_asked_about
    cancel_push(user=ulf, push=push)
    assert run(push).state == PushState.CANCELLED
    assert posts(sandbox) == 0


def test_whoever_says_that_it_is_still_wanted_answers_for_it(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _lose_terms(ready)
    push = _old(_ask(ulf, company))
    _confirm(anna)
    ulf.deactivate()
    ask_admin.send_parked_push(user=anna, push=run(push))
    assert run(push).state == PushState.DONE
    assert Push.objects.get().requested_by == anna


def test_seven_days_are_not_yet_too_long(
    ready: Connection, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    _lose_terms(ready)
    push = _ask(ulf, company)
    Push.objects.update(requested_at=database_now() - timedelta(days=7) + timedelta(minutes=1))
    _confirm(anna)
    assert run(push).state == PushState.DONE


def test_what_was_sent_long_ago_is_looked_up_without_asking(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    push = sheets.create(user=ulf, company=company)
    fields = {"state": PushState.UNKNOWN, "unknown_since": database_now(), "wait_reason": WaitReason.CONNECTION}
    Push.objects.update(**fields, requested_at=database_now() - EIGHT_DAYS, next_attempt_at=None)
    now = database_now()
    push_queue.pull_forward(connection=ready, now=now)
    push.refresh_from_db()
    assert (push.wait_reason, push.next_attempt_at) == (WaitReason.CONNECTION, now)
