"""Sheets: what the buttons on the card open. A dialog over the card with JavaScript, else a page of its own.

A sheet's template extends `frame` and fills the blocks title, above, heading and content; its forms carry `{% if
in_dialog %}hx-post="{{ request.path }}" hx-target="#sheet"{% endif %}` beside method and action: a page has no dialog,
and a form whose target does not exist sends nothing.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import SignedInRequest
from accounts.models import Role
from companies.models import Company
from integrations.messages.ask_admin import Stop, asked_words
from integrations.models import Push
from integrations.services.ask_admin import Asked

IN_DIALOG, AS_PAGE = "partials/sheet.html", "base.html"


def render_sheet(request: SignedInRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Draw a sheet, in the dialog that asked for it or as a page."""
    in_dialog = _is_for_dialog(request)
    frame = IN_DIALOG if in_dialog else AS_PAGE
    return render(request, template, {"frame": frame, "in_dialog": in_dialog, "section": "companies", **context})


def stopped(request: SignedInRequest, stop: Stop | None, *, was_sent: bool) -> dict[str, Any]:
    """Return the variables of integrations/stopped.html, for a sheet where only an admin can go on.

    `was_sent`: whether the person has pressed its button, and not merely opened it.
    """
    may_mend = request.user.may(Role.ADMIN)
    return {"stop": stop, "was_sent": was_sent, "may_mend": may_mend, "may_ask": stop is not None and not may_mend}


def leave_sheet(request: SignedInRequest, company: Company) -> HttpResponse:
    """Go to the card, because the sheet is done or the card says why not."""
    card = redirect("companies:card", company_id=company.pk)
    return HttpResponseClientRedirect(card.url) if _is_for_dialog(request) else card


def _is_for_dialog(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Target") == "sheet"


def tell_asked(request: SignedInRequest, asked: Asked) -> None:
    """Show who was asked, and what follows."""
    say = messages.success if asked.mailed or asked.spared else messages.warning
    say(request, asked_words(asked))


def newest_push(request: SignedInRequest, company: Company) -> Push:
    """Return the company's newest push, which is the one that the panel shows."""
    rows = Push.objects.select_related("connection", "company", "requested_by", "contact")
    rows = rows.defer("connection__access_token", "connection__refresh_token")
    newest = rows.filter(company=company, account=request.account).order_by("-pk")
    return get_object_or_404(newest[:1])
