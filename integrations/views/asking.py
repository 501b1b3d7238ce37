"""Where only an admin can go on: ask one, and say later whether it is still wanted."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import SignedInRequest, require
from accounts.models import Role, User
from companies.models import Company, Contact
from integrations import asking, services
from integrations.asking import Asked
from integrations.models import Kind, Push, WaitReason
from integrations.words.sentences import sentence


def _company(request: SignedInRequest, company_id: int) -> Company:
    return get_object_or_404(Company.objects.of(request.account), pk=company_id)


@require(Role.USER)
@require_POST
def ask_admin(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Ask an admin."""
    company = _company(request, company_id)
    try:
        asked = asking.ask_admin(user=request.user, company=company, contact=_sole_contact(company))
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    else:
        tell = messages.success if asked.mailed or asked.spared else messages.warning
        tell(request, f"{_who_knows(asked)} {_what_follows(asked)}".strip())
    return redirect("companies:card", company_id=company.pk)


def _sole_contact(company: Company) -> Contact | None:
    """The only person of the company goes along with a create, as on the card."""
    people = list(company.contacts.filter(left_at=None).order_by("pk")[:2])
    return people[0] if len(people) == 1 else None


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
        return {
            "no_connection": _("Add the company when Visma eAccounting is connected."),
            "nothing_changed": "",
            "values": _("The company is not added by itself, because values are missing or too long. Mend them first."),
        }[asked.why_none]
    if push.wait_reason == WaitReason.TERMS:
        return _("The company is added by itself when the terms of payment are chosen.")
    if push.kind == Kind.CREATE:
        return _("The company is added by itself when the connection works again.")
    return _("What was changed here is sent by itself when the connection works again.")


@require(Role.USER)
@require_POST
def send_now(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Send it now: what waited long for an admin is still wanted."""
    company = _company(request, company_id)
    rows = Push.objects.select_related("connection", "company").filter(company=company).order_by("-pk")
    rows = rows.defer("connection__access_token", "connection__refresh_token")
    try:
        asking.send_now(user=request.user, push=get_object_or_404(rows[:1]))
    except services.Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    return redirect("companies:card", company_id=company.pk)
