"""`python -m dev.sandbox`, as make run starts it."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.thorough  # the stand-in, and nothing of the product

ROOT = Path(__file__).parents[2]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "dev.sandbox", *options]


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(command(*options), stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield process, re.sub(r".*(http://\S+).*", r"\1", line.strip())
        finally:
            process.kill()


def speak(url: str, method: str, name: str, body: str = "{}") -> str:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request(method, f"/_sandbox/{name}", body=body if method == "POST" else None)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_when_told(ending: signal.Signals) -> None:
    with started("--no-rotate") as (process, url):
        assert "true" in speak(url, "GET", "ready")
        assert '"rotate_refresh_tokens":false' in speak(url, "GET", "switches")
        process.send_signal(ending)
        assert process.wait(10) == 0


def test_kill_minus_nine_loses_nothing(tmp_path: Path) -> None:
    with started("--data", str(tmp_path)) as (process, url):
        speak(url, "POST", "seed", '{"companies": {"1": {"customers": [{"Name": "Kept AB"}]}}}')
        os.kill(process.pid, signal.SIGKILL)
    with started("--data", str(tmp_path)) as (_, url):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.request("GET", "/company/1/customers")
        assert "Kept AB" in connection.getresponse().read().decode()
        connection.close()


def test_a_port_in_use_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = subprocess.run(command("--port", port), capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 1
    assert "cannot use 127.0.0.1" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr
