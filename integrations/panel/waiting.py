"""How many pushes wait and for what, for the connection page."""

from collections import Counter

from django.db.models import Count
from django.utils.translation import ngettext

from integrations.models import Connection, Push, PushState, WaitReason
from integrations.models.push import OPEN

_FOR_EACCOUNTING = (WaitReason.RETRY, WaitReason.BUDGET, WaitReason.SETTLING, WaitReason.TWIN)


def waiting_count(connection: Connection) -> int:
    """Return how many pushes a disconnect would cancel."""
    return Push.waiting_on(connection).count()


def unknown_count(connection: Connection) -> int:
    """Return how many pushes have an unknown outcome: they stay until the company is connected again."""
    return Push.objects.filter(connection=connection, state=PushState.UNKNOWN).count()


def waiting_words(connection: Connection) -> list[str]:
    """Return one sentence for each reason to wait, with the number of pushes. One query."""
    rows = Push.objects.filter(connection=connection, state__in=OPEN).exclude(wait_reason="")
    by_reason = Counter(dict(rows.order_by().values_list("wait_reason").annotate(Count("pk"))))
    found = [
        (by_reason[WaitReason.CONNECTION], _for_connection),
        (by_reason[WaitReason.TERMS], _for_terms),
        (by_reason[WaitReason.DECISION], _for_a_decision),
        (sum(by_reason[reason] for reason in _FOR_EACCOUNTING), _for_eaccounting),
    ]
    return [words(count) % {"count": count} for count, words in found if count]


def _for_connection(count: int) -> str:
    return ngettext(
        "%(count)d action is waiting until the connection works. It is then sent automatically.",
        "%(count)d actions are waiting until the connection works. They are then sent automatically.",
        count,
    )


def _for_terms(count: int) -> str:
    return ngettext(
        "%(count)d company is waiting to be added until the terms of payment are chosen.",
        "%(count)d companies are waiting to be added until the terms of payment are chosen.",
        count,
    )


def _for_a_decision(count: int) -> str:
    return ngettext(
        "%(count)d action is waiting for a decision on its company's card.",
        "%(count)d actions are waiting for decisions on their companies' cards.",
        count,
    )


def _for_eaccounting(count: int) -> str:
    return ngettext(
        "%(count)d action is waiting for Visma eAccounting and is sent automatically.",
        "%(count)d actions are waiting for Visma eAccounting and are sent automatically.",
        count,
    )
