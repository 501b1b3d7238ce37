"""When to try again, when to look again, and when to stop."""

import random
from datetime import datetime, timedelta

from django.conf import settings

from integrations.models import Push

FIRST_BACK_OFF, LONGEST_BACK_OFF, LONGEST_TWIN_WAIT = 2.0, 900.0, 30.0  # seconds
DAILY_AFTER, GIVE_UP_AFTER = timedelta(days=1), timedelta(days=7)


def absent_from(push: Push) -> datetime:
    """The moment after which a look that finds nothing proves that nothing was stored."""
    unsent = push.send_by or push.requested_at
    return unsent + timedelta(seconds=settings.EACCOUNTING_CALL_SECONDS + settings.EACCOUNTING_SETTLE_SECONDS)


def next_try(push: Push, *, now: datetime) -> datetime:
    """Return when to try again after another failure: 2 s, doubling to 15 min; after a day once a day."""
    if push.retrying_since and now - push.retrying_since > DAILY_AFTER:
        return now + timedelta(days=1)
    return _about(now, FIRST_BACK_OFF * 2 ** min(push.attempts, 10))


def _about(now: datetime, seconds: float) -> datetime:
    """Return the moment in so many seconds, give or take a quarter: what failed together shall not return together."""
    jitter = random.uniform(0.75, 1.25)  # noqa: S311  # no secret
    return now + timedelta(seconds=min(LONGEST_BACK_OFF, seconds) * jitter)


def next_twin_try(push: Push, *, now: datetime) -> datetime:
    """Return when to see whether an equal create has ended: soon at first, since nobody may tell us."""
    waited = (now - push.requested_at).total_seconds()
    return _about(now, min(LONGEST_TWIN_WAIT, max(FIRST_BACK_OFF, waited)))


def next_look(push: Push, *, now: datetime) -> datetime:
    """Return when to look again for what may have been stored: after as long as it has been unknown.

    That is soon at first and doubles by itself; and surely right after settling.
    """
    since = push.unknown_since or now
    look = _about(now, max(FIRST_BACK_OFF, (now - since).total_seconds()))
    settled = absent_from(push) + timedelta(milliseconds=100)
    return min(look, settled) if now < settled else look


def is_given_up(push: Push, *, now: datetime) -> bool:
    """Whether it has been tried in vain for so long that a person has to take over."""
    return push.retrying_since is not None and now - push.retrying_since > GIVE_UP_AFTER


def is_lost_for_good(push: Push, *, now: datetime) -> bool:
    """As is_given_up, for answers that are lost again and again; one lost long ago is a try like any other."""
    return push.attempts > 1 and is_given_up(push, now=now)
