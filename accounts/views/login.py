"""Login, password reset, and the page where an invited user chooses a password."""

import time

from django.contrib import messages
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import LoginView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import LoginForm, ResetRequestForm
from accounts.members import send_password_link
from accounts.models import User

RESET_ANSWER_SECONDS = 0.2  # far longer than requesting the mail takes


class Login(LoginView):
    """The login page."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


@require_http_methods(["GET", "HEAD", "POST"])
def reset_request(request: HttpRequest) -> HttpResponse:
    """Mail a link to choose a new password.

    The answer is the same, and comes after the same time, whether the address is known or not.
    """
    answer_at = time.monotonic() + RESET_ANSWER_SECONDS
    form = ResetRequestForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/password_reset.html", {"form": form})
    user = form.user()
    if user is not None:
        send_password_link(user=user, now=timezone.now())
    time.sleep(max(0.0, answer_at - time.monotonic()))
    return redirect("accounts:password-reset-sent")


@require_safe
def reset_sent(request: HttpRequest) -> HttpResponse:
    """Say where the link was sent."""
    return render(request, "accounts/password_reset_sent.html")


class SetPassword(PasswordResetConfirmView):
    """Choose a password by a mailed link, for an invitation or a reset, and log in with it."""

    template_name = "accounts/password_set.html"
    success_url = reverse_lazy("companies:list")
    post_reset_login = True
    post_reset_login_backend = "django.contrib.auth.backends.ModelBackend"

    def get_user(self, uidb64: str) -> User | None:
        """Return the link's user, unless they were deactivated since."""
        user = super().get_user(uidb64)
        return user if isinstance(user, User) and user.is_active else None

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        """Store the password and confirm it."""
        response = super().form_valid(form)
        messages.success(self.request, _("Your password is set and you are logged in."))
        return response
