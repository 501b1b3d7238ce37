"""Ask an admin where only an admin can go on, and confirm later that a parked push is still wanted."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.access import get_company
from integrations.exceptions import Refusal
from integrations.messages.sentences import sentence
from integrations.models import Push
from integrations.panel.panel import panel_of
from integrations.services import ask_admin as asking
from integrations.views.sheet import tell_asked


@require(Role.USER)
@require_POST
def ask_admin(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Ask an admin if there is nothing to send; else lead to the sheet that shows what will be sent and asks."""
    company = get_company(request, company_id)
    sheet = panel_of(company=company, user=request.user).asks_on
    if sheet:
        messages.warning(request, _("Nobody has been asked yet. Check what will be sent, then ask."))
        return redirect(sheet, company_id=company.pk)
    try:
        tell_asked(request, asking.ask_admins(user=request.user, company=company))
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    return redirect("companies:card", company_id=company.pk)


@require(Role.USER)
@require_POST
def send_now(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Send a parked push that has grown old, exactly as it was confirmed."""
    company = get_company(request, company_id)
    rows = Push.objects.select_related("connection", "company").filter(company=company).order_by("-pk")
    rows = rows.defer("connection__access_token", "connection__refresh_token")
    try:
        asking.send_parked_push(user=request.user, push=get_object_or_404(rows[:1]))
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    return redirect("companies:card", company_id=company.pk)
