import gzip
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from integrations.eaccounting import transport
from integrations.eaccounting.errors import EAccountingError, NotSent, UnexpectedAnswer, Unreachable
from integrations.eaccounting.transport import Http, check_url
from tests.eaccounting.raw_server import RawServer, Script, answer, drips, resets, says, silent, then
from tests.integrations.workers import until

SECRET = "Bearer very-secret-token"  # looked for in errors, opens nothing


def client(server: RawServer, **options: float) -> Http:
    return Http(base_url=server.url, user_agent="LimeGo-Visma/test", **options)


def fails(call: Callable[[], object]) -> EAccountingError:
    with pytest.raises(EAccountingError) as caught:
        call()
    return caught.value


def test_an_answer_comes_back_whole() -> None:
    with RawServer(says(answer(b'{"a": 1}', extra=b"Retry-After: 7\r\n"))) as server:
        got = client(server).request("GET", "/x", deadline=60, authorization=SECRET)
    assert (got.status, got.body, got.headers["retry-after"]) == (200, b'{"a": 1}', "7")
    assert b"GET /x HTTP/1.1" in server.requests[0]
    assert b"Authorization: " + SECRET.encode() in server.requests[0]
    assert b"User-Agent: LimeGo-Visma/test" in server.requests[0]


def test_a_packed_answer_is_unpacked() -> None:
    packed = answer(gzip.compress(b'{"a": 1}'), extra=b"Content-Encoding: gzip\r\n")
    with RawServer(says(packed)) as server:
        assert client(server).request("GET", "/", deadline=60).body == b'{"a": 1}'


def test_query_values_are_percent_encoded() -> None:
    with RawServer(says(answer())) as server:
        client(server).request("GET", "/c", deadline=60, params={"$filter": "Name eq 'Å & B''s +1'"})
    assert b"GET /c?$filter=Name%20eq%20%27%C3%85%20%26%20B%27%27s%20%2B1%27 HTTP" in server.requests[0]


@pytest.mark.parametrize(
    "script",
    [
        silent,
        drips(answer(b"x" * 100, extra=b"X-Slow: " + b"y" * 100 + b"\r\n"), pause=0.1),
        then(says(answer(b"x" * 100)[:-99]), drips(b"x" * 99, pause=0.1)),
    ],
    ids=["silence", "slow headers", "slow body"],
)
def test_the_deadline_holds_however_slow_the_server_is(script: Script) -> None:
    with RawServer(script) as server:
        error = fails(lambda: client(server).request("GET", "/", deadline=0.5))
    assert isinstance(error, Unreachable)
    assert error.may_have_been_done
    assert error.parameters == {"reason": "timeout"}  # who waited for the end would have been answered, or cut off


def test_a_connection_that_was_cut_at_the_deadline_is_not_used_again() -> None:
    with RawServer(silent, says(answer(b'"second"'))) as server:
        http_client = client(server)
        fails(lambda: http_client.request("GET", "/", deadline=0.5))
        assert http_client.request("GET", "/", deadline=60).body == b'"second"'
    assert server.connections == 2


def test_a_reset_may_have_been_done() -> None:
    with RawServer(resets) as server:
        error = fails(lambda: client(server).request("POST", "/", deadline=60, json={"Name": "x"}, fresh=True))
    assert isinstance(error, Unreachable)
    assert error.may_have_been_done
    assert error.parameters == {"reason": "cut"}
    assert len(server.requests) == 1


def test_a_body_that_ends_early_may_have_been_done() -> None:
    with RawServer(says(answer(b"x" * 50)[:-20], keep=False)) as server:
        error = fails(lambda: client(server).request("GET", "/", deadline=60))
    assert isinstance(error, Unreachable)
    assert error.may_have_been_done


def test_a_body_that_cannot_be_unpacked_is_unexpected() -> None:
    with RawServer(says(answer(b"no gzip", extra=b"Content-Encoding: gzip\r\n"))) as server:
        assert isinstance(fails(lambda: client(server).request("GET", "/", deadline=60)), UnexpectedAnswer)


def test_an_answer_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MOST_BYTES", 1000)
    with RawServer(says(answer(gzip.compress(b"0" * 200_000), extra=b"Content-Encoding: gzip\r\n"))) as server:
        error = fails(lambda: client(server).request("GET", "/", deadline=60))
    assert (type(error), error.code) == (UnexpectedAnswer, "answer_too_long")


def test_a_closed_port_is_unreachable_and_nothing_was_done() -> None:
    with RawServer(silent) as server:
        url = server.url
    error = fails(lambda: Http(base_url=url, user_agent="t").request("POST", "/", deadline=60, json={}))
    assert isinstance(error, Unreachable)
    assert not error.may_have_been_done
    assert error.retryable
    assert error.parameters == {"reason": "connection"}


def test_an_unknown_name_is_unreachable() -> None:
    unknown = Http(base_url="https://nowhere.invalid", user_agent="t")
    error = fails(lambda: unknown.request("GET", "/", deadline=60))
    assert isinstance(error, Unreachable)
    assert error.parameters == {"reason": "name"}


def test_a_resolver_that_hangs_does_not_hold_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    hang, resolved = threading.Event(), threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        hang.wait(60)
        resolved.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    slow = Http(base_url="https://slow.invalid", user_agent="t", connect_timeout=0.3)
    error = fails(lambda: slow.request("GET", "/", deadline=60))
    assert not resolved.is_set()
    hang.set()
    assert isinstance(error, Unreachable)
    assert not error.may_have_been_done


def test_a_server_without_tls_is_unreachable_and_gets_no_token() -> None:
    with RawServer(says(answer())) as server:
        tls = Http(base_url=server.url.replace("http", "https"), user_agent="t", connect_timeout=0.3)
        error = fails(lambda: tls.request("GET", "/", deadline=2, authorization=SECRET))
    assert isinstance(error, Unreachable)
    assert not error.may_have_been_done
    assert not server.requests


def test_past_send_by_nothing_is_sent() -> None:
    with RawServer(says(answer())) as server:
        late = time.monotonic() - 0.01
        error = fails(lambda: client(server).request("POST", "/", deadline=60, json={}, send_by=late))
        time.sleep(0.05)
    assert isinstance(error, NotSent)
    assert not error.may_have_been_done
    assert server.requests == []


def test_send_by_is_looked_at_after_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was frozen, or a connection that took long, must not send late."""
    connect, soon = transport._connected, time.monotonic() + 1.0

    def slow(host: str, port: int, timeout: float) -> socket.socket:
        sock = connect(host, port, timeout)
        while time.monotonic() <= soon:
            time.sleep(0.05)
        return sock

    monkeypatch.setattr(transport, "_connected", slow)
    with RawServer(says(answer())) as server:
        error = fails(lambda: client(server).request("POST", "/", deadline=60, json={}, send_by=soon))
        until(lambda: server.connections == 1, what="the connection to be accepted")
    assert isinstance(error, NotSent)
    assert server.requests == []


def test_a_deadline_that_is_over_before_sending_is_not_sent() -> None:
    with RawServer(says(answer())) as server:
        error = fails(lambda: client(server).request("POST", "/", deadline=0, json={}))
    assert isinstance(error, NotSent)
    assert server.requests == []


def test_head_and_body_leave_in_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    send = transport.socket.socket.sendall
    monkeypatch.setattr(
        transport.socket.socket,
        "sendall",
        lambda sock, data: writes.append(bytes(data)) or send(sock, data),
    )
    with RawServer(says(answer())) as server:
        client(server).request("POST", "/", deadline=60, json={"Name": "Å"}, fresh=True)
    assert [data for data in writes if data.startswith(b"POST")] == server.requests


def test_connections_are_kept_and_used_again() -> None:
    with RawServer(says(answer())) as server:
        http_client = client(server)
        for _ in range(5):
            http_client.request("GET", "/", deadline=60)
    assert (server.connections, len(server.requests)) == (1, 5)


def test_threads_share_the_pool() -> None:
    with RawServer(says(answer(b'"ok"'))) as server:
        http_client = client(server, pool_size=4)
        with ThreadPoolExecutor(4) as pool:
            bodies = list(pool.map(lambda _: http_client.request("GET", "/", deadline=60).body, range(100)))
    assert bodies == [b'"ok"'] * 100
    assert server.connections <= 4


def test_a_post_uses_no_connection_that_was_idle_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(says(answer())) as server:
        http_client = client(server)
        http_client.request("GET", "/", deadline=60)
        http_client.request("POST", "/", deadline=60, json={}, fresh=True)
        assert server.connections == 1
        monkeypatch.setattr(transport, "FRESH_IDLE_SECONDS", 0.05)
        time.sleep(0.1)
        http_client.request("GET", "/", deadline=60)
        assert server.connections == 1
        time.sleep(0.1)
        http_client.request("POST", "/", deadline=60, json={}, fresh=True)
    assert server.connections == 2


def test_a_get_is_repeated_once_when_the_pooled_connection_was_stale() -> None:
    with RawServer(says(answer()), resets, says(answer(b'"again"'))) as server:
        http_client = client(server)
        http_client.request("GET", "/1", deadline=60)
        assert http_client.request("GET", "/2", deadline=60).body == b'"again"'
    assert (server.connections, len(server.requests)) == (2, 3)


def test_a_get_on_a_kept_connection_that_falls_silent_is_not_repeated() -> None:
    with RawServer(says(answer()), silent) as server:
        http_client = client(server)
        http_client.request("GET", "/1", deadline=60)
        error = fails(lambda: http_client.request("GET", "/2", deadline=1))
    assert isinstance(error, Unreachable)
    assert error.parameters == {"reason": "timeout"}
    assert len(server.requests) == 2


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_write_is_never_repeated(method: str) -> None:
    with RawServer(says(answer()), resets, says(answer())) as server:
        http_client = client(server)
        http_client.request("GET", "/1", deadline=60)
        error = fails(lambda: http_client.request(method, "/2", deadline=60, json={}, fresh=True))
        time.sleep(0.05)
    assert error.may_have_been_done
    assert len(server.requests) == 2


def test_a_connection_that_the_server_closed_is_noticed_before_a_post() -> None:
    with RawServer(says(answer(), keep=False), says(answer(b'"new"'))) as server:
        http_client = client(server)
        http_client.request("GET", "/", deadline=60)
        until(server.is_idle, what="the server to close")
        assert http_client.request("POST", "/", deadline=60, json={}, fresh=True).body == b'"new"'


def test_a_redirect_is_not_followed() -> None:
    with RawServer(says(answer(b"{}"))) as other:
        moved = answer(b"", head=b"HTTP/1.1 302 Found", extra=b"Location: " + other.url.encode() + b"/\r\n")
        with RawServer(says(moved)) as server:
            got = client(server).request("GET", "/", deadline=60, authorization=SECRET)
        time.sleep(0.05)
    assert got.status == 302
    assert other.requests == []


def test_cookies_are_not_kept() -> None:
    with RawServer(says(answer(extra=b"Set-Cookie: a=b\r\n"))) as server:
        http_client = client(server)
        http_client.request("GET", "/", deadline=60)
        http_client.request("GET", "/", deadline=60)
    assert b"Cookie" not in server.requests[1]


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    netrc = os.path.join(str(tmp_path), "netrc")  # noqa: PTH118  # a plain text for the environment
    with open(netrc, "w") as file:  # noqa: PTH123
        file.write("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", netrc)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with RawServer(says(answer())) as server:
        client(server).request("GET", "/", deadline=60, authorization=SECRET)
    assert b"Authorization: " + SECRET.encode() + b"\r\n" in server.requests[0]


def test_a_forked_worker_opens_its_own_connections() -> None:
    with RawServer(says(answer())) as server:
        http_client = client(server)
        http_client.request("GET", "/", deadline=60)
        http_client._process = -1
        http_client.request("GET", "/", deadline=60)
    assert server.connections == 2


def everything_in(error: BaseException) -> str:
    chain: list[BaseException | None] = [error, error.__cause__, error.__context__]
    return " ".join(f"{item!r} {item} {getattr(item, '__dict__', '')} {getattr(item, 'request', '')}" for item in chain)


@pytest.mark.parametrize("script", [silent, resets], ids=["silence", "reset"])
def test_errors_hold_nothing_of_the_request(script: Script) -> None:
    with RawServer(script) as server:
        error = fails(
            lambda: client(server).request(
                "POST", "/", deadline=1, authorization=SECRET, json={"Name": "Private Person"}
            )
        )
    assert error.__context__ is None
    assert error.__cause__ is None
    assert "secret" not in everything_in(error)
    assert "Private" not in everything_in(error)


def test_a_token_that_is_no_header_is_not_quoted() -> None:
    with RawServer(says(answer())) as server:
        error = fails(lambda: client(server).request("GET", "/", deadline=60, authorization=SECRET + "\n"))
    assert isinstance(error, NotSent)
    assert "secret" not in everything_in(error)


def test_errors_can_be_pickled() -> None:
    error = Unreachable("no_answer", parameters={"reason": "cut"}, may_have_been_done=True)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert (copy.code, copy.parameters, copy.may_have_been_done) == (error.code, error.parameters, True)


@pytest.mark.parametrize(
    "url", ["https://x.example/v2/", "http://127.0.0.1:9/v2", "http://localhost/v2", "http://[::1]:1/v2"]
)
def test_addresses_that_are_accepted(url: str) -> None:
    assert check_url(url=url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["http://x.example", "ftp://127.0.0.1", "x.example", "", "https://", "http://127.0.0.1.evil.example"],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https is needed"):
        check_url(url=url)
