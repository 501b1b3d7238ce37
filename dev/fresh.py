"""`make fresh`: the two commands' first minutes in new environments, with every Python and pip that counts.

For each Python that is found here and each pip: the tracked files in a new folder, a new .venv, `make run`, an answer
of /healthz, Ctrl-C. Needs the network and about a minute each.
The standard library only, and run by its path: nothing is installed yet.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEWEST = "newest"
# The first pip that came with each Python, the one that could not install an earlier lock (23.2.1), and today's.
PIPS = {"3.11": ("22.3", "23.2.1", NEWEST), "3.12": ("23.2.1", NEWEST), "3.13": ("24.2", NEWEST)}
INSTALL_SECONDS, ANSWER_SECONDS, STOP_SECONDS = 900, 120, 90


class Failed(Exception):
    """What did not work, with the last lines that it said."""


def _python(number: str) -> str | None:
    """Return a Python of this version that runs: of pyenv, or on the PATH."""
    versions = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    candidates = [*map(str, sorted(versions.glob(f"{number}.*/bin/python"))), shutil.which(f"python{number}")]
    works = [path for path in candidates if path and not _run([path, "-c", "import venv, ensurepip"]).returncode]
    return works[0] if works else None


def _run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS, **options)  # type: ignore[call-overload,no-any-return]  # its many options


def _must(command: list[str], folder: Path) -> str:
    done = _run(command, cwd=folder)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {_end_of(done.stdout + done.stderr)}")
    return str(done.stdout)


def _end_of(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-3:])


def _copy(folder: Path) -> None:
    """Put the files of this checkout into a new folder, as they are now."""
    for name in _must(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT).split("\0"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def _set_pip(pip: str, folder: Path) -> str:
    """Put this pip into the new environment; return its number."""
    asked = ["--upgrade", "pip"] if pip == NEWEST else [f"pip=={pip}"]
    _must([".venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *asked], folder)
    return _must([".venv/bin/python", "-m", "pip", "--version"], folder).split()[1]


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _status(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def _start_and_stop(python: str, folder: Path) -> None:
    """`make run` until it answers and says so, then Ctrl-C. Raises Failed."""
    port, sandbox_port = _free_ports()
    command = ["make", "run", f"PYTHON={python}", f"PORT={port}", f"SANDBOX_PORT={sandbox_port}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    said = folder / "said"
    with said.open("w") as output:
        running = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, start_new_session=True, env=environment
        )
    end = time.monotonic() + INSTALL_SECONDS + ANSWER_SECONDS
    try:
        while _status(port) != 200 or "Lime Go is running" not in said.read_text():
            if running.poll() is not None or time.monotonic() > end:
                raise Failed(f"no answer: {_end_of(said.read_text())}")
            time.sleep(0.5)
    finally:
        _interrupt(running)
    if "Stopped." not in said.read_text():
        raise Failed(f"no good end: {_end_of(said.read_text())}")


def _interrupt(running: subprocess.Popen[bytes]) -> None:
    """Do what Ctrl-C does: both make and the launcher get the signal."""
    if running.poll() is not None:
        return
    os.killpg(running.pid, signal.SIGINT)
    try:
        running.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def _try(python: str, pip: str) -> tuple[str, str]:
    """Return the pip's number and what came of it: "" when all was well."""
    with tempfile.TemporaryDirectory(prefix="limego-fresh-") as name:
        folder = Path(name)
        try:
            _copy(folder)
            _must([python, "-m", "venv", ".venv"], folder)
            pip = _set_pip(pip, folder)
            _start_and_stop(python, folder)
        except (Failed, subprocess.TimeoutExpired) as problem:
            return pip, str(problem)
    return pip, ""


def main() -> int:
    """Try all of them, or the Pythons named in the arguments, and print a table.

    Returns the exit status: 1 when one failed or no Python was found.
    """
    problems = tried = 0
    sys.stdout.write(f"{'Python':<9}{'pip':<9}{'seconds':<9}\n")
    for number in sys.argv[1:] or PIPS:
        python = _python(number)
        for pip in PIPS.get(number, (NEWEST,)) if python else ():
            began = time.monotonic()
            used, problem = _try(str(python), pip)
            problems, tried = problems + bool(problem), tried + 1
            sys.stdout.write(f"{number:<9}{used:<9}{time.monotonic() - began:<9.0f}{problem or 'runs and stops'}\n")
            sys.stdout.flush()
        if python is None:
            sys.stdout.write(f"{number:<9}not found here\n")
    return 1 if problems or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
