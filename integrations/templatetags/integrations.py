"""What the integration shows on pages of the CRM: one line in the card's template asks for it."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import template
from django.template import RequestContext
from django.utils import timezone

from accounts.models import Role, User
from companies.models import Company, Contact
from integrations.domain.mapping import contact_in_one_line
from integrations.domain.previous_values import is_undoable
from integrations.messages.customer_index import customer_index_words
from integrations.messages.sentences import ago, event_words, moment, sentence, why_not_linkable, why_words
from integrations.messages.terms_of_payment import facts
from integrations.models import Connection, CustomerLink, Event, EventKind, TermsOfPayment
from integrations.models.terms_of_payment import due_date
from integrations.panel.badges import panels_of
from integrations.panel.panel import Panel, panel_of
from integrations.panel.successor import Orphan, orphan_of
from integrations.services.customer_index import state_of

register = template.Library()

ACTIVITY_LENGTH = 20
TELLS_OF_TERMS = ("integrations:connection", "integrations:choose-terms")


@register.inclusion_tag("integrations/panel.html", takes_context=True)
def company_integrations(context: RequestContext, company: Company) -> dict[str, Any]:
    """The panel *Visma eAccounting* of a company card."""
    shown = panel_of(company=company, user=context["request"].user)
    return {"panel": shown, "csrf_token": context.get("csrf_token"), "request": context["request"]}


@register.simple_tag(takes_context=True)
def company_states(context: RequestContext, companies: Sequence[Company]) -> dict[int, Panel]:
    """The states of a page of companies, each shown with `company_state`."""
    return panels_of(companies=companies, user=context["request"].user)


@register.inclusion_tag("integrations/company_state.html")
def company_state(company: Company, states: dict[int, Panel]) -> dict[str, Any]:
    """One company's state as a badge."""
    return {"panel": states.get(company.pk)}


register.filter(why_words)
register.filter(why_not_linkable)


@register.filter
def told(event: Event) -> str:
    """An event in words, in the reader's language."""
    return event_words(EventKind(event.kind), event.parameters)


@register.filter
def orphan(panel: Panel) -> Orphan | None:
    """The contact person of the panel's customer who has to be replaced, if there is one."""
    return orphan_of(panel)


@register.filter
def contact_line(values: dict[str, str]) -> str:
    """A customer's contact person in one line."""
    return contact_in_one_line(values)


@register.filter
def overwrote(panel: Panel) -> bool:
    """Whether the newest push is a finished update of the linked customer, whose previous values can be put back."""
    return panel.push is not None and panel.may_act_on_link and is_undoable(panel.push, panel.link)


@register.inclusion_tag("integrations/contact_person_in_use.html")
def contact_in_use(contact: Contact) -> dict[str, Any]:
    """Whether this contact is the contact person of the company's customer."""
    links = CustomerLink.objects.filter(contact=contact, broken="", connection__is_current=True)
    return {"contact": contact, "is_in_use": links.exists()}


@register.filter
def due_if_invoiced_today(terms: TermsOfPayment) -> date | None:
    """The due date of an invoice of today, if it is known."""
    return due_date(invoiced=timezone.localdate(), kind=terms.kind, days=terms.days)


@register.filter
def facts_of(terms: TermsOfPayment) -> str:
    """The kind and days of terms of payment, in words."""
    return facts(terms.kind, terms.days)


@register.simple_tag
def explained(code: str, particulars: dict[str, Any] | None = None) -> str:
    """The sentence of a code in the reader's language, for pages and mails."""
    return sentence(code, particulars)


@register.filter
def terms_problem(connection: Connection) -> str:
    """Why new customers cannot get the chosen terms of payment; blank if they can."""
    code = connection.terms_problem
    return sentence(code, connection.terms_particulars) if code else ""


@register.inclusion_tag("integrations/terms_banner.html", takes_context=True)
def terms_banner(context: RequestContext) -> dict[str, Any]:
    """Tell admins, on every page except the one about it, that the chosen terms are gone or changed."""
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


register.filter("moment", moment)
register.filter("ago", ago)


@register.filter
def index_state(connection: Connection) -> str:
    """How old the index of the connection's customers is."""
    return customer_index_words(state_of(connection))


@register.inclusion_tag("integrations/activity.html", takes_context=True)
def company_activity(context: RequestContext, company: Company, *, is_news: bool = False) -> dict[str, Any]:
    """Who did what with this company, the newest first; previous values are linked for those who may put them back."""
    events = Event.objects.select_related("actor").filter(company=company).order_by("-pk")
    may_undo = context["request"].user.may(Role.USER) and company.archived_at is None
    return {"events": events[:ACTIVITY_LENGTH], "is_news": is_news, "may_undo": may_undo}
