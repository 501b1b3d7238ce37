"""Reconnected as another eAccounting company: go back, or start over with it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.access import SignedInRequest, require
from accounts.models import Role
from integrations import tasks
from integrations.access.token_lock import LockTaken
from integrations.delivery import other_company as offers
from integrations.exceptions import Refusal
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink
from integrations.panel.waiting import unknown_count, waiting_count
from integrations.services import connect
from integrations.services.requests import current_connection


@require(Role.ADMIN)
def other_company(request: SignedInRequest) -> HttpResponse:
    """Say which company was connected, which one answered and what is at stake; do what the person chooses."""
    if request.method == "POST":
        return _decided(request)
    offered = offers.open_to(request.user, request.account)
    current = current_connection(request.account.pk)
    if offered is None or current is None:
        messages.error(request, sentence("offer_gone"))
        return redirect("integrations:connection")
    context = {
        "section": "settings",
        "connection": current,
        "offered": offered,
        "mark": offers.mark_of(offered),
        "open_until": offered.connected_at + offers.OFFERED_FOR,
        "link_count": _link_count(current),
        "kept_count": _link_count(offered),
        "waiting": waiting_count(current),
        "unknown": unknown_count(current),
        "blocked": sentence(offered.blocked_reason) if offered.blocked_reason else "",
    }
    return render(request, "integrations/other_company.html", context)


def _link_count(connection: Connection) -> int:
    return CustomerLink.objects.filter(connection=connection).count()


def _decided(request: SignedInRequest) -> HttpResponse:
    """Anything but the button that starts over goes back: what is unclear must change nothing."""
    act = _start_over if request.POST.get("decision") == "start_over" else _go_back
    try:
        act(request, request.POST.get("offer", ""))
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code))
    except LockTaken:
        messages.error(request, sentence("lock_taken"))
        return redirect("integrations:other-company")
    return redirect("integrations:connection")


def _go_back(request: SignedInRequest, mark: str) -> None:
    connect.go_back(user=request.user, account=request.account, mark=mark)
    current = current_connection(request.account.pk)
    if current and current.is_connected:
        words = _("Nothing was changed: you are still connected to %(company)s.")
    else:
        words = _("Nothing was changed. Reconnect and choose %(company)s when you want to.")
    messages.success(request, words % {"company": current})


def _start_over(request: SignedInRequest, mark: str) -> None:
    left = current_connection(request.account.pk)
    cancelled = connect.start_over(user=request.user, account=request.account, mark=mark)
    tasks.wake_upkeep()
    current = current_connection(request.account.pk)
    parts = [_("Connected to %(company)s.") % {"company": current}]
    links = _link_count(left) if left else 0
    if links:
        parts.append(kept_links(left, links))
    if cancelled:
        parts.append(cancelled_actions(cancelled))
    messages.success(request, " ".join(parts))


def kept_links(connection: Connection | None, count: int) -> str:
    """Say that the links to an earlier company are kept."""
    words = ngettext(
        "%(count)d link to %(company)s is kept; it works again when %(company)s is connected.",
        "%(count)d links to %(company)s are kept; they work again when %(company)s is connected.",
        count,
    )
    return words % {"count": count, "company": connection}


def cancelled_actions(count: int) -> str:
    """Say how many waiting actions ended."""
    words = ngettext("%(count)d waiting action was cancelled.", "%(count)d waiting actions were cancelled.", count)
    return words % {"count": count}
