"""The update sheet: what differs between the company and its customer, and what of it shall be written there."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.models import Company
from integrations import asking, services
from integrations.card.link_rows import here_of, rows_of, stored_otherwise
from integrations.comparing import Row
from integrations.mapping import Values, owned
from integrations.models import Connection, CustomerLink
from integrations.refusing import NothingToAsk
from integrations.sheets.sides_form import SidesForm, seen_in
from integrations.sheets.stop import Stop
from integrations.views.asking import tell
from integrations.views.sheets import leave_sheet, render_sheet, stopped
from integrations.words.no_answer import NO_ANSWER, why
from integrations.words.sentences import sentence

TEMPLATE = "integrations/update.html"


@dataclass(frozen=True)
class _Linked:
    """A company in use with its customer; the connection may be one that an admin has to mend first."""

    company: Company
    link: CustomerLink
    connection: Connection

    @property
    def stop(self) -> Stop | None:
        return Stop.of(self.connection, self.link)

    def rows(self, there: Values) -> list[Row]:
        return rows_of(self.company, self.link, there=there)

    def form(self, there: Values, data: QueryDict | None = None) -> SidesForm:
        again = [field.remote for field in stored_otherwise(self.link, there=there)]
        return SidesForm(data, rows=self.rows(there), about=str(self.link.reference), again=again)


def _company(request: SignedInRequest, company_id: int) -> Company:
    return get_object_or_404(Company.objects.of(request.account), pk=company_id)


def _linked(company: Company) -> _Linked:
    """Return the company's customer. Raises the Refusal that says why there is nothing to update."""
    connection = services.current_connection(company.account_id)
    if connection is None:
        raise services.NotConnected
    link = services.link_of(company, connection)
    if link is None:
        raise services.NotLinked if connection.is_connected else services.NotConnected(connection.state)
    if company.archived_at is not None:
        raise services.Archived
    return _Linked(company, link, connection)


@require(Role.USER)
@require_http_methods(["GET", "POST"])
def update(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Update the information in Visma eAccounting: show what differs, then record what was chosen."""
    company = _company(request, company_id)
    try:
        linked = _linked(company)
        if request.method == "POST":
            return _settle(request, linked)
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
        return leave_sheet(request, company)
    return _open(request, linked)


def _open(request: SignedInRequest, linked: _Linked, *, notice: str = "") -> HttpResponse:
    """Read the customer and show both sides; without an answer what it last answered, and how old that is."""
    no_answer = ""
    if linked.stop:
        return _show(request, linked, linked.form(linked.link.customer.answered), notice=notice)
    try:
        customer = services.look_there(link=linked.link, connection=linked.connection)
    except NO_ANSWER as error:
        no_answer, there = why(error), linked.link.customer.answered
    else:
        if customer is None or not customer.is_active:
            messages.error(request, sentence("customer_inactive" if customer else "customer_deleted"))
            return leave_sheet(request, linked.company)
        there = owned(customer.raw)
    return _show(request, linked, linked.form(there), notice=notice, no_answer=no_answer)


def _settle(request: SignedInRequest, linked: _Linked) -> HttpResponse:
    """Record what was chosen of what the page showed. Raises a Refusal."""
    seen = seen_in(request.POST, about=str(linked.link.reference))
    if seen is None or seen.here != here_of(linked.company, linked.link):
        words = _("This company was changed after you opened this. Nothing was sent. Look at the differences again.")
        return _open(request, linked, notice=words)
    form = linked.form(seen.there, request.POST)
    if not form.is_valid():
        return _show(request, linked, form)
    if "ask" in request.POST:
        return _ask(request, linked, form)
    decision = form.decision()
    try:
        services.settle_differences(
            user=request.user, company=linked.company, customer_id=str(linked.link.reference), decision=decision
        )
    except services.NotConnected as refusal:
        return _show(request, linked, form, stop=Stop.by(refusal))
    if not decision.write:
        messages.info(request, _("Nothing was sent. Visma eAccounting keeps what it has."))
    return leave_sheet(request, linked.company)


def _ask(request: SignedInRequest, linked: _Linked, form: SidesForm) -> HttpResponse:
    """Ask an admin; what was chosen is sent when they have mended what stops it. Raises a Refusal."""
    company, customer_id = linked.company, str(linked.link.reference)
    try:
        asked = asking.ask_admin(user=request.user, company=company, decision=form.decision(), customer_id=customer_id)
    except NothingToAsk as refusal:
        return _show(request, linked, form, notice=sentence(refusal.code))
    tell(request, asked)
    return leave_sheet(request, company)


def _show(
    request: SignedInRequest,
    linked: _Linked,
    form: SidesForm,
    *,
    notice: str = "",
    no_answer: str = "",
    stop: Stop | None = None,
) -> HttpResponse:
    context = {"company": linked.company, "link": linked.link, "form": form, "notice": notice, "no_answer": no_answer}
    return render_sheet(request, TEMPLATE, context | stopped(request, stop or linked.stop, was_sent=form.is_bound))


@require(Role.USER)
@require_POST
def check(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Check eAccounting now: read the customer once, and say what was found."""
    company = _company(request, company_id)
    try:
        linked = _linked(company)
        if not linked.connection.is_connected:
            raise services.NotConnected(linked.connection.state)
        customer = services.look_there(link=linked.link, connection=linked.connection)
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    except NO_ANSWER as error:
        messages.error(request, _("Visma eAccounting could not be checked. %(why)s") % {"why": why(error)})
    else:
        if customer is None or not customer.is_active:
            messages.error(request, sentence("customer_inactive" if customer else "customer_deleted"))
        else:
            messages.info(request, _found(linked.rows(owned(customer.raw))))
    return redirect("companies:card", company_id=company.pk)


def _found(rows: list[Row]) -> str:
    count = sum(row.is_news for row in rows)
    if not any(row.differing for row in rows):
        return _("Checked just now: Visma eAccounting has what stands here.")
    if not count:
        return _("Checked just now: nothing has changed since somebody decided what differs.")
    words = ngettext(
        "Checked just now: %(count)d field differs from Visma eAccounting. Review the differences.",
        "Checked just now: %(count)d fields differ from Visma eAccounting. Review the differences.",
        count,
    )
    return words % {"count": count}
