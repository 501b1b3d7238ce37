"""Return a valid access token, refreshed by one holder at a time.

Some refresh tokens can be used only once (older OAuth clients): two refreshes at the same time would lose the
connection. So: lock, re-read, return if somebody else has refreshed, commit the intent, exchange, store at once.
"""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import connections, transaction

from accounts.mail import request_mail
from accounts.models import Role, User
from integrations.access.client_factory import oauth_config
from integrations.access.token_lock import LockTaken, token_lock, uninterrupted
from integrations.clock import Clock
from integrations.crash_points import Point, reach
from integrations.database import once_it_is_back
from integrations.eaccounting import oauth
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    GrantDoubted,
    UnexpectedAnswer,
    Unreachable,
)
from integrations.eaccounting.types import TokenSet
from integrations.exceptions import NotConnected
from integrations.models import Connection, Event, EventKind

# While the old token is valid, a refresh with an unknown outcome is not repeated at once.
RETRY_REFRESH_AFTER = timedelta(minutes=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Access:
    """An access token and the generation of the connection it belongs to."""

    token: str = field(repr=False)
    generation: int
    was_refused: bool  # the token before it was refused, and no call has succeeded since


def _no_matter() -> None:
    """The default of `before_refresh`: nothing to prepare."""


def access(
    connection_id: int, *, clock: Clock, patience: float, before_refresh: Callable[[], None] = _no_matter
) -> Access:
    """Return a token that stays valid for a while, refreshing it ahead of its end.

    While the old token is valid, one caller refreshes and the others go on with it. `patience`: seconds to wait for
    somebody else's refresh. `before_refresh`: called before anything that may take long. Raises NotConnected, or the
    EAccountingError of the refresh.
    """
    connection, now = _connected(connection_id), clock()
    if not _is_due(connection, now):
        return _access(connection)
    before_refresh()
    alive = now < connection.expires_at
    try:
        with token_lock(connection.account_id, patience=0 if alive else patience):
            connection = _connected(connection_id)
            return _access(_refreshed(connection, clock) if _is_due(connection, now) else connection)
    except LockTaken:
        if not alive:
            raise Unreachable("refresh_under_way", retryable=True) from None
    except ConnectionRevoked:
        raise
    except EAccountingError as error:
        if not alive:
            raise
        log.warning("token refresh of connection %s failed, the old token still lives: %s", connection_id, error)
    return _access(connection)


def access_within(connection_id: int, *, clock: Clock, seconds: float) -> Access:
    """Like `access`, for a person who waits at most `seconds`.

    A refresh that takes longer goes on in its own thread, because interrupting the exchange could lose the connection.
    Raises Unreachable then.
    """
    if not _is_due(_connected(connection_id), clock()):
        return access(connection_id, clock=clock, patience=seconds)
    found: queue.SimpleQueue[Access | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found.put(access(connection_id, clock=clock, patience=seconds))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is raised in the thread that waits
            found.put(error)
        finally:
            connections.close_all()

    # Not a daemon thread: a process that stops waits for it, so that a rotated token is stored.
    threading.Thread(target=ask, name="refresh").start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise Unreachable("too_slow", retryable=True) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _is_due(connection: Connection, now: datetime) -> bool:
    """Whether to refresh the token now. While it is valid, not directly after an exchange that failed."""
    if not connection.is_ending(now=now):
        return False
    tried, doubted = connection.refresh_intent_at, _asked_again_at(connection)
    is_early = (tried and now < tried + RETRY_REFRESH_AFTER) or (doubted and now < doubted)
    return now >= connection.expires_at or not is_early


def replace_refused(connection_id: int, *, refused: str, clock: Clock, patience: float) -> None:
    """Replace a token that eAccounting refused (401) before its end. It is not used any more from now on.

    If that token is new, was itself issued after a refusal, and no call has succeeded since, the connection is lost
    and a person has to reconnect. A token that merely expired while it waited for its turn is refreshed. Raises
    ConnectionRevoked, NotConnected, or the EAccountingError of the refresh.
    """
    connection = _connected(connection_id)
    if connection.access_token == refused:
        # At once, without the lock: its holder may take long, and others would go on using the token meanwhile.
        _note_refusal(connection, clock)
    renew(connection_id, held=refused, clock=clock, patience=patience)


def renew(connection_id: int, *, held: str, clock: Clock, patience: float) -> None:
    """Refresh now, unless the caller's token was replaced already. Raises as `replace_refused`."""
    try:
        with token_lock(_connected(connection_id).account_id, patience=patience):
            connection = _connected(connection_id)
            if connection.access_token == held:
                _refreshed(connection, clock)
    except LockTaken:
        raise Unreachable("refresh_under_way", retryable=True) from None


def _note_refusal(connection: Connection, clock: Clock) -> None:
    """Record that a token was refused. Raises ConnectionRevoked for the second one in a row that had not expired."""
    now = clock()
    if now >= connection.expires_at:
        return  # expired, or already noted by another caller
    if not connection.is_ending(now=now) and connection.was_renewed_in_vain(now=now):
        lose(connection, code="unauthorized", clock=clock)
        raise ConnectionRevoked("connection_revoked")
    connection.note_refusal(now=now)


def lose(connection: Connection, *, code: str, clock: Clock) -> None:
    """Record that a person has to reconnect, and mail the admins once. Links and waiting pushes stay."""
    with transaction.atomic():
        if connection.mark_needs_reconnect(now=clock(), code=code):
            Event.add(
                EventKind.NEEDS_RECONNECT, connection=connection, parameters={"code": code, "name": connection.name}
            )
            for admin in User.objects.filter(account_id=connection.account_id, role=Role.ADMIN, is_active=True):
                request_mail(
                    user=admin, cause="eaccounting-reconnect", now=clock(), context={"company": str(connection)}
                )


def revoke_quietly(token: str) -> None:
    """Revoke a grant that nobody will use. A failure only leaves an unused grant behind."""
    try:
        oauth.revoke(config=oauth_config(), token=token)
    except EAccountingError as error:
        log.warning("a grant could not be revoked: %s", error)


def revocable(connection: Connection) -> str:
    """Return the token that can be revoked, or "" when none of our keys reads it: disconnecting must work then too."""
    try:
        token: str = connection.refresh_token or connection.access_token
    except InvalidToken:
        return ""
    return token


def _connected(connection_id: int) -> Connection:
    """Return the connection with its tokens. Raises NotConnected, also when our keys cannot read them."""
    try:
        connection = Connection.objects.get(pk=connection_id)
    except InvalidToken as error:
        log.critical("the tokens of connection %s cannot be read, check FIELD_ENCRYPTION_KEYS", connection_id)
        raise NotConnected("tokens_unreadable") from error
    if not connection.is_connected:
        raise NotConnected(connection.state)
    return connection


def _access(connection: Connection) -> Access:
    return Access(
        token=connection.access_token,
        generation=connection.generation,
        was_refused=connection.refused_at is not None,
    )


@uninterrupted()
def _refreshed(connection: Connection, clock: Clock) -> Connection:
    """Exchange the refresh token and return the connection with the new one.

    The caller holds the lock and no transaction.
    """
    asked_at = clock()
    _wait_in_doubt(connection, now=asked_at)
    if not connection.begin_refresh(now=asked_at):
        raise NotConnected("superseded")
    reach(Point.REFRESH_INTENDED)
    try:
        answered = _exchanged(connection)
    except ConnectionRevoked:
        return _newer_or_lost(connection, clock)
    except ClientMisconfigured as error:
        log.critical("eAccounting refuses our OAuth client, check EACCOUNTING_CLIENT_ID and _SECRET: %s", error)
        connection.end_refresh()
        raise
    except EAccountingError as error:
        if not error.may_have_been_done:
            connection.end_refresh()
        raise
    reach(Point.TOKENS_RECEIVED)
    _keep(connection, answered, asked_at)
    return connection


def _keep(connection: Connection, answered: TokenSet, asked_at: datetime) -> None:
    """Store the answer.

    Raises NotConnected when the connection changed meanwhile, UnexpectedAnswer when no access token was answered.
    """
    if not _stored(connection, answered, asked_at):
        # Somebody reconnected or disconnected meanwhile, so this grant belongs to no connection.
        revoke_quietly(answered.refresh_token or answered.access_token)
        raise NotConnected("superseded")
    reach(Point.TOKENS_STORED)
    if not answered.access_token:
        raise UnexpectedAnswer("field_missing", parameters={"field": "access_token"}, may_have_been_done=False)


def _exchanged(connection: Connection) -> TokenSet:
    if not connection.refresh_token:
        raise ConnectionRevoked("connection_revoked")
    return oauth.refresh(config=oauth_config(), refresh_token=connection.refresh_token)


def _newer_or_lost(used: Connection, clock: Clock) -> Connection:
    """After `invalid_grant`, return a newer token if somebody stored one (our lock can end before we do).

    Otherwise believe the refusal only the second time, because such refusals are known to pass. Raises GrantDoubted,
    ConnectionRevoked.
    """
    stored = _connected(used.pk)
    if stored.refresh_token != used.refresh_token:
        return stored
    if used.refresh_token and used.grant_doubted_at is None:
        log.warning("the grant of connection %s was refused; it is asked for once more", used.pk)
        used.doubt_grant(now=clock())
        raise _doubted(settings.EACCOUNTING_ASK_AGAIN_SECONDS)
    lose(used, code="connection_revoked", clock=clock)
    raise ConnectionRevoked("connection_revoked")


def _wait_in_doubt(connection: Connection, *, now: datetime) -> None:
    """Raise GrantDoubted until it is time to ask again after a refused grant."""
    again_at = _asked_again_at(connection)
    if again_at and now < again_at:
        raise _doubted((again_at - now).total_seconds())


def _asked_again_at(connection: Connection) -> datetime | None:
    """Return when a refused grant is asked for again, or None if it was not refused."""
    doubted = connection.grant_doubted_at
    return doubted + timedelta(seconds=settings.EACCOUNTING_ASK_AGAIN_SECONDS) if doubted else None


def _doubted(seconds: float) -> GrantDoubted:
    error = GrantDoubted("grant_doubted", retryable=True)
    error.retry_in = seconds
    return error


def _stored(connection: Connection, answered: TokenSet, asked_at: datetime) -> bool:
    """Store the tokens. Waits for a database that restarts, because the tokens exist nowhere else."""
    what = f"refreshed tokens of connection {connection.pk} are not stored yet"
    return once_it_is_back(lambda: connection.store_refreshed(tokens=answered, now=asked_at), what=what)
