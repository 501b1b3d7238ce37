"""What a run stands on: stores, the stand-in, a migrated database, worker nodes that can be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_urlsafe

import psutil
import psycopg
from cryptography.fernet import Fernet

from dev.launcher.processes import dies_with_parent
from dev.launcher.stores import LOOPBACK, free_port, postgres, valkey

ROOT = Path(__file__).resolve().parent.parent.parent
# The product's times, scaled down; its limit of calls is out of the way.
SCALED = {
    "EACCOUNTING_SETTLE_SECONDS": "1",
    "EACCOUNTING_CALL_SECONDS": "1",
    "EACCOUNTING_CONNECT_SECONDS": "1",
    "EACCOUNTING_TOKEN_SECONDS": "2",
    "EACCOUNTING_ASK_AGAIN_SECONDS": "1",
    "EACCOUNTING_SEND_BY_SECONDS": "1",
    "EACCOUNTING_LIVE_READ_SECONDS": "2",
    "EACCOUNTING_SWEEP_SECONDS": "1",
    "EACCOUNTING_RATE_LIMIT": "6000000",
}
GRACE_SECONDS = 60.0


@dataclass
class Node:
    """One process of the product, and how to start it again."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    stopping: list[subprocess.Popen[bytes]] = field(default_factory=list)
    serial: int = 0

    def start(self) -> None:
        """Start the process, in a group of its own."""
        self.serial += 1
        command = [word.replace("SERIAL", str(self.serial)) for word in self.command]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # fixed words
                dies_with_parent(command), cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def supervise(self) -> bool:
        """Start it again when it ended by itself, as every host's supervisor does; tell whether it had."""
        if self.process is None or self.process.poll() is None:
            return False
        self.start()
        return True

    def children(self) -> list[int]:
        """Return the ids of the processes of its pool."""
        with suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.process.pid).children()] if self.process else []
        return []

    def kill(self) -> None:
        """SIGKILL for the node and its pool at one moment, and a new one."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.start()

    def stop_gracefully(self) -> None:
        """SIGTERM; the next one starts at once, and the old one ends its calls meanwhile."""
        self.ask_to_end()
        self.start()

    def ask_to_end(self) -> None:
        """SIGTERM, once: a second one would cut the calls in flight."""
        if self.process is not None:
            self.process.terminate()
            self.stopping.append(self.process)
            self.process = None

    def end(self) -> bool:
        """Wait for everything that this node ever started; tell whether all of it ended by itself."""
        self.ask_to_end()
        waited = [_ended(process) for process in self.stopping]
        return all(waited)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where everything is."""

    folder: Path
    stand_in_url: str
    redis_url: str


def set_environment(*, database_url: str, redis_url: str, port: int) -> None:
    """Tell this process and all that it starts what a host's environment tells."""
    stand_in = f"http://{LOOPBACK}:{port}"
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "limego_visma.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": token_urlsafe(50),
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "BASE_URL": "http://127.0.0.1:8000",
        "EMAIL_URL": "memory:",
        "EACCOUNTING_CLIENT_ID": "chaos",
        "EACCOUNTING_CLIENT_SECRET": token_urlsafe(24),
        "EACCOUNTING_IDENTITY_URL": stand_in,
        "EACCOUNTING_API_URL": f"{stand_in}/v2",
        **SCALED,
    }


@contextmanager
def prepared(*, folder: Path, token_lifetime: int, address: str = LOOPBACK) -> Iterator[Stage]:
    """Start the stores and the stand-in, set the environment, migrate.

    With another address than the loopback other hosts reach the stores there, and the stand-in at its port.
    """
    with ExitStack() as stack:
        database = stack.enter_context(postgres(folder / "postgres", durable=False, address=address))
        broker = stack.enter_context(valkey(folder / "valkey", durable=False, address=address))
        port = free_port()
        urls = (url.replace(LOOPBACK, address) for url in (database.url, broker.url))
        if address != LOOPBACK:
            _admit_all(database.url)
        set_environment(database_url=next(urls), redis_url=next(urls), port=port)
        stack.enter_context(_stand_in(folder, port, token_lifetime, address))
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--noinput", "-v0"], cwd=ROOT, check=True
        )  # fixed words
        yield Stage(folder=folder, stand_in_url=f"http://127.0.0.1:{port}", redis_url=broker.url)


def _admit_all(url: str) -> None:
    """Let PostgreSQL take connections from everywhere, by password."""
    with psycopg.connect(url, autocommit=True) as connection:
        [file] = connection.execute("show hba_file").fetchone() or [""]
        with Path(file).open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        connection.execute("select pg_reload_conf()")


@contextmanager
def _stand_in(folder: Path, port: int, token_lifetime: int, address: str) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.chaos.stand_in", "--port", str(port)]
    command += [] if address == LOOPBACK else ["--everywhere"]
    command += ["--client-id", os.environ["EACCOUNTING_CLIENT_ID"]]
    command += ["--client-secret", os.environ["EACCOUNTING_CLIENT_SECRET"]]
    command += ["--redirect-uri", os.environ["BASE_URL"] + "/integrations/visma-eaccounting/callback/"]
    command += ["--token-lifetime", str(token_lifetime)]
    node = Node("stand-in", command, folder / "stand-in.log")
    node.start()
    try:
        time.sleep(2)
        yield
    finally:
        node.end()


@contextmanager
def workers(*, stage: Stage, hosts: int, slots: int) -> Iterator[list[Node]]:
    """Run the product's workers on so many hosts, as docs/operating.md says; `slots` processes a role and host."""
    celery = [sys.executable, "-m", "celery", "-A", "limego_visma"]

    def worker(name: str, queue: str, size: int) -> Node:
        words = ["-Q", queue, "-c", str(size), "-n", f"{name}-SERIAL@%h", "-l", "WARNING"]
        return Node(name, [*celery, "worker", *words], stage.folder / f"{name}.log")

    started = [
        node
        for place in range(hosts)
        for node in (worker(f"clicks{place}", "clicks", slots), worker(f"bulk{place}", "bulk,sweep", slots))
    ]
    started += [
        worker("upkeep", "upkeep,mail", 1),
        Node("beat", [*celery, "beat", "-l", "WARNING"], stage.folder / "beat.log"),
    ]
    try:
        for node in started:
            node.start()
        yield started
    finally:
        for node in started:
            node.ask_to_end()
        for node in started:
            node.end()
