"""Why a request was refused: one class for each reason; its code names the sentence (messages/sentences.py)."""

from collections.abc import Iterable
from datetime import datetime

from integrations.domain.mapping import Problem


class Refusal(Exception):
    """Why a request was refused; `code` names the sentence."""

    code = "refused"

    def __init__(self, **parameters: object) -> None:
        super().__init__(self.code)
        self.parameters = parameters


class NotConnected(Refusal):
    """There is no connection that calls can be made on; the code says why."""

    def __init__(self, code: str = "not_connected") -> None:
        self.code = code
        super().__init__()


class AlreadyLinked(Refusal):
    code = "already_linked"


class NotLinked(Refusal):
    code = "not_linked"


class CustomerGone(Refusal):
    """The customer was deleted or made inactive in eAccounting; the code says which."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__()


class ContactGone(Refusal):
    """The contact was removed from the company meanwhile."""

    code = "contact_gone"


class ContactChosen(Refusal):
    """Another contact person was chosen since this page was opened; the code says whether there is one."""

    def __init__(self, name: str) -> None:
        self.code = "contact_chosen" if name else "contact_taken_away"
        super().__init__(name=name)


class AlreadyUnderWay(Refusal):
    code = "already_under_way"


class CannotSendValues(Refusal):
    """Values are missing or too long; `problems` names them."""

    code = "values"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(problems=[(p.remote, p.kind, p.length) for p in self.problems])


class TermsNotConfirmed(Refusal):
    """No admin has confirmed the terms of payment for new customers as they are now; the code says why."""

    code = "terms_not_chosen"

    def __init__(self, code: str = code, **parameters: object) -> None:
        self.code = code
        super().__init__(**parameters)


class TermsNotAllowed(Refusal):
    """An admin has not allowed these terms of payment for new customers, or no longer does."""

    code = "terms_not_allowed"


class LinkedElsewhere(Refusal):
    """The customer is already linked to another company."""

    code = "linked_elsewhere"


class LinkedMeanwhile(Refusal):
    """The company's link changed since the person saw it; the code says whether to another customer or to none."""

    def __init__(self, *, customer: str, by: str, at: datetime | None) -> None:
        self.code = "linked_meanwhile" if customer else "unlinked_meanwhile"
        super().__init__(customer=customer, by=by, at=at)


class Archived(Refusal):
    code = "archived"


class NotUndoable(Refusal):
    """The update is not of the customer that the company is linked to now."""

    code = "not_undoable"


class NothingToDecide(Refusal):
    """The push was decided, cancelled or finished meanwhile."""

    code = "nothing_to_decide"


class NothingConfirmed(Refusal):
    """Nobody ever confirmed the values of this push on a sheet, so it cannot be sent again as it is."""

    code = "nothing_confirmed"


class NothingToAsk(Refusal):
    """An admin has fixed it meanwhile: the person can go on without asking."""

    code = "nothing_to_ask"


class OtherCompanyAnswered(Refusal):
    """The account works with another eAccounting company than the one that was chosen at the consent page.

    `answered`: the name of the chosen one, blank when it does not tell; `connected`: of the account's; `links`: how
    many companies are linked there.
    """

    code = "other_company_answered"

    def __init__(self, *, answered: str, connected: str, links: int) -> None:
        super().__init__(answered=answered, connected=connected, links=links)


class ConnectedElsewhere(Refusal):
    """This eAccounting company is connected to another account."""

    code = "connected_elsewhere"


class Superseded(Refusal):
    """The account's connection changed while this person was on the consent page."""

    code = "connect_superseded"


class NotKept(Refusal):
    """The database went away while the connection was being stored, and it was not stored."""

    code = "not_kept"


class Unidentified(Refusal):
    """Neither the token nor the company settings say which company it is."""

    code = "unidentified"
