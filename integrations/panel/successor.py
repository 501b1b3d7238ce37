"""The contact person in eAccounting who has left or was removed, so that a new one has to be chosen."""

from dataclasses import dataclass

from companies.models import Contact
from integrations.domain import mapping
from integrations.domain.mapping import contact_in_one_line
from integrations.panel.panel import Panel

_NAME = "ContactPersonName"


@dataclass(frozen=True)
class Orphan:
    """What eAccounting still holds of a contact who left or was removed in Lime Go."""

    who: Contact | None  # None: the contact was removed
    still_there: str


def orphan_of(panel: Panel) -> Orphan | None:
    """Return the contact person to replace, from the database alone; None if there is none or a push is under way.

    Not for a person whom eAccounting had before and nobody chose in Lime Go, nor for one whom somebody in eAccounting
    put in place of ours.
    """
    link, push = panel.link, panel.push
    if link is None or link.broken or (push and push.is_open) or (link.contact and not link.contact.left_at):
        return None
    put_there = str(link.contact) if link.contact else link.sent.get(_NAME, "")
    answered = link.customer.answered
    if not put_there or mapping.differences({_NAME: put_there}, {_NAME: answered.get(_NAME, "")}):
        return None
    return Orphan(link.contact, contact_in_one_line(answered))
