"""The proxy misbehaves as told, each way for itself, and otherwise is not there."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from dev.sandbox.server import SandboxServer
from integrations.eaccounting.errors import Unreachable
from integrations.eaccounting.transport import Http
from tests.integrations.workers import until
from tests.proxy import Proxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; return its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve(conn: socket.socket) -> None:
        with contextlib.suppress(OSError), conn:
            while data := conn.recv(65536):
                conn.sendall(data)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", echo) as running:
        yield running


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as conn:
        yield conn


def exchange(client: socket.socket, data: bytes = b"ping") -> None:
    """Send, and wait for the echo."""
    client.sendall(data)
    got = b""
    while len(got) < len(data):
        piece = client.recv(65536)
        if not piece:
            raise EOFError(got)
        got += piece
    assert got == data


def test_it_passes_on_whatever_comes(client: socket.socket, proxy: Proxy) -> None:
    exchange(client)
    exchange(client, os.urandom(100_000))
    assert (proxy.to_server.passed, proxy.to_client.passed) == (100_004, 100_004)
    assert (proxy.accepted, proxy.open) == (1, 1)


def test_an_end_in_good_order_goes_through(client: socket.socket, proxy: Proxy) -> None:
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b"last words"
    assert client.recv(100) == b""
    client.close()
    until(lambda: not proxy.open, what="the connection to end")


@pytest.mark.parametrize("way", ["to_server", "to_client"])
def test_latency_delays_one_way_and_can_be_taken_away(way: str, client: socket.socket, proxy: Proxy) -> None:
    getattr(proxy, way).latency = 3600
    client.sendall(b"kept")
    until(lambda: getattr(proxy, way).arrived == 4, what="the bytes to be under way")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(4)
    assert getattr(proxy, way).passed == 0
    proxy.heal()
    client.settimeout(60)
    assert client.recv(4) == b"kept"
    exchange(client)


def test_latency_does_not_slow_down_what_follows(client: socket.socket, proxy: Proxy) -> None:
    proxy.to_client.latency = 3600
    for count in (1, 2, 3):
        client.sendall(b"x")
        until(lambda count=count: proxy.to_client.arrived == count, what="it to be under way beside the others")
    assert proxy.to_client.passed == 0


def test_silence_keeps_what_is_sent_until_it_is_over(client: socket.socket, proxy: Proxy) -> None:
    proxy.to_client.silent = True
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        exchange(client, b"kept")
    until(lambda: proxy.to_server.passed == 4, what="the other way to carry it")
    proxy.heal()
    client.settimeout(60)
    assert client.recv(10) == b"kept"


def test_slow_bytes_come_one_by_one(client: socket.socket, proxy: Proxy) -> None:
    proxy.to_client.seconds_per_byte = 0.05
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as other:
        exchange(other, b"in the end all of them")
    proxy.to_client.seconds_per_byte = 3600
    client.sendall(b"0123456789")
    assert client.recv(10) == b"0"
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(10)


def test_a_reset_is_a_reset_at_both_ends(client: socket.socket, proxy: Proxy) -> None:
    exchange(client)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert proxy.open == 0


def test_a_cut_is_an_orderly_end(client: socket.socket, proxy: Proxy) -> None:
    exchange(client)
    proxy.cut()
    assert client.recv(1) == b""


@pytest.mark.parametrize(("how", "error"), [("cut", EOFError), ("reset", ConnectionResetError)])
def test_a_connection_can_end_in_the_middle_of_an_answer_once(
    how: str, error: type[Exception], client: socket.socket, proxy: Proxy
) -> None:
    proxy.to_client.end_after(6, how=how)
    exchange(client, b"four")
    with pytest.raises(error):
        exchange(client, b"four")
    assert proxy.to_client.passed == 6
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as second:
        exchange(second)


def test_nothing_may_pass_to_the_server_at_all(client: socket.socket, proxy: Proxy) -> None:
    proxy.to_server.end_after(0, how="reset")
    with pytest.raises(ConnectionResetError):
        exchange(client)
    assert proxy.to_server.passed == 0


def test_down_refuses_and_up_is_the_same_address(client: socket.socket, proxy: Proxy) -> None:
    exchange(client)
    proxy.down()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), timeout=60)
    exchange(client)
    proxy.up()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as second:
        exchange(second)


def test_a_new_connection_can_cost_more(proxy: Proxy) -> None:
    proxy.connect_seconds = 1.0
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as conn:
        conn.sendall(b"ping")
        assert proxy.open == 0  # it is being made
        assert conn.recv(4) == b"ping"
        exchange(conn)


def test_a_target_that_is_away_is_a_reset() -> None:
    # At reading, or as early as at connecting: the proxy is quick.
    with Proxy("127.0.0.1", 9) as proxy, pytest.raises(ConnectionResetError):
        connect_and_read(proxy.port)


def connect_and_read(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as conn:
        conn.recv(1)


def test_many_connections_at_once_are_independent(proxy: Proxy) -> None:
    served: list[None] = []

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as conn:
            served.extend(exchange(conn, os.urandom(1000)) for _ in range(5))

    threads = [threading.Thread(target=visit) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served) == 150


def test_before_postgresql_a_reset_breaks_the_session_only() -> None:
    with Proxy.before(os.environ["DATABASE_URL"]) as proxy:
        with psycopg.connect(proxy.url, dbname="postgres", autocommit=True) as session:
            assert session.execute("select 1").fetchone() == (1,)
            proxy.reset()
            with pytest.raises(psycopg.OperationalError):
                session.execute("select 1")
        with psycopg.connect(proxy.url, dbname="postgres") as session:
            assert session.execute("select 1").fetchone() == (1,)


def test_before_redis_silence_is_a_time_out() -> None:
    with Proxy.before(os.environ["REDIS_URL"]) as proxy:
        once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        with redis.Redis.from_url(proxy.url, socket_timeout=0.3, retry=once) as broker:
            assert broker.ping()
            proxy.to_client.silent = True
            with pytest.raises(redis.TimeoutError):
                broker.ping()


def test_before_the_api_a_cut_answer_may_have_been_done() -> None:
    with SandboxServer() as sandbox, Proxy.before(sandbox.api_url) as proxy:
        assert urlsplit(proxy.url).path == urlsplit(sandbox.api_url).path
        http = Http(base_url=proxy.url, user_agent="t")
        assert http.request("GET", "/customers", deadline=30).status == 401
        proxy.to_client.end_after(proxy.to_client.passed - 5, how="cut")
        with pytest.raises(Unreachable) as error:
            http.request("POST", "/customers", deadline=30, json={})
        assert error.value.may_have_been_done
        http.close()
