"""Every user's own settings: name, language and password; and the page that leads to all settings."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import SignedInRequest, require
from accounts.forms import ProfileForm
from accounts.models import Role


@require_safe
@require(Role.VIEWER)
def settings_page(request: SignedInRequest) -> HttpResponse:
    """List the settings that this user's role may open."""
    return render(request, "accounts/settings.html", {"is_admin": request.user.may(Role.ADMIN)})


@require_http_methods(["GET", "HEAD", "POST"])
@require(Role.VIEWER)
def profile(request: SignedInRequest) -> HttpResponse:
    """Show and change the user's own name and language."""
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/profile.html", {"form": form})
    user = form.save()
    with override(user.preferred_language):  # the next page is in the language just chosen
        messages.success(request, _("Your profile is saved."))
    return redirect("accounts:profile")


@require_http_methods(["GET", "HEAD", "POST"])
@require(Role.VIEWER)
def password_change(request: SignedInRequest) -> HttpResponse:
    """Choose another password; other browsers of this user are logged out."""
    form = PasswordChangeForm(request.user, request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/password_change.html", {"form": form})
    update_session_auth_hash(request, form.save())
    messages.success(request, _("Your password is changed. Other browsers where you were logged in are logged out."))
    return redirect("accounts:settings")
