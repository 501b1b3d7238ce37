"""The sandbox with what only a benchmark needs, in a process of its own: `python -m benchmarks.bench_sandbox`.

Beside the sandbox's own control there is POST /_sandbox/bench: {"limit", "window", "fixed", "by_connection",
"connect_delay", "delay"} sets how calls are counted, and the seconds that a new connection and a call cost;
GET /_sandbox/bench tells how many connections were opened.
"""

import argparse
import collections
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.sandbox.api import Api
from integrations.eaccounting.sandbox.faults import Fault
from integrations.eaccounting.sandbox.identity import Grant, Identity
from integrations.eaccounting.sandbox.refuse import Refusal
from integrations.eaccounting.sandbox.server import SandboxServer, _Handler
from integrations.eaccounting.sandbox.world import World

UNLIMITED = 10_000_000


class BenchIdentity:
    """The sandbox's grants; counted by connection, each company is a client of its own."""

    def __init__(self, identity: Identity) -> None:
        self._identity, self.by_connection = identity, False

    def grant_of(self, *, authorization: str) -> Grant | None:
        """Return the grant behind an Authorization header, or None."""
        grant = self._identity.grant_of(authorization=authorization)
        if grant is None or not self.by_connection:
            return grant
        return replace(grant, client_id=f"{grant.client_id}/{grant.company}")


class BenchApi(Api):
    """Counts calls in windows of any length, sliding or fixed."""

    def __init__(self, world: World, identity: BenchIdentity) -> None:
        super().__init__(world, identity)  # type: ignore[arg-type]  # it asks for grants only
        self.limit, self.window, self.fixed = UNLIMITED, 60.0, False
        self._counted: dict[tuple[str, str], collections.deque[float]] = {}

    def _count(self, client_id: str, template: str) -> None:
        now = time.monotonic()
        calls = self._counted.setdefault((client_id, template), collections.deque())
        begin = now // self.window * self.window if self.fixed else now - self.window
        while calls and calls[0] <= begin:
            calls.popleft()
        if len(calls) >= self.limit:
            text = f"API calls quota exceeded! maximum admitted {self.limit} per Minute. Try again in 1 seconds."
            raise Refusal(4010, text)
        calls.append(now)

    def forget_calls(self) -> None:
        """Start the rate limit anew."""
        self._counted.clear()


class Bench:
    """Sets a sandbox up while it runs."""

    def __init__(self, server: SandboxServer) -> None:
        self._sandbox = server.sandbox
        self._identity = BenchIdentity(server.sandbox._identity)  # noqa: SLF001  # the sandbox has no seam for this
        self._api = BenchApi(server.sandbox.world, self._identity)
        self._sandbox._api = self._api  # noqa: SLF001  # as above
        self._sandbox._control._actions |= {  # type: ignore[operator]  # noqa: SLF001  # a dict; as above
            ("POST", "bench"): self.set_up,
            ("GET", "bench"): lambda _: {"connections": Handler.connections},
        }

    def set_up(self, content: dict[str, Json]) -> None:
        """Set all of it; what is left out goes back to no limit and no delay."""
        self._api.limit = int(str(content.get("limit", UNLIMITED)))
        self._api.window = float(str(content.get("window", 60)))
        self._api.fixed, self._identity.by_connection = bool(content.get("fixed")), bool(content.get("by_connection"))
        self._api.forget_calls()
        Handler.connect_delay = float(str(content.get("connect_delay", 0)))
        seconds = float(str(content.get("delay", 0)))
        delay = Fault(kind="delay", path="/v2/.*", count=None, when="before", seconds=seconds)
        self._sandbox.faults[:] = [delay] if seconds else []


class Handler(_Handler):
    """Lets a new connection cost something, as a TLS handshake over the sea does."""

    connect_delay = 0.0
    connections = 0

    def setup(self) -> None:
        """Called once a connection, in its own thread."""
        Handler.connections += 1
        time.sleep(self.connect_delay)
        super().setup()


def main() -> int:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    server = SandboxServer(port=given.port, data=given.data)
    server._server.RequestHandlerClass = Handler  # noqa: SLF001  # as above
    Bench(server)
    with server:
        sys.stdout.write("The sandbox is ready.\n")
        sys.stdout.flush()
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
