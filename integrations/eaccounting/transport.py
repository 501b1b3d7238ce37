"""HTTP to eAccounting: the only module that touches `requests`.

No redirects, no retries, no environment (a netrc file would replace our Authorization header), no cookies; errors that
hold nothing of the request. One deadline for the whole exchange: a read time-out of urllib3 starts again with each
byte, so a server that sends one byte a second would hold a worker for ever. Here every socket operation gets only what
is left of the exchange. The request leaves in one write, directly after a look at the clock: a worker that was frozen
cannot send late.
"""

import base64
import http.client
import io
import ipaddress
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError as Urllib3Error
from urllib3.exceptions import NameResolutionError, NewConnectionError

from integrations.eaccounting import jsontext
from integrations.eaccounting.errors import EAccountingError, NotSent, UnexpectedAnswer, Unreachable


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


# requests and urllib3 pass nothing of ours on to the connection, but all of it runs in the caller's thread.
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
    """Look a host name up, for at most `timeout` seconds: the system's resolver has no deadline of its own."""
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
    """The common part of plain and TLS connections."""

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
    """Make this pool manager use our connections."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


MOST_BYTES = 20 * 1024 * 1024
IDLE_SECONDS = 60.0
FRESH_IDLE_SECONDS = 10.0


Authenticate = Callable[[requests.PreparedRequest], requests.PreparedRequest]
Response = requests.Response


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A status, headers (looked up in any case) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def is_loopback(*, host: str) -> bool:
    """Tell whether a host name means this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(*, url: str) -> str:
    """Return the URL without its last slash.

    Raises ValueError for anything but https: tokens go by http only to this machine itself.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return url.rstrip("/")
    if parts.scheme == "http" and is_loopback(host=host):
        return url.rstrip("/")
    raise ValueError(f"{parts.scheme}://{host} is refused: https is needed, except on this machine itself")


def basic_authorization(*, user: str, password: str) -> str:
    """Return the value of an Authorization header (RFC 7617, UTF-8)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def authenticated(*, user: str, password: str) -> Authenticate:
    """Return what `requests` accepts as `auth`."""

    def add_header(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = basic_authorization(user=user, password=password)
        return request

    return add_header


def answer_of(*, response: Response) -> Answer:
    """Return the part of a response that matters."""
    return Answer(status=response.status_code, headers=response.headers, body=response.content)


class Adapter(HTTPAdapter):
    """Carries prepared requests; returns whole answers or raises one of our errors."""

    def __init__(self, *, connect_timeout: float = 3.0, pool_size: int = 10) -> None:
        self._connect_timeout = connect_timeout
        super().__init__(pool_connections=2, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # passed on untouched
        super().init_poolmanager(*args, **kwargs)
        keep_deadlines(self.poolmanager)

    def exchange(
        self, *, deadline: float, send_by: float | None = None, max_idle: float = FRESH_IDLE_SECONDS
    ) -> Exchange:
        """Return a new exchange that ends `deadline` seconds from now."""
        ends_at = time.monotonic() + deadline
        return Exchange(ends_at=ends_at, connect_timeout=self._connect_timeout, send_by=send_by, max_idle=max_idle)

    def carry(self, request: requests.PreparedRequest, exchange: Exchange) -> requests.Response:
        """Send one request and read its whole answer. Raises Unreachable, NotSent or UnexpectedAnswer."""
        outcome = self._attempt(request, exchange)
        # Raised outside the handler: the error's __context__ would otherwise hold the request with its token.
        if isinstance(outcome, EAccountingError):
            raise outcome
        return outcome

    def _attempt(self, request: requests.PreparedRequest, exchange: Exchange) -> requests.Response | EAccountingError:
        try:
            with current(exchange):
                exchange.check_may_send()
                response = super().send(request, stream=True, timeout=exchange.left())
                response._content = _whole_body(response)  # noqa: SLF001  # requests has no public way to say "read"
                return response
        except EAccountingError as error:
            return error
        except (requests.RequestException, Urllib3Error, OSError, ValueError) as failure:
            return _failed(exchange, failure)


class SessionAdapter(Adapter):
    """The same, mounted in a `requests` session of somebody else (requests-oauthlib).

    oauthlib refuses http. For a stand-in on this machine it is shown the https form of the address and this
    adapter sends it by http (`plain=True`); no environment variable has to weaken the whole process for that.
    """

    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        super().__init__()

    def send(  # type: ignore[override]  # of requests' arguments only the time-out concerns us
        self, request: requests.PreparedRequest, *, timeout: float, **_: object
    ) -> requests.Response:
        """Carry one request; a redirect is an error, since the session would follow it with the token."""
        if self._plain and request.url:
            request.url = "http" + request.url.removeprefix("https")
        response = self.carry(request, self.exchange(deadline=timeout))
        if 300 <= response.status_code < 400:
            raise UnexpectedAnswer("redirected", status=response.status_code)
        return response


class Http:
    """A pooled, thread-safe HTTP client for one base address."""

    def __init__(self, *, base_url: str, user_agent: str, connect_timeout: float = 3.0, pool_size: int = 10) -> None:
        self._base_url = check_url(url=base_url)
        self._user_agent = user_agent
        self._connect_timeout, self._pool_size = connect_timeout, pool_size
        self._open()

    def request(  # noqa: PLR0913  # one keyword for each part of a request
        self,
        method: str,
        path: str,
        *,
        deadline: float,
        authorization: str | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        send_by: float | None = None,
        fresh: bool = False,
    ) -> Answer:
        """Send one request and return its whole answer, whatever its status.

        `deadline`: seconds for everything. `send_by`: a `time.monotonic()` value, past it nothing is sent.
        `fresh`: use a new connection or one that was idle for less than 10 s.
        Raises Unreachable, NotSent, UnexpectedAnswer.
        """
        adapter = self._adapter_of_this_process()
        prepared = self._prepared(method, path, authorization, params, json, form)
        idle = FRESH_IDLE_SECONDS if fresh else IDLE_SECONDS
        exchange = adapter.exchange(deadline=deadline, send_by=send_by, max_idle=idle)
        outcome = adapter._attempt(prepared, exchange)  # noqa: SLF001  # the same module's class
        cut = isinstance(outcome, Unreachable) and not exchange.answered and not exchange.over()
        if method == "GET" and exchange.reused and cut:
            # The server closed a pooled connection while it was being used; reading again does no harm.
            left = exchange.ends_at - time.monotonic()
            again = adapter.exchange(deadline=left, send_by=send_by, max_idle=0.0)
            outcome = adapter._attempt(prepared, again)  # noqa: SLF001  # as above
        if isinstance(outcome, EAccountingError):
            raise outcome
        return answer_of(response=outcome)

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def _open(self) -> None:
        self._adapter = Adapter(connect_timeout=self._connect_timeout, pool_size=self._pool_size)
        self._process = os.getpid()

    def _adapter_of_this_process(self) -> Adapter:
        # A forked worker must not write into its parent's sockets.
        if os.getpid() != self._process:
            self._open()
        return self._adapter

    def _prepared(
        self,
        method: str,
        path: str,
        authorization: str | None,
        params: Mapping[str, str] | None,
        json: object,
        form: Mapping[str, str] | None,
    ) -> requests.PreparedRequest:
        url = self._base_url + path
        if params:
            url += "?" + urlencode(params, quote_via=quote, safe="$")
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        if authorization:
            headers["Authorization"] = authorization
        data: bytes | None = None
        if json is not None:
            headers["Content-Type"] = "application/json"
            data = jsontext.encode(json)
        elif form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            data = urlencode(form).encode()
        prepared = _prepare(method, url, headers, data)
        if prepared is None:
            raise NotSent("request_invalid")
        return prepared


def _prepare(method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> requests.PreparedRequest | None:
    try:
        return requests.Request(method, url, headers=headers, data=data).prepare()
    except (requests.RequestException, ValueError):
        # requests quotes the offending header, a token perhaps, in its message.
        return None


def _whole_body(response: requests.Response) -> bytes:
    """Read and unpack the body. Raises UnexpectedAnswer when it is longer than MOST_BYTES."""
    body = bytearray()
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > MOST_BYTES:
            response.close()
            raise UnexpectedAnswer("answer_too_long", status=response.status_code)
    return bytes(body)


def _failed(exchange: Exchange, failure: Exception) -> EAccountingError:
    """Return our error for a failure of requests, urllib3 or the socket."""
    if isinstance(failure, requests.exceptions.ContentDecodingError):
        return UnexpectedAnswer("answer_unreadable")
    sent = exchange.sent
    if not exchange.on_a_socket:
        # `responses` stands in for the socket; these two can only follow a request that was sent.
        sent = isinstance(failure, (requests.ReadTimeout, requests.exceptions.ChunkedEncodingError))
    if sent:
        reason = "timeout" if exchange.over() or isinstance(failure, requests.Timeout) else "cut"
        return Unreachable("no_answer", parameters={"reason": reason}, retryable=True, may_have_been_done=True)
    if exchange.over():
        return NotSent("deadline_before_sending", retryable=True)
    return Unreachable("unreachable", parameters={"reason": _reason(failure)}, retryable=True)


def _reason(failure: Exception) -> str:
    if isinstance(failure, requests.exceptions.SSLError):
        return "tls"
    text = repr(failure)
    if "NameResolutionError" in text:
        return "name"
    return "timeout" if "TimeoutError" in text else "connection"
