"""Link an existing customer: search or paste, see who it is, link. And who a pasted reference is, below its field."""

from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.models import Company
from integrations import services
from integrations.models import Origin
from integrations.references import LONGEST, Kind, parse
from integrations.sheets import finding
from integrations.sheets.link_form import LinkForm
from integrations.sheets.link_sheet import LinkSheet, open_sheet
from integrations.sheets.reference_answer import answer_to
from integrations.sheets.reference_section import CompanyReferenceSection
from integrations.sheets.stop import Stop
from integrations.views.sheets import leave_sheet, render_sheet, stopped
from integrations.words.sentences import sentence

ANSWERS = "link-answers"  # the part of the search that is exchanged as one types


def _company(request: SignedInRequest, company_id: int) -> Company:
    return get_object_or_404(Company.objects.of(request.account), pk=company_id)


@require(Role.USER)
@require_safe
def search(request: SignedInRequest, company_id: int) -> HttpResponse:
    """One field that takes a reference, a number or a name, and the customers that are found for it."""
    company = _company(request, company_id)
    connection = services.current_connection(company.account_id)
    refusal = services.why_not_link(company)
    text = request.GET.get("q", "")[:LONGEST]
    found = None
    if connection and not refusal:
        found = finding.answers(connection=connection, company=company, text=text)
    context = {
        "company": company,
        "connection": connection,
        "text": text,
        "stop": sentence(refusal.code, refusal.parameters) if refusal else "",
        "found": found,
    }
    if request.headers.get("HX-Target") == ANSWERS:
        part = {"is_part": True, "in_dialog": request.GET.get("in") == "dialog"}
        return render(request, "integrations/link_answers.html", {**context, **part})
    return render_sheet(request, "integrations/link_search.html", context)


@require(Role.USER)
def link_customer(request: SignedInRequest, company_id: int, customer_id: UUID) -> HttpResponse:
    """Who it is, beside the company; then link, and update what was chosen."""
    company = _company(request, company_id)
    sheet = open_sheet(
        company=company, customer_id=str(customer_id), data=request.POST if request.method == "POST" else None
    )
    text = request.GET.get("q", "")[:LONGEST]
    if sheet.is_confirmed and sheet.form:
        is_pasted = parse(text).kind is Kind.REFERENCE
        return _link(request, sheet, sheet.form, Origin.PASTED if is_pasted else Origin.MATCHED)
    return _show(request, sheet, text)


def _show(request: SignedInRequest, sheet: LinkSheet, text: str) -> HttpResponse:
    context = {"company": sheet.company, "sheet": sheet, "form": sheet.form, "text": text}
    context |= stopped(request, sheet.stopped_by, was_sent=True)
    return render_sheet(request, "integrations/link_customer.html", context)


def _link(request: SignedInRequest, sheet: LinkSheet, form: LinkForm, origin: Origin) -> HttpResponse:
    """Link, and say so on the card; why not is said there too, but for what an admin can mend."""
    decision = form.chosen()
    try:
        link = sheet.link(user=request.user, origin=origin, decision=decision)
    except services.Refusal as refusal:
        stop = Stop.by(refusal)
        if stop:
            return _show(request, replace(sheet, stopped_by=stop), request.GET.get("q", "")[:LONGEST])
        messages.error(request, sentence(refusal.code, refusal.parameters))
        return leave_sheet(request, sheet.company)
    if decision and decision.write:
        done = _("The company is linked to %(customer)s, which is being updated.")
    else:
        done = _("The company is linked to %(customer)s. Nothing was changed there.")
    messages.info(request, done % {"customer": link.customer})
    return leave_sheet(request, sheet.company)


@require(Role.USER)
@require_safe
def reference(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Who it is that was typed or pasted into the edit page's field; nothing is saved."""
    company = _company(request, company_id)
    answer = answer_to(company=company, data=request.GET, prefix=CompanyReferenceSection.__name__.lower())
    return render(request, "integrations/reference_answer.html", {"company": company, "answer": answer})
