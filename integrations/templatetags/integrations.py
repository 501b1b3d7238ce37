"""What the integration shows on pages of the CRM: the card asks for it in one line each."""

from typing import Any

from django import template
from django.template import RequestContext

from companies.models import Company
from integrations.models import Event, EventKind
from integrations.panel import panel_of
from integrations.sentences import event_words

register = template.Library()

ACTIVITY_LENGTH = 20


@register.inclusion_tag("integrations/panel.html", takes_context=True)
def company_integrations(context: RequestContext, company: Company) -> dict[str, Any]:
    """The panel Visma eAccounting of a company card."""
    shown = panel_of(company=company, user=context["request"].user)
    return {"panel": shown, "csrf_token": context.get("csrf_token"), "request": context["request"]}


@register.filter
def told(event: Event) -> str:
    """What an event says, in the reader's language."""
    return event_words(EventKind(event.kind), event.parameters)


@register.inclusion_tag("integrations/activity.html")
def company_activity(company: Company) -> dict[str, Any]:
    """Who did what with this company, the newest first."""
    events = Event.objects.select_related("actor").filter(company=company).order_by("-pk")
    return {"events": events[:ACTIVITY_LENGTH]}
