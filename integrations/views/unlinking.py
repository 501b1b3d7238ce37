"""Unlink: what it undoes, and then it is done. Nothing changes in eAccounting."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.models import Company
from integrations import services
from integrations.models import CustomerLink
from integrations.views.sheets import leave_sheet, render_sheet
from integrations.words.sentences import sentence


@require(Role.USER)
@require_http_methods(["GET", "HEAD", "POST"])
def unlink(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Forget the link to the customer that the sheet named, and to no other."""
    company = get_object_or_404(Company.objects.of(request.account), pk=company_id)
    link = services.link_of(company, services.current_connection(company.account_id))
    if link is None or company.archived_at is not None:
        messages.error(request, sentence("not_linked" if link is None else "archived"))
        return leave_sheet(request, company)
    if request.method != "POST":
        return _show(request, company, link)
    if request.POST.get("linked_to") != str(link.reference):
        return _show(request, company, link, notice=_("Nothing was unlinked yet: look at what stands here now."))
    try:
        services.unlink(user=request.user, company=company, linked_to=str(link.reference))
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    else:
        messages.info(request, _("The company is unlinked. Nothing was changed in Visma eAccounting."))
    return leave_sheet(request, company)


def _show(request: SignedInRequest, company: Company, link: CustomerLink, *, notice: str = "") -> HttpResponse:
    under = services.why_not_unlink(company)
    stop = sentence(under.code, under.parameters) if under else ""
    context = {"company": company, "link": link, "notice": notice, "stop": stop}
    return render_sheet(request, "integrations/unlink.html", context)
