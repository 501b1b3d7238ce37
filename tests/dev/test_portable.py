"""The launcher where Linux's own ways are missing, as on macOS, and what is said on Windows."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dev.launcher.processes import as_ordinary_user
from dev.launcher.stores import free_port

ROOT = Path(__file__).parent.parent.parent
# psutil asks Linux through another name of /proc; whoever else opens something there is told that it does not exist.
ELSEWHERE = """
import signal, sys
from pathlib import Path
import psutil
folder = Path(sys.argv[1])
if not (folder / "proc").exists():
    (folder / "proc").symlink_to("/proc")
psutil.PROCFS_PATH = str(folder / "proc")
del signal.sigtimedwait
def refuse(event, arguments):
    if event in {"open", "os.listdir", "os.scandir"} and str(arguments[0]).startswith("/proc"):
        raise FileNotFoundError(arguments[0])
sys.addaudithook(refuse)
from dev.launcher import __main__ as launcher
launcher.DATA, launcher.STARTED = folder / "data", folder / "data" / "started"
sys.exit(launcher.main())
"""
GIVEN = ("DATABASE_URL", "REDIS_URL", "BASE_URL", "ALLOWED_HOSTS", "EMAIL_URL", "EACCOUNTING_")


class Launcher:
    """`make run` without sigtimedwait, setpriv and /proc, in a folder and on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._said = folder, folder / "said"
        variables = {name: value for name, value in os.environ.items() if not name.startswith(GIVEN)}
        variables |= {"PATH": str(folder), "PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
        self._variables = variables | {"STATIC_ROOT": str(folder / "static")}
        self.started: list[int] = []

    def start(self) -> subprocess.Popen[bytes]:
        """Start it and wait until it says that it runs. Root's runs as somebody else, as on every other machine."""
        command = as_ordinary_user([sys.executable, "-c", ELSEWHERE, str(self.folder)])
        with self._said.open("w") as said:
            running = subprocess.Popen(command, cwd=ROOT, env=self._variables, stdout=said, stderr=said)
        self.started.append(running.pid)
        end = time.monotonic() + 300
        while "Lime Go is running" not in self.said():
            assert running.poll() is None, self.said()
            assert time.monotonic() < end, self.said()
            time.sleep(0.2)
        return running

    def said(self) -> str:
        return self._said.read_text()

    def processes(self) -> list[int]:
        """The numbers of those that it started."""
        lines = (self.folder / "data" / "started").read_text().splitlines()
        return [json.loads(line)[0] for line in lines]


def _alive(numbers: list[int]) -> list[int]:
    """Those that still run. Where nobody collects the dead, they keep their numbers."""
    running = [psutil.Process(number) for number in numbers if psutil.pid_exists(number)]
    return [process.pid for process in running if process.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    """One that leaves nothing behind, whatever becomes of the test."""
    given = Launcher(tmp_path)
    yield given
    for number in (*_alive(given.started), *_alive(given.processes())):
        os.kill(number, signal.SIGKILL)


@pytest.mark.workers
@pytest.mark.timeout(900)
def test_it_runs_stops_and_survives_a_kill_without_what_only_linux_has(launcher: Launcher) -> None:
    first = launcher.start()
    left = launcher.processes()
    assert len(left) == 9
    first.kill()
    first.wait()
    assert _alive(left) == left  # nothing here ends them with it
    second = launcher.start()
    assert _alive(left) == []
    now = launcher.processes()
    assert len(now) == 9
    assert (launcher.folder / "data" / "mail").stat().st_mode & 0o777 == 0o700
    second.send_signal(signal.SIGINT)
    assert second.wait(300) == 0
    assert "Stopped." in launcher.said()
    assert _alive(now) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_without_setpriv_becomes_nobody_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    who = str(shutil.which("id"))
    closed = tmp_path / "program"
    closed.touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = subprocess.run(as_ordinary_user([who, "-un"]), capture_output=True, text=True, check=True)
    assert done.stdout == "nobody\n"
    done = subprocess.run(as_ordinary_user([str(closed)]), capture_output=True, text=True, check=False)
    assert "Permission denied" in done.stderr
    assert "or run it as an ordinary user" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["dev.launcher.__main__", "limego_visma.settings"])
def test_on_windows_one_sentence_names_wsl_before_anything_can_break(module: str) -> None:
    missing = ("fcntl", "pwd", "grp", "resource", "psutil", "celery", "django", "redis")
    program = f"import sys; sys.platform = 'win32'; sys.modules |= dict.fromkeys({missing}); import {module}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "Lime Go runs on Linux and macOS. On Windows, run it inside WSL 2 (in PowerShell: wsl --install).\n"
    )
