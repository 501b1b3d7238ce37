"""The sandbox's identity server: the consent page's checks, codes, tokens and scopes."""

import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from dev.sandbox.core import Sandbox
from dev.sandbox.messages import Request, Response
from integrations.eaccounting import oauth
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import ConnectionRevoked, Unauthorized
from integrations.eaccounting.oauth import OAuthConfig
from tests.eaccounting.conftest import REDIRECT_URI, connect, consent

pytestmark = pytest.mark.thorough  # the stand-in, and nothing of the product

GOOD = {
    "response_type": "code",
    "client_id": "sandbox-client",
    "redirect_uri": REDIRECT_URI,
    "scope": "ea:api ea:sales offline_access",
    "state": "s",
}


def send(sandbox: Sandbox, method: str, target: str, form: dict[str, str] | None = None, **headers: str) -> Response:
    body = urlencode(form or {}).encode()
    return sandbox.handle(Request.of(method=method, target=target, headers=headers, body=body))


def authorize(sandbox: Sandbox, **changes: str) -> Response:
    return send(sandbox, "GET", "/connect/authorize?" + urlencode(GOOD | changes))


def way_back(response: Response) -> dict[str, str]:
    assert response.status == 302
    assert response.headers["Location"].startswith(REDIRECT_URI)
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


def test_the_page_names_the_companies(sandbox: Sandbox) -> None:
    page = authorize(sandbox).body.decode()
    for text in ("Nordvik Bygg AB", "Fjordlys AS", "Allow", "Deny", "Sandbox"):
        assert text in page


@pytest.mark.parametrize("changes", [{"client_id": "other"}, {"redirect_uri": REDIRECT_URI + "x"}])
def test_a_stranger_is_not_redirected(sandbox: Sandbox, changes: dict[str, str]) -> None:
    response = authorize(sandbox, **changes)
    assert response.status == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "ea:api ea:everything"}, "invalid_scope"),
        ({"code_challenge": "short", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": "x" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"prompt": "none"}, "interaction_required"),
    ],
)
def test_a_wrong_request_comes_back_with_its_error(sandbox: Sandbox, changes: dict[str, str], error: str) -> None:
    back = way_back(authorize(sandbox, **changes))
    assert (back["error"], back["state"], back["iss"]) == (error, "s", sandbox.world.settings.issuer)


def test_a_company_must_be_chosen(sandbox: Sandbox) -> None:
    target = "/connect/authorize?" + urlencode(GOOD)
    response = send(sandbox, "POST", target, {"decision": "allow", "company": "9"})
    assert response.status == 400
    assert "Choose a company" in response.body.decode()


def test_a_code_is_over_after_five_minutes(sandbox: Sandbox, config: OAuthConfig) -> None:
    request = oauth.authorization_request(config=config)
    code = consent(sandbox, request.url)["code"]
    sandbox.world.clock_offset += 301
    with pytest.raises(ConnectionRevoked):
        oauth.exchange_code(config=config, code=code, code_verifier=request.code_verifier)


def test_a_code_used_twice_takes_back_what_it_gave(sandbox: Sandbox, config: OAuthConfig) -> None:
    request = oauth.authorization_request(config=config)
    code = consent(sandbox, request.url)["code"]
    tokens = oauth.exchange_code(config=config, code=code, code_verifier=request.code_verifier)
    with pytest.raises(ConnectionRevoked):
        oauth.exchange_code(config=config, code=code, code_verifier=request.code_verifier)
    with pytest.raises(ConnectionRevoked):
        oauth.refresh(config=config, refresh_token=str(tokens.refresh_token))


def test_a_token_is_over_after_its_lifetime(sandbox: Sandbox, client: Client) -> None:
    assert client.get_company_settings(deadline=60).name
    sandbox.world.clock_offset += 3601
    with pytest.raises(Unauthorized):
        client.get_company_settings(deadline=60)


def token_request(sandbox: Sandbox, form: dict[str, str], **headers: str) -> tuple[int, str]:
    response = send(sandbox, "POST", "/connect/token", form, **headers)
    return response.status, json.loads(response.body).get("error", "")


BODY_CREDENTIALS = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}


def test_credentials_may_be_in_the_body(sandbox: Sandbox, config: OAuthConfig) -> None:
    tokens = connect(sandbox, config)
    form = {"grant_type": "refresh_token", "refresh_token": str(tokens.refresh_token)}
    assert token_request(sandbox, form | BODY_CREDENTIALS) == (200, "")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "unknown"}, "invalid_grant"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x", "scope": "ea:api"}, "invalid_request"),
        ({"grant_type": "authorization_code", "code": "x", "redirect_uri": REDIRECT_URI}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_token_requests_that_are_refused(sandbox: Sandbox, form: dict[str, str], error: str) -> None:
    assert token_request(sandbox, form | BODY_CREDENTIALS) == (400, error)


@pytest.mark.parametrize("header", ["", "Basic !!!", "Basic eDp5", "Bearer x"])
def test_a_client_that_does_not_prove_itself(sandbox: Sandbox, header: str) -> None:
    assert token_request(sandbox, {"grant_type": "refresh_token"}, Authorization=header) == (400, "invalid_client")


@pytest.mark.parametrize(
    ("scopes", "method", "target", "status"),
    [
        ("ea:api ea:sales_readonly", "GET", "/v2/customers", 200),
        ("ea:api ea:sales_readonly", "POST", "/v2/customers", 403),
        ("ea:api ea:purchase", "GET", "/v2/customers", 403),
        ("ea:api ea:purchase", "GET", "/v2/termsofpayments", 200),
        ("ea:api ea:accounting", "GET", "/v2/users", 200),
        ("ea:sales", "GET", "/v2/customers", 403),
    ],
)
def test_scopes(sandbox: Sandbox, scopes: str, method: str, target: str, status: int) -> None:
    page = send(
        sandbox,
        "POST",
        "/connect/authorize?" + urlencode(GOOD | {"scope": scopes}),
        {"decision": "allow", "company": "1"},
    )
    form = {"grant_type": "authorization_code", "code": way_back(page)["code"], "redirect_uri": REDIRECT_URI}
    answer = json.loads(send(sandbox, "POST", "/connect/token", form | BODY_CREDENTIALS).body)
    assert "refresh_token" not in answer
    response = send(sandbox, method, target, Authorization=f"Bearer {answer['access_token']}")
    assert response.status == status
    if status == 403:
        assert json.loads(response.body)["ErrorCode"] == 4006


def test_an_opaque_token_names_no_company(sandbox: Sandbox, config: OAuthConfig) -> None:
    sandbox.switch(opaque_access_tokens=True)
    assert connect(sandbox, config).company_claim is None


def test_grants_of_one_company_can_be_revoked(sandbox: Sandbox, config: OAuthConfig) -> None:
    first, second = connect(sandbox, config, company="1"), connect(sandbox, config, company="2")
    assert sandbox.revoke_grants(company="1") == 1
    with pytest.raises(ConnectionRevoked):
        oauth.refresh(config=config, refresh_token=str(first.refresh_token))
    assert oauth.refresh(config=config, refresh_token=str(second.refresh_token)).access_token
