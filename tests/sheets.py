"""What a person confirms on a sheet: as a browser posts it, and as a service takes it."""

from typing import Any

from companies.models import Company, Contact
from integrations import mapping
from integrations.card.link_rows import rows_of
from integrations.comparing import Side, decide
from integrations.models import TermsOfPayment
from integrations.services import current_connection, link_of


def confirmed(
    company: Company, *, contact: Contact | None = None, terms: TermsOfPayment | None = None, **typed: object
) -> dict[str, object]:
    """Return the form's values: the company's and the person's own, but for what was typed."""
    connection = current_connection(company.account_id)
    default = connection.default_terms_id if connection else ""
    who = contact.pk if contact else ""
    values = mapping.values_of(company, contact, groups=mapping.groups_for(contact))
    return {**values, "contact": who, "whose": who, "terms": terms.pk if terms else default or "", **typed}


def seen_by_asking(company: Company, *, contact: Contact | None = None) -> dict[str, Any]:
    """Return what `ask_admin` takes of the sheet on which an admin is asked: all of it left as it opens."""
    connection = current_connection(company.account_id)
    link = link_of(company, connection)
    if link is None:
        values = mapping.values_of(company, contact, groups=mapping.groups_for(contact))
        return {"confirmed": values if connection else None, "contact": contact}
    rows = rows_of(company, link, there=link.customer.answered)
    ours = {row.key: Side.OURS for row in rows if row.default is Side.OURS and not row.problems}
    return {"decision": decide(rows, ours), "customer_id": str(link.reference)}
