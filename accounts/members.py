"""Members of an account: inviting, changing roles, deactivating and reactivating."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from accounts.mail import request_mail
from accounts.models import Account, Role, User

MAIL_AGAIN_AFTER = timedelta(minutes=5)  # shortest time between two invitations or resets


class LastAdmin(Exception):
    """The account would be left without an admin."""


class AddressTaken(Exception):
    """Somebody already logs in with this e-mail address."""


def invite(
    *, account: Account, email: str, role: Role, first_name: str = "", last_name: str = "", now: datetime
) -> User:
    """Add a user who chooses a password by the mailed link. Raises AddressTaken."""
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                email=email, account=account, role=role, first_name=first_name, last_name=last_name
            )
            request_mail(user=user, cause="invitation", now=now)
    except IntegrityError as error:
        raise AddressTaken from error
    return user


def send_password_link(*, user: User, now: datetime) -> bool:
    """Mail the link to choose a password: an invitation, or a reset for a user who has logged in before.

    Returns False when one was sent less than `MAIL_AGAIN_AFTER` ago.
    """
    cause = "invitation" if user.is_invited else "password-reset"
    return request_mail(user=user, cause=cause, now=now, again_after=MAIL_AGAIN_AFTER)


@transaction.atomic
def change_role(*, account: Account, member: User, role: Role) -> None:
    """Give a member another role. Raises LastAdmin."""
    locked = _locked(account, member)
    if role is not Role.ADMIN:
        _refuse_last_admin(account, locked)
    locked.change_role(role)


@transaction.atomic
def deactivate(*, account: Account, member: User) -> None:
    """Deactivate a member's login. Raises LastAdmin."""
    locked = _locked(account, member)
    _refuse_last_admin(account, locked)
    locked.deactivate()


def _locked(account: Account, member: User) -> User:
    """Return the member re-read with their account locked, so that two admins cannot remove each other at once."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    return account.users.get(pk=member.pk)


def _refuse_last_admin(account: Account, member: User) -> None:
    others = User.objects.working_admins().filter(account=account).exclude(pk=member.pk)
    if member.role == Role.ADMIN and not others.exists():
        raise LastAdmin
