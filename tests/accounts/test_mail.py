"""Mail: a wish is a row, sent once in the recipient's language, and never lost with the mail server."""

import smtplib
import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import connection, transaction
from django.template import TemplateDoesNotExist
from pytest_django import Settings

from accounts.mail import request_mail, send_due
from accounts.models import Mail, User
from accounts.tasks import send_due_mail
from dev.launcher.stores import free_port

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_a_wish_is_sent_once_and_stamped(ulf: User) -> None:
    assert request_mail(user=ulf, cause="password-reset", now=NOON)
    assert send_due(now=NOON) == 1
    assert send_due(now=NOON + MINUTE) == 0
    assert [message.to for message in mail.outbox] == [[ulf.email]]
    row = Mail.objects.get()
    assert (row.sent_at, row.due_at, row.account) == (NOON, None, ulf.account)


def test_the_task_sends_what_is_due(ulf: User) -> None:
    request_mail(user=ulf, cause="password-reset", now=NOON)
    send_due_mail(argument_of_a_later_release=1)
    assert len(mail.outbox) == 1


def test_a_cause_is_mailed_once_a_day_of_the_account(ulf: User) -> None:
    late = datetime(2026, 5, 4, 21, 30, tzinfo=UTC)  # 23:30 in Stockholm
    for moment in (NOON, late):
        request_mail(user=ulf, cause="password-reset", now=moment)
        send_due(now=moment)
    assert len(mail.outbox) == 1
    after_midnight = late + timedelta(hours=1)
    assert request_mail(user=ulf, cause="password-reset", now=after_midnight)
    send_due(now=after_midnight)
    assert len(mail.outbox) == 2


def test_the_same_cause_for_two_people_is_two_mails(ulf: User, vera: User) -> None:
    for person in (ulf, vera):
        request_mail(user=person, cause="password-reset", now=NOON)
    assert send_due(now=NOON) == 2


def test_a_repeated_wish_is_granted_only_after_its_pause(ulf: User) -> None:
    pause = 5 * MINUTE
    for minutes, sent in ((0, 1), (4, 0), (5, 1), (6, 0)):
        now = NOON + minutes * MINUTE
        assert request_mail(user=ulf, cause="password-reset", now=now, again_after=pause) is bool(sent)
        assert send_due(now=now) == sent
    assert Mail.objects.count() == 1


def test_a_rolled_back_cause_leaves_no_mail(ulf: User) -> None:
    with transaction.atomic():
        request_mail(user=ulf, cause="password-reset", now=NOON)
        transaction.set_rollback(True)
    assert not Mail.objects.exists()


def test_a_cause_without_text_is_refused_at_the_wish(ulf: User) -> None:
    with pytest.raises(TemplateDoesNotExist):
        request_mail(user=ulf, cause="no-such-cause", now=NOON)
    assert not Mail.objects.exists()


def test_the_text_is_in_the_recipients_language_with_links_to_the_base_url(ulf: User, settings: Settings) -> None:
    settings.BASE_URL = "https://crm.example"
    ulf.language = "sv"
    ulf.save()
    request_mail(user=ulf, cause="password-reset", now=NOON)
    send_due(now=NOON)
    message = mail.outbox[0]
    assert message.subject == "Välj ett nytt lösenord till Lime Go"
    assert "https://crm.example/password/set/" in message.body
    assert message.from_email == settings.DEFAULT_FROM_EMAIL


def test_names_are_written_as_they_are(ulf: User) -> None:
    ulf.account.name = "Ek & Son"
    ulf.account.save()
    request_mail(user=ulf, cause="invitation", now=NOON)
    send_due(now=NOON)
    assert mail.outbox[0].subject == "Your login to Lime Go for Ek & Son"


def test_no_link_is_kept_in_the_database(ulf: User) -> None:
    request_mail(user=ulf, cause="password-reset", now=NOON)
    send_due(now=NOON)
    with connection.cursor() as cursor:
        cursor.execute("select accounts_mail::text from accounts_mail")
        assert "/password/" not in str(cursor.fetchall())


def test_who_was_deactivated_meanwhile_gets_nothing(ulf: User) -> None:
    request_mail(user=ulf, cause="password-reset", now=NOON)
    ulf.deactivate()
    assert send_due(now=NOON) == 0
    row = Mail.objects.get()
    assert (row.sent_at, row.due_at) == (None, None)
    assert not mail.outbox


def _no_mail_server(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()


def test_a_silent_mail_server_delays_the_mail_and_claims_nothing(ulf: User, settings: Settings) -> None:
    real = settings.EMAIL_BACKEND
    _no_mail_server(settings)
    request_mail(user=ulf, cause="password-reset", now=NOON)
    assert send_due(now=NOON) == 0
    row = Mail.objects.get()
    assert (row.sent_at, row.failed_at, row.due_at) == (None, NOON, NOON + MINUTE)
    assert row.failure == "ConnectionRefusedError"
    assert send_due(now=NOON + MINUTE) == 0
    assert Mail.objects.get().due_at == NOON + 3 * MINUTE
    settings.EMAIL_BACKEND = real
    assert send_due(now=NOON + 3 * MINUTE) == 1
    row = Mail.objects.get()
    assert (row.sent_at, row.due_at, row.failure, row.attempts) == (NOON + 3 * MINUTE, None, "", 3)


def test_waiting_grows_to_an_hour_and_ends_after_two_days(ulf: User, settings: Settings) -> None:
    _no_mail_server(settings)
    request_mail(user=ulf, cause="password-reset", now=NOON)
    now, waits = NOON, []
    while (due_at := Mail.objects.get().due_at) is not None:
        waits.append(due_at - now)
        now = due_at
        send_due(now=now)
    assert max(waits) == timedelta(hours=1)
    assert timedelta(days=2) < now - NOON < timedelta(days=2, hours=2)
    assert Mail.objects.get().sent_at is None


def test_a_refusing_mail_server_is_named_without_its_words(ulf: User, settings: Settings) -> None:
    """The server answers the recipient with 550 and quotes the address, as they do."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()[:2]
        answering = threading.Thread(target=_refuse_one, args=[server])
        answering.start()
        request_mail(user=ulf, cause="password-reset", now=NOON)
        send_due(now=NOON)
        answering.join()
    row = Mail.objects.get()
    assert (row.sent_at, row.failure) == (None, smtplib.SMTPRecipientsRefused.__name__)


def _refuse_one(server: socket.socket) -> None:
    peer, _address = server.accept()
    with peer, peer.makefile("rwb") as lines:
        lines.write(b"220 here\r\n")
        lines.flush()
        for line in lines:
            answer = b"550 no such person\r\n" if line.upper().startswith(b"RCPT") else b"250 ok\r\n"
            lines.write(answer)
            lines.flush()
            if line.upper().startswith(b"QUIT"):
                return


def test_a_sender_that_died_loses_its_claim_after_the_lease(ulf: User) -> None:
    request_mail(user=ulf, cause="password-reset", now=NOON)
    assert Mail.objects.claim_next(now=NOON) is not None
    assert Mail.objects.claim_next(now=NOON + MINUTE) is None
    assert send_due(now=NOON + Mail.LEASE) == 1


def test_a_sender_that_was_overtaken_stamps_nothing(ulf: User) -> None:
    request_mail(user=ulf, cause="password-reset", now=NOON)
    frozen = Mail.objects.claim_next(now=NOON)
    assert frozen is not None
    later = NOON + Mail.LEASE
    Mail.objects.claim_next(now=later)
    frozen.mark_failed(now=later, failure="TimeoutError")
    assert Mail.objects.get().failed_at is None


@pytest.mark.django_db(transaction=True)
def test_two_senders_at_once_send_each_mail_once(ulf: User, vera: User, anna: User) -> None:
    people = [ulf, vera, anna]
    for person in people:
        request_mail(user=person, cause="password-reset", now=NOON)
    start = threading.Barrier(2)

    def send() -> None:
        start.wait()
        send_due(now=NOON)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(message.to[0] for message in mail.outbox) == sorted(person.email for person in people)


def test_a_claimed_row_is_skipped_not_waited_for(ulf: User, vera: User, transactional_db: None) -> None:
    for person in (ulf, vera):
        request_mail(user=person, cause="password-reset", now=NOON)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Mail.objects.select_for_update().get(user=ulf)
            held.set()
            release.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    assert send_due(now=NOON) == 1
    release.set()
    holder.join()
    assert mail.outbox[0].to == [vera.email]
