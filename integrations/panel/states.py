"""The states of the panel Visma eAccounting, and how each is shown."""

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from integrations.domain.diff import Change


class State(StrEnum):
    """The states of the panel; if two hold, the upper one is shown."""

    SENDING = "sending"
    CHECKING = "checking"
    LEFT = "left"
    WAITING = "waiting"
    DECISION = "decision"
    NOT_CONNECTED = "not_connected"
    NEEDS_RECONNECT = "needs_reconnect"
    STOPPED = "stopped"
    TERMS = "terms"
    REFUSED = "refused"
    TECHNICAL = "technical"
    LINK_BROKEN = "link_broken"
    CHANGED_BOTH = "changed_both"
    CHANGED_THERE = "changed_there"
    CHANGED = "changed"
    DIFFERS = "differs"
    OTHERWISE = "otherwise"
    UP_TO_DATE = "up_to_date"
    NOT_LINKED = "not_linked"


@dataclass(frozen=True)
class Look:
    """How a state is shown: a word, a colour (`kind` of partials/badge.html), an icon; "" is the kind's own."""

    word: str | Promise
    kind: str
    icon: str = ""


LOOKS = {
    State.SENDING: Look(_("Sending"), "info", "arrow-path"),
    State.CHECKING: Look(_("Checking"), "info", "magnifying-glass"),
    State.LEFT: Look(_("Outcome not known yet"), "warning", "magnifying-glass"),
    State.WAITING: Look(_("Waiting"), "neutral", "clock"),
    State.DECISION: Look(_("Your decision"), "warning"),
    State.NOT_CONNECTED: Look(_("Not connected"), "neutral", "link-slash"),
    State.NEEDS_RECONNECT: Look(_("Needs reconnecting"), "danger"),
    State.STOPPED: Look(_("Stopped by Visma eAccounting"), "danger"),
    State.TERMS: Look(_("Terms of payment not confirmed"), "warning"),
    State.REFUSED: Look(_("Not sent"), "danger"),
    State.TECHNICAL: Look(_("Technical error"), "danger"),
    State.LINK_BROKEN: Look(_("Link broken"), "danger", "link-slash"),
    State.CHANGED_BOTH: Look(_("Changed in both systems"), "warning"),
    State.CHANGED_THERE: Look(_("Changed in Visma eAccounting"), "info", "cloud"),
    State.CHANGED: Look(_("Changed in Lime Go"), "info", "pencil-square"),
    State.DIFFERS: Look(_("Differs"), "neutral", "arrows-right-left"),
    State.OTHERWISE: Look(_("Saved differently in Visma eAccounting"), "warning"),
    State.UP_TO_DATE: Look(_("In Visma eAccounting, up to date"), "success"),
    State.NOT_LINKED: Look(_("Not a customer yet"), "neutral"),
}
# The states that come from the differences of a linked company, the strongest first.
DIFFERENCES = {
    Change.BOTH: State.CHANGED_BOTH,
    Change.THERE: State.CHANGED_THERE,
    Change.HERE: State.CHANGED,
    Change.DIFFERS: State.DIFFERS,
}
# The states in which the differences are reviewed before anything is sent.
TO_REVIEW = frozenset({State.CHANGED_BOTH, State.CHANGED_THERE, State.DIFFERS, State.OTHERWISE})
POLL_SECONDS = {State.SENDING: 1, State.WAITING: 10, State.CHECKING: 10}
# Failures not caused by the company's values: trying again may help.
TECHNICAL = frozenset({"crashed", "gave_up", "unexpected_answer", "server_error", "unreachable", "query"})
