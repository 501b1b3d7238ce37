"""The page that a person sees when something fails: what became of their action, as far as that can be known."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.defaults import server_error

from integrations.database import database_is_away


def failed(request: HttpRequest) -> HttpResponse:
    """Answer 503 when the database is away, else Django's 500 page.

    Before a view was called nothing can have been saved. After that nobody knows: the answer to a COMMIT can be lost.
    """
    if not database_is_away(sys.exception()):
        return server_error(request)
    began = request.resolver_match is not None
    # Without a database the user is not known, so the browser's language is used.
    language = translation.get_language() if began else translation.get_language_from_request(request)
    with translation.override(language):
        answer = render(request, "503.html", {"began": began}, status=503)
    answer.headers["Retry-After"] = "30"
    return answer
