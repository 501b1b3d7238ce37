"""Where only an admin can go on: ask one, and say later whether it is still wanted."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import SignedInRequest, require
from accounts.models import Role, User
from companies.models import Company
from integrations import asking, services
from integrations.asking import Asked
from integrations.card.panel import panel_of
from integrations.models import Kind, Push, WaitReason
from integrations.words.sentences import sentence


def _company(request: SignedInRequest, company_id: int) -> Company:
    return get_object_or_404(Company.objects.of(request.account), pk=company_id)


@require(Role.USER)
@require_POST
def ask_admin(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Ask an admin, where nothing is to be sent for it. Else a sheet shows first what will be sent, and asks itself."""
    company = _company(request, company_id)
    sheet = panel_of(company=company, user=request.user).asks_on
    if sheet:
        messages.warning(request, _("Nobody was asked yet: look at what will be sent, then ask."))
        return redirect(sheet, company_id=company.pk)
    try:
        tell(request, asking.ask_admin(user=request.user, company=company))
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    return redirect("companies:card", company_id=company.pk)


def tell(request: SignedInRequest, asked: Asked) -> None:
    """Say who was asked, and what follows."""
    say = messages.success if asked.mailed or asked.spared else messages.warning
    say(request, f"{_who_knows(asked)} {_what_follows(asked)}".strip())


def _who_knows(asked: Asked) -> str:
    if not asked.mailed and not asked.spared:
        return _(
            "Nobody could be asked, because your account has no admin who can log in. The operator of Lime Go can "
            "change that."
        )
    told = []
    if asked.mailed:
        told.append(_("Asked. An e-mail is on its way to %(names)s.") % {"names": _names(asked.mailed)})
    if asked.spared:
        words = _("%(names)s got an e-mail about Visma eAccounting less than five minutes ago.")
        told.append(words % {"names": _names(asked.spared)})
    return " ".join(told)


def _names(admins: list[User]) -> str:
    return get_text_list([str(admin) for admin in admins], _("and"))


def _what_follows(asked: Asked) -> str:
    push = asked.push
    if push is None:
        return "" if asked.is_connected else _("Add the company when Visma eAccounting is connected.")
    if push.wait_reason == WaitReason.TERMS:
        return _("The company is added by itself when the terms of payment are chosen.")
    if push.kind == Kind.CREATE:
        return _("The company is added by itself when the connection works again.")
    return _("What you chose is sent by itself when the connection works again.")


@require(Role.USER)
@require_POST
def send_now(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Send it now: what waited long for an admin is still wanted, exactly as it was confirmed."""
    company = _company(request, company_id)
    rows = Push.objects.select_related("connection", "company").filter(company=company).order_by("-pk")
    rows = rows.defer("connection__access_token", "connection__refresh_token")
    try:
        asking.send_now(user=request.user, push=get_object_or_404(rows[:1]))
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    return redirect("companies:card", company_id=company.pk)
