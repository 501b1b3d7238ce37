"""The sandbox with what only a benchmark needs, in a process of its own: `python -m benchmarks.bench_sandbox`.

Beside the sandbox's own control there is POST /_sandbox/bench: {"limit", "fixed", "by_connection",
"connect_delay", "delay"} sets how calls are counted in a minute, and the seconds that a new connection and a call cost;
GET /_sandbox/bench tells how many connections were opened.
"""

import argparse
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from dev.sandbox.faults import Fault
from dev.sandbox.server import SandboxServer, _Handler
from integrations.eaccounting.jsontext import Json

UNLIMITED = 10_000_000


class Bench:
    """Sets a sandbox up while it runs."""

    def __init__(self, server: SandboxServer) -> None:
        self._sandbox = server.sandbox
        self._sandbox._control._actions |= {  # type: ignore[operator]  # noqa: SLF001  # a dict; there is no seam for it
            ("POST", "bench"): self.set_up,
            ("GET", "bench"): lambda _: {"connections": Handler.connections},
        }
        self.set_up({})

    def set_up(self, content: dict[str, Json]) -> None:
        """Set all of it; what is left out goes back to no limit and no delay."""
        world, api = self._sandbox.world, self._sandbox._api  # noqa: SLF001  # as above
        world.settings = replace(world.settings, rate_limit=int(str(content.get("limit", UNLIMITED))))
        world.switches = replace(
            world.switches,
            limit_per_company=bool(content.get("by_connection")),
            limit_window_slides=not content.get("fixed"),
        )
        api.forget_calls()
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
