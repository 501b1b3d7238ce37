"""What a customer has in eAccounting now, for a sheet: one live read, or what it answered last and why not newer."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.core import signing

from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.mapping import Values
from integrations.exceptions import CustomerGone
from integrations.messages.sentences import NO_ANSWER, why
from integrations.models import Connection, CustomerLink
from integrations.services.update import check_remote

_SALT = "integrations.forms.snapshot"


@dataclass(frozen=True)
class Remote:
    """What a person is shown of a customer."""

    link_id: int
    values: Values
    read_at: datetime  # when the reading began
    why_not_now: str = ""  # a sentence; blank when it was read just now

    def sealed(self, **beside: object) -> str:
        """Return what was shown as a word that a form carries along and nobody can change."""
        at = self.read_at.isoformat()
        shown = {"link": self.link_id, "values": self.values, "at": at, "why": self.why_not_now, **beside}
        return signing.dumps(shown, salt=_SALT, compress=True)


@dataclass(frozen=True)
class Shown:
    """What a form says that a person saw: `beside` is what was sealed with it."""

    there: Remote
    beside: dict[str, object]


def read_remote(connection: Connection, link: CustomerLink) -> Remote:
    """Ask eAccounting (at most 4 s); when it does not answer, return what it answered last, and why.

    Raises CustomerGone when the customer was deleted or made inactive there.
    """
    began = database_now()
    try:
        customer = check_remote(link=link, connection=connection)
    except NO_ANSWER as error:
        return replace(known_remote(link), why_not_now=why(error))
    if customer is None or not customer.is_active:
        raise CustomerGone("customer_inactive" if customer else "customer_deleted")
    return Remote(link.pk, mapping.owned(customer.raw), began)


def known_remote(link: CustomerLink) -> Remote:
    """Return what the customer answered last."""
    known = {field.remote: link.customer.answered.get(field.remote, "") for field in mapping.FIELDS}
    return Remote(link.pk, known, link.customer.seen_at)


def opened(sealed: str, *, link: CustomerLink) -> Shown | None:
    """Return what a form says that was seen of this link's customer; None when it is not ours, or of another link."""
    try:
        shown = signing.loads(sealed, salt=_SALT)
    except signing.BadSignature:
        return None
    if shown.pop("link") != link.pk:
        return None
    there = Remote(link.pk, shown.pop("values"), datetime.fromisoformat(shown.pop("at")), shown.pop("why"))
    return Shown(there, beside=shown)
