"""A valid access token, refreshed by one holder at a time.

A refresh token may be usable once only (older OAuth clients): two refreshes at the same time would lose the
connection. So: lock → re-read → somebody else did it? → commit the intent → exchange → store at once.
"""

import logging
from dataclasses import dataclass, field

from django.db import transaction

from accounts.mail import request_mail
from accounts.models import Role, User
from integrations.clock import Clock
from integrations.eaccounting import oauth
from integrations.eaccounting.errors import ClientMisconfigured, ConnectionRevoked, EAccountingError, Unreachable
from integrations.gateway import oauth_config
from integrations.locks import LockTaken, token_lock
from integrations.models import Connection, Event, EventKind

log = logging.getLogger(__name__)


class NotConnected(Exception):
    """There is no connection whose tokens could be used; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Access:
    """An access token and the generation of the connection it belongs to."""

    token: str = field(repr=False)
    generation: int


def access(connection_id: int, *, clock: Clock, patience: float) -> Access:
    """Return a token that is good for a while yet, refreshing it ahead of its end.

    While the old token lives, one caller refreshes and the others go on with it. `patience` is how many
    seconds to wait for another's refresh. Raises NotConnected, or the EAccountingError of the refresh.
    """
    connection = _connected(connection_id)
    now = clock()
    if now < connection.expires_at - connection.refresh_margin:
        return _access(connection)
    alive = now < connection.expires_at
    try:
        with token_lock(connection.account_id, patience=0 if alive else patience):
            connection = _connected(connection_id)
            if now >= connection.expires_at - connection.refresh_margin:
                _refresh(connection, clock)
    except LockTaken:
        if not alive:
            raise Unreachable("refresh_under_way", retryable=True) from None
    except EAccountingError as error:
        if not alive or not error.retryable:
            raise
        log.warning("token refresh of connection %s failed, the old token still lives: %s", connection_id, error)
    return _access(connection)


def replace_refused(connection_id: int, *, refused: str, clock: Clock, patience: float) -> None:
    """Replace a token that eAccounting refused (401) although it should live.

    The second refusal in a row, with no answer in between, means that the connection is over: it needs a
    person to reconnect. Raises ConnectionRevoked then, NotConnected, or the EAccountingError of the refresh.
    """
    try:
        with token_lock(_connected(connection_id).account_id, patience=patience):
            connection = _connected(connection_id)
            if connection.access_token != refused:
                return
            if connection.refused_at is not None:
                lose(connection, code="unauthorized", clock=clock)
                raise ConnectionRevoked("connection_revoked")
            connection.note_refusal(now=clock())
            _refresh(connection, clock)
    except LockTaken:
        raise Unreachable("refresh_under_way", retryable=True) from None


def lose(connection: Connection, *, code: str, clock: Clock) -> None:
    """Record that a person has to reconnect and tell the admins, once; links and waiting pushes stay."""
    with transaction.atomic():
        if connection.mark_needs_reconnect(now=clock(), code=code):
            Event.add(EventKind.NEEDS_RECONNECT, connection=connection, parameters={"code": code})
            for admin in User.objects.filter(account_id=connection.account_id, role=Role.ADMIN, is_active=True):
                request_mail(
                    user=admin, cause="eaccounting-reconnect", now=clock(), context={"company": str(connection)}
                )


def revoke_quietly(token: str) -> None:
    """Revoke a grant that nobody will use; a failure only leaves an unused grant behind."""
    try:
        oauth.revoke(config=oauth_config(), token=token)
    except EAccountingError as error:
        log.warning("a grant could not be revoked: %s", error)


def _connected(connection_id: int) -> Connection:
    connection = Connection.objects.get(pk=connection_id)
    if not connection.is_connected:
        raise NotConnected(connection.state)
    return connection


def _access(connection: Connection) -> Access:
    return Access(token=connection.access_token, generation=connection.generation)


def _refresh(connection: Connection, clock: Clock) -> None:
    """Exchange the refresh token; the caller holds the lock and no transaction."""
    if not connection.begin_refresh(now=clock()):
        raise NotConnected(connection.state)
    try:
        answered = oauth.refresh(config=oauth_config(), refresh_token=connection.refresh_token)
    except ConnectionRevoked:
        lose(connection, code="connection_revoked", clock=clock)
        raise
    except ClientMisconfigured as error:
        log.critical("eAccounting refuses our OAuth client, check EACCOUNTING_CLIENT_ID and _SECRET: %s", error)
        connection.end_refresh()
        raise
    except EAccountingError as error:
        if not error.may_have_been_done:
            connection.end_refresh()
        raise
    if not connection.store_refreshed(tokens=answered, now=clock()):
        # Somebody connected anew or disconnected meanwhile: this grant belongs to nobody any more.
        revoke_quietly(answered.refresh_token or answered.access_token)
        raise NotConnected("superseded")
