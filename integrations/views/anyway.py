"""Create anyway: none of the customers that were found is this company, so a new one is wanted."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.models import Company
from integrations import services
from integrations.models import Kind
from integrations.sheets.anyway import AnywaySheet
from integrations.views.card import newest_push
from integrations.views.sheets import leave_sheet, render_sheet
from integrations.words.sentences import sentence


@require(Role.USER)
@require_http_methods(["GET", "HEAD", "POST"])
def create_anyway(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Show the candidates and what would be written; create it when the person says that none of them is it."""
    company = get_object_or_404(Company.objects.of(request.account), pk=company_id)
    push = newest_push(request, company)
    is_asked = push.kind == Kind.CREATE and push.is_open and push.is_to_decide
    if company.archived_at is not None or not is_asked:
        messages.error(request, sentence("archived" if company.archived_at else "nothing_to_decide"))
        return leave_sheet(request, company)
    sheet = AnywaySheet(push)
    if request.method != "POST":
        return _show(request, sheet)
    if not sheet.was_seen(request.POST.get("seen", "")):
        return _show(request, sheet, notice=_("Nothing was created yet: look at what stands here now, then decide."))
    if "none_of_these" not in request.POST:
        words = _("Nothing was created. Say that none of these is this company, or link one instead.")
        return _show(request, sheet, error=words)
    if sheet.problems:
        return _show(request, sheet)
    try:
        services.create_anyway(user=request.user, push=push, confirmed=sheet.values)
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    return leave_sheet(request, company)


def _show(request: SignedInRequest, sheet: AnywaySheet, *, notice: str = "", error: str = "") -> HttpResponse:
    context = {"sheet": sheet, "company": sheet.push.company, "notice": notice, "error": error}
    return render_sheet(request, "integrations/anyway.html", {**context, "may_create": not sheet.problems})
