"""What the integration still needs to be told, at every start."""

import pytest
from django.conf import settings as configuration
from pytest_django import Settings

from integrations.checks import check_addresses, check_client, check_keys, check_token_lock


def test_a_complete_configuration_has_nothing_to_say() -> None:
    assert [*check_keys(), *check_client(), *check_addresses(), *check_token_lock()] == []


def test_without_a_key_no_process_starts(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = []
    (error,) = check_keys()
    assert error.is_serious()
    assert "Fernet" in str(error.hint)


@pytest.mark.parametrize("name", ["EACCOUNTING_CLIENT_ID", "EACCOUNTING_CLIENT_SECRET"])
def test_without_a_client_the_crm_starts_and_says_so(settings: Settings, name: str) -> None:
    setattr(settings, name, "")
    (notice,) = check_client()
    assert not notice.is_serious()
    assert name in notice.msg


@pytest.mark.parametrize("name", ["EACCOUNTING_IDENTITY_URL", "EACCOUNTING_API_URL"])
def test_tokens_travel_encrypted(settings: Settings, name: str) -> None:
    setattr(settings, name, "http://identity.example")
    (error,) = check_addresses()
    assert error.is_serious()
    assert name in error.msg
    setattr(settings, name, "https://identity.example")
    assert check_addresses() == []


@pytest.mark.parametrize("lookalike", ["http://localhost.evil.example", "http://127.0.0.1.evil.example"])
def test_a_host_that_only_begins_like_this_machine_is_another(settings: Settings, lookalike: str) -> None:
    settings.EACCOUNTING_API_URL = lookalike
    assert check_addresses()


@pytest.mark.parametrize("pool", [True, {"min_size": 2}, "true"])
def test_a_pool_that_would_keep_the_lock_on_tokens_is_refused(monkeypatch: pytest.MonkeyPatch, pool: object) -> None:
    monkeypatch.setitem(configuration.DATABASES["default"], "OPTIONS", {"pool": pool})
    (error,) = check_token_lock()
    assert error.is_serious()
    assert "pool" in error.msg


@pytest.mark.parametrize("sign", [("PORT", 6432), ("PORT", "6432"), ("DISABLE_SERVER_SIDE_CURSORS", True)])
def test_what_looks_like_a_pooler_is_told(monkeypatch: pytest.MonkeyPatch, sign: tuple[str, object]) -> None:
    monkeypatch.setitem(configuration.DATABASES["default"], *sign)
    (notice,) = check_token_lock()
    assert not notice.is_serious()
