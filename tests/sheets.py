"""What a browser posts from the create sheet when a person confirms what stands there."""

from companies.models import Company, Contact
from integrations import mapping
from integrations.models import TermsOfPayment
from integrations.services import current_connection


def confirmed(
    company: Company, *, contact: Contact | None = None, terms: TermsOfPayment | None = None, **typed: object
) -> dict[str, object]:
    """Return the form's values: the company's and the person's own, but for what was typed."""
    connection = current_connection(company.account_id)
    default = connection.default_terms_id if connection else ""
    who = contact.pk if contact else ""
    values = mapping.values_of(company, contact, groups=mapping.groups_for(contact))
    return {**values, "contact": who, "whose": who, "terms": terms.pk if terms else default or "", **typed}
