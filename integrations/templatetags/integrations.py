"""What the integration shows on pages of the CRM: the card asks for it in one line each."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django import template
from django.template import RequestContext
from django.utils import timezone
from django.utils.formats import date_format

from companies.models import Company
from integrations.ages import ago
from integrations.badges import panels_of
from integrations.customer_index import state_of
from integrations.due_dates import due_date
from integrations.index_words import index_words
from integrations.models import Connection, Event, EventKind, TermsOfPayment
from integrations.number_series import why_not_offered
from integrations.panel import Panel, panel_of
from integrations.sentences import event_words, sentence

register = template.Library()

ACTIVITY_LENGTH = 20


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


register.filter("ago", ago)


@register.filter
def index_state(connection: Connection) -> str:
    """How old the copy of its customers is."""
    return index_words(state_of(connection))


@register.inclusion_tag("integrations/activity.html")
def company_activity(company: Company, *, is_news: bool = False) -> dict[str, Any]:
    """Who did what with this company, the newest first."""
    events = Event.objects.select_related("actor").filter(company=company).order_by("-pk")
    return {"events": events[:ACTIVITY_LENGTH], "is_news": is_news}
