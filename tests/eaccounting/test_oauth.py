"""OAuth against the sandbox: the way there, the way back, and each way it can fail."""

import base64
import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations.eaccounting import oauth
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    RateLimited,
    ServerError,
    UnexpectedAnswer,
    Unreachable,
)
from integrations.eaccounting.oauth import OAuthConfig
from tests.eaccounting.conftest import config_for, connect, consent
from tests.eaccounting.raw_server import RawServer, answer, says, silent


def fails(call: Callable[[], object]) -> EAccountingError:
    with pytest.raises(EAccountingError) as caught:
        call()
    assert caught.value.__context__ is None
    return caught.value


def test_the_request_for_consent(config: OAuthConfig) -> None:
    request = oauth.authorization_request(config=config)
    query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(request.code_verifier.encode()).digest())
    assert request.url.startswith(config.identity_url + "/connect/authorize?")
    assert query == {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": config.redirect_uri,
        "scope": "ea:api ea:sales offline_access",
        "state": request.state,
        "code_challenge": challenge.rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "prompt": "select_account",
        "acr_values": "service:44643EB1-3F76-4C1C-A672-402AE8085934",
    }
    again = oauth.authorization_request(config=config)
    assert (again.state, again.code_verifier) != (request.state, request.code_verifier)
    assert len(request.state) >= 30
    assert request.state not in repr(request)


def test_a_real_address_stays_https() -> None:
    request = oauth.authorization_request(config=config_for("https://identity.vismaonline.com/"))
    assert request.url.startswith("https://identity.vismaonline.com/connect/authorize?")


def test_allowing_brings_tokens_for_the_chosen_company(sandbox: Sandbox, config: OAuthConfig) -> None:
    tokens = connect(sandbox, config, company="2")
    company = sandbox.world.company("2")
    assert company is not None
    assert tokens.company_claim == company["VismaOnlineId"]
    assert tokens.expires_in == 3600
    assert tokens.refresh_token
    assert set(tokens.scope.split()) == {"ea:api", "ea:sales", "offline_access"}


@pytest.mark.parametrize("expected", [None, "", "other"])
def test_a_foreign_state_is_refused_first(config: OAuthConfig, expected: str | None) -> None:
    query = {"state": "mine", "error": "access_denied", "iss": "https://evil.example"}
    error = fails(lambda: oauth.parse_callback(config=config, query=query, expected_state=expected))
    assert isinstance(error, oauth.StateMismatch)


def test_a_missing_state_is_refused(config: OAuthConfig) -> None:
    error = fails(lambda: oauth.parse_callback(config=config, query={"code": "x"}, expected_state="mine"))
    assert isinstance(error, oauth.StateMismatch)


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ({"error": "access_denied"}, oauth.ConsentDenied),
        ({"error": "invalid_scope"}, oauth.AuthorizationRefused),
        ({}, oauth.MissingCode),
        ({"code": ""}, oauth.MissingCode),
        ({"code": "x", "iss": "https://evil.example"}, oauth.IssuerMismatch),
        ({"code": "x", "iss": ""}, oauth.IssuerMismatch),
    ],
)
def test_ways_back_without_a_code(config: OAuthConfig, query: dict[str, str], kind: type) -> None:
    error = fails(lambda: oauth.parse_callback(config=config, query={"state": "s", **query}, expected_state="s"))
    assert type(error) is kind


def test_the_refusal_names_the_error_but_only_if_it_is_one(config: OAuthConfig) -> None:
    def refused(value: str) -> oauth.AuthorizationRefused:
        query = {"state": "s", "error": value}
        error = fails(lambda: oauth.parse_callback(config=config, query=query, expected_state="s"))
        assert isinstance(error, oauth.AuthorizationRefused)
        return error

    assert refused("invalid_scope").parameters == {"error": "invalid_scope"}
    assert refused("<script>").error == ""


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_issuers_last_slash_does_not_matter(slash: str) -> None:
    config = config_for("https://identity.vismaonline.com" + slash)
    query = {"state": "s", "code": "c", "iss": "https://identity.vismaonline.com/"}
    assert oauth.parse_callback(config=config, query=query, expected_state="s") == "c"


def test_denying(sandbox: Sandbox, config: OAuthConfig) -> None:
    request = oauth.authorization_request(config=config)
    query = consent(sandbox, request.url, decision="deny")
    error = fails(lambda: oauth.parse_callback(config=config, query=query, expected_state=request.state))
    assert isinstance(error, oauth.ConsentDenied)


def test_a_code_works_once(sandbox: Sandbox, config: OAuthConfig) -> None:
    request = oauth.authorization_request(config=config)
    code = consent(sandbox, request.url)["code"]

    def exchange() -> object:
        return oauth.exchange_code(config=config, code=code, code_verifier=request.code_verifier)

    exchange()
    assert isinstance(fails(exchange), ConnectionRevoked)


def test_a_code_needs_its_verifier(sandbox: Sandbox, config: OAuthConfig) -> None:
    request = oauth.authorization_request(config=config)
    code = consent(sandbox, request.url)["code"]
    error = fails(lambda: oauth.exchange_code(config=config, code=code, code_verifier="x" * 64))
    assert isinstance(error, ConnectionRevoked)


def test_a_rotated_refresh_token_comes_back(sandbox: Sandbox, config: OAuthConfig) -> None:
    first = connect(sandbox, config)
    second = oauth.refresh(config=config, refresh_token=str(first.refresh_token))
    assert second.refresh_token not in (None, first.refresh_token)
    assert second.access_token != first.access_token
    error = fails(lambda: oauth.refresh(config=config, refresh_token=str(first.refresh_token)))
    assert isinstance(error, ConnectionRevoked)
    assert not error.retryable
    assert isinstance(
        fails(lambda: oauth.refresh(config=config, refresh_token=str(second.refresh_token))), ConnectionRevoked
    )


def test_a_reusable_refresh_token_stays_good(sandbox: Sandbox, config: OAuthConfig) -> None:
    sandbox.switch(rotate_refresh_tokens=False)
    first = connect(sandbox, config)
    for _ in range(2):
        again = oauth.refresh(config=config, refresh_token=str(first.refresh_token))
        assert again.refresh_token == first.refresh_token


def test_no_refresh_token_in_the_answer_is_none(sandbox: Sandbox, config: OAuthConfig) -> None:
    sandbox.switch(rotate_refresh_tokens=False, answer_same_refresh_token=False)
    first = connect(sandbox, config)
    assert oauth.refresh(config=config, refresh_token=str(first.refresh_token)).refresh_token is None


def test_revoking_ends_the_grant(sandbox: Sandbox, config: OAuthConfig) -> None:
    tokens = connect(sandbox, config)
    oauth.revoke(config=config, token=str(tokens.refresh_token))
    error = fails(lambda: oauth.refresh(config=config, refresh_token=str(tokens.refresh_token)))
    assert isinstance(error, ConnectionRevoked)


def test_a_wrong_secret_is_ours_to_mend(sandbox: Sandbox, config: OAuthConfig) -> None:
    tokens = connect(sandbox, config)
    wrong = replace(config, client_secret="other")
    for call in (
        lambda: oauth.refresh(config=wrong, refresh_token=str(tokens.refresh_token)),
        lambda: oauth.revoke(config=wrong, token=str(tokens.refresh_token)),
    ):
        error = fails(call)
        assert isinstance(error, ClientMisconfigured)
        assert error.parameters == {"error": "invalid_client"}
    assert oauth.refresh(config=config, refresh_token=str(tokens.refresh_token)).access_token


def with_answer(data: bytes, *, timeout: float = 5.0) -> EAccountingError:
    with RawServer(says(data) if data else silent) as server:
        config = config_for(server.url, timeout=timeout)
        error = fails(lambda: oauth.refresh(config=config, refresh_token="very-secret"))
    assert "secret" not in f"{error!r} {error} {error.__dict__}"
    return error


@pytest.mark.parametrize(
    ("head", "body", "kind", "may_have_been_done"),
    [
        (b"400 Bad Request", b'{"error": "invalid_grant"}', ConnectionRevoked, False),
        (b"401 Unauthorized", b'{"error": "invalid_grant"}', ConnectionRevoked, False),
        (b"200 OK", b'{"error": "invalid_grant"}', ConnectionRevoked, False),
        (b"400 Bad Request", b'{"error": "invalid_client"}', ClientMisconfigured, False),
        (b"401 Unauthorized", b'{"error": "invalid_client"}', ClientMisconfigured, False),
        (b"401 Unauthorized", b"", ClientMisconfigured, False),
        (b"400 Bad Request", b'{"error": "unauthorized_client"}', ClientMisconfigured, False),
        (b"400 Bad Request", b'{"error": "invalid_scope"}', ClientMisconfigured, False),
        (b"400 Bad Request", b'{"error": "temporarily_unavailable"}', ServerError, True),
        (b"400 Bad Request", b"<html>", UnexpectedAnswer, False),
        (b"429 Too Many", b"", RateLimited, False),
        (b"500 Oops", b'{"error": "invalid_grant"}', ServerError, True),
        (b"503 Oops", b"<html>", ServerError, True),
        (b"200 OK", b"<html>", UnexpectedAnswer, True),
        (b"200 OK", b"", UnexpectedAnswer, True),
        (b"200 OK", b'{"token_type": "Bearer"}', UnexpectedAnswer, True),
    ],
)
def test_answers_of_the_token_endpoint(head: bytes, body: bytes, kind: type, may_have_been_done: bool) -> None:
    error = with_answer(answer(body, head=b"HTTP/1.1 " + head))
    assert type(error) is kind
    assert error.may_have_been_done is may_have_been_done


def test_a_lost_answer_may_have_rotated_the_token() -> None:
    error = with_answer(b"", timeout=0.3)
    assert isinstance(error, Unreachable)
    assert error.may_have_been_done


def test_a_redirect_of_the_token_endpoint_is_not_followed() -> None:
    with RawServer(says(answer())) as other:
        location = b"Location: " + other.url.encode() + b"/connect/token\r\n"
        error = with_answer(answer(b"", head=b"HTTP/1.1 307 Moved", extra=location))
    assert (type(error), error.code) == (UnexpectedAnswer, "redirected")
    assert other.requests == []


def test_nobody_there() -> None:
    with RawServer(silent) as server:
        config = config_for(server.url)
    error = fails(lambda: oauth.refresh(config=config, refresh_token="x"))
    assert isinstance(error, Unreachable)
    assert not error.may_have_been_done


@pytest.mark.parametrize(
    ("body", "seconds", "scope"),
    [
        (b'{"access_token": "a"}', 3600, ""),
        (b'{"access_token": "a", "expires_in": "abc", "refresh_token": "r"}', 3600, ""),
        (b'{"access_token": "a", "expires_in": 5, "scope": "ea:api", "token_type": "BEARER"}', 5, "ea:api"),
        (b'{"access_token": "a", "expires_in": null, "expires_at": "never"}', 3600, ""),
        (b'{"access_token": "a", "expires_in": 1e300, "token_type": 5}', 86_400, ""),
        (b'{"access_token": "a", "expires_in": 1e400, "scope": 5}', 86_400, ""),
        (b'{"access_token": "a", "expires_in": Infinity, "id_token": "\xff\x00"}', 3600, ""),
        (b'{"access_token": "a", "expires_in": NaN, "scope": {"a": 1}, "token_type": null}', 3600, ""),
        (b'{"access_token": "a", "expires_in": true, "token_type": ["mac"], "scope": [[]]}', 3600, ""),
    ],
)
def test_answers_that_say_little_are_accepted(body: bytes, seconds: int, scope: str) -> None:
    with RawServer(says(answer(body))) as server:
        tokens = oauth.refresh(config=config_for(server.url), refresh_token="x")
    assert (tokens.access_token, tokens.expires_in, tokens.scope) == ("a", seconds, scope)


def test_the_request_is_what_the_contract_says() -> None:
    with RawServer(says(answer(b'{"access_token": "a"}'))) as server:
        config = config_for(server.url, user_agent="LimeGo-Visma/1.2")
        oauth.refresh(config=config, refresh_token="r/1+ å")
        oauth.exchange_code(config=config, code="c", code_verifier="v" * 50)
    first, second = (request.split(b"\r\n\r\n") for request in server.requests)
    basic = base64.b64encode(b"sandbox-client:sandbox-secret")
    assert b"Authorization: Basic " + basic in first[0]
    assert b"User-Agent: LimeGo-Visma/1.2" in first[0]
    assert parse_qs(first[1].decode()) == {"grant_type": ["refresh_token"], "refresh_token": ["r/1+ å"]}
    assert parse_qs(second[1].decode()) == {
        "grant_type": ["authorization_code"],
        "code": ["c"],
        "redirect_uri": [config.redirect_uri],
        "code_verifier": ["v" * 50],
    }


@pytest.mark.parametrize("url", ["http://identity.example", "http://10.0.0.1:8000", "identity.example"])
def test_http_is_for_this_machine_only(url: str) -> None:
    with pytest.raises(ValueError, match="https is needed"):
        config_for(url)


def test_the_secret_is_not_in_the_text_form(config: OAuthConfig) -> None:
    assert config.client_secret not in repr(config)


def test_nothing_secret_is_logged(sandbox: Sandbox, config: OAuthConfig, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        tokens = connect(sandbox, config)
        again = oauth.refresh(config=config, refresh_token=str(tokens.refresh_token))
        oauth.revoke(config=config, token=str(again.refresh_token))
    logged = caplog.text
    for secret in (tokens.access_token, tokens.refresh_token, again.access_token, config.client_secret):
        assert str(secret) not in logged
    assert caplog.records  # urllib3 does log at this level: the check above could fail


def test_the_process_is_not_made_insecure(server: SandboxServer, config: OAuthConfig) -> None:
    connect(server.sandbox, config)
    assert "OAUTHLIB_INSECURE_TRANSPORT" not in os.environ
