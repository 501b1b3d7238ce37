"""The sandbox in a process of its own, with an observer: what was written, when it was committed, by whom read.

The sandbox itself is the project's own (`python -m dev.sandbox` runs the same class). Added are three
controls that only a judge needs: /_chaos/record, /_chaos/customers and /_chaos/edit.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from benchmarks.chaos.eaccounting import SHEETS
from dev.sandbox.core import Sandbox
from dev.sandbox.identity import GRANT, REFRESH
from dev.sandbox.messages import Request, Response, json_response
from dev.sandbox.server import SandboxServer
from dev.sandbox.world import Settings
from integrations.eaccounting.jsontext import Json

LOOPBACK, ANYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104  # in network namespaces of a benchmark
CUSTOMERS, TOKEN = "/v2/customers", "/connect/token"
Record = dict[str, Json]


class Observer:
    """Stands before the sandbox and notes, on the monotonic clock that all processes of a machine share."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox, self._answer = sandbox, sandbox.handle
        self._lists: dict[str, list[Record]] = {"writes": [], "reads": [], "refreshes": []}

    def handle(self, request: Request) -> Response:
        """Answer one request; the judge's controls are answered here."""
        if request.path.startswith("/_chaos/"):
            return self._judge(request)
        place, about = self._about(request)
        begun = time.monotonic()
        response = self._answer(request)
        if not place:
            return response
        note: Record = {**about, "begun": begun, "ended": time.monotonic(), "status": response.status}
        self._lists[place].append(note)
        if response.afterwards:
            return replace(response, afterwards=_timed(response.afterwards, note))
        return response

    def _about(self, request: Request) -> tuple[str, Record]:
        """Return which list a request belongs to, and what it is about."""
        if request.path == TOKEN:
            return self._about_refresh(request)
        if not request.path.startswith(CUSTOMERS):
            return "", {}
        if request.method == "POST":
            content = request.json()
            number = content.get("CorporateIdentityNumber") if isinstance(content, dict) else None
            return "writes", {"key": number, "method": "POST"}
        place = {"PUT": "writes", "GET": "reads"}.get(request.method, "")
        # What a sheet reads while a worker is between its GET and its PUT says nothing of what that worker read.
        if request.path == CUSTOMERS or (place == "reads" and SHEETS in request.headers.get("user-agent", "")):
            return "", {}
        return place, {"key": request.path.rpartition("/")[2].lower(), "method": request.method}

    def _about_refresh(self, request: Request) -> tuple[str, Record]:
        form, store = request.form(), self._sandbox.world.store
        if form.get("grant_type") != "refresh_token":
            return "", {}
        found = store.get(REFRESH, form.get("refresh_token", "")) or {}
        grant = store.get(GRANT, str(found.get("grant"))) or {}
        return "refreshes", {"grant": found.get("grant"), "company": grant.get("company")}

    def _judge(self, request: Request) -> Response:
        content = request.json() if request.body else {}
        asked = content if isinstance(content, dict) else {}
        controls: dict[str, Callable[[Record], object]] = {
            "record": lambda _: self._lists,
            "customers": self._customers,
            "edit": self._edit,
        }
        return json_response(controls[request.path.removeprefix("/_chaos/")](asked))

    def _customers(self, asked: Record) -> object:
        return {"customers": self._sandbox.customers(company=str(asked["company"]))}

    def _edit(self, asked: Record) -> object:
        """Change customers as a person in eAccounting does; answer when each was committed."""
        values = asked["values"]
        if not isinstance(values, dict):
            raise TypeError("values is an object")
        begun = time.monotonic()
        self._sandbox.edit_customer(company=str(asked["company"]), customer_id=str(asked["customer"]), **values)
        return {"begun": begun, "ended": time.monotonic()}


def _timed(afterwards: Callable[[], object], note: Record) -> Callable[[], None]:
    """Note when a late commit was done."""

    def carry_out() -> None:
        note["ended"] = None
        afterwards()
        note["ended"] = time.monotonic()

    return carry_out


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    for name in ("--client-id", "--client-secret", "--redirect-uri"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token-lifetime", type=int, required=True)
    parser.add_argument("--everywhere", action="store_true", help="answer other hosts, too")
    given = parser.parse_args()
    settings = Settings(
        client_id=given.client_id,
        client_secret=given.client_secret,
        redirect_uris=(given.redirect_uri,),
        token_lifetime=given.token_lifetime,
        rate_limit=10_000_000,
        issuer=f"http://{LOOPBACK}:{given.port}",
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = SandboxServer(host=ANYWHERE if given.everywhere else LOOPBACK, port=given.port, settings=settings)
    # The sandbox offers observers no seam of its own, and needs none: its server asks for `handle` each time.
    server.sandbox.handle = Observer(server.sandbox).handle  # type: ignore[method-assign]
    with server:
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
