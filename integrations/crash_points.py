"""Named places in the engine where a process may end without harm; the tests end it there.

In production nobody arms them, and `reach` does nothing. No setting and no environment variable can arm them: only a
program that calls `arm` before it works can, and that is the tests' own worker (tests/crashes/app.py). Each point is
tested with SIGKILL, SIGTERM, an exception and a freeze.
"""

from collections.abc import Callable
from enum import StrEnum

Act = Callable[["Point"], None]


class Point(StrEnum):
    """What has just been done when a process ends there."""

    # The click
    WISH_COMMITTED = "wish committed"
    # Any delivery
    DELIVERY_BEGUN = "delivery begun"
    PULL_BEGUN = "pull begun"
    CLAIMED = "claimed"
    TOKEN_WANTED = "token wanted"  # noqa: S105  # the name of a place
    SLOT_BOOKED = "slot booked"
    SENDING_UNCOMMITTED = "sending uncommitted"
    SENDING_COMMITTED = "sending committed"
    ANSWERED = "answered"
    REFUSED = "refused"
    SAVING = "saving"
    SAVED = "saved"
    # A create: the look before it, and finding out about a lost answer
    LOOK_BEGUN = "look begun"
    LOOKED = "looked"
    ANSWER_LOST = "answer lost"
    FOUND = "found"
    ADOPTED = "adopted"
    ABSENCE_PROVEN = "absence proven"
    # An update: between its GET and its PUT
    CUSTOMER_READ = "customer read"
    # Tokens
    TOKEN_REFUSED = "token refused"  # noqa: S105  # as above
    REFRESH_INTENDED = "refresh intended"
    TOKENS_RECEIVED = "tokens received"
    TOKENS_STORED = "tokens stored"
    # What workers do without a click
    SWEEP_FOUND = "sweep found"
    PROBE_ANSWERED = "probe answered"
    TERMS_ANSWERED = "terms answered"
    # The index of the customers
    INDEX_PAGE_READ = "index page read"
    INDEX_PAGE_STORED = "index page stored"
    # The connection page
    CODE_EXCHANGED = "code exchanged"
    CONNECTION_SAVING = "connection saving"
    DISCONNECT_COMMITTED = "disconnect committed"


_armed: list[Act] = []


def reach(point: Point) -> None:
    """Note that this place is reached. If armed, it acts, and may never return."""
    for act in _armed:
        act(point)


def arm(act: Act) -> None:
    """Call `act` at every point from now on, in this process and those forked from it. For tests."""
    _armed.append(act)
