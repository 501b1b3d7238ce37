"""Settings → Integrations → Visma eAccounting → Terms of payment: choose, reload, list customers with other terms."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.listing import company_page
from integrations.access.rate_limit import NoSlot
from integrations.delivery import upkeep
from integrations.eaccounting.errors import EAccountingError
from integrations.exceptions import NotConnected, Superseded
from integrations.forms.terms import TermsForm
from integrations.messages.sentences import sentence, why
from integrations.panel.terms import companies_with_other_terms, rows_of
from integrations.services import connect
from integrations.views.connect import current_of, show


@require(Role.ADMIN)
@require_POST
def choose_terms(request: SignedInRequest) -> HttpResponse:
    """Save the terms of payment for new customers, and which others may be chosen."""
    connection = current_of(request)
    form = TermsForm(request.POST, connection=connection)
    if not form.is_valid():
        return show(request, connection, form)
    terms, offered = form.cleaned_data["terms"], form.cleaned_data["offered"]
    try:
        connect.choose_terms(user=request.user, connection=connection, terms=terms, offered=offered)
    except Superseded as refusal:
        messages.error(request, sentence(refusal.code))
        return redirect("integrations:connection")
    words = _("New customers get the terms of payment %(terms)s. Check that this is right.")
    messages.success(request, words % {"terms": terms})
    return redirect("integrations:connection")


@require(Role.ADMIN)
@require_POST
def reload_terms(request: SignedInRequest) -> HttpResponse:
    """*Reload*: fetch the terms of payment now."""
    connection = current_of(request)
    try:
        upkeep.read_terms(connection.pk)
    except NoSlot:
        messages.error(request, sentence("too_busy"))
    except (NotConnected, EAccountingError) as error:
        messages.error(request, why(error))
    else:
        messages.success(request, _("The terms of payment are up to date."))
    return redirect("integrations:connection")


@require(Role.ADMIN)
@require_safe
def other_terms(request: SignedInRequest) -> HttpResponse:
    """List the linked customers that have other terms than the default."""
    connection = current_of(request)
    page = company_page(companies=companies_with_other_terms(connection), cursor=request.GET.get("page", ""))
    context = {
        "section": "settings",
        "connection": connection,
        "rows": rows_of(connection, page.companies),
        "previous": _address(page.previous),
        "next": _address(page.next),
    }
    return render(request, "integrations/other_terms.html", context)


def _address(cursor: str) -> str:
    return f"{reverse('integrations:other-terms')}?{urlencode({'page': cursor})}" if cursor else ""
