"""*Link an existing customer*: search or paste, see who it is, link; and the answer below the Company Reference."""

from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.access import get_company
from companies.models import Company
from integrations.domain.references import LONGEST, Kind, parse
from integrations.exceptions import Refusal
from integrations.forms import customer_search
from integrations.forms.company_reference import CompanyReferenceSection, answer_to
from integrations.forms.link import LinkForm, LinkSheet, open_sheet
from integrations.messages.ask_admin import Stop
from integrations.messages.sentences import sentence
from integrations.models import CustomerLink, Origin
from integrations.services.link import unlink_company, why_not_link, why_not_unlink
from integrations.services.requests import current_connection, link_of
from integrations.views.sheet import leave_sheet, render_sheet, stopped

ANSWERS = "link-answers"  # the part of the search that is replaced while typing


@require(Role.USER)
@require_safe
def search(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Search by a reference, a number or a name, and list the customers found."""
    company = get_company(request, company_id)
    connection = current_connection(company.account_id)
    refusal = why_not_link(company)
    text = request.GET.get("q", "")[:LONGEST]
    found = None
    if connection and not refusal:
        found = customer_search.answers(connection=connection, company=company, text=text)
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
    """Show the customer compared with the company; on POST link it, and update what was chosen."""
    company = get_company(request, company_id)
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
    """Link, and say so on the card; a refusal is told there too, except one that an admin can fix."""
    decision = form.chosen()
    try:
        link = sheet.link(user=request.user, origin=origin, decision=decision)
    except Refusal as refusal:
        stop = Stop.by(refusal)
        if stop:
            return _show(request, replace(sheet, stopped_by=stop), request.GET.get("q", "")[:LONGEST])
        messages.error(request, sentence(refusal.code, refusal.parameters))
        return leave_sheet(request, sheet.company)
    if decision and decision.write:
        done = _("The company is linked to %(customer)s, which is being updated.")
    else:
        done = _("The company is linked to %(customer)s. Nothing was changed in Visma eAccounting.")
    messages.info(request, done % {"customer": link.customer})
    return leave_sheet(request, sheet.company)


@require(Role.USER)
@require_safe
def company_reference(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Show which customer was typed or pasted into the edit page's field; nothing is saved."""
    company = get_company(request, company_id)
    answer = answer_to(company=company, data=request.GET, prefix=CompanyReferenceSection.__name__.lower())
    return render(request, "integrations/company_reference_answer.html", {"company": company, "answer": answer})


@require(Role.USER)
@require_http_methods(["GET", "HEAD", "POST"])
def unlink(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Remove the link to the customer that the sheet named, and to no other."""
    company = get_company(request, company_id)
    link = link_of(company, current_connection(company.account_id))
    if link is None or company.archived_at is not None:
        messages.error(request, sentence("not_linked" if link is None else "archived"))
        return leave_sheet(request, company)
    if request.method != "POST":
        return _show_unlink(request, company, link)
    if request.POST.get("linked_to") != str(link.reference):
        return _show_unlink(
            request,
            company,
            link,
            notice=_("Nothing has been unlinked yet. The link has changed since you opened this. Check it again."),
        )
    try:
        unlink_company(user=request.user, company=company, linked_to=str(link.reference))
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    else:
        messages.info(request, _("The company is unlinked. Nothing was changed in Visma eAccounting."))
    return leave_sheet(request, company)


def _show_unlink(request: SignedInRequest, company: Company, link: CustomerLink, *, notice: str = "") -> HttpResponse:
    under = why_not_unlink(company)
    stop = sentence(under.code, under.parameters) if under else ""
    context = {"company": company, "link": link, "notice": notice, "stop": stop}
    return render_sheet(request, "integrations/unlink.html", context)
