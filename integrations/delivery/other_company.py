"""A person reconnected and chose another eAccounting company: its grant is kept until they have decided.

It stands encrypted on a row of its own, bound to the person and the account, for a quarter of an hour. Whatever else
changes the account's connection meanwhile ends it. All of it happens under the lock on the account's tokens.
"""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from accounts.models import Account, User
from integrations.access.token_lock import LockTaken, token_lock
from integrations.access.tokens import revocable, revoke_quietly
from integrations.clock import database_now
from integrations.delivery import upkeep
from integrations.eaccounting.types import CompanySettings, TokenSet
from integrations.exceptions import ConnectedElsewhere, OfferGone
from integrations.models import Connection

OFFERED_FOR = timedelta(minutes=15)


def keep(
    offered: Connection, *, tokens: TokenSet, user: User, answered: CompanySettings | None, blocked: str, now: datetime
) -> None:
    """Keep the grant for this company. Raises ConnectedElsewhere."""
    same = Connection.objects.filter(identity_kind=offered.identity_kind, identity=offered.identity)
    if same.filter(state=Connection.State.CONNECTED).exists():
        raise ConnectedElsewhere
    offered.offer(tokens=tokens, user=user, now=now)
    if answered:
        offered.describe(settings=answered, now=now)
        blocked = upkeep.problem_in(answered, offered)
    if blocked:
        offered.warn_of(reason=blocked, now=now)


def open_to(user: User, account: Account) -> Connection | None:
    """Return the company that this person still may choose, without its tokens."""
    offered = _offered().filter(account=account, connected_by=user).first()
    return offered if offered and database_now() < offered.connected_at + OFFERED_FOR else None


def mark_of(connection: Connection) -> str:
    """Return what a form about a connection carries, so that an old page does nothing to a newer one."""
    return f"{connection.pk}-{connection.generation}"


def chosen(user: User, account: Account, mark: str) -> Connection:
    """Return the company that the form was about. Raises OfferGone. The caller holds the token lock."""
    offered = open_to(user, account)
    if offered is None or mark_of(offered) != mark:
        raise OfferGone
    return offered


def drop(account_id: int) -> list[str]:
    """End the account's offers; return the grants to revoke once that is committed."""
    offers = list(_offered().filter(account_id=account_id))
    grants = [revocable(offered) for offered in offers]
    for offered in offers:
        offered.decline()
    return [grant for grant in grants if grant]


def expired(*, now: datetime) -> list[int]:
    """Return the accounts whose offer nobody decided about in time."""
    return list(_expired(now).order_by("pk").values_list("account_id", flat=True))


def drop_expired(account_id: int, *, now: datetime) -> None:
    """End and revoke what nobody decided about. While somebody holds the account's lock it has time."""
    try:
        with token_lock(account_id, patience=0):
            # A newer one may have taken its place.
            if not _expired(now).filter(account_id=account_id).exists():
                return
            for grant in drop(account_id):
                revoke_quietly(grant)
    except LockTaken:
        return


def _expired(now: datetime) -> QuerySet[Connection]:
    return _offered().filter(connected_at__lte=now - OFFERED_FOR)


def _offered() -> QuerySet[Connection]:
    return Connection.without_tokens().filter(state=Connection.State.OFFERED)
