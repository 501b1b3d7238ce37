"""The states of a page of companies, for the list: three queries, however many rows."""

from collections.abc import Sequence

from django.db.models import Q

from accounts.models import User
from companies.models import Company
from integrations.models import Connection, CustomerLink, Push
from integrations.models.push import OPEN
from integrations.panel.panel import Panel
from integrations.services.requests import current_connection


def panels_of(*, companies: Sequence[Company], user: User) -> dict[int, Panel]:
    """Return the panels of these companies by company id; empty if the account never had a connection."""
    if not companies:
        return {}
    connection = current_connection(companies[0].account_id)
    if connection is None or connection.state == Connection.State.DISCONNECTED:
        return {}
    # Pushes before links, as in panel_of.
    pushes = Push.objects.filter(Q(connection=connection) | Q(state__in=OPEN), company__in=companies)
    newest = {push.company_id: push for push in pushes.order_by("company_id", "-pk").distinct("company_id")}
    links = CustomerLink.objects.select_related("customer", "contact").filter(connection=connection)
    link_of = {link.company_id: link for link in links.filter(company__in=companies)}
    return {
        company.pk: Panel(
            company=company,
            user=user,
            connection=connection,
            link=link_of.get(company.pk),
            push=newest.get(company.pk),
        )
        for company in companies
    }
