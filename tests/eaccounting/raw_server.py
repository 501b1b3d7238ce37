"""A TCP server that does what a script says: the ways in which a server can misbehave on the socket."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

Script = Callable[[socket.socket, bytes], bool]


def answer(body: bytes = b"{}", *, head: bytes = b"HTTP/1.1 200 OK", extra: bytes = b"") -> bytes:
    length = str(len(body)).encode()
    return head + b"\r\nContent-Type: application/json\r\nContent-Length: " + length + b"\r\n" + extra + b"\r\n" + body


def says(data: bytes, *, keep: bool = True) -> Script:
    def script(conn: socket.socket, _: bytes) -> bool:
        conn.sendall(data)
        return keep

    return script


def drips(data: bytes, *, pause: float) -> Script:
    def script(conn: socket.socket, _: bytes) -> bool:
        for byte in data:
            conn.sendall(bytes([byte]))
            time.sleep(pause)
        return False

    return script


def silent(conn: socket.socket, _: bytes) -> bool:
    conn.settimeout(60)
    with contextlib.suppress(OSError):
        conn.recv(1)
    return False


def resets(conn: socket.socket, _: bytes) -> bool:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def then(first: Script, second: Script) -> Script:
    def script(conn: socket.socket, request: bytes) -> bool:
        return first(conn, request) and second(conn, request)

    return script


class RawServer:
    """Runs one script per request, in turn; the last one again and again."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.scripts, self.requests, self.connections = list(scripts), [], 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()

    def hang_up(self) -> None:
        for conn in self._open:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
            conn.close()
        self._open.clear()

    def is_idle(self) -> bool:
        """Tell whether every connection that there was is closed."""
        return all(conn.fileno() == -1 for conn in self._open)

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        with contextlib.suppress(OSError), conn:
            if self._tls:
                conn = self._tls.wrap_socket(conn, server_side=True)
                self._open.append(conn)
            for request in _requests(conn):
                self.requests.append(request)
                script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                if not script(conn, request):
                    return


def _requests(conn: socket.socket) -> Iterator[bytes]:
    while True:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = conn.recv(65536)
            if not piece:
                return
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")),
            0,
        )
        while len(body) < length:
            body += conn.recv(65536)
        yield head + b"\r\n\r\n" + body
