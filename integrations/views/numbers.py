"""Settings → Integrations → Visma eAccounting → Customer numbers."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from accounts.access import SignedInRequest, require
from accounts.models import Role
from integrations.delivery import other_company
from integrations.forms.numbers import NumbersForm
from integrations.messages.sentences import sentence
from integrations.models import Connection
from integrations.services import connect, numbers


@require(Role.ADMIN)
def choose_numbers(request: SignedInRequest) -> HttpResponse:
    """Choose who numbers new customers; where own numbers are not offered, say why."""
    rows = Connection.without_tokens().filter(account=request.account, is_current=True)
    connection = get_object_or_404(rows)
    if request.method == "POST" and request.POST.get("mark") != other_company.mark_of(connection):
        messages.error(request, sentence(connect.Superseded.code))
        return redirect("integrations:connection")
    reason = numbers.why_not_offered(connection)
    form = NumbersForm(request.POST if request.method == "POST" else None, connection=connection)
    if request.method == "POST" and form.is_valid():
        try:
            numbers.choose(user=request.user, connection=connection, prefix=form.cleaned_data["number_prefix"])
        except numbers.NumbersNotOffered as refusal:
            messages.error(request, sentence(refusal.code))
        else:
            messages.success(request, _said(connection))
        return redirect("integrations:connection")
    context = {
        "section": "settings",
        "connection": connection,
        "mark": other_company.mark_of(connection),
        "form": form,
        "reason": reason and sentence(reason),
    }
    return render(request, "integrations/numbers_choice.html", context)


def _said(connection: Connection) -> str:
    if connection.own_prefix:
        return _("New customers get numbers that begin with %(prefix)s.") % {"prefix": connection.own_prefix}
    return _("Visma eAccounting numbers new customers.")
