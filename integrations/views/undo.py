"""The sheet with the values that an update overwrote, and putting them back."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.access import get_company
from integrations.domain.previous_values import formers_of, is_undoable
from integrations.exceptions import Refusal
from integrations.forms.snapshot import Snapshot
from integrations.forms.undo import UndoForm
from integrations.forms.update import about_link, read_remote
from integrations.messages.ask_admin import Stop
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Kind, Push, PushState
from integrations.services.requests import current_connection, link_of, under_way
from integrations.services.undo import request_undo
from integrations.views.sheet import leave_sheet, render_sheet, stopped


@dataclass(frozen=True)
class Undo:
    """A finished update, and the link of its company now."""

    push: Push
    connection: Connection | None
    link: CustomerLink | None

    @property
    def is_of_link(self) -> bool:
        """Whether the current values are those of the customer that was updated."""
        return is_undoable(self.push, self.link)

    @property
    def stop(self) -> Stop | None:
        """What an admin has to fix first. A block by eAccounting does not count: the push waits for its end."""
        connection = self.connection
        return Stop.of(connection, self.link) if connection and not connection.is_connected else None

    @property
    def why_not(self) -> str:
        """Why nothing can be put back, whatever the current values are; blank if something can once `stop` is fixed."""
        connection, link, company = self.connection, self.link, self.push.company
        if company.archived_at is not None:
            return sentence("archived")
        if connection is None:
            return sentence("not_connected")
        if link is None or not self.is_of_link:
            return sentence("not_undoable")
        if link.broken:
            return sentence(f"customer_{link.broken}")
        if under := Push.open_of(company):
            return sentence("already_under_way", under_way(under).parameters)
        return ""


def _undo(request: SignedInRequest, company_id: int, push_id: int) -> Undo:
    company = get_company(request, company_id)
    updates = Push.objects.select_related("requested_by", "undoes__requested_by").defer("payload")
    done = updates.filter(account=request.account, company=company, kind=Kind.UPDATE, state=PushState.DONE)
    push = get_object_or_404(done.exclude(before=None), pk=push_id)
    push.company = company
    connection = current_connection(company.account_id)
    return Undo(push, connection, link_of(company, connection))


@require(Role.USER)
def undo(request: SignedInRequest, company_id: int, push_id: int) -> HttpResponse:
    """Show the previous values; on POST put back the ticked ones."""
    undo = _undo(request, company_id, push_id)
    if undo.connection is None or undo.link is None or undo.why_not:
        return _show(request, undo, there=None)
    if request.method == "POST":
        seen = Snapshot.posted(request.POST, about=about_link(undo.link))
        if seen and seen.beside.get("push") == undo.push.pk:
            return _put_back(request, undo, seen)
        messages.warning(
            request, _("Nothing has been sent yet. Check what Visma eAccounting has now, then put the values back.")
        )
    if undo.stop:
        return _show(request, undo, there=None)
    try:
        there = read_remote(undo.connection, undo.link)
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
        return leave_sheet(request, undo.push.company)
    return _show(request, undo, there=there)


def _put_back(request: SignedInRequest, undo: Undo, there: Snapshot) -> HttpResponse:
    form = UndoForm(request.POST, formers=formers_of(undo.push, there.remote))
    if not form.is_valid():
        return _show(request, undo, there=there, form=form)
    try:
        request_undo(user=request.user, push=undo.push, decision=form.decision())
    except Refusal as refusal:
        stop = Stop.by(refusal)
        if stop is None:
            messages.error(request, sentence(refusal.code, refusal.parameters))
        return _show(request, undo, there=there, form=form, stop=stop)
    return leave_sheet(request, undo.push.company)


def _show(
    request: SignedInRequest,
    undo: Undo,
    *,
    there: Snapshot | None,
    form: UndoForm | None = None,
    stop: Stop | None = None,
) -> HttpResponse:
    push, stop = undo.push, stop or undo.stop
    why_not = undo.why_not or (stop.words if stop and form is None else "")
    context = {
        "company": push.company,
        "push": push,
        "there": there,
        "why_not": why_not,
        "form": form or UndoForm(formers=formers_of(push, there.remote if there else {})),
        "seen": there.signed(push=push.pk) if there else "",
        **stopped(request, stop, was_sent=form is not None),
    }
    return render_sheet(request, "integrations/undo.html", context)
