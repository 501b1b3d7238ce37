"""The reader's language and the account's time zone, for each request."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from accounts.models import User


class PreferencesMiddleware:
    """Show pages in the user's language, and times in the account's time zone.

    Before the login the browser's language (Accept-Language) is used.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        account = user.account if isinstance(user, User) else None
        language = user.preferred_language if isinstance(user, User) else translation.get_language_from_request(request)
        with translation.override(language), timezone.override(account.zone if account else None):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response
