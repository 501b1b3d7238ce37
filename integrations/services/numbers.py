"""Settings: who numbers new customers. Offered only where eAccounting is known to refuse a number in use."""

from django.db import transaction

from accounts.models import User
from integrations.exceptions import Refusal
from integrations.models import Connection, Event, EventKind


class NumbersNotOffered(Refusal):
    """Own numbers prove nothing on this connection, or nobody knows; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.code = code


def why_not_offered(connection: Connection) -> str:
    """Return the code of the reason why own numbers cannot be chosen, or a blank text when they can."""
    if connection.duplicates_refused:
        return ""
    return "numbers_not_offered" if connection.duplicates_refused is None else "numbers_not_safe"


def choose(*, user: User, connection: Connection, prefix: str) -> None:
    """Let new customers get numbers that begin with `prefix`; blank leaves them to eAccounting.

    What is on its way keeps the number it was sent with; the same choice again is no news. Raises NumbersNotOffered.
    """
    if code := why_not_offered(connection):
        raise NumbersNotOffered(code)
    if prefix == connection.number_prefix:
        return
    with transaction.atomic():
        connection.choose_numbers(prefix=prefix)
        Event.add(EventKind.NUMBERS_CHOSEN, connection=connection, actor=user, parameters={"number": prefix})
