"""However much the processes say, their logs stay small, and the last of it is there."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev.launcher import __main__ as launcher
from dev.launcher import logs

LIMIT = 10_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", LIMIT)


def test_a_full_log_is_emptied_under_the_process_that_writes_to_it(tmp_path: Path) -> None:
    file, old = tmp_path / "log", tmp_path / "log.old"
    program = "import sys\nfor line in sys.stdin:\n    print(line * 1500, end='', flush=True)\n"
    with logs.open_log(file) as log:
        chatty = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=log, text=True)
    assert chatty.stdin is not None
    for number in range(1000, 1004):
        chatty.stdin.write(f"line {number}\n")
        chatty.stdin.flush()
        _until_written(file, f"line {number}\n")
        logs.trim(file)
        assert file.read_bytes() == b""
        assert old.read_bytes() == (f"line {number}\n" * 1500).encode()[-LIMIT:]
    chatty.communicate("the end\n")
    assert set(file.read_text().splitlines()) == {"the end"}  # no hole before it


def _until_written(file: Path, line: str) -> None:
    end = time.monotonic() + 20
    while file.stat().st_size < len(line) * 1500:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_log_within_its_limit_is_left_alone_and_goes_on(tmp_path: Path) -> None:
    for word in (b"one\n", b"two\n"):
        with logs.open_log(tmp_path / "log") as log:
            log.write(word)
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert not (tmp_path / "log.old").exists()


def test_a_log_of_many_starts_that_failed_is_cut_at_the_next(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a" * 74 * LIMIT + b"why\n")
    logs.open_log(tmp_path / "log").close()
    assert (tmp_path / "log").read_bytes() == b""
    assert (tmp_path / "log.old").read_bytes() == b"a" * (LIMIT - 4) + b"why\n"


@pytest.mark.parametrize("name", ["web", "postgres"])
def test_the_launcher_keeps_the_logs_of_processes_and_stores_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(launcher, "DATA", tmp_path)
    file = launcher._log(name)
    with logs.open_log(file) as log:
        log.write(b"a" * 3 * LIMIT)
    until_emptied = "import os, sys, time\nwhile os.path.getsize(sys.argv[1]):\n    time.sleep(0.05)\n"
    process = subprocess.Popen([sys.executable, "-c", until_emptied, str(file)])
    with pytest.raises(launcher.CannotRun, match=f"The {name} process ended by itself"):
        launcher._watch({name: process})
    assert file.with_name(f"{file.name}.old").stat().st_size == LIMIT
