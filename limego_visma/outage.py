"""The page a person sees when something fails here: what became of what they did, as far as it can be known."""

import sys

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.defaults import server_error

from integrations.database import database_is_away


def failed(request: HttpRequest) -> HttpResponse:
    """Answer 503 when the database is away, else Django's 500.

    Before a view was found nothing can have been saved. After that nobody knows: the answer to a COMMIT can be lost.
    """
    if not database_is_away(sys.exception()):
        return server_error(request)
    began = request.resolver_match is not None
    # Without a database nobody knows who is reading: the browser's language it is.
    language = translation.get_language() if began else translation.get_language_from_request(request)
    with translation.override(language):
        answer = render(request, "503.html", {"began": began}, status=503)
    answer.headers["Retry-After"] = "30"
    return answer
