"""Who may open a view: one decorator, used by every view behind the login."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from accounts.models import Account, Role, User

Args = ParamSpec("Args")
View = Callable[Concatenate[HttpRequest, Args], HttpResponseBase]


class SignedInRequest(HttpRequest):
    """What a view behind `require` gets: the user is known and has an account."""

    user: User  # never AnonymousUser behind `require`
    account: Account


SignedInView = Callable[Concatenate[SignedInRequest, Args], HttpResponseBase]


def refusal(role: Role) -> str:
    """Say in the reader's language who may do what needs `role`."""
    if role is Role.ADMIN:
        return _("Only an admin can do this. Ask an admin of your account.")
    return _("You can look at everything here, but not change it. An admin can give you the role User.")


def require(role: Role) -> Callable[[SignedInView[Args]], View[Args]]:
    """Let only users through whose role includes `role`, and give the view `request.account`.

    Without a login: to the login page. With too small a role, or without an account: 403 with a sentence.
    """

    def decorate(view: SignedInView[Args]) -> View[Args]:
        @login_required
        @wraps(view)
        def guarded(request: SignedInRequest, *args: Args.args, **kwargs: Args.kwargs) -> HttpResponseBase:
            if request.user.account is None:
                raise PermissionDenied(_("This login belongs to no account. It can only open the admin site."))
            if not request.user.may(role):
                raise PermissionDenied(refusal(role))
            request.account = request.user.account
            return view(request, *args, **kwargs)

        return guarded  # type: ignore[return-value]  # login_required's stub loses the parameters

    return decorate


def guessed_login(request: HttpRequest | None, credentials: dict[str, str] | None = None) -> str:
    """Name whose password is being guessed, for django-axes: ANNA@ and anna@ are one login, so they share one count."""
    given = credentials or (request.POST if request is not None else {})
    return str(given.get("username") or "").strip().lower()
