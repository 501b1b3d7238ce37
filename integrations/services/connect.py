"""Connect, reconnect, disconnect, test, choose terms: what the connection page's buttons mean.

Connecting, refreshing and disconnecting exclude each other by the same lock (token_lock.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import Error as AnyDatabaseError
from django.db import IntegrityError, transaction
from django.db import connection as database

from accounts.models import Account, User
from integrations.access.client_factory import http, oauth_config
from integrations.access.token_lock import token_lock
from integrations.access.tokens import revocable, revoke_quietly
from integrations.clock import database_now
from integrations.crash_points import Point, reach
from integrations.database import breaks, database_is_away, once_it_is_back
from integrations.delivery import calls, upkeep
from integrations.delivery.calls import note_blocked
from integrations.eaccounting import oauth
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import Forbidden, UnexpectedAnswer
from integrations.eaccounting.oauth import AuthorizationRequest
from integrations.eaccounting.types import CompanySettings, TokenSet
from integrations.exceptions import ConnectedElsewhere, NotKept, OtherCompanyAnswered, Refusal, Superseded, Unidentified
from integrations.models import (
    Connection,
    CustomerIndex,
    CustomerLink,
    Event,
    EventKind,
    Push,
    TermsOfPayment,
    WaitReason,
    push_queue,
)
from integrations.services.requests import current_connection

LOCK_PATIENCE = 10.0  # seconds
StartedFrom = tuple[int, int] | None  # the current connection's id and generation when the consent began


@dataclass(frozen=True)
class _Identity:
    kind: str
    value: str


@dataclass(frozen=True)
class _Grant:
    tokens: TokenSet
    answered: CompanySettings | None
    blocked: str  # why the company refuses its settings, or ""
    identity: _Identity


def begin() -> AuthorizationRequest:
    """Return the address of the consent page, and what the session must keep until the browser comes back."""
    return oauth.authorization_request(config=oauth_config())


def started_from(connection: Connection | None) -> StartedFrom:
    """Return what `complete` compares: a slow consent must not overwrite a newer connection."""
    return (connection.pk, connection.generation) if connection else None


def complete(*, user: User, account: Account, code: str, code_verifier: str, started: StartedFrom) -> Connection:
    """Exchange the code and keep the connection.

    Raises Superseded, OtherCompanyAnswered, ConnectedElsewhere, Unidentified, NotKept, LockTaken and every
    EAccountingError; a grant that is not kept is revoked, whatever was the reason (unless the database stays away: then
    nobody knows whether it was).
    """
    with token_lock(account.pk, patience=LOCK_PATIENCE):
        if started_from(current_connection(account.pk)) != started:
            raise Superseded
        tokens = oauth.exchange_code(config=oauth_config(), code=code, code_verifier=code_verifier)
        try:
            reach(Point.CODE_EXCHANGED)
            return _keep(user, account, tokens)
        except Exception as error:
            if not database_is_away(error):
                revoke_quietly(_revocable(tokens))
            raise


def _keep(user: User, account: Account, tokens: TokenSet) -> Connection:
    answered, blocked = _company_settings(tokens)
    grant = _Grant(tokens, answered, blocked, _identity(tokens, answered))
    try:
        with transaction.atomic():
            kept = _kept(user, account, grant)
            reach(Point.CONNECTION_SAVING)
    except IntegrityError as error:
        if not breaks(error, "connection_in_one_account"):
            raise
        raise ConnectedElsewhere from error
    except AnyDatabaseError as error:
        if not database_is_away(error):
            raise
        found = _kept_after_all(account, tokens)
        if found is None:
            raise NotKept from error
        kept = found
    return kept


def _kept_after_all(account: Account, tokens: TokenSet) -> Connection | None:
    """Return the connection that was stored with this grant, or None: the answer to a COMMIT can be lost.

    Waits for a database that restarts; raises its error when it stays away.
    """
    database.close()
    what = "nobody knows yet whether a connection was kept"
    return once_it_is_back(lambda: _with_grant(account, tokens), what=what)


def _with_grant(account: Account, tokens: TokenSet) -> Connection | None:
    rows = Connection.without_tokens().filter(account=account, state=Connection.State.CONNECTED)
    return next((row for row in rows if revocable(row) == _revocable(tokens)), None)


def _revocable(tokens: TokenSet) -> str:
    """Return the token that revokes the whole grant; for a connection see tokens.revocable."""
    return tokens.refresh_token or tokens.access_token


def _kept(user: User, account: Account, grant: _Grant) -> Connection:
    """Connect the company. Raises OtherCompanyAnswered while the account works with another one."""
    now = database_now()
    current = current_connection(account.pk)
    is_same = current is not None and _is(current, grant.identity, grant.answered)
    connection = current if current and is_same else _row(account, grant.identity)
    if current and not is_same:
        if current.state != Connection.State.DISCONNECTED:
            raise _other_company(grant, current, connection)
        _cancel_waiting(current, user, EventKind.CANCELLED_LEAVING)
        current.step_aside()
    connection.connect(tokens=grant.tokens, user=user, now=now)
    CustomerIndex.resume(connection)
    if grant.answered:
        connection.describe(settings=grant.answered, now=now)
    Event.add(EventKind.CONNECTED, connection=connection, actor=user, parameters={"name": connection.name})
    if grant.blocked:
        note_blocked(connection, reason=grant.blocked)
    if grant.answered:
        upkeep.apply_settings(connection, grant.answered)
    return connection


def _other_company(grant: _Grant, current: Connection, chosen: Connection) -> Refusal:
    """Return why the chosen company cannot take the place of the current one."""
    same = Connection.objects.filter(identity_kind=grant.identity.kind, identity=grant.identity.value)
    if same.filter(state=Connection.State.CONNECTED).exists():  # to disconnect here would not help
        return ConnectedElsewhere()
    return OtherCompanyAnswered(
        answered=grant.answered.name if grant.answered else chosen.name,
        connected=str(current),
        links=CustomerLink.objects.filter(connection=current).count(),
    )


def _company_settings(tokens: TokenSet) -> tuple[CompanySettings | None, str]:
    """Ask which company it is. A company that refuses its settings is still connected, but blocked."""
    if not tokens.access_token:
        raise UnexpectedAnswer("field_missing", parameters={"field": "access_token"})
    client = Client(http=http(), access_token=tokens.access_token)
    try:
        return client.get_company_settings(deadline=settings.EACCOUNTING_CALL_SECONDS), ""
    except Forbidden as error:
        return None, error.kind


def _identity(tokens: TokenSet, answered: CompanySettings | None) -> _Identity:
    kinds = Connection.IdentityKind
    if tokens.company_claim:
        return _Identity(kinds.CLAIM, tokens.company_claim)
    if answered and answered.company_identifier:
        return _Identity(kinds.IDENTIFIER, answered.company_identifier)
    if answered and answered.registration_number:
        return _Identity(kinds.REGISTRATION_NUMBER, answered.registration_number)
    raise Unidentified


def _is(connection: Connection, identity: _Identity, answered: CompanySettings | None) -> bool:
    """Whether this company is the one of the connection; identities of different kinds cannot be compared."""
    if connection.identity_kind == identity.kind:
        return connection.identity == identity.value
    number = answered.registration_number if answered else ""
    return bool(number) and connection.registration_number == number


def _row(account: Account, identity: _Identity) -> Connection:
    """Return the connection row of a company that the account had before, or a new one."""
    key = {"account": account, "identity_kind": identity.kind, "identity": identity.value}
    return Connection.without_tokens().filter(**key).first() or Connection(**key)


def marked(account: Account, mark: str) -> Connection:
    """Return the current connection if it is still the one that the form was about. Raises Superseded."""
    connection = current_connection(account.pk)
    if connection is None or connection.mark != mark:
        raise Superseded
    return connection


def disconnect(*, user: User | None, connection: Connection, erase: bool = False) -> int:
    """Revoke our access and forget the tokens; links stay. Return how many waiting pushes were cancelled.

    With `erase` a worker also erases the copy of the customers that are not linked (delivery/customer_index.py).
    `user` is None when an operator does it. Raises Superseded when it is no longer what is connected, and LockTaken
    while a refresh is under way for long.
    """
    with token_lock(connection.account_id, patience=LOCK_PATIENCE):
        seen, connection = connection, Connection.without_tokens().get(pk=connection.pk)
        is_left = not connection.is_current or connection.state == Connection.State.DISCONNECTED
        if is_left or connection.generation != seen.generation:
            raise Superseded
        token = revocable(connection)
        with transaction.atomic():
            connection.disconnect()
            cancelled = _cancel_waiting(connection, user, EventKind.CANCELLED_WITH)
            parameters = {"cancelled": cancelled, "name": connection.name}
            Event.add(EventKind.DISCONNECTED, connection=connection, actor=user, parameters=parameters)
            if erase:
                CustomerIndex.begin_erasing(connection)
        reach(Point.DISCONNECT_COMMITTED)
        if token:
            revoke_quietly(token)
    return cancelled


def _cancel_waiting(connection: Connection, user: User | None, why: EventKind) -> int:
    """Cancel waiting pushes, with an event in each company's activity. Return how many."""
    companies = Push.cancel_waiting(connection=connection, now=database_now())
    Event.add_to_each(companies, why, connection=connection, actor=user)
    return len(companies)


def test(connection: Connection) -> str:
    """Read the company settings; return the reason why customers cannot be written, or "".

    Raises TooBusy, NotConnected and every EAccountingError.
    """
    return upkeep.apply_settings(connection, calls.read_company_settings(connection))


def choose_terms(
    *, user: User, connection: Connection, terms: TermsOfPayment, offered: Iterable[TermsOfPayment] | None = None
) -> None:
    """Confirm the terms of new customers, and which others may be chosen (None: unchanged). Waiting pushes go on.

    Raises Superseded when eAccounting renamed or changed the terms after this person had read them.
    """
    now, seen = database_now(), terms.meaning
    with transaction.atomic():
        # Lock the connection before its terms, in the same order as reloading them does.
        Connection.objects.select_for_update(no_key=True).values_list("pk").get(pk=connection.pk)
        terms = TermsOfPayment.objects.get(pk=terms.pk)
        if terms.meaning != seen or not terms.is_choosable:
            raise Superseded
        if offered is not None:
            connection.offer_terms(ids=[one.pk for one in offered])
        connection.choose_terms(terms=terms, user=user, now=now)
        parameters = {"name": terms.name, "name_english": terms.name_english}
        Event.add(EventKind.TERMS_CHOSEN, connection=connection, actor=user, parameters=parameters)
        push_queue.pull_forward(connection=connection, now=now, reasons=(WaitReason.TERMS,))


def suggested_terms(connection: Connection) -> TermsOfPayment | None:
    """Return the chosen terms, else eAccounting's own default, when it can be chosen."""
    if connection.default_terms and connection.default_terms.is_choosable:
        return connection.default_terms
    rows = TermsOfPayment.objects.filter(connection=connection, gone_at=None, for_sales=True)
    return rows.filter(remote_id=connection.company_terms_id or UUID(int=0)).first()
