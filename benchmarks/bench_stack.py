"""The whole product on this machine for measuring: stores that keep what they are told, sandbox, web, workers."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from cryptography.fernet import Fernet

from benchmarks.bench_celery import READY
from benchmarks.bench_processes import ROOT, Running, running
from dev.launcher.stores import Store, free_port, postgres, valkey

NO_LIMIT = "6000000"
# Scaled down, as design.md says: nothing here waits for a real minute.
TIMES = {
    "EACCOUNTING_SETTLE_SECONDS": "1",
    "EACCOUNTING_CALL_SECONDS": "5",
    "EACCOUNTING_TOKEN_SECONDS": "3",
    "EACCOUNTING_ASK_AGAIN_SECONDS": "1",
    "EACCOUNTING_SEND_BY_SECONDS": "1",
    "EACCOUNTING_SWEEP_SECONDS": "5",
}
PROCESSES = {"clicks": 4, "bulk,sweep": 4, "upkeep": 1}  # by queues, as docs/operating.md says
NOTHING: Mapping[str, str] = {}  # told beyond the environment
BULK = "bulk,sweep"  # the queues of those who pull


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """What runs, and what a further process is told."""

    environment: Mapping[str, str]
    logs: Path
    postgres: Store
    valkey: Store
    sandbox: Running
    sandbox_url: str

    @contextmanager
    def worker(
        self, queues: str = "clicks", *, processes: int = 0, name: str = "", told: Mapping[str, str] = NOTHING
    ) -> Iterator[Running]:
        """Run a Celery worker as production does, and one task more (bench_celery)."""
        with running(
            f"worker-{name or queues}",
            self.worker_words(queues, processes=processes, name=name),
            environment={**self.environment, **told},
            logs=self.logs,
            ready=READY,
        ) as worker:
            yield worker

    def worker_words(self, queues: str, *, processes: int = 0, name: str = "") -> list[str]:
        """How a worker is started: as docs/operating.md says, without a line in the log for each message."""
        pool = str(processes or PROCESSES[queues])
        words = ["celery", "-A", "benchmarks.bench_celery", "worker", "-Q", queues, "-c", pool]
        return [*words, "-n", f"{name or queues.partition(',')[0]}@%h"]

    @contextmanager
    def upkeep(self, told: Mapping[str, str] = NOTHING) -> Iterator[list[Running]]:
        """Run beat, and the worker that looks after connections."""
        with ExitStack() as stack:
            worker = stack.enter_context(self.worker("upkeep", told=told))
            words = ["celery", "-A", "limego_visma", "beat", "-l", "INFO", "-s", str(self.logs / "beat")]
            environment = {**self.environment, **told}
            start = running("beat", words, environment=environment, logs=self.logs, ready="beat: Starting")
            yield [worker, stack.enter_context(start)]

    @contextmanager
    def web(self, *, port: int, **environment: str) -> Iterator[str]:
        """Run the web server as production does; return its address."""
        words = ["gunicorn", "limego_visma.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", "2", "--threads", "4"]
        told = {**self.environment, **environment}
        with running(
            f"web-{port}", [*words, "--no-control-socket"], environment=told, logs=self.logs, ready="Booting worker"
        ):
            yield f"http://127.0.0.1:{port}"

    @contextmanager
    def workers(self, told: Mapping[str, str] = NOTHING) -> Iterator[Mapping[str, Running]]:
        """Run all workers and beat as production does; return the workers for clicks and for everything else."""
        with ExitStack() as stack:
            found = {name: stack.enter_context(self.worker(name, told=told)) for name in ("clicks", BULK)}
            stack.enter_context(self.upkeep(told))
            yield found

    def steer(self, method: str, name: str, content: object = None) -> dict[str, object]:
        """Call the sandbox's control."""
        answer = requests.request(method, f"{self.sandbox_url}/_sandbox/{name}", json=content, timeout=60)
        answer.raise_for_status()
        found: dict[str, object] = answer.json()
        return found

    def set_up(self, **content: float | bool) -> None:
        """Set the sandbox's delays and limits (bench_sandbox); what is not named is none."""
        self.steer("POST", "bench", content)

    def calls(self) -> list[dict[str, object]]:
        """Return the calls that the sandbox recorded."""
        found = self.steer("GET", "calls")["calls"]
        return found if isinstance(found, list) else []


def _environment(folder: Path, *, database: str, broker: str, sandbox: str, web_port: int) -> dict[str, str]:
    return {
        **os.environ,
        **TIMES,
        "SECRET_KEY": "a key for benchmarks only, long enough for every check of Django",
        "DEBUG": "0",
        "BASE_URL": f"http://127.0.0.1:{web_port}",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATABASE_URL": database,
        "REDIS_URL": broker,
        "EMAIL_URL": "console:",
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "EACCOUNTING_CLIENT_ID": "sandbox-client",
        "EACCOUNTING_CLIENT_SECRET": "sandbox-secret",
        "EACCOUNTING_IDENTITY_URL": sandbox,
        "EACCOUNTING_API_URL": f"{sandbox}/v2",
        "EACCOUNTING_RATE_LIMIT": NO_LIMIT,
        "STATIC_ROOT": str(folder / "static"),
    }


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Start stores and sandbox, and prepare the database. The environment of this process becomes theirs."""
    with ExitStack() as started:
        logs = folder / "logs"
        logs.mkdir()
        database = started.enter_context(postgres(folder / "postgres"))
        broker = started.enter_context(valkey(folder / "valkey"))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = _environment(folder, database=database.url, broker=broker.url, sandbox=url, web_port=free_port())
        # The redirect address that the sandbox knows by itself: nobody follows it here.
        environment["BASE_URL"] = "http://127.0.0.1:8000"
        os.environ.update(environment)
        words = ["benchmarks.bench_sandbox", "--port", str(port)]
        sandbox = running("sandbox", words, environment=environment, logs=logs, ready="The sandbox is ready.")
        for command in (["migrate", "--noinput", "-v0"], ["collectstatic", "--noinput", "-v0"]):
            subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)  # noqa: S603  # fixed words
        yield Stack(
            environment=environment,
            logs=logs,
            postgres=database,
            valkey=broker,
            sandbox=started.enter_context(sandbox),
            sandbox_url=url,
        )
