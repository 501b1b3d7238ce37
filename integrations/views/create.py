"""The create sheet: what will be sent, possible duplicates, and then the request, or the question to an admin."""

from dataclasses import replace

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies import formats
from companies.access import get_company
from companies.models import Company
from integrations.delivery import calls
from integrations.domain import mapping
from integrations.domain.duplicates import PossibleDuplicate
from integrations.domain.mapping import COUNTRY
from integrations.eaccounting.errors import EAccountingError
from integrations.exceptions import CannotSendValues, NotConnected, NothingToAsk, Refusal
from integrations.forms.create import CreateAnywaySheet, CreateForm, CreateSheet, create_sheet_of
from integrations.messages.sentences import sentence, value_problem
from integrations.models import Kind
from integrations.services import ask_admin, customer_search
from integrations.services.create import check_create, confirm_create_anyway
from integrations.views.sheet import leave_sheet, newest_push, render_sheet, stopped, tell_asked

LONGEST_ASKED = 255  # most characters of a value that eAccounting is asked for


@require(Role.USER)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: SignedInRequest, company_id: int) -> HttpResponse:
    """*+ Add as customer in Visma eAccounting*: the sheet, and its *Create customer in Visma eAccounting*."""
    company = get_company(request, company_id)
    try:
        opening = create_sheet_of(company, *check_create(company=company))
    except Refusal as refusal:
        return _say(request, company, refusal)
    if request.method != "POST":
        return _draw(request, _first(opening))
    return _take(request, replace(opening, typed=request.POST))


def _take(request: SignedInRequest, opening: CreateSheet) -> HttpResponse:
    """Do what was pressed, if the page had shown the current values."""
    if request.POST.get("show") == "person" and _runs_htmx(request):
        return render(request, "integrations/create_contact_person.html", {"form": CreateForm(opening=opening)})
    if "show" in request.POST or opening.is_other_person:
        return _draw(request, CreateForm(opening=opening))
    overtaken = _overtaken(request, opening)
    if overtaken:
        messages.warning(request, overtaken)
        return _draw(request, CreateForm(opening=opening))
    form = CreateForm(request.POST, opening=opening)
    if not form.is_valid():
        return _draw(request, form)
    return _ask(request, form) if "ask" in request.POST else _create(request, form)


def _overtaken(request: SignedInRequest, opening: CreateSheet) -> str:
    """Return the message about what changed since the sheet was shown; blank if nothing did."""
    is_private_person, connection = str(opening.company.is_private_person), str(opening.connection.pk)
    if request.POST.get("private_person", is_private_person) != is_private_person:
        return _(
            "Nothing has been sent yet. While you had this open, somebody changed whether this is a private person."
        )
    if request.POST.get("connection", connection) != connection:
        words = _(
            "Nothing has been sent yet. While you had this open, %(company)s was connected. "
            "Check the values, then go on."
        )
        return words % {"company": opening.connection}
    return ""


def _runs_htmx(request: SignedInRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def _first(opening: CreateSheet) -> CreateForm:
    """Show the sheet as it opens; after a refused create with the refused values and messages."""
    if opening.refused is None or not opening.messages:
        return CreateForm(opening=opening)
    return CreateForm.refused(opening)


def _create(request: SignedInRequest, form: CreateForm) -> HttpResponse:
    company = form.opening.company
    try:
        form.request(user=request.user)
    except CannotSendValues as refusal:
        return _draw(request, _refused(form, refusal))
    except Refusal as refusal:
        return _stay(request, company, refusal)
    return leave_sheet(request, company)


def _ask(request: SignedInRequest, form: CreateForm) -> HttpResponse:
    """Ask an admin; the values on the sheet are sent once the admin has fixed what stops them."""
    company = form.opening.company
    try:
        asked = ask_admin.ask_admins(user=request.user, company=company, **form.wish())
    except CannotSendValues as refusal:
        return _draw(request, _refused(form, refusal))
    except NothingToAsk as refusal:
        messages.info(request, sentence(refusal.code))
        return _draw(request, form)
    except Refusal as refusal:
        return _stay(request, company, refusal)
    tell_asked(request, asked)
    return leave_sheet(request, company)


def _refused(form: CreateForm, refusal: CannotSendValues) -> CreateForm:
    for problem in refusal.problems:
        form.add_error(problem.remote, value_problem(problem.remote, problem.kind, problem.length).words)
    return form


def _stay(request: SignedInRequest, company: Company, refusal: Refusal) -> HttpResponse:
    """Show the sheet again with what was typed; go to the card if the company can no longer be created."""
    try:
        opening = create_sheet_of(company, *check_create(company=company))
    except Refusal as gone:
        return _say(request, company, gone)
    form = CreateForm(request.POST, opening=replace(opening, typed=request.POST))
    if form.is_valid() and not opening.stop:  # fixed meanwhile, or refused for something that no field shows
        form.add_error(None, sentence(refusal.code, refusal.parameters))
    return _draw(request, form)


def _say(request: SignedInRequest, company: Company, refusal: Refusal) -> HttpResponse:
    """Go to the card, with a message about why the company cannot be created now."""
    messages.error(request, sentence(refusal.code, refusal.parameters))
    return leave_sheet(request, company)


def _draw(request: SignedInRequest, form: CreateForm) -> HttpResponse:
    """Draw the sheet. Without htmx, or on a button, eAccounting is asked for duplicates before it is drawn."""
    opening, typed = form.opening, form.opening.typed
    # With htmx the part about possible customers asks by itself, and is kept when the sheet is drawn again.
    ask = typed is not None and not _runs_htmx(request) and (typed.get("show") == "possible" or bool(opening.alike))
    context = {"form": form, "opening": opening, "company": opening.company, **_possible(opening, ask=ask)}
    context["asked_to_show"] = typed is not None and "show" in typed
    context |= stopped(request, opening.stop, was_sent=form.is_bound and typed is not None)
    form.point_at_first()
    return render_sheet(request, "integrations/create.html", context)


def _possible(opening: CreateSheet, *, ask: bool) -> dict[str, object]:
    """Return the possible duplicates from the index and, if asked, from eAccounting."""
    known = customer_search.similar(connection=opening.connection, company=opening.company, contact=opening.contact)
    known = [one for one in known if opening.gone is None or one.id != str(opening.gone.reference)]
    answered: list[PossibleDuplicate] = []
    could_ask = True
    if ask:
        try:
            answered = customer_search.ask_for_duplicates(
                connection=opening.connection, company=opening.company, values=_asked_for(opening)
            )
        except (calls.TooBusy, NotConnected, EAccountingError):
            could_ask = False
    # What eAccounting has just answered comes first, and replaces the index's row of the same customer.
    ids = {one.id for one in answered}
    possible = [*answered, *(one for one in known if one.id not in ids)]
    number = opening.values["CorporateIdentityNumber"]
    return {
        "possible": possible,
        "was_asked": ask,
        "was_asked_by_number": bool(number) and not formats.is_placeholder(number),
        "could_ask": could_ask,
        "was_found": bool(answered),
        "must_judge": any(one.is_same for one in possible),
        # The tick counts only for the customers that were on the sheet when it was set.
        "has_judged": opening.has_judged and {one.id for one in possible if one.is_same} <= {*opening.alike},
    }


def _asked_for(opening: CreateSheet) -> mapping.Values:
    names = ("Name", "CorporateIdentityNumber", COUNTRY)
    shown = {name: opening.values[name][:LONGEST_ASKED] for name in names}
    return mapping.normal_values(shown, country=str(opening.company.country))


@require(Role.USER)
@require_safe
def ask_for_duplicates(request: SignedInRequest, company_id: int) -> HttpResponse:
    """The part of the sheet that asks eAccounting for duplicates, with its own deadline. Only a hint."""
    company = get_company(request, company_id)
    try:
        connection, gone = check_create(company=company)
    except Refusal as refusal:
        words = _("This cannot be added now. %(why)s") % {"why": sentence(refusal.code, refusal.parameters)}
        return render(request, "partials/notice.html", {"kind": "warning", "text": words})
    opening = replace(create_sheet_of(company, connection, gone), typed=request.GET)
    context = {"opening": opening, "company": company, "in_dialog": "dialog" in request.GET}
    context |= _possible(opening, ask=True)
    return render(request, "integrations/create_possible_duplicates.html", context)


@require(Role.USER)
@require_http_methods(["GET", "HEAD", "POST"])
def create_anyway(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Show the possible duplicates and what would be written; create it if the person says that none is the company."""
    company = get_company(request, company_id)
    push = newest_push(request, company)
    is_asked = push.kind == Kind.CREATE and push.is_open and push.is_to_decide
    if company.archived_at is not None or not is_asked:
        messages.error(request, sentence("archived" if company.archived_at else "nothing_to_decide"))
        return leave_sheet(request, company)
    sheet = CreateAnywaySheet(push)
    if request.method != "POST":
        return _show_anyway(request, sheet)
    if not sheet.was_seen(request.POST):
        return _show_anyway(
            request,
            sheet,
            notice=_("Nothing has been created yet. This has changed since you opened it. Check it, then decide."),
        )
    if "none_of_these" not in request.POST:
        words = _("Nothing was created. Confirm that none of these is this company, or link one instead.")
        return _show_anyway(request, sheet, error=words)
    if sheet.problems:
        return _show_anyway(request, sheet)
    try:
        confirm_create_anyway(user=request.user, push=push, confirmed=sheet.values)
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    return leave_sheet(request, company)


def _show_anyway(
    request: SignedInRequest, sheet: CreateAnywaySheet, *, notice: str = "", error: str = ""
) -> HttpResponse:
    context = {"sheet": sheet, "company": sheet.push.company, "notice": notice, "error": error}
    return render_sheet(request, "integrations/create_anyway.html", {**context, "may_create": not sheet.problems})
