"""The update sheet: what differs between the company and its customer, and what to write."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.access import get_company
from integrations.domain.diff import Row
from integrations.domain.mapping import owned
from integrations.exceptions import NotConnected, NothingToAsk, Refusal
from integrations.forms.diff import DiffForm
from integrations.forms.update import UpdateSheet
from integrations.messages.ask_admin import Stop
from integrations.messages.sentences import NO_ANSWER, sentence, why
from integrations.services import ask_admin
from integrations.services.update import check_remote
from integrations.views.sheet import leave_sheet, render_sheet, stopped, tell_asked

TEMPLATE = "integrations/update.html"


@require(Role.USER)
@require_http_methods(["GET", "POST"])
def update(request: SignedInRequest, company_id: int) -> HttpResponse:
    """*Update the information in Visma eAccounting*: show what differs, then record what was chosen."""
    company = get_company(request, company_id)
    try:
        sheet = UpdateSheet.of(company)
        return _settle(request, sheet) if request.method == "POST" else _open(request, sheet)
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
        return leave_sheet(request, company)


def _open(request: SignedInRequest, sheet: UpdateSheet, *, notice: str = "") -> HttpResponse:
    """Read the customer and show both sides; without an answer show what was last read, and how old it is."""
    form, there = sheet.opened()
    return _show(request, sheet, form, notice=notice, no_answer=there.why_not_now)


def _settle(request: SignedInRequest, sheet: UpdateSheet) -> HttpResponse:
    """Record what was chosen on the page. Raises a Refusal."""
    form = sheet.posted(request.POST)
    if form is None:
        words = _(
            "Somebody changed this company after you opened this. Nothing was sent. Review the differences again."
        )
        return _open(request, sheet, notice=words)
    if not form.is_valid():
        return _show(request, sheet, form)
    if "ask" in request.POST:
        return _ask(request, sheet, form)
    try:
        push = sheet.settle(user=request.user, form=form)
    except NotConnected as refusal:
        return _show(request, sheet, form, stop=Stop.by(refusal))
    if push is None:
        messages.info(request, _("Nothing was sent. Visma eAccounting keeps its values."))
    return leave_sheet(request, sheet.company)


def _ask(request: SignedInRequest, sheet: UpdateSheet, form: DiffForm) -> HttpResponse:
    """Ask an admin; the choice is sent once the admin has fixed what stops it. Raises a Refusal."""
    company, customer_id = sheet.company, str(sheet.link.reference)
    try:
        asked = ask_admin.ask_admins(
            user=request.user, company=company, decision=form.decision(), customer_id=customer_id
        )
    except NothingToAsk as refusal:
        return _show(request, sheet, form, notice=sentence(refusal.code))
    tell_asked(request, asked)
    return leave_sheet(request, company)


def _show(
    request: SignedInRequest,
    sheet: UpdateSheet,
    form: DiffForm,
    *,
    notice: str = "",
    no_answer: str = "",
    stop: Stop | None = None,
) -> HttpResponse:
    context = {"company": sheet.company, "link": sheet.link, "form": form, "notice": notice, "no_answer": no_answer}
    return render_sheet(request, TEMPLATE, context | stopped(request, stop or sheet.stop, was_sent=form.is_bound))


@require(Role.USER)
@require_POST
def check(request: SignedInRequest, company_id: int) -> HttpResponse:
    """*Check eAccounting now*: read the customer once, and say what was found."""
    company = get_company(request, company_id)
    try:
        sheet = UpdateSheet.of(company)
        if not sheet.connection.is_connected:
            raise NotConnected(sheet.connection.state)
        customer = check_remote(link=sheet.link, connection=sheet.connection)
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    except NO_ANSWER as error:
        messages.error(request, _("Visma eAccounting could not be checked. %(why)s") % {"why": why(error)})
    else:
        if customer is None or not customer.is_active:
            messages.error(request, sentence("customer_inactive" if customer else "customer_deleted"))
        else:
            messages.info(request, _found(sheet.rows(owned(customer.raw))))
    return redirect("companies:card", company_id=company.pk)


def _found(rows: list[Row]) -> str:
    count = sum(row.is_news for row in rows)
    if not any(row.differing for row in rows):
        return _("Checked just now: Visma eAccounting has the same values as Lime Go.")
    if not count:
        return _("Checked just now: nothing has changed since the differences were reviewed.")
    words = ngettext(
        "Checked just now: %(count)d field differs from Visma eAccounting. Review the differences.",
        "Checked just now: %(count)d fields differ from Visma eAccounting. Review the differences.",
        count,
    )
    return words % {"count": count}
