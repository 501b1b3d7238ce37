"""What `make run` says when it cannot run: one sentence, never a traceback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dev.launcher.__main__ import CannotRun, _one_at_a_time, _refuse_used_port, _run_to_end, _watch
from dev.launcher.environment import LocalEnvironment


def _environment(**variables: str) -> LocalEnvironment:
    return LocalEnvironment(
        variables={**os.environ, **variables}, port=1, sandbox_port=2, data=Path(), has_sandbox=True
    )


@pytest.mark.parametrize(
    ("command", "name", "value", "sentence"),
    [
        ("check", "FIELD_ENCRYPTION_KEYS", "bad", "Key 1 of FIELD_ENCRYPTION_KEYS is not a Fernet key."),
        ("check", "BASE_URL", "crm.example", "BASE_URL must be an address such as"),
        ("check", "SECRET_KEY", "", "HINT: Set SECRET_KEY"),
        ("migrate", "DATABASE_URL", "postgresql://a:b@127.0.0.1:1/c", "Connection refused"),
    ],
)
def test_a_wrong_setting_is_named_without_a_traceback(command: str, name: str, value: str, sentence: str) -> None:
    with pytest.raises(CannotRun, match=sentence) as raised:
        _run_to_end("manage.py", command, environment=_environment(**{name: value}))
    assert "Traceback" not in str(raised.value)
    assert "Exception" not in str(raised.value)


def test_a_used_port_is_named_with_one_that_leaves_room_for_the_sandbox() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotRun, match=rf"Port {port} .*Address already in use.* PORT={port + 10}"):
            _refuse_used_port(port, "PORT")


def test_a_second_start_from_the_same_folder_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    with _one_at_a_time(tmp_path), pytest.raises(CannotRun, match="already running from this folder"):
        _one_at_a_time(tmp_path)
    _one_at_a_time(tmp_path).close()


def test_a_store_that_died_is_named_with_its_log() -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with pytest.raises(CannotRun, match=r"The postgres process ended by itself; .*postgres/log says why"):
        _watch({"postgres": dead})
