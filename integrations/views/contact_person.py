"""*Add a contact person*: choose the contact person of the customer."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.access import get_company
from integrations.exceptions import Refusal
from integrations.forms.contact_person import ContactSheet
from integrations.messages.sentences import sentence
from integrations.views.sheet import leave_sheet, render_sheet, stopped

SIDES = "contact-person-sides"  # the part of the sheet that changes with the choice


@require(Role.USER)
def contact_person(request: SignedInRequest, company_id: int) -> HttpResponse:
    """*Add a contact person*: choose one of the company's contacts, enter a new one, or clear it."""
    company = get_company(request, company_id)
    data = request.POST if request.method == "POST" else None
    try:
        sheet = ContactSheet.of(company, data)
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
        return leave_sheet(request, company)
    sends = data is not None and "look" not in data
    if sends and sheet.is_confirmed() and sheet.choose(user=request.user):
        return leave_sheet(request, company)
    context = {"sheet": sheet, "company": company, **stopped(request, sheet.stop, was_sent=True)}
    if request.headers.get("HX-Target") == SIDES:
        return render(request, "integrations/contact_person_diff.html", context)
    return render_sheet(request, "integrations/contact_person.html", context)
