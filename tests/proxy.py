"""A TCP proxy that misbehaves on demand: before PostgreSQL, Redis or the API. Threads only, no knowledge of protocols.

with Proxy.before(os.environ["DATABASE_URL"]) as proxy:
    use(proxy.url)
    proxy.to_client.latency = 0.05     # seconds, each way of its own
    proxy.to_server.silent = True      # bytes are kept, and go on when it is False again
    proxy.to_client.reset_after = 10   # bytes; the first connection that gets there is reset
    proxy.heal()
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urlsplit

TICK = 0.05  # seconds until a waiting thread looks whether it is to behave otherwise
MOST_HELD = 64  # pieces of up to 64 KiB; then the sender has to wait, as before a full network
PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "http": 80, "https": 443}


@dataclass
class Way:
    """How one direction behaves, for all connections; every attribute may be changed at any time."""

    latency: float = 0.0
    """Seconds from a byte's arrival to its departure; it delays, but does not slow down what follows."""
    silent: bool = False
    seconds_per_byte: float = 0.0
    passed: int = 0
    """Bytes that went through so far."""
    arrived: int = 0
    """Bytes that came in so far."""
    _ending: tuple[int, str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def end_after(self, size: int, *, how: str = "cut") -> None:
        """Let `size` bytes more pass and end the connection that carries the last one, by "cut" or "reset"; once."""
        with self._lock:
            self._ending = (size, how)

    def note(self, data: bytes) -> bytes:
        """Count what came in."""
        with self._lock:
            self.arrived += len(data)
        return data

    def heal(self) -> None:
        """Behave."""
        self.latency, self.silent, self.seconds_per_byte, self._ending = 0.0, False, 0.0, None

    def take(self, data: bytes) -> tuple[bytes, str]:
        """Return the bytes that may pass, and how the connection ends behind them, or ""."""
        with self._lock:
            left, how = self._ending or (len(data) + 1, "")
            passing = data[:left]
            self.passed += len(passing)
            if left <= len(data):
                self._ending = None
                return passing, how
            self._ending = (left - len(data), how) if self._ending else None
            return passing, ""


class _Pair:
    """One connection through the proxy: two sockets, and a thread for each way."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.sockets = (client, server)
        self.over, self.closed = threading.Event(), threading.Event()
        self._reset, self._threads = False, 2
        self._lock = threading.Lock()

    def end(self, how: str) -> None:
        """Let both threads stop; the last one closes the sockets."""
        self._reset = self._reset or how == "reset"
        self.over.set()

    def pump(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        """Carry bytes one way until the connection is over."""
        held: deque[tuple[float, bytes]] = deque()
        finished = False
        try:
            while not self.over.is_set() and not finished:
                due = held[0][0] + way.latency if held and not way.silent else float("inf")
                wait = min(TICK, max(0.0, due - time.monotonic()))
                reading = not (held and held[-1][1] == b"") and len(held) < MOST_HELD
                if not reading:
                    self.over.wait(wait)
                elif _ready(source, select.POLLIN, wait):
                    held.append((time.monotonic(), way.note(source.recv(65536))))
                if held and not way.silent and time.monotonic() >= held[0][0] + way.latency:
                    finished = self._deliver(held.popleft()[1], sink, way)
        except OSError:
            self.end("reset")
        self._leave()

    def _deliver(self, data: bytes, sink: socket.socket, way: Way) -> bool:
        """Send one piece on; return whether it was the end of this way."""
        if not data:
            sink.shutdown(socket.SHUT_WR)
            return True
        passing, how = way.take(data)
        while passing and not self.over.is_set():
            size = 1 if way.seconds_per_byte else len(passing)
            if _ready(sink, select.POLLOUT, TICK):
                passing = passing[sink.send(passing[:size]) :]
                self.over.wait(way.seconds_per_byte)
        if how:
            self.end(how)
        return bool(how)

    def _leave(self) -> None:
        with self._lock:
            self._threads -= 1
            if self._threads:
                return
        for each in self.sockets:
            with contextlib.suppress(OSError):
                if self._reset:
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    _say_goodbye(each)
            each.close()
        self.closed.set()


class Proxy:
    """Listens on a loopback port and passes on to a target; `to_server` and `to_client` are its two ways."""

    def __init__(self, host: str, port: int, *, instead_of: SplitResult | None = None) -> None:
        self._target, self._original = (host, port), instead_of
        self.to_server, self.to_client = Way(), Way()
        self.connect_seconds = 0.0
        """How much longer a new connection takes than one that is there already."""
        self.accepted = 0
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self.port = 0
        self.up()

    @classmethod
    def before(cls, url: str) -> Self:
        """Return a proxy before the server of this address; `url` is then the address to use."""
        parts = urlsplit(url)
        return cls(parts.hostname or "127.0.0.1", parts.port or PORTS[parts.scheme], instead_of=parts)

    @property
    def url(self) -> str:
        """The address it was made from, leading through this proxy."""
        if self._original is None:
            raise ValueError("this proxy was made from a host and a port")
        login, at, _ = self._original.netloc.rpartition("@")
        return self._original._replace(netloc=f"{login}{at}127.0.0.1:{self.port}").geturl()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()
        self.cut()

    def up(self) -> None:
        """Accept connections (again), always on the same port."""
        self._listening = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def down(self) -> None:
        """Refuse new connections; those that are there stay."""
        with contextlib.suppress(OSError):  # nobody may have listened
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def heal(self) -> None:
        """Let both ways behave."""
        self.to_server.heal()
        self.to_client.heal()
        self.connect_seconds = 0.0

    def reset(self) -> None:
        """Reset every connection now (RST)."""
        self._end_all("reset")

    def cut(self) -> None:
        """End every connection now, in good order (FIN)."""
        self._end_all("cut")

    @property
    def open(self) -> int:
        """How many connections there are at this moment."""
        return len(self._alive())

    def _alive(self) -> list[_Pair]:
        return [pair for pair in self._pairs if not pair.closed.is_set()]

    def _end_all(self, how: str) -> None:
        with self._lock:
            pairs, self._pairs = self._alive(), []
        for pair in pairs:
            pair.end(how)
        for pair in pairs:
            pair.closed.wait(5)

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                self.accepted += 1
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        time.sleep(self.connect_seconds)
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.settimeout(5)  # a blocking send would take all or wait, and not look whether it is over
        pair = _Pair(client, server)
        ways = ((client, server, self.to_server), (server, client, self.to_client))
        with self._lock:
            self._pairs = [*self._alive(), pair]
        for way in ways:
            threading.Thread(target=pair.pump, args=way, daemon=True).start()


def _ready(sock: socket.socket, event: int, seconds: float) -> bool:
    poll = select.poll()  # not select(): it knows no descriptor above 1023
    poll.register(sock, event)
    return bool(poll.poll(seconds * 1000))


def _say_goodbye(sock: socket.socket) -> None:
    """Send FIN, and read what is under way: closing with unread bytes would send RST instead."""
    sock.shutdown(socket.SHUT_WR)
    end = time.monotonic() + 0.5
    while (left := end - time.monotonic()) > 0 and _ready(sock, select.POLLIN, left) and sock.recv(65536):
        pass
