"""What a page showed, carried along by its form; and what a customer has in eAccounting now, to be shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core import signing

from integrations.domain.mapping import Values

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
