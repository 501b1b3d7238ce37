"""The create sheet: what will be sent, who it could be already, and then the wish, or the question to an admin."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies import formats
from companies.models import Company
from integrations import asking, mapping, services
from integrations.delivery import live
from integrations.eaccounting.errors import EAccountingError
from integrations.mapping import COUNTRY
from integrations.refusing import NothingToAsk
from integrations.sheets import alike
from integrations.sheets.adding import Opening, opening_of
from integrations.sheets.adding_form import AddForm
from integrations.tokens import NotConnected
from integrations.views.asking import tell
from integrations.views.sheets import leave_sheet, render_sheet, stopped
from integrations.words.sentences import sentence, value_problem

LONGEST_ASKED = 255  # characters of a value that eAccounting is asked for


def _company(request: SignedInRequest, company_id: int) -> Company:
    return get_object_or_404(Company.objects.filter(account=request.account), pk=company_id)


@require(Role.USER)
@require_http_methods(["GET", "HEAD", "POST"])
def add_customer(request: SignedInRequest, company_id: int) -> HttpResponse:
    """+ Add as customer in Visma eAccounting: the sheet, and *Create customer in Visma eAccounting*."""
    company = _company(request, company_id)
    try:
        opening = opening_of(company, *services.check_create(company=company))
    except services.Refusal as refusal:
        return _say(request, company, refusal)
    if request.method != "POST":
        return _draw(request, _first(opening))
    return _take(request, replace(opening, typed=request.POST))


def _take(request: SignedInRequest, opening: Opening) -> HttpResponse:
    """Do what was pressed, if the person saw what stands there now."""
    if request.POST.get("show") == "person" and _runs_htmx(request):
        return render(request, "integrations/add_person.html", {"form": AddForm(opening=opening)})
    if "show" in request.POST or opening.is_other_person:
        return _draw(request, AddForm(opening=opening))
    overtaken = _overtaken(request, opening)
    if overtaken:
        messages.warning(request, overtaken)
        return _draw(request, AddForm(opening=opening))
    form = AddForm(request.POST, opening=opening)
    if not form.is_valid():
        return _draw(request, form)
    return _ask(request, form) if "ask" in request.POST else _create(request, form)


def _overtaken(request: SignedInRequest, opening: Opening) -> str:
    """Say what the sheet told that is so no more; blank when all of it is."""
    is_private_person, connection = str(opening.company.is_private_person), str(opening.connection.pk)
    if request.POST.get("private_person", is_private_person) != is_private_person:
        return _("Nothing was sent yet: it was changed meanwhile whether this is a private person.")
    if request.POST.get("connection", connection) != connection:
        words = _("Nothing was sent yet: meanwhile %(company)s was connected. Look at it, then go on.")
        return words % {"company": opening.connection}
    return ""


def _runs_htmx(request: SignedInRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _first(opening: Opening) -> AddForm:
    """The sheet as it opens; after a refusal with what was refused, said at its fields."""
    if opening.refused is None or not opening.messages:
        return AddForm(opening=opening)
    return AddForm.refused(opening)


def _create(request: SignedInRequest, form: AddForm) -> HttpResponse:
    company = form.opening.company
    try:
        form.request(user=request.user)
    except services.CannotSendValues as refusal:
        return _draw(request, _refused(form, refusal))
    except services.Refusal as refusal:
        return _stay(request, company, refusal)
    return leave_sheet(request, company)


def _ask(request: SignedInRequest, form: AddForm) -> HttpResponse:
    """Ask an admin; what stands on the sheet is sent when they have mended what stops it."""
    company = form.opening.company
    try:
        asked = asking.ask_admin(user=request.user, company=company, **form.wish())
    except services.CannotSendValues as refusal:
        return _draw(request, _refused(form, refusal))
    except NothingToAsk as refusal:
        messages.info(request, sentence(refusal.code))
        return _draw(request, form)
    except services.Refusal as refusal:
        return _stay(request, company, refusal)
    tell(request, asked)
    return leave_sheet(request, company)


def _refused(form: AddForm, refusal: services.CannotSendValues) -> AddForm:
    for problem in refusal.problems:
        form.add_error(problem.remote, value_problem(problem.remote, problem.kind, problem.length).words)
    return form


def _stay(request: SignedInRequest, company: Company, refusal: services.Refusal) -> HttpResponse:
    """Show the sheet again with what was typed; back to the card only where there is nothing left to add."""
    try:
        opening = opening_of(company, *services.check_create(company=company))
    except services.Refusal as gone:
        return _say(request, company, gone)
    form = AddForm(request.POST, opening=replace(opening, typed=request.POST))
    if form.is_valid() and not opening.stop:  # mended, or refused for what no field shows
        form.add_error(None, sentence(refusal.code, refusal.parameters))
    return _draw(request, form)


def _say(request: SignedInRequest, company: Company, refusal: services.Refusal) -> HttpResponse:
    """Back to the card, which says why the company cannot be added now."""
    messages.error(request, sentence(refusal.code, refusal.parameters))
    return leave_sheet(request, company)


def _draw(request: SignedInRequest, form: AddForm) -> HttpResponse:
    """Draw the sheet. What eAccounting was asked already, or is asked on a button, is asked before it is drawn."""
    opening, typed = form.opening, form.opening.typed
    # Where htmx runs, the part about possible customers asks by itself and is kept as it is.
    ask = typed is not None and not _runs_htmx(request) and (typed.get("show") == "possible" or bool(opening.alike))
    context = {"form": form, "opening": opening, "company": opening.company, **_possible(opening, ask=ask)}
    context["asked_to_show"] = typed is not None and "show" in typed
    context |= stopped(request, opening.stop, was_sent=form.is_bound and typed is not None)
    form.point_at_first()
    return render_sheet(request, "integrations/add.html", context)


def _possible(opening: Opening, *, ask: bool) -> dict[str, object]:
    """Who the company could be in eAccounting: as the index knows it and, when asked, as eAccounting says now."""
    known = alike.suggested(connection=opening.connection, company=opening.company, contact=opening.contact)
    known = [one for one in known if opening.gone is None or one.id != str(opening.gone.reference)]
    answered: list[alike.Alike] = []
    could_ask = True
    if ask:
        try:
            answered = alike.asked(connection=opening.connection, values=_asked_for(opening))
        except (live.TooBusy, NotConnected, EAccountingError):
            could_ask = False
    possible = alike.together(answered, known)
    number = opening.values["CorporateIdentityNumber"]
    return {
        "possible": possible,
        "was_asked": ask,
        "was_asked_by_number": bool(number) and not formats.is_placeholder(number),
        "could_ask": could_ask,
        "was_found": bool(answered),
        "must_judge": any(one.is_same for one in possible),
        # The tick is good for those who stood on the sheet when it was set, and for nobody else.
        "has_judged": opening.has_judged and {one.id for one in possible if one.is_same} <= {*opening.alike},
    }


def _asked_for(opening: Opening) -> mapping.Values:
    names = ("Name", "CorporateIdentityNumber", COUNTRY)
    shown = {name: opening.values[name][:LONGEST_ASKED] for name in names}
    return mapping.normal_values(shown, country=str(opening.company.country))


@require(Role.USER)
@require_safe
def possible_customers(request: SignedInRequest, company_id: int) -> HttpResponse:
    """The part of the sheet that asks eAccounting by itself, with a deadline of its own; never more than a hint."""
    company = _company(request, company_id)
    try:
        connection, gone = services.check_create(company=company)
    except services.Refusal as refusal:
        words = _("This cannot be added now. %(why)s") % {"why": sentence(refusal.code, refusal.parameters)}
        return render(request, "partials/notice.html", {"kind": "warning", "text": words})
    opening = replace(opening_of(company, connection, gone), typed=request.GET)
    context = {"opening": opening, "company": company, "in_dialog": "dialog" in request.GET}
    context |= _possible(opening, ask=True)
    return render(request, "integrations/add_possible.html", context)
