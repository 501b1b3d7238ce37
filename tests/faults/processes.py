"""Worker processes that can be frozen, moved in time and given other stores."""

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.db import connection

from dev.sandbox.server import SandboxServer
from tests.integrations.workers import QUEUES, Workers

# Python runs a module of this name at its start: the clock of the whole process is moved before anybody looks at it.
CLOCK_MODULE = """
import datetime, time_machine
time_machine.travel(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours={hours}), tick=True).start()
"""


def database_url() -> str:
    """The address of the database that this test uses."""
    stored = connection.settings_dict
    parts = urlsplit(os.environ["DATABASE_URL"])
    login = f"{stored['USER']}:{stored['PASSWORD']}"
    place = f"{login}@{stored['HOST']}:{stored['PORT']}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{stored['NAME']}"))


class FaultyWorkers(Workers):
    """One worker with its processes and the clock of the sweeper; `environment` changes what it is told."""

    def __init__(
        self,
        *,
        folder: Path,
        server: SandboxServer,
        hours: int = 0,
        processes: int = 2,
        beat: bool = True,
        queues: str = QUEUES,
        environment: dict[str, str] | None = None,
    ) -> None:
        super().__init__(
            folder=folder,
            api_url=server.api_url,
            identity_url=server.identity_url,
            processes=processes,
            beat=beat,
            queues=queues,
        )
        self._environment |= {"DATABASE_URL": database_url(), **(environment or {})}
        if hours:
            (folder / "sitecustomize.py").write_text(CLOCK_MODULE.format(hours=hours))
            self._environment["PYTHONPATH"] = os.pathsep.join([str(folder), str(Path.cwd())])

    def freeze(self) -> None:
        """Stop it and its children in the middle of whatever they do, as a hypervisor does with a machine."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on where it was."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def said(self, words: str) -> bool:
        """Whether these words stand in its log."""
        return words in self._log.read_text()
