"""Start programs so that nothing is left of them: with the kernel's help on Linux, with a list elsewhere."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

STOP_SECONDS = 30
_BECOME = """\
import os, sys
user, group = map(int, sys.argv[1:3])
os.setgroups([])
os.setgid(group)
os.setuid(user)
try:
    os.execv(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{error}. Root needs setpriv (of util-linux) for a folder like this; or run it as an ordinary user.")
"""


def dies_with_parent(command: list[str], *, signal_name: str = "TERM") -> list[str]:
    """Prefix a command so that the kernel ends it when this process is killed, where there is `setpriv` (Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, "--", *command] if setpriv else command


def nobody() -> tuple[int, int]:
    """Return the user and the group that root's PostgreSQL runs as; the group has another name on each system."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def as_ordinary_user(command: list[str]) -> list[str]:
    """Prefix a command of PostgreSQL's, which refuses to be root, when we are root.

    `setpriv` also lets it reach into folders that only root may enter; without it, only folders open to all will do.
    """
    if os.geteuid() != 0:
        return command
    user, group = map(str, nobody())
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return [sys.executable, "-c", _BECOME, user, group, *command]
    # Without the secure bit, access(2) forgets the right when the user is not root, and initdb asks by access(2).
    identity = ["--securebits", "+no_setuid_fixup", "--reuid", user, "--regid", group, "--clear-groups"]
    reaching = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return [setpriv, *identity, *reaching, "--", *command]


def stop(process: subprocess.Popen[bytes], *, signal_number: int, seconds: float = STOP_SECONDS) -> None:
    """Ask a process to end; kill it when it has not done so in time."""
    process.send_signal(signal_number)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def runs(number: int, command: list[str]) -> bool:
    """Whether the process with this number is the one that was started with this command.

    After a restart of the machine another process may have its number. The program's own path is left out: Python
    changes it on macOS.
    """
    try:
        words: list[str] = psutil.Process(number).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
        return False
    return words[1:] == command[1:]


def note(file: Path, process: subprocess.Popen[bytes], command: list[str]) -> None:
    """Write down a process that `end_leftovers` ends when we are killed before we could."""
    with file.open("a") as notes:
        notes.write(f"{json.dumps([process.pid, command])}\n")


def end_leftovers(file: Path) -> None:
    """End what a killed run left behind, the last first, and begin a new list."""
    lines = file.read_text().splitlines() if file.exists() else []
    for line in reversed(lines):
        with suppress(json.JSONDecodeError):  # half a line: we were killed at writing it
            number, command = json.loads(line)
            _end(number, command)
    file.unlink(missing_ok=True)


def _end(number: int, command: list[str]) -> None:
    """Ask a process that is not our child to end; kill it when it has not done so in time."""
    for ask in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + STOP_SECONDS
        with suppress(ProcessLookupError):
            if runs(number, command):
                os.kill(number, ask)
        while runs(number, command) and time.monotonic() < end:
            time.sleep(0.1)
