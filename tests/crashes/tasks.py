"""What the web process does for its buttons, in a process that may die."""

from celery import shared_task

from accounts.models import User
from companies.models import Company
from integrations.models import Connection
from integrations.services import connect as connecting
from tests import sheets


@shared_task
def click(user_id: int, company_id: int) -> None:
    """What the web process does for *Add as customer*."""
    user = User.objects.get(pk=user_id)
    sheets.create(user=user, company=Company.objects.get(pk=company_id))


@shared_task
def connect(user_id: int, code: str, verifier: str, started: list[int] | None) -> None:
    """What the web process does when the browser comes back from the consent page."""
    user = User.objects.select_related("account").get(pk=user_id)
    connecting.complete(
        user=user,
        account=user.account,
        code=code,
        code_verifier=verifier,
        started=(started[0], started[1]) if started else None,
    )


@shared_task
def disconnect(user_id: int, connection_id: int) -> None:
    """What the web process does for *Disconnect*."""
    user = User.objects.get(pk=user_id)
    connecting.disconnect(user=user, connection=Connection.objects.get(pk=connection_id))
