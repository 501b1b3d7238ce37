"""Who may open a view: one decorator for every view behind the login."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import Account, Role, User

Args = ParamSpec("Args")
View = Callable[Concatenate[HttpRequest, Args], HttpResponseBase]


class SignedInRequest(HttpRequest):
    """What a view behind `require` gets: the user is known and has an account."""

    user: User  # never AnonymousUser behind `require`
    account: Account


SignedInView = Callable[Concatenate[SignedInRequest, Args], HttpResponseBase]


def refusal(role: Role) -> str:
    """Return the sentence, in the reader's language, that says who may do what needs `role`."""
    if role is Role.ADMIN:
        return _("Only an admin can do this. Ask an admin of your account.")
    return _("You can look at everything here, but not change it. An admin can give you the role User.")


def _to_login(request: HttpRequest) -> HttpResponse:
    """Redirect to the login, and back afterwards; after a POST, or from a part of a page, back to the whole page."""
    is_part = request.headers.get("HX-Request") == "true"
    if request.method in {"GET", "HEAD"} and not is_part:
        return redirect_to_login(request.get_full_path())
    if request.method not in {"GET", "HEAD"}:
        messages.warning(request, _("You were logged out, so nothing was saved or sent. Log in and do it again."))
    page = urlsplit(request.headers.get("Referer", ""))
    is_ours = page.netloc == request.get_host()
    login = redirect_to_login(page.path if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL))
    # A part of a page is requested in the background: the whole page has to be redirected, not that part.
    return HttpResponseClientRedirect(login.url) if is_part else login


def require(role: Role) -> Callable[[SignedInView[Args]], View[Args]]:
    """Let only users through whose role includes `role`, and give the view `request.account`.

    Without a login: to the login page. With too small a role, or without an account: 403 with a sentence.
    """

    def decorate(view: SignedInView[Args]) -> View[Args]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Args.args, **kwargs: Args.kwargs) -> HttpResponseBase:
            if not isinstance(request.user, User):
                return _to_login(request)
            if request.user.account is None:
                raise PermissionDenied(_("This login belongs to no account. It can only open the admin site."))
            if not request.user.may(role):
                raise PermissionDenied(refusal(role))
            signed_in = cast(SignedInRequest, request)
            signed_in.account = request.user.account
            return view(signed_in, *args, **kwargs)

        return guarded  # type: ignore[return-value]  # wraps keeps the type of the view it wraps

    return decorate


def guessed_login(request: HttpRequest | None, credentials: dict[str, str] | None = None) -> str:
    """Return the login whose password is being guessed, for django-axes: ANNA@ and anna@ share one count."""
    given = credentials or (request.POST if request is not None else {})
    return str(given.get("username") or "").strip().lower()
