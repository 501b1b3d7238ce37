"""OAuth 2.0 with the Visma identity server: authorization code flow with PKCE (facts.md, OAuth).

requests-oauthlib never refreshes by itself here: its automatic refresh would send a customer's JSON to the
token endpoint (its issue 451). Callers refresh before a call, under their own lock.
"""

import hmac
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from oauthlib.oauth2 import WebApplicationClient
from requests_oauthlib import OAuth2Session

from integrations.eaccounting import jsontext
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    RateLimited,
    ServerError,
    UnexpectedAnswer,
)
from integrations.eaccounting.refusals import silence
from integrations.eaccounting.transport import (
    Answer,
    Http,
    Response,
    SessionAdapter,
    answer_of,
    authenticated,
    basic_authorization,
    check_url,
)
from integrations.eaccounting.types import SCOPES, TokenSet

# The picker then lists only companies that have eAccounting; it activates nothing (facts.md, OAuth).
ACR_VALUES = "service:44643EB1-3F76-4C1C-A672-402AE8085934"
AUTHORIZE_PATH = "/connect/authorize"
TOKEN_PATH = "/connect/token"  # noqa: S105  # a path
REVOCATION_PATH = "/connect/revocation"

# Both log tokens and request bodies at DEBUG.
for _name in (
    "requests_oauthlib",
    "requests_oauthlib.oauth2_session",
    "requests_oauthlib.oauth2_auth",
    "oauthlib",
):
    logging.getLogger(_name).setLevel(logging.INFO)


class AuthorizationError(EAccountingError):
    """The consent page returned no usable code; the subclasses say why."""


class ConsentDenied(AuthorizationError):
    """The person pressed Deny."""


class StateMismatch(AuthorizationError):
    """The state is missing, foreign or used: this answer does not belong to a request of ours."""


class MissingCode(AuthorizationError):
    """The answer holds neither a code nor an error."""


class IssuerMismatch(AuthorizationError):
    """The answer names another issuer than our identity server (RFC 9207)."""


class AuthorizationRefused(AuthorizationError):
    """The identity server refused the request itself; `error` is its OAuth error code."""

    error: str = ""


@dataclass(frozen=True, kw_only=True)
class OAuthConfig:
    """Our client and the identity server. Raises ValueError for an http address that is not this machine."""

    client_id: str
    client_secret: str = field(repr=False)
    identity_url: str
    redirect_uri: str
    user_agent: str = "LimeGo-Visma"
    timeout: float = 40.0
    """Seconds for a whole exchange with the token or revocation endpoint."""

    def __post_init__(self) -> None:
        check_url(url=self.identity_url)

    @property
    def base_url(self) -> str:
        """The identity server without a last slash."""
        return check_url(url=self.identity_url)

    @property
    def plain(self) -> bool:
        """Whether the identity server is a stand-in on this machine, without TLS."""
        return self.base_url.startswith("http://")


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """Where to send the browser, and what to keep in its session until it comes back."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)


def authorization_request(*, config: OAuthConfig) -> AuthorizationRequest:
    """Return a new request for consent, with its own state and PKCE verifier."""
    client = WebApplicationClient(config.client_id)
    verifier = client.create_code_verifier(64)
    session = OAuth2Session(client=client, redirect_uri=config.redirect_uri, scope=list(SCOPES))
    url, state = session.authorization_url(
        _shown(config) + AUTHORIZE_PATH,
        prompt="select_account",
        acr_values=ACR_VALUES,
        code_challenge=client.create_code_challenge(verifier, "S256"),
        code_challenge_method="S256",
    )
    return AuthorizationRequest(
        url=config.base_url + url.removeprefix(_shown(config)), state=state, code_verifier=verifier
    )


def parse_callback(*, config: OAuthConfig, query: Mapping[str, str], expected_state: str | None) -> str:
    """Return the code that the browser brought back.

    Raises StateMismatch, IssuerMismatch, ConsentDenied, AuthorizationRefused or MissingCode, in this order:
    an answer that is not for us is not looked into any further.
    """
    state = query.get("state", "")
    if not expected_state or not hmac.compare_digest(state.encode(), expected_state.encode()):
        raise StateMismatch("state_mismatch")
    issuer = query.get("iss")
    if issuer is not None and issuer.rstrip("/") != config.base_url:
        raise IssuerMismatch("issuer_mismatch")
    if "error" in query:
        raise _authorization_error(query["error"])
    if not query.get("code"):
        raise MissingCode("missing_code")
    return query["code"]


def exchange_code(*, config: OAuthConfig, code: str, code_verifier: str) -> TokenSet:
    """Exchange the code for tokens; a code can be used once, within 5 minutes.

    Raises ConnectionRevoked (the code is used, late or not ours), ClientMisconfigured, ServerError,
    RateLimited, UnexpectedAnswer, Unreachable, NotSent.
    """

    def ask(session: OAuth2Session) -> object:
        return session.fetch_token(
            _shown(config) + TOKEN_PATH,
            code=code,
            code_verifier=code_verifier,
            auth=authenticated(user=config.client_id, password=config.client_secret),
            timeout=config.timeout,
        )

    return _tokens(config, ask)


def refresh(*, config: OAuthConfig, refresh_token: str) -> TokenSet:
    """Return new tokens; `refresh_token` of the answer is None when the old one stays good.

    With `may_have_been_done` on an error the old refresh token may have been replaced without our knowing the
    new one. Raises ConnectionRevoked when a person must connect again, else as `exchange_code`.
    """

    def ask(session: OAuth2Session) -> object:
        return session.refresh_token(
            _shown(config) + TOKEN_PATH,
            refresh_token=refresh_token,
            auth=authenticated(user=config.client_id, password=config.client_secret),
            timeout=config.timeout,
        )

    return _tokens(config, ask)


def revoke(*, config: OAuthConfig, token: str) -> None:
    """Revoke a refresh token and with it the whole grant. Raises as `exchange_code`."""
    http = Http(base_url=config.base_url, user_agent=config.user_agent, pool_size=1)
    try:
        answer = http.request(
            "POST",
            REVOCATION_PATH,
            deadline=config.timeout,
            authorization=_basic(config),
            form={"token": token, "token_type_hint": "refresh_token"},
        )
    finally:
        http.close()
    if not 200 <= answer.status < 300:
        raise _token_error(answer)


def _shown(config: OAuthConfig) -> str:
    """Return the address as oauthlib needs to see it: it insists on https (see SessionAdapter)."""
    return "https://" + config.base_url.split("://", 1)[1]


def _basic(config: OAuthConfig) -> str:
    return basic_authorization(user=config.client_id, password=config.client_secret)


class _Answered(Exception):
    """Carries an answer out of oauthlib before oauthlib reads it."""

    def __init__(self, tokens: TokenSet) -> None:
        super().__init__()
        self.tokens = tokens


def _tokens(config: OAuthConfig, ask: Callable[[OAuth2Session], object]) -> TokenSet:
    """Ask the token endpoint and read its answer ourselves.

    oauthlib is too strict for us: it discards an answer with an odd `expires_in`, `scope` or `token_type`, and a
    rotated refresh token with it. It also fills in the old refresh token, which hides whether there was a new one. So
    it never sees the answer.
    """

    def read(response: Response) -> Response:
        raise _Answered(_token_set(response))

    with OAuth2Session(client=WebApplicationClient(config.client_id), redirect_uri=config.redirect_uri) as session:
        session.trust_env = False
        session.headers["User-Agent"] = config.user_agent
        session.adapters.clear()
        session.mount("https://", SessionAdapter(plain=config.plain))
        session.register_compliance_hook("access_token_response", read)
        session.register_compliance_hook("refresh_token_response", read)
        try:
            ask(session)
        except _Answered as answer:
            return answer.tokens
    raise UnexpectedAnswer("answer_unreadable")


def _token_set(response: Response) -> TokenSet:
    answer = answer_of(response=response)
    content = _decoded(answer.body)
    if not 200 <= answer.status < 300 or (isinstance(content, dict) and "error" in content):
        raise _token_error(answer)
    return TokenSet.from_json(content)


def _decoded(body: bytes) -> jsontext.Json:
    try:
        return jsontext.decode_patiently(body)
    except ValueError:
        return None


_TEMPORARY = frozenset({"temporarily_unavailable", "server_error"})
_OURS = frozenset(
    {"invalid_client", "unauthorized_client", "invalid_scope", "invalid_request", "unsupported_grant_type"}
)


def _token_error(answer: Answer) -> EAccountingError:
    """Return what an answer of the token endpoint means; a 5xx is never taken for a lost connection."""
    status, content = answer.status, _decoded(answer.body)
    error = _oauth_error(content.get("error")) if isinstance(content, dict) else ""
    if status >= 500 or error in _TEMPORARY:
        return ServerError("server_error", retryable=True, status=status, may_have_been_done=True)
    if status == 429:
        limited = RateLimited("rate_limited", retryable=True, status=status)
        limited.retry_after = silence(header=answer.headers.get("Retry-After"), text="")
        limited.parameters = {"retry_after": limited.retry_after}
        return limited
    if error == "invalid_grant":
        return ConnectionRevoked("connection_revoked", status=status)
    if error in _OURS or status == 401:
        return ClientMisconfigured(
            "client_misconfigured", parameters={"error": error or "invalid_client"}, status=status
        )
    return UnexpectedAnswer(status=status, parameters={"error": error}, may_have_been_done=status < 400)


def _authorization_error(value: str) -> AuthorizationError:
    error = _oauth_error(value)
    if error == "access_denied":
        return ConsentDenied("consent_denied")
    refused = AuthorizationRefused("authorization_refused", parameters={"error": error})
    refused.error = error
    return refused


def _oauth_error(value: object) -> str:
    """Return an OAuth error code, or "" if it does not look like one, because it comes from outside."""
    return value if isinstance(value, str) and re.fullmatch(r"[a-z0-9_.\-]{1,64}", value) else ""
