"""Connect, reconnect, disconnect, test, choose terms: what the connection page's buttons mean.

Connecting, refreshing and disconnecting exclude each other by the same lock (locks.py).
"""

from dataclasses import dataclass
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import Account, User
from integrations.clock import database_now
from integrations.constraints import breaks
from integrations.crashpoints import Point, reach
from integrations.delivery import live, upkeep
from integrations.delivery.reads import note_blocked
from integrations.eaccounting import oauth
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import EAccountingError, Forbidden
from integrations.eaccounting.oauth import AuthorizationRequest
from integrations.eaccounting.types import CompanySettings, TokenSet
from integrations.gateway import http, oauth_config
from integrations.locks import token_lock
from integrations.models import Connection, CustomerLink, Event, EventKind, Push, TermsOfPayment
from integrations.services import Refusal, current_connection
from integrations.tokens import revoke_quietly

LOCK_PATIENCE = 10.0  # seconds
StartedFrom = tuple[int, int] | None  # the current connection's id and generation when the consent began


class Superseded(Refusal):
    """The account's connection changed while this person was at the consent page."""

    code = "connect_superseded"


class OtherCompany(Refusal):
    """Another eAccounting company was chosen than the one the account's links belong to."""

    code = "other_company"


class ConnectedElsewhere(Refusal):
    """This eAccounting company is connected in another account."""

    code = "connected_elsewhere"


class Unidentified(Refusal):
    """Neither the token nor the settings tell which company it is."""

    code = "unidentified"


@dataclass(frozen=True)
class _Identity:
    kind: str
    value: str


def begin() -> AuthorizationRequest:
    """Return where to send the browser for consent, and what its session must keep."""
    return oauth.authorization_request(config=oauth_config())


def started_from(connection: Connection | None) -> StartedFrom:
    """Return what `complete` compares, so that a consent that took long overwrites nothing newer."""
    return (connection.pk, connection.generation) if connection else None


def complete(*, user: User, account: Account, code: str, code_verifier: str, started: StartedFrom) -> Connection:
    """Exchange the code and keep the connection.

    Raises Superseded, OtherCompany, ConnectedElsewhere, Unidentified, LockTaken and every EAccountingError;
    a grant that is not kept is revoked.
    """
    with token_lock(account.pk, patience=LOCK_PATIENCE):
        if started_from(current_connection(account.pk)) != started:
            raise Superseded
        tokens = oauth.exchange_code(config=oauth_config(), code=code, code_verifier=code_verifier)
        reach(Point.CODE_EXCHANGED)
        try:
            return _keep(user, account, tokens)
        except (Refusal, EAccountingError):
            revoke_quietly(tokens.refresh_token or tokens.access_token)
            raise


def _keep(user: User, account: Account, tokens: TokenSet) -> Connection:
    answered, blocked = _company_settings(tokens)
    identity = _identity(tokens, answered)
    current = current_connection(account.pk)
    if current and not _is(current, identity, answered):
        _refuse_other(current, answered)
    now = database_now()
    try:
        with transaction.atomic():
            connection = _row(account, current, identity, answered)
            connection.connect(tokens=tokens, user=user, now=now)
            Event.add(EventKind.CONNECTED, connection=connection, actor=user)
            if blocked:
                note_blocked(connection, reason=blocked)
            if answered:
                upkeep.apply_settings(connection, answered)
            reach(Point.CONNECTION_SAVING)
    except IntegrityError as error:
        if not breaks(error, "connection_in_one_account"):
            raise
        raise ConnectedElsewhere from error
    return connection


def _company_settings(tokens: TokenSet) -> tuple[CompanySettings | None, str]:
    """Ask which company it is; a company that refuses its settings is still connected, but blocked."""
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
    """Whether this is the company of the connection; identities of different kinds cannot be compared."""
    if connection.identity_kind == identity.kind:
        return connection.identity == identity.value
    number = answered.registration_number if answered else ""
    return bool(number) and connection.registration_number == number


def _refuse_other(current: Connection, answered: CompanySettings | None) -> None:
    """Another company: refused while the account is connected; after Disconnect it was meant."""
    if current.state == Connection.State.DISCONNECTED:
        return
    links = CustomerLink.objects.filter(connection=current).count()
    raise OtherCompany(links=links, name=str(current), other=answered.name if answered else "")


def _row(
    account: Account, current: Connection | None, identity: _Identity, answered: CompanySettings | None
) -> Connection:
    """Return the row of this company: the current one, an earlier one, or a new one."""
    if current and _is(current, identity, answered):
        return current
    if current:
        current.step_aside()
    key = {"account": account, "identity_kind": identity.kind, "identity": identity.value}
    return Connection.without_tokens().filter(**key).first() or Connection(**key)


def disconnect(*, user: User, connection: Connection) -> int:
    """Revoke our access and forget the tokens; links stay. Return how many waiting pushes were cancelled.

    Raises LockTaken while a refresh is under way for long.
    """
    with token_lock(connection.account_id, patience=LOCK_PATIENCE):
        connection = Connection.without_tokens().get(pk=connection.pk)
        token = _readable_token(connection)
        with transaction.atomic():
            connection.disconnect()
            cancelled = Push.cancel_waiting(connection=connection, now=database_now())
            Event.add(EventKind.DISCONNECTED, connection=connection, actor=user, parameters={"cancelled": cancelled})
        reach(Point.DISCONNECT_COMMITTED)
        if token:
            revoke_quietly(token)
    return cancelled


def _readable_token(connection: Connection) -> str:
    """Return what can be revoked, if our keys still read it: the way out must stay open without them."""
    try:
        token: str = connection.refresh_token or connection.access_token
    except InvalidToken:
        return ""
    return token


def waiting_count(connection: Connection) -> int:
    """Return how many wishes a disconnect would cancel."""
    return Push.waiting_on(connection).count()


def test(connection: Connection) -> str:
    """Read the company settings; return the reason why customers cannot be written, or "".

    Raises TooBusy, NotConnected and every EAccountingError.
    """
    return upkeep.apply_settings(connection, live.read_company_settings(connection))


def choose_terms(*, user: User, connection: Connection, terms: TermsOfPayment) -> None:
    """Confirm the terms of payment that new customers get."""
    now = database_now()
    with transaction.atomic():
        connection.choose_terms(terms=terms, user=user, now=now)
        parameters = {"name": terms.name, "name_english": terms.name_english}
        Event.add(EventKind.TERMS_CHOSEN, connection=connection, actor=user, parameters=parameters)
        Push.pull_forward(connection=connection, now=now)


def suggested_terms(connection: Connection) -> TermsOfPayment | None:
    """Return the chosen terms, else eAccounting's own default, when it can be chosen."""
    if connection.default_terms and connection.default_terms.is_choosable:
        return connection.default_terms
    rows = TermsOfPayment.objects.filter(connection=connection, gone_at=None, for_sales=True)
    return rows.filter(remote_id=connection.company_terms_id or UUID(int=0)).first()
