"""The environment of `make run`: `.env` counts, blanks do not, and a wrong port is one sentence."""

import json
from pathlib import Path

import pytest
from environs import EnvError

from dev.launcher.environment import DECIDED_HERE, LocalEnvironment, read_environment


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the tests themselves is not what these are about."""
    for name in (*DECIDED_HERE, "PORT", "SANDBOX_PORT"):
        monkeypatch.delenv(name, raising=False)


def _read(folder: Path, *lines: str) -> LocalEnvironment:
    (folder / ".env").write_text("\n".join(lines))
    return read_environment(root=folder, data=folder)


def test_a_client_given_in_the_file_is_used_and_no_sandbox_starts(tmp_path: Path) -> None:
    environment = _read(tmp_path, "EACCOUNTING_CLIENT_ID=ours", "EACCOUNTING_API_URL=https://api.example/v2")
    assert not environment.has_sandbox
    assert environment.variables["EACCOUNTING_CLIENT_ID"] == "ours"
    assert "https://api.example/v2" in environment.announcement()


def test_stores_given_in_the_file_are_used(tmp_path: Path) -> None:
    environment = _read(tmp_path, "DATABASE_URL=postgresql://db.example/crm", "REDIS_URL=redis://redis.example/0")
    assert environment.variables["DATABASE_URL"] == "postgresql://db.example/crm"
    assert environment.variables["REDIS_URL"] == "redis://redis.example/0"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", "http://crm.example")
    assert _read(tmp_path, "BASE_URL=http://other.example").variables["BASE_URL"] == "http://crm.example"


def test_blank_lines_of_the_example_file_are_not_given(tmp_path: Path) -> None:
    environment = _read(tmp_path, *(f"{name}=" for name in (*DECIDED_HERE, "PORT", "SANDBOX_PORT")))
    assert environment.has_sandbox
    assert environment.variables["BASE_URL"] == "http://localhost:8000"
    assert environment.variables["SECRET_KEY"]
    assert "DATABASE_URL" not in environment.variables


def test_the_keys_are_kept_and_only_the_owner_may_read_them(tmp_path: Path) -> None:
    first, second = _read(tmp_path), _read(tmp_path)
    assert first.variables["SECRET_KEY"] == second.variables["SECRET_KEY"]
    file = tmp_path / "secrets.json"
    assert json.loads(file.read_text())["SECRET_KEY"] == first.variables["SECRET_KEY"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_sandbox_moves_along_with_the_port(tmp_path: Path) -> None:
    assert _read(tmp_path, "PORT=8001").sandbox_port == 8002


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["PORT=99999"], "PORT must be a number from 1 to 65535, not 99999."),
        (["PORT=-1"], "PORT must be a number from 1 to 65535, not -1."),
        (["SANDBOX_PORT=many"], "SANDBOX_PORT must be a number from 1 to 65535, not many."),
        (["PORT=8001", "SANDBOX_PORT=8001"], "PORT and SANDBOX_PORT are both 8001."),
    ],
)
def test_a_wrong_port_is_refused_with_one_sentence(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(EnvError, match=sentence):
        _read(tmp_path, *lines)


def test_a_file_that_is_no_text_is_refused_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"BASE_URL=\xff\xfe")
    with pytest.raises(EnvError, match="is not a text file in UTF-8"):
        read_environment(root=tmp_path, data=tmp_path)


def test_links_lead_to_the_sandboxs_own_pages_of_customers(tmp_path: Path) -> None:
    assert _read(tmp_path, "PORT=8001").variables["EACCOUNTING_CUSTOMER_URL"] == (
        "http://127.0.0.1:8002/customers/edit/{id}"
    )
    assert "EACCOUNTING_CUSTOMER_URL" not in _read(tmp_path, "EACCOUNTING_CLIENT_ID=ours").variables


def test_mails_are_files_that_the_block_names_unless_another_way_is_given(tmp_path: Path) -> None:
    kept = _read(tmp_path)
    assert kept.variables["EMAIL_URL"] == "file:///.data/mail"
    assert f"{tmp_path / 'mail'}, one file each" in kept.announcement()
    sent = _read(tmp_path, "EMAIL_URL=smtp://mail.example")
    assert sent.variables["EMAIL_URL"] == "smtp://mail.example"
    assert "one file each" not in sent.announcement()


def test_the_block_names_what_to_click_first_and_as_whom(tmp_path: Path) -> None:
    block = _read(tmp_path).announcement()
    assert "The first path, as anna@nordvik.example" in block
    assert "3. Companies > Brovakten Säkerhet AB > + Add as customer in Visma eAccounting" in block
    assert str(tmp_path / "log") in block


def test_a_mac_is_told_that_forking_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "PGGSSENCMODE" not in _read(tmp_path).variables
    monkeypatch.setattr("sys.platform", "darwin")
    assert _read(tmp_path).variables["PGGSSENCMODE"] == "disable"
    assert _read(tmp_path).variables["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] == "YES"
