"""The person in a customer's contact slot whom the company needs a successor for."""

from dataclasses import dataclass

from companies.models import Contact
from integrations.domain import mapping
from integrations.domain.mapping import contact_in_one_line
from integrations.panel.panel import Panel

_NAME = "ContactPersonName"


@dataclass(frozen=True)
class Orphan:
    """What eAccounting still holds of somebody who left, or of somebody who was removed here."""

    who: Contact | None  # None: removed
    still_there: str


def orphan_of(panel: Panel) -> Orphan | None:
    """Return whom a successor is asked for, from the database alone; None while all is well or under way.

    A person who came from eAccounting and was never chosen here is nobody's to replace, nor is one whom somebody
    there put in the place of ours.
    """
    link, push = panel.link, panel.push
    if link is None or link.broken or (push and push.is_open) or (link.contact and not link.contact.left_at):
        return None
    put_there = str(link.contact) if link.contact else link.sent.get(_NAME, "")
    answered = link.customer.answered
    if not put_there or mapping.differences({_NAME: put_there}, {_NAME: answered.get(_NAME, "")}):
        return None
    return Orphan(link.contact, contact_in_one_line(answered))
