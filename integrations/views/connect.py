"""Settings → Integrations → Visma eAccounting: connect, test, disconnect."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.access import SignedInRequest, require
from accounts.models import Account, Role
from integrations import tasks
from integrations.access.client_factory import oauth_config
from integrations.access.token_lock import LockTaken
from integrations.eaccounting import oauth
from integrations.eaccounting.errors import EAccountingError, UnexpectedAnswer
from integrations.exceptions import Refusal, Superseded
from integrations.forms.terms import TermsForm
from integrations.messages.sentences import NO_ANSWER, rights_words, sentence, why
from integrations.models import Connection, CustomerLink, Event
from integrations.panel.terms import links_with_other_terms
from integrations.panel.waiting import unknown_count, waiting_count, waiting_words
from integrations.services import connect as connecting
from integrations.services.customer_index import unlinked_count
from integrations.services.requests import current_connection

SESSION_KEY = "eaccounting_consent"
TIMELINE_LENGTH = 20


@require(Role.ADMIN)
@require_safe
def integration_list(request: SignedInRequest) -> HttpResponse:
    """The list of integrations."""
    connection = current_connection(request.account.pk)
    return render(request, "integrations/list.html", {"connection": connection, "section": "settings"})


@require(Role.ADMIN)
@require_safe
def connection_page(request: SignedInRequest) -> HttpResponse:
    """The connection page, whatever the state of the connection. Makes no calls."""
    connection = current_connection(request.account.pk)
    form = _terms_form(connection) if connection else None
    return show(request, connection, form)


def _terms_form(connection: Connection) -> TermsForm:
    return TermsForm(connection=connection, initial={"terms": connecting.suggested_terms(connection)})


def show(request: SignedInRequest, connection: Connection | None, form: TermsForm | None) -> HttpResponse:
    """Draw the connection page, with a form as it was posted if something is wrong with it."""
    rows = Connection.without_tokens().filter(account=request.account)
    context = {
        "section": "settings",
        "connection": connection,
        "form": form,
        "rights": rights_words(connection.scope) if connection else [],
        "waiting": waiting_words(connection) if connection else [],
        "other_terms": links_with_other_terms(connection).count() if connection else 0,
        "link_count": CustomerLink.objects.filter(connection=connection).count() if connection else 0,
        "earlier": list(rows.filter(is_current=False).annotate(kept=Count("links")).exclude(kept=0).order_by("name")),
        "blocked": sentence(connection.blocked_reason) if connection and connection.blocked_reason else "",
        "events": _timeline(request.account) if connection else [],
    }
    return render(request, "integrations/connection.html", context)


def _timeline(account: Account) -> list[Event]:
    """Return the events of the account's connections, including earlier ones, the newest first."""
    connections = Connection.objects.filter(account=account).values("pk")
    events = Event.objects.select_related("actor").filter(connection__in=connections, company=None)
    return list(events.order_by("-pk")[:TIMELINE_LENGTH])


@require(Role.ADMIN)
@require_POST
def connect(request: SignedInRequest) -> HttpResponse:
    """Redirect the browser to Visma's consent page."""
    begun = connecting.begin()
    current = current_connection(request.account.pk)
    request.session[SESSION_KEY] = {
        "state": begun.state,
        "code_verifier": begun.code_verifier,
        "started_from": connecting.started_from(current),
    }
    return redirect(begun.url)


@require(Role.ADMIN)
@require_safe
def callback(request: SignedInRequest) -> HttpResponse:
    """Receive the browser back from Visma. What the session kept is used once, whatever the result."""
    kept = request.session.pop(SESSION_KEY, {})
    try:
        code = oauth.parse_callback(config=oauth_config(), query=request.GET.dict(), expected_state=kept.get("state"))
        started = kept["started_from"]
        connection = connecting.complete(
            user=request.user,
            account=request.account,
            code=code,
            code_verifier=kept["code_verifier"],
            started=tuple(started) if started else None,
        )
    except Refusal as refusal:
        messages.error(request, sentence(refusal.code, refusal.parameters))
    except LockTaken:
        messages.error(request, sentence("lock_taken"))
    except oauth.ConsentDenied:
        messages.error(request, _denied(current_connection(request.account.pk)))
    except oauth.AuthorizationError as error:
        messages.error(request, sentence(error.code))
    except EAccountingError as error:
        messages.error(request, _("Nothing was connected. %(why)s") % {"why": _why_not_connected(error)})
    else:
        tasks.wake_upkeep()
        messages.success(request, _("Connected to %(company)s.") % {"company": connection})
    return redirect("integrations:connection")


def _denied(current: Connection | None) -> str:
    """Return the message after a refused consent: what stays as it was."""
    if current is None or current.state == Connection.State.DISCONNECTED:
        return sentence("consent_denied")
    if not current.is_connected:
        words = _("You chose not to give access. Nothing was changed: %(company)s still has to be reconnected.")
    else:
        words = _("You chose not to give access. Nothing was changed: you are still connected to %(company)s.")
    return words % {"company": current}


def _why_not_connected(error: EAccountingError) -> str:
    """Return why connecting failed, without promising a retry as the sentences of the workers do."""
    if error.code == "connection_revoked":
        return _("Visma's answer was too old or already used. Connect again.")
    if isinstance(error, UnexpectedAnswer):
        return _(
            "Visma sent an answer that Lime Go does not understand. "
            "Connect again, and contact support if it happens again."
        )
    if error.retryable:
        return _("Visma is not answering right now. Connect again in a moment.")
    return sentence(error.code)


def current_of(request: SignedInRequest) -> Connection:
    """Return the connection without its tokens: pages and buttons have to work even if these cannot be read."""
    rows = Connection.without_tokens().select_related("default_terms", "connected_by")
    return get_object_or_404(rows.filter(account=request.account, is_current=True))


@require(Role.ADMIN)
@require_POST
def test_connection(request: SignedInRequest) -> HttpResponse:
    """*Test connection*: read the company settings."""
    connection = current_of(request)
    try:
        reason = connecting.test(connection)
    except NO_ANSWER as error:
        messages.error(request, why(error))
    else:
        if reason:
            messages.error(request, sentence(reason))
        else:
            words = _("The connection works: %(company)s answered, and customers can be created and updated.")
            messages.success(request, words % {"company": connection})
    return redirect("integrations:connection")


@require(Role.ADMIN)
def disconnect(request: SignedInRequest) -> HttpResponse:
    """Say what disconnecting means, and do it on POST."""
    connection = current_of(request)
    if request.method != "POST":
        context = {
            "section": "settings",
            "connection": connection,
            "mark": connection.mark,
            "waiting": waiting_count(connection),
            "unknown": unknown_count(connection),
            "link_count": CustomerLink.objects.filter(connection=connection).count(),
            "unlinked": unlinked_count(connection),
        }
        return render(request, "integrations/disconnect.html", context)
    erase = "erase" in request.POST
    try:
        seen = connecting.marked(request.account, request.POST.get("mark", ""))
        cancelled = connecting.disconnect(user=request.user, connection=seen, erase=erase)
    except Superseded as refusal:
        messages.error(request, sentence(refusal.code))
    except LockTaken:
        messages.error(request, sentence("lock_taken"))
    else:
        parts = [_("Disconnected. All links are kept.")]
        if cancelled:
            parts.append(_cancelled_actions(cancelled))
        if erase:
            tasks.wake_upkeep()
            parts.append(_("The copy of the customers that are not linked is being erased."))
        messages.success(request, " ".join(parts))
    return redirect("integrations:connection")


def _cancelled_actions(count: int) -> str:
    """Say how many waiting actions ended."""
    words = ngettext("%(count)d waiting action was cancelled.", "%(count)d waiting actions were cancelled.", count)
    return words % {"count": count}
