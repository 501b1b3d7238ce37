"""Which worker does what: every queue has one, and slow mail holds nobody up."""

import contextlib
import os
import re
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from redis import Redis

from accounts.mail import request_mail
from accounts.models import Account, User
from accounts.tasks import send_due_mail
from dev.launcher.__main__ import _commands
from dev.launcher.environment import LocalEnvironment
from dev.launcher.processes import dies_with_parent
from integrations.clock import database_now
from integrations.models import Push
from integrations.tasks import sweep
from tests.integrations.workers import until
from tests.outbox import due_push

ROOT = Path(__file__).parent.parent
LOCAL = _commands(LocalEnvironment(variables={}, port=0, sandbox_port=0, data=ROOT, has_sandbox=False))


def _queue(task: str) -> str:
    return str(current_app.amqp.router.route({}, task)["queue"].name)


def _served(commands: list[list[str]]) -> set[str]:
    """The queues that these commands serve."""
    return {queue for words in commands if "-Q" in words for queue in words[words.index("-Q") + 1].split(",")}


def test_every_queue_has_a_worker_here_and_in_the_manual() -> None:
    tasks = [name for name in current_app.tasks if name.startswith(("accounts.", "companies.", "integrations."))]
    used = {_queue(name) for name in tasks}
    assert used == {"clicks", "bulk", "sweep", "upkeep", "mail"}
    assert _served([*LOCAL.values()]) == used
    manual = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    assert _served([shlex.split(command) for command in re.findall(r"`(celery [^`]+)`", manual)]) == used


def test_the_mail_queue_is_its_workers_only_one() -> None:
    assert [words for words in LOCAL.values() if "mail" in _served([words])] == [LOCAL["worker-mail"]]
    assert _served([LOCAL["worker-mail"]]) == {"mail"}


class SilentMailServer:
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.held.append(self._server.accept()[0])

    def hang_up(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for held in self.held:
            held.close()


@contextmanager
def _worker(name: str, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run one of the local launcher's workers on the database of these tests."""
    with log.open("wb") as output:
        words = [*dies_with_parent(LOCAL[name]), "--loglevel", "INFO"]  # so that it says when it is ready
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        until(lambda: b" ready." in log.read_bytes(), what=f"the start of {log}")
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.workers
@pytest.mark.django_db(transaction=True)
def test_a_silent_mail_server_does_not_delay_the_sweeper(
    account: Account, anna: User, ulf: User, vera: User, tmp_path: Path
) -> None:
    silent_mail = SilentMailServer()
    database = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = os.environ | {"DATABASE_URL": database, "EMAIL_URL": f"smtp://127.0.0.1:{silent_mail.port}"}
    for person in (anna, ulf, vera):
        request_mail(user=person, cause="password-reset", now=database_now())
    push = due_push(account=account, user=anna)
    broker = Redis.from_url(settings.REDIS_URL)
    broker.flushdb()
    with ExitStack() as stack:
        for name in ("worker-bulk", "worker-mail"):
            stack.enter_context(_worker(name, environment, tmp_path / name))
        stack.callback(silent_mail.hang_up)  # before the workers are told to stop: they end what they began
        for _ in range(3):
            send_due_mail.apply_async()
        until(lambda: bool(silent_mail.held), what="the first mail")
        sweep.apply_async()
        until(lambda: Push.objects.get(pk=push.pk).fence > 0, what="the sweeper")
        assert len(silent_mail.held) < 3, "the mails were given up one after the other, and only then it came"
    broker.flushdb()
