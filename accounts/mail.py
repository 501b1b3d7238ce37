"""Mail to users: requested in the database, and sent by a task in the recipient's language.

A cause is a name such as `invitation`; its text is the template `mail/<cause>.txt`, whose first line is the subject.
Another app adds a cause by adding such a template: nothing has to be registered. The template may use `user`,
`account`, `base_url` (no slash at its end), `set_password_url` (made only when used) and the context of the request.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import Mail, User


def set_password_url(*, user: User) -> str:
    """Return the address where this user chooses a password, for an invitation or a password reset.

    It is valid for `PASSWORD_RESET_TIMEOUT` seconds, and until a password is chosen or the user logs in.
    """
    words = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": default_token_generator.make_token(user)}
    return f"{settings.BASE_URL}{reverse('accounts:password-set', kwargs=words)}"


def request_mail(
    *,
    user: User,
    cause: str,
    now: datetime,
    context: Mapping[str, object] | None = None,
    again_after: timedelta | None = None,
) -> bool:
    """Request a mail, in the caller's transaction; return whether it is due, now or already before.

    At most one per user, cause and day (the account's day). With `again_after`, another request on the same day is
    accepted too if the last mail was sent at least that long ago. `context` is JSON and must hold no secrets. Raises
    TemplateDoesNotExist when the cause has no template.
    """
    get_template(_template_name(cause))
    words = dict(context or {})
    day = timezone.localdate(now, user.account.zone if user.account else None)
    wish = {"account": user.account, "requested_at": now, "due_at": now, "context": words}
    with transaction.atomic():
        _row, is_new = Mail.objects.get_or_create(user=user, cause=cause, day=day, defaults=wish)
        mail = Mail.objects.select_for_update(no_key=True).get(user=user, cause=cause, day=day)
        if is_new or mail.due_at is not None:
            return True
        if again_after is None or (mail.sent_at is not None and now - mail.sent_at < again_after):
            return False
        mail.ask_again(now=now, context=words)
        return True


def send_due(*, now: datetime, limit: int = 50) -> int:
    """Send the mails that are due and return how many; stop early if the mail server does not answer."""
    sent = 0
    while sent < limit and (mail := Mail.objects.claim_next(now=now)) is not None:
        if not mail.user.is_active:
            mail.drop(failure="The user is deactivated.")
        elif _send(mail, now=now):
            sent += 1
        else:
            break  # a silent server costs EMAIL_TIMEOUT each time; the other mails wait for the next round
    return sent


def _send(mail: Mail, *, now: datetime) -> bool:
    subject, body = _text(mail)
    try:
        EmailMessage(subject=subject, body=body, to=[mail.user.email]).send()
    except (SMTPException, OSError) as error:
        # The error's message may quote the recipient or the server's banner: log only the error's name.
        mail.mark_failed(now=now, failure=type(error).__name__)
        return False
    mail.mark_sent(now=now)
    return True


def _text(mail: Mail) -> tuple[str, str]:
    """Return subject and body, in the recipient's language and the account's time zone."""
    context = {
        **mail.context,
        "user": mail.user,
        "account": mail.user.account,
        "base_url": settings.BASE_URL,
        "set_password_url": partial(set_password_url, user=mail.user),
    }
    zone = mail.user.account.zone if mail.user.account else None
    with translation.override(mail.user.preferred_language), timezone.override(zone):
        text = get_template(_template_name(mail.cause)).render(context)
    subject, _newline, body = text.strip().partition("\n")
    return subject.strip(), f"{body.strip()}\n"


def _template_name(cause: str) -> str:
    return f"mail/{cause}.txt"
