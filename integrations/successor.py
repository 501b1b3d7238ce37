"""The person in a customer's contact slot whom the company needs a successor for."""

from dataclasses import dataclass

from companies.models import Contact
from integrations import mapping
from integrations.contact_choice import in_one_line
from integrations.mapping import FIELDS, Group
from integrations.panel import Panel

_SLOT = [field.remote for field in FIELDS if field.group is Group.CONTACT]


@dataclass(frozen=True)
class Orphan:
    """What eAccounting still holds of somebody who left, or of somebody who was removed here."""

    who: Contact | None  # None: removed
    still_there: str


def orphan_of(panel: Panel) -> Orphan | None:
    """Return whom a successor is asked for, from the database alone; None while all is well or under way.

    A person who came from eAccounting and was never chosen here is nobody's to replace.
    """
    link, push = panel.link, panel.push
    if link is None or link.broken or (push and push.is_open):
        return None
    still_there = in_one_line(link.customer.answered)
    if not still_there:
        return None
    if link.contact is not None:
        return Orphan(link.contact, still_there) if link.contact.left_at else None
    sent = {name: value for name, value in (link.sent or {}).items() if name in _SLOT}
    return Orphan(None, still_there) if any(sent.values()) and _holds(link.customer.answered, sent) else None


def _holds(answered: mapping.Values, sent: mapping.Values) -> bool:
    """Whether the slot still holds whom we put there."""
    return not mapping.differences(sent, {name: answered.get(name, "") for name in sent})
