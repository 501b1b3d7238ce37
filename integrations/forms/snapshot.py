"""What a page showed, carried along by its form; and what a customer has in eAccounting now, to be shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.core import signing

from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.mapping import Values
from integrations.exceptions import CustomerGone
from integrations.messages.sentences import NO_ANSWER, why
from integrations.models import Connection, CustomerLink
from integrations.services.update import check_remote

_SALT = "integrations.forms.snapshot"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a person saw. Its form carries it along as text that nobody can change, and `posted` reads it again."""

    about: str  # what was shown: a customer's id, a link, a push
    local: Values = field(default_factory=dict)  # what the company had
    remote: Values = field(default_factory=dict)  # what the customer had
    read_at: datetime | None = None  # when the reading of the customer began
    why_not_now: str = ""  # why the customer was not read just now, as a sentence
    beside: dict[str, Any] = field(default_factory=dict)  # what else the page showed, as JSON holds it

    def signed(self, **beside: object) -> str:
        """Return it as text for a hidden field, with what else is shown."""
        content = {
            "about": self.about,
            "local": self.local,
            "remote": self.remote,
            "read_at": self.read_at.isoformat() if self.read_at else "",
            "why_not_now": self.why_not_now,
            "beside": {**self.beside, **beside},
        }
        return signing.dumps(content, salt=_SALT, compress=True)

    @classmethod
    def posted(cls, data: Mapping[str, str], *, about: str) -> "Snapshot | None":
        """Return what the posted page showed; None when it was about something else, or carries nothing of ours."""
        try:
            content = signing.loads(data.get("seen", ""), salt=_SALT)
        except signing.BadSignature:
            return None
        read_at = content.pop("read_at")
        found = cls(**content, read_at=datetime.fromisoformat(read_at) if read_at else None)
        return found if found.about == about else None


def read_remote(connection: Connection, link: CustomerLink) -> Snapshot:
    """Ask eAccounting for a linked customer (at most 4 s); without an answer return what it answered last, and why.

    Raises CustomerGone when the customer was deleted or made inactive there.
    """
    began = database_now()
    try:
        customer = check_remote(link=link, connection=connection)
    except NO_ANSWER as error:
        return replace(known_remote(link), why_not_now=why(error))
    if customer is None or not customer.is_active:
        raise CustomerGone("customer_inactive" if customer else "customer_deleted")
    return Snapshot(about=about_link(link), remote=mapping.owned(customer.raw), read_at=began)


def known_remote(link: CustomerLink) -> Snapshot:
    """Return what a linked customer answered last."""
    known = {field.remote: link.customer.answered.get(field.remote, "") for field in mapping.FIELDS}
    return Snapshot(about=about_link(link), remote=known, read_at=link.customer.seen_at)


def about_link(link: CustomerLink) -> str:
    """Return what a snapshot of a linked customer is about: the link, so that it is good for no later one."""
    return f"link-{link.pk}"
