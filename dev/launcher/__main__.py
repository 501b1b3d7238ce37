"""Start everything the product needs on this machine, print where it is, and stop it on Ctrl-C."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from environs import EnvError

from dev.launcher.environment import MAIL_FOLDER, SANDBOX_PORT, LocalEnvironment, read_environment
from dev.launcher.logs import open_log, trim
from dev.launcher.processes import dies_with_parent, end_leftovers, note, stop
from dev.launcher.stores import StoreError, postgres, valkey

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT / ".data"
STARTED = DATA / "started"
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the window was closed
GRACE_SECONDS = 50  # a worker's calls in flight may take this long to end


class CannotRun(Exception):
    """Why the product does not start, as one sentence for the person at the keyboard."""


class Interrupted(Exception):
    """Somebody asked the product to stop."""


def _one_at_a_time(folder: Path) -> TextIO:
    """Lock the data folder; the lock ends when the file is closed."""
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / "lock").open("w")
    except PermissionError as error:
        raise CannotRun(f"You may not write to {folder}. Run it as the user whose folder that is.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise CannotRun(
            "It is already running from this folder. Stop that one first (Ctrl-C in its window)."
        ) from error
    return lock


def _refuse_used_port(port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotRun(
                f"Port {port} cannot be used ({error.strerror}). Choose another: make run {setting}={port + 10}"
            ) from error


def _run_to_end(*words: str, environment: LocalEnvironment) -> None:
    """Run one of our commands to its end. Raises CannotRun with the reason when it fails."""
    command = [sys.executable, *words]
    done = subprocess.run(
        command, cwd=ROOT, env=environment.variables, capture_output=True, text=True, check=False
    )  # fixed words
    if done.returncode:
        raise CannotRun(f"{' '.join(words[:2])} says: {_reason(done.stderr or done.stdout)}")


def _reason(output: str) -> str:
    """Return what a failed command said: the words of its exception, without the traceback."""
    return re.split(r"^(?:(?:\w+\.)+\w+|\w+Error): ", output.strip(), flags=re.MULTILINE)[-1]


@contextmanager
def _process(name: str, command: list[str], environment: LocalEnvironment) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of our processes; its output goes to .data/log/."""
    with open_log(_log(name)) as log:
        process = subprocess.Popen(  # fixed words
            dies_with_parent(command),
            cwd=ROOT,
            env=environment.variables,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches only us; we stop the others in order
        )
    note(STARTED, process, command)
    try:
        yield process
    finally:
        stop(process, signal_number=signal.SIGTERM, seconds=GRACE_SECONDS)


def _log(name: str) -> Path:
    """Where a process or a store writes its log."""
    return DATA / name / "log" if name in ("postgres", "valkey") else DATA / "log" / f"{name}.log"


def _commands(environment: LocalEnvironment) -> dict[str, list[str]]:
    """The processes of the product, in the order they start."""
    celery = [sys.executable, "-m", "celery", "-A", "limego_visma"]
    bind = f"127.0.0.1:{environment.port}"
    web = ["limego_visma.wsgi", "--bind", bind, "--workers", "2", "--threads", "4", "--no-control-socket"]
    commands = {
        "web": [sys.executable, "-m", "gunicorn", *web],
        "worker-clicks": [*celery, "worker", "-Q", "clicks", "-c", "2", "-n", "clicks@%h"],
        "worker-bulk": [*celery, "worker", "-Q", "bulk,sweep", "-c", "2", "-n", "bulk@%h"],
        "worker-upkeep": [*celery, "worker", "-Q", "upkeep", "-c", "1", "-n", "upkeep@%h"],
        "worker-mail": [*celery, "worker", "-Q", "mail", "-c", "1", "-n", "mail@%h"],
        "beat": [*celery, "beat"],
    }
    return {"sandbox": environment.sandbox_command(), **commands} if environment.has_sandbox else commands


def _wait_for_port(name: str, port: int, process: subprocess.Popen[bytes]) -> None:
    for _attempt in range(300):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise CannotRun(f"The {name} did not start; {_log(name)} says why.")


def _start_stores(variables: dict[str, str], stack: ExitStack) -> dict[str, subprocess.Popen[bytes]]:
    """Start the stores whose address is not given, and add their addresses to the variables."""
    started = {}
    for name, setting, run in (("postgres", "DATABASE_URL", postgres), ("valkey", "REDIS_URL", valkey)):
        if setting not in variables:
            store = stack.enter_context(run(DATA / name))
            variables[setting], started[name] = store.url, store.process
            note(STARTED, store.process, store.command)
    return started


def _run(environment: LocalEnvironment, stack: ExitStack) -> dict[str, subprocess.Popen[bytes]]:
    """Start the stores, prepare the database and start the processes."""
    started = _start_stores(environment.variables, stack)
    (DATA / MAIL_FOLDER).mkdir(mode=0o700, exist_ok=True)  # links to choose a password are in there
    _run_to_end("manage.py", "check", environment=environment)
    _run_to_end("manage.py", "migrate", "--noinput", environment=environment)
    _run_to_end("manage.py", "collectstatic", "--noinput", environment=environment)
    _run_to_end("-m", "dev.demo", "--if-empty", environment=environment)
    for name, command in _commands(environment).items():
        started[name] = stack.enter_context(_process(name, command, environment))
    if environment.has_sandbox:
        _wait_for_port("sandbox", environment.sandbox_port, started["sandbox"])
    _wait_for_port("web", environment.port, started["web"])
    return started


def _watch(started: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait until somebody stops us, or one of the processes ends by itself."""
    while True:
        for name, process in started.items():
            if process.poll() is not None:
                raise CannotRun(f"The {name} process ended by itself; {_log(name)} says why.")
            trim(_log(name))
        time.sleep(1)


def _interrupt(*_: object) -> None:
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted


def main() -> int:
    """Run until Ctrl-C; return the exit status."""
    os.chdir(ROOT)
    for number in _STOPPING:
        signal.signal(number, _interrupt)
    say = sys.stdout.write
    try:
        with ExitStack() as stack:
            stack.enter_context(_one_at_a_time(DATA))
            environment = read_environment(root=ROOT, data=DATA)
            end_leftovers(STARTED)
            _refuse_used_port(environment.port, "PORT")
            if environment.has_sandbox:
                _refuse_used_port(environment.sandbox_port, SANDBOX_PORT)
            say("Starting …\n")
            sys.stdout.flush()
            started = _run(environment, stack)
            say(environment.announcement())
            sys.stdout.flush()
            _watch(started)
    except Interrupted:
        say("\nStopped. Everything is kept in .data; make run brings it back.\n")
        return 0
    except (CannotRun, StoreError, EnvError) as reason:
        sys.stderr.write(f"\n{reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
