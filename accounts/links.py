"""Links with a token: made when they are shown or mailed, never stored."""

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import User


def set_password_url(*, user: User) -> str:
    """Make the address where this user chooses a password: the invitation and the password reset.

    It is good for `PASSWORD_RESET_TIMEOUT` seconds and ends with the first password chosen or the first login.
    """
    words = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": default_token_generator.make_token(user)}
    return f"{settings.BASE_URL}{reverse('accounts:password-set', kwargs=words)}"
