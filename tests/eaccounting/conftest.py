"""The sandbox, over a socket and behind `responses`, and a person who allows access."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import responses

from dev.sandbox.core import Sandbox
from dev.sandbox.inprocess import mount
from dev.sandbox.messages import Request
from dev.sandbox.server import SandboxServer
from dev.sandbox.world import Settings
from integrations.eaccounting import oauth
from integrations.eaccounting.client import Client
from integrations.eaccounting.oauth import OAuthConfig
from integrations.eaccounting.transport import Http
from integrations.eaccounting.types import TokenSet
from tests.eaccounting.contract import API_URL, IDENTITY_URL, Contract

REDIRECT_URI = Settings().redirect_uris[0]


def config_for(identity_url: str, **options: object) -> OAuthConfig:
    return OAuthConfig(
        client_id=Settings().client_id,
        client_secret=Settings().client_secret,
        identity_url=identity_url,
        redirect_uri=REDIRECT_URI,
        **options,
    )


def consent(sandbox: Sandbox, url: str, *, company: str = "1", decision: str = "allow") -> dict[str, str]:
    """Do what a person does on the consent page; return the query of the way back."""
    parts = urlsplit(url)
    answer = sandbox.handle(
        Request.of(
            method="POST",
            target=f"{parts.path}?{parts.query}",
            headers={},
            body=urlencode({"company": company, "decision": decision}).encode(),
        )
    )
    assert answer.status == 302, answer.body
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def connect(sandbox: Sandbox, config: OAuthConfig, *, company: str = "1") -> TokenSet:
    request = oauth.authorization_request(config=config)
    query = consent(sandbox, request.url, company=company)
    code = oauth.parse_callback(config=config, query=query, expected_state=request.state)
    return oauth.exchange_code(config=config, code=code, code_verifier=request.code_verifier)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A sandbox behind a loopback port, in memory."""
    with SandboxServer(settings=Settings(rate_limit=100_000)) as running:
        yield running


@pytest.fixture
def sandbox(server: SandboxServer) -> Sandbox:
    """The sandbox behind `server`."""
    return server.sandbox


@pytest.fixture
def config(server: SandboxServer) -> OAuthConfig:
    return config_for(server.identity_url, timeout=5.0)


@pytest.fixture
def client_for(server: SandboxServer, config: OAuthConfig) -> Iterator[Callable[..., Client]]:
    http = Http(base_url=server.api_url, user_agent="LimeGo-Visma/test")

    def make(company: str = "1") -> Client:
        tokens = connect(server.sandbox, config, company=company)
        return Client(http=http, access_token=tokens.access_token)

    yield make
    http.close()


@pytest.fixture
def client(client_for: Callable[..., Client]) -> Client:
    """A client for the Swedish company."""
    return client_for()


@pytest.fixture
def contract() -> Iterator[Contract]:
    """The sandbox behind eAccounting's real addresses; every request and answer is held against openapi.yaml."""
    sandbox = Sandbox(settings=Settings(rate_limit=100_000, issuer=IDENTITY_URL))
    watched = Contract(sandbox=sandbox)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for base_url in (API_URL, IDENTITY_URL):
            mount(sandbox=sandbox, mock=mock, base_url=base_url, watch=watched.watch)
        yield watched
    sandbox.close()
    assert watched.violations == []
    assert watched.seen


@pytest.fixture
def contract_client(contract: Contract) -> Client:
    config = config_for(IDENTITY_URL)
    tokens = connect(contract.sandbox, config)
    return Client(http=Http(base_url=API_URL, user_agent="t"), access_token=tokens.access_token)
