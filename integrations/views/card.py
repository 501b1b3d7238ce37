"""The buttons on the company card, and the panel that follows them."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.forms import ContactForm
from companies.models import Company
from integrations import services
from integrations.delivery import live
from integrations.eaccounting.errors import EAccountingError
from integrations.forms import ContactChoiceForm
from integrations.models import Push
from integrations.panel import panel_of
from integrations.sentences import sentence
from integrations.tokens import NotConnected


def _company(request: SignedInRequest, company_id: int) -> Company:
    return get_object_or_404(Company.objects.filter(account=request.account), pk=company_id)


def _push(request: SignedInRequest, company: Company) -> Push:
    """The company's newest push: the one that the panel shows."""
    rows = Push.objects.select_related("connection", "company", "requested_by", "contact")
    rows = rows.defer("connection__access_token", "connection__refresh_token")
    newest = rows.filter(company=company, account=request.account).order_by("-pk")
    return get_object_or_404(newest[:1])


def _to_card(company: Company) -> HttpResponse:
    return redirect("companies:card", company_id=company.pk)


def _do(request: SignedInRequest, company: Company, wish: Callable[[], object], done: str = "") -> HttpResponse:
    """Make one service call; what it did at once, or why it was refused, is said. What takes time the panel says."""
    try:
        wish()
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    else:
        if done:
            messages.info(request, done)
    return _to_card(company)


@require(Role.VIEWER)
@require_safe
def panel(request: SignedInRequest, company_id: int) -> HttpResponse:
    """The panel alone, for polling: nothing new 204, settled 286, else the new panel."""
    shown = panel_of(company=_company(request, company_id), user=request.user)
    if request.GET.get("version") == shown.version and shown.poll_seconds:
        return HttpResponse(status=204)
    answer = render(request, "integrations/panel_answer.html", {"panel": shown})
    return answer if shown.poll_seconds else HttpResponseStopPolling(answer.content)


@require(Role.USER)
def contact_person(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Add a contact person: choose one of the company's people, or add one."""
    company = _company(request, company_id)
    shown = panel_of(company=company, user=request.user)
    if shown.link is None:
        messages.error(request, sentence("not_linked"))
        return _to_card(company)
    is_new = request.POST.get("who") == "new"
    choice = ContactChoiceForm(
        request.POST if request.method == "POST" and not is_new else None,
        company=company,
        initial={"contact": shown.link.contact or shown.sole_contact},
    )
    person = ContactForm(request.POST if is_new else None, company=company, contact=None)
    form = person if is_new else choice
    if request.method == "POST" and form.is_valid():
        return _do(request, company, lambda: _choose(request, company, form))
    return render(
        request,
        "integrations/contact_person.html",
        {"company": company, "panel": shown, "choice": choice, "person": person, "section": "companies"},
    )


def _choose(request: SignedInRequest, company: Company, form: ContactChoiceForm | ContactForm) -> None:
    if isinstance(form, ContactForm):
        contact = company.add_contact(now=timezone.now(), values=form.values())
    else:
        contact = form.cleaned_data["contact"]
    services.choose_contact(user=request.user, company=company, contact=contact)


@require(Role.USER)
@require_POST
def create_anyway(request: SignedInRequest, company_id: int) -> HttpResponse:
    """None of the possible duplicates is this company: create it."""
    company = _company(request, company_id)
    push = _push(request, company)
    return _do(request, company, lambda: services.create_anyway(user=request.user, push=push))


@require(Role.USER)
@require_POST
def link_instead(request: SignedInRequest, company_id: int) -> HttpResponse:
    """One of the possible duplicates is this company: link it, as eAccounting has it now."""
    company = _company(request, company_id)
    push = _push(request, company)
    offered = {candidate["id"] for candidate in push.candidates}
    chosen = request.POST.get("customer", "")
    if chosen not in offered:
        messages.error(request, sentence("nothing_to_decide"))
        return _to_card(company)
    try:
        customer = live.read_customer(push.connection, customer_id=chosen)
    except (live.TooBusy, NotConnected, EAccountingError) as error:
        words = _("Nothing was linked. %(why)s") % {"why": sentence(error.code)}
        messages.error(request, words)
        return _to_card(company)
    done = _("The company is linked to %(name)s. Nothing was changed there.") % {"name": customer.name}
    return _do(request, company, lambda: services.link_instead(user=request.user, push=push, customer=customer), done)


@require(Role.USER)
@require_POST
def look_again(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Look once more what became of a lost answer."""
    company = _company(request, company_id)
    push = _push(request, company)
    return _do(request, company, lambda: services.look_again(push=push), _("Visma eAccounting is asked once more."))


@require(Role.USER)
@require_POST
def cancel(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Take a waiting wish back."""
    company = _company(request, company_id)
    push = _push(request, company)
    return _do(
        request, company, lambda: services.cancel(user=request.user, push=push), _("Cancelled. Nothing was sent.")
    )


@require(Role.USER)
@require_POST
def try_again(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Repeat what failed, with today's data."""
    company = _company(request, company_id)
    push = _push(request, company)
    return _do(request, company, lambda: services.try_again(user=request.user, push=push))


@require(Role.USER)
@require_POST
def unlink(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Forget the link to a customer that is gone."""
    company = _company(request, company_id)
    done = _("The company is unlinked. Nothing was changed in Visma eAccounting.")
    return _do(request, company, lambda: services.unlink(user=request.user, company=company), done)
