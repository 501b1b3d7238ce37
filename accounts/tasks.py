"""Tasks of accounts."""

from celery import shared_task
from django.utils import timezone

from accounts.mail import send_due


@shared_task(name="accounts.tasks.send_due_mail")
def send_due_mail(**_later: object) -> None:
    """Send the mails that are due; beat calls it every few seconds."""
    send_due(now=timezone.now())
