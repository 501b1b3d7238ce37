"""What the integration shows on pages of the CRM: the card asks for it in one line each."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django import template
from django.template import RequestContext
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext

from accounts.models import Role, User
from companies.models import Company
from integrations.badges import panels_of
from integrations.due_dates import due_date
from integrations.models import Connection, Event, EventKind, TermsOfPayment
from integrations.number_series import why_not_offered
from integrations.panel import Panel, panel_of
from integrations.sentences import event_words, sentence
from integrations.terms_words import facts

register = template.Library()

ACTIVITY_LENGTH = 20
JUST_NOW = 60  # seconds
TELLS_OF_TERMS = ("integrations:connection", "integrations:choose-terms")


@register.inclusion_tag("integrations/panel.html", takes_context=True)
def company_integrations(context: RequestContext, company: Company) -> dict[str, Any]:
    """The panel Visma eAccounting of a company card."""
    shown = panel_of(company=company, user=context["request"].user)
    return {"panel": shown, "csrf_token": context.get("csrf_token"), "request": context["request"]}


@register.simple_tag(takes_context=True)
def company_states(context: RequestContext, companies: Sequence[Company]) -> dict[int, Panel]:
    """The states of a page of companies, to be shown one by one with `company_state`."""
    return panels_of(companies=companies, user=context["request"].user)


@register.inclusion_tag("integrations/company_state.html")
def company_state(company: Company, states: dict[int, Panel]) -> dict[str, Any]:
    """One company's state as a badge."""
    return {"panel": states.get(company.pk)}


@register.filter
def told(event: Event) -> str:
    """What an event says, in the reader's language."""
    return event_words(EventKind(event.kind), event.parameters)


@register.filter
def due_if_invoiced_today(terms: TermsOfPayment) -> date | None:
    """The day on which an invoice of today would fall due, where that can be said."""
    return due_date(invoiced=timezone.localdate(), kind=terms.kind, days=terms.days)


@register.filter
def facts_of(terms: TermsOfPayment) -> str:
    """The kind and days of terms of payment, in words."""
    return facts(terms.kind, terms.days)


@register.simple_tag
def explained(code: str, particulars: dict[str, Any] | None = None) -> str:
    """The sentence of a code, in the reader's language: of a page, or of a mail."""
    return sentence(code, particulars)


@register.filter
def terms_problem(connection: Connection) -> str:
    """Why no customer can get the chosen terms of payment; blank when they can."""
    code = connection.terms_problem
    return sentence(code, connection.terms_particulars) if code else ""


@register.inclusion_tag("integrations/terms_banner.html", takes_context=True)
def terms_banner(context: RequestContext) -> dict[str, Any]:
    """Tell an admin, on every page but the one that tells it anyway, that the chosen terms are gone or changed."""
    request = context["request"]
    match = request.resolver_match
    if match is None or match.view_name in TELLS_OF_TERMS:
        return {}
    user = request.user
    if not isinstance(user, User) or user.account_id is None or not user.may(Role.ADMIN):
        return {}
    rows = Connection.without_tokens().select_related("default_terms")
    working = {"is_current": True, "state": Connection.State.CONNECTED}
    connection = rows.filter(account_id=user.account_id, **working).exclude(default_terms=None).first()
    is_lost = connection is not None and connection.terms_problem in ("terms_gone", "terms_changed")
    return {"connection": connection} if is_lost else {}


@register.filter
def why_no_own_numbers(connection: Connection) -> str:
    """Why numbers of our own are not offered on this connection; blank when they are."""
    code = why_not_offered(connection)
    return sentence(code) if code else ""


@register.filter
def moment(at: datetime) -> str:
    """The time of day, with the day unless it is today's."""
    here = timezone.localtime(at)
    is_today = here.date() == timezone.localdate()
    return date_format(here, "TIME_FORMAT" if is_today else "SHORT_DATETIME_FORMAT")


@register.filter
def ago(at: datetime) -> str:
    """How long ago, in words."""
    now = timezone.now()
    if (now - at).total_seconds() < JUST_NOW:
        return gettext("just now")
    return gettext("%(time)s ago") % {"time": timesince(at, now, depth=1)}


@register.inclusion_tag("integrations/activity.html")
def company_activity(company: Company, *, is_news: bool = False) -> dict[str, Any]:
    """Who did what with this company, the newest first."""
    events = Event.objects.select_related("actor").filter(company=company).order_by("-pk")
    return {"events": events[:ACTIVITY_LENGTH], "is_news": is_news}
