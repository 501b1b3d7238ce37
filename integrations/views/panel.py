"""The buttons on the company card that need no sheet, and the panel that polls."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.access import get_company
from companies.models import Company
from integrations.exceptions import Refusal
from integrations.messages.sentences import sentence
from integrations.models import Kind
from integrations.panel.panel import panel_of
from integrations.services.requests import cancel_push, recheck_push
from integrations.services.try_again import repeat_push
from integrations.views.sheet import newest_push


def _to_card(company: Company) -> HttpResponse:
    return redirect("companies:card", company_id=company.pk)


def _do(request: SignedInRequest, company: Company, wish: Callable[[], object], done: str = "") -> HttpResponse:
    """Make one service call, and show its message or refusal. The panel shows what takes time."""
    try:
        wish()
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    else:
        if done:
            messages.info(request, done)
    return _to_card(company)


@require(Role.VIEWER)
@require_safe
def panel(request: SignedInRequest, company_id: int) -> HttpResponse:
    """The panel for polling: 204 if nothing changed, 286 if it needs no more polling, else the new panel."""
    shown = panel_of(company=get_company(request, company_id), user=request.user)
    if request.GET.get("version") == shown.version and shown.poll_seconds:
        return HttpResponse(status=204)
    answer = render(request, "integrations/panel_answer.html", {"panel": shown})
    return answer if shown.poll_seconds else HttpResponseStopPolling(answer.content)


@require(Role.USER)
@require_POST
def look_again(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Look once more for what became of a lost answer."""
    company = get_company(request, company_id)
    push = newest_push(request, company)
    return _do(request, company, lambda: recheck_push(push=push), _("Checking Visma eAccounting once more."))


@require(Role.USER)
@require_POST
def cancel(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Cancel a waiting push."""
    company = get_company(request, company_id)
    push = newest_push(request, company)
    return _do(request, company, lambda: cancel_push(user=request.user, push=push), _("Cancelled. Nothing was sent."))


@require(Role.USER)
@require_POST
def try_again(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Send a failed push again exactly as confirmed; if no sheet had confirmed it, open one first."""
    company = get_company(request, company_id)
    push = newest_push(request, company)
    if not push.confirmed:
        sheet = "create" if push.kind == Kind.CREATE else "update"
        return redirect(f"integrations:{sheet}", company_id=company.pk)
    return _do(request, company, lambda: repeat_push(user=request.user, push=push))
