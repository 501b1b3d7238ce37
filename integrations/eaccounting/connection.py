"""urllib3 connections that keep one deadline for the whole exchange.

A read time-out of urllib3 starts again with each byte, so a server that sends one byte a second holds a
worker for ever. Here every socket operation gets only what is left of the exchange. The request leaves in
one write, directly after a look at the clock: a worker that was frozen cannot send late.
"""

import http.client
import io
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from integrations.eaccounting.errors import NotSent


@dataclass(kw_only=True)
class Exchange:
    """One request and its answer; all times on the monotonic clock, in seconds."""

    ends_at: float
    connect_timeout: float
    send_by: float | None
    max_idle: float
    on_a_socket: bool = False
    sent: bool = False
    reused: bool = False
    answered: bool = False

    def over(self) -> bool:
        """Tell whether the deadline has passed."""
        return time.monotonic() >= self.ends_at

    def left(self) -> float:
        """Return the seconds left. Raises TimeoutError when there are none."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        return left

    def check_may_send(self) -> None:
        """Raise NotSent when the moment for sending, or the whole deadline, has passed."""
        now = time.monotonic()
        if self.send_by is not None and now > self.send_by:
            raise NotSent("sent_too_late", retryable=True)
        if now >= self.ends_at:
            raise NotSent("deadline_before_sending", retryable=True)


# requests and urllib3 hand nothing of ours down to the connection, but all of it runs in the caller's thread.
_current = threading.local()


@contextmanager
def current(exchange: Exchange) -> Iterator[None]:
    """Make `exchange` the one that connections used by this thread belong to."""
    _current.exchange = exchange
    try:
        yield
    finally:
        del _current.exchange


def _exchange() -> Exchange:
    exchange: Exchange = _current.exchange
    return exchange


class _Reader(io.RawIOBase):
    """Reads from a socket; every single read may take only what is left of the exchange."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, exchange: Exchange) -> None:
        self._raw, self._sock, self._exchange = raw, sock, exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # the buffer protocol has no type in Python 3.11
        self._sock.settimeout(self._exchange.left())
        count: int | None = self._raw.readinto(buffer)
        self._exchange.answered = self._exchange.answered or bool(count)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # passed on untouched
        super().__init__(sock, *args, **kwargs)
        raw: io.RawIOBase = self.fp.detach()
        self.fp = io.BufferedReader(_Reader(raw, sock, _exchange()))


def _resolve(host: str, port: int, timeout: float) -> list[Any]:
    """Look a name up, for at most `timeout` seconds: the system's resolver has no deadline of its own."""
    found: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as problem:
            found.put(problem)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        answer = found.get(timeout=timeout)
    except queue.Empty:
        raise TimeoutError("the name could not be resolved in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _connected(host: str, port: int, timeout: float) -> socket.socket:
    """Connect to the first address that answers; `timeout` seconds for all of it. Raises OSError."""
    ends_at = time.monotonic() + timeout
    problem: OSError = ConnectionError("the name has no address")
    for family, kind, protocol, _, address in _resolve(host, port, timeout):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(ends_at - time.monotonic(), 0.001))
            sock.connect(address)
        except OSError as failure:
            sock.close()
            problem = failure
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(max(ends_at - time.monotonic(), 0.001))
            return sock
    raise problem


class _Timed(HTTPConnection):
    """What plain and TLS connections share."""

    response_class = _Answer
    idle_since = 0.0
    _outgoing: bytearray | None = None

    def _new_conn(self) -> socket.socket:
        exchange = _exchange()
        try:
            return _connected(self._dns_host, self.port or 80, min(exchange.connect_timeout, exchange.left()))
        except socket.gaierror as problem:
            raise NameResolutionError(self.host, self, problem) from None
        except OSError as problem:
            raise NewConnectionError(self, type(problem).__name__) from None

    def request(self, *args: Any, **kwargs: Any) -> None:  # passed on untouched
        self._outgoing = bytearray()
        try:
            super().request(*args, **kwargs)
            self._write(bytes(self._outgoing))
        finally:
            self._outgoing = None

    def send(self, data: Any) -> None:  # urllib3 hands over bytes only
        # urllib3 writes head and body apart; a freeze between the two would deliver the request late.
        if self._outgoing is None:
            super().send(data)
        else:
            self._outgoing += data

    def _write(self, data: bytes) -> None:
        exchange = _exchange()
        if self.sock is None:
            self.connect()
        self.sock.settimeout(exchange.left())
        exchange.check_may_send()
        exchange.sent = True
        self.sock.sendall(data)


class _TimedTls(_Timed, HTTPSConnection):
    """The same over TLS; the handshake runs within the connect time-out."""


class _Idle(HTTPConnectionPool):
    """A pool that closes a connection which was idle for longer than the exchange accepts."""

    def _get_conn(self, timeout: float | None = None) -> Any:  # typed by the pools that inherit
        exchange = _exchange()
        exchange.on_a_socket = True
        conn: Any = super()._get_conn(timeout)
        idle = time.monotonic() - getattr(conn, "idle_since", 0.0)
        if not conn.is_closed and idle >= exchange.max_idle:
            conn.close()
        exchange.reused = not conn.is_closed
        return conn

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)


class _Pool(_Idle):
    ConnectionCls = _Timed


class _TlsPool(_Idle, HTTPSConnectionPool):
    ConnectionCls = _TimedTls


def keep_deadlines(manager: urllib3.PoolManager) -> None:
    """Make every connection of this pool manager one of ours."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
