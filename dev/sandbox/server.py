"""The sandbox behind a real socket: HTTP/1.1 with kept connections, and the faults that need a socket."""

import contextlib
import io
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dev.sandbox.core import Sandbox
from dev.sandbox.messages import Request, Response, json_response
from dev.sandbox.world import Settings
from integrations.eaccounting.transport import is_loopback

LONGEST_BODY = 5 * 1024 * 1024
LONGEST_HOLD = 300.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"
    # Head and body leave in one packet.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle_one_request()
            return
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the base class
        """Stay quiet: what was called is under /_sandbox/calls."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_BODY:
            self.close_connection = True
            self._answer(json_response({"error": "too long"}, status=413))
            return
        headers = dict(self.headers.items())
        body = self.rfile.read(length)
        request = Request.of(method=self.command, target=self.path, headers=headers, body=body)
        if request.path.startswith("/_sandbox/") and not self._may_steer(request):
            self._answer(json_response({"error": "only from this machine"}, status=403))
            return
        response = self.server.sandbox.handle(request)
        getattr(self, f"_{response.delivery}")(response)
        if response.afterwards:
            response.afterwards()

    def _may_steer(self, request: Request) -> bool:
        """Tell whether a program of this machine asks, not a web page in a browser on it.

        A page of another site names that site in Origin; one that rebound its name to this machine names it in Host.
        """
        host = re.sub(r":\d+$", "", request.headers.get("host", "")).strip("[]")
        here = is_loopback(host=self.client_address[0]) and is_loopback(host=host)
        return here and "origin" not in request.headers

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815  # the names of the base class

    def _head(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()

    def _answer(self, response: Response) -> None:
        self._head(response)
        self.wfile.write(response.body)
        self.wfile.flush()

    def _cut_short(self, response: Response) -> None:
        self._head(response)
        self.wfile.write(response.body[: len(response.body) // 2])
        self.wfile.flush()
        self.close_connection = True

    def _drip(self, response: Response) -> None:
        self.close_connection = True
        self._head(response)
        for byte in response.body:
            if self.server.stopped.is_set():
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(response.pause)

    def _hold(self, _: Response) -> None:
        """Say nothing until the client gives up."""
        self.close_connection = True
        ends_at = time.monotonic() + LONGEST_HOLD
        self.connection.settimeout(0.2)
        while time.monotonic() < ends_at and not self.server.stopped.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1):
                    return

    def _reset(self, _: Response) -> None:
        """Close with RST, at once."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for each in (self.rfile, self.wfile, self.connection):  # the socket is closed with the last of them
            each.close()
        self.wfile = io.BytesIO()  # for the base class, which flushes it at the end


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Also lets a restarted sandbox have the port it had.
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox, self.stopped = sandbox, threading.Event()
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # typed so in the base class
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # as above
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # as above
        """A client that hangs up is no news; anything else is a fault of the sandbox and shown."""
        if not self.stopped.is_set():
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """Cut the kept connections, so that nobody is served by a sandbox that has stopped."""
        self.stopped.set()
        with self._open_lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class SandboxServer:
    """A sandbox on a port; use it with `with`, or `start` and `stop`."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        data: Path | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.sandbox = Sandbox(settings=settings, data=data)
        self._server = _Server((host, port), self.sandbox)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        if not self.sandbox.world.settings.issuer:
            self.sandbox.set_up(issuer=self.identity_url)

    @property
    def url(self) -> str:
        """The address of the pages, without a last slash."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def identity_url(self) -> str:
        """EACCOUNTING_IDENTITY_URL."""
        return self.url

    @property
    def api_url(self) -> str:
        """EACCOUNTING_API_URL."""
        return self.url + "/v2"

    def start(self) -> None:
        """Serve, in threads of this process."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, cut every connection, close the files."""
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()
        self.sandbox.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
