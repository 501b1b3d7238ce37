"""What only an admin can mend before anything reaches eAccounting, as a sheet says it that stays open meanwhile."""

from dataclasses import dataclass

from integrations.exceptions import NotConnected, Refusal, TermsNotConfirmed
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink
from integrations.models.connection import TERMS_PROBLEMS
from integrations.services.ask_admin import admin_problem


@dataclass(frozen=True)
class Stop:
    """Why nothing can be sent now. What stands on the sheet stays, and can wait for an admin."""

    words: str
    is_of_terms: bool = False

    @classmethod
    def of(cls, connection: Connection, link: CustomerLink | None) -> "Stop | None":
        """Return what stops a create (without a link that works), or an update; None while nothing does."""
        code = admin_problem(connection, link)
        if not code:
            return None
        is_of_terms = code in TERMS_PROBLEMS
        return cls(sentence(code, connection.terms_particulars if is_of_terms else {}), is_of_terms)

    @classmethod
    def by(cls, refusal: Refusal) -> "Stop | None":
        """Return the stop that a refusal is; None for one that an admin cannot mend."""
        if not isinstance(refusal, NotConnected | TermsNotConfirmed):
            return None
        return cls(sentence(refusal.code, refusal.parameters), isinstance(refusal, TermsNotConfirmed))
