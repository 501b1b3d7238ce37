"""The shared budget: never above the limit, quiet for all after a 429, and nothing without Redis."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from integrations import limiter
from integrations.eaccounting.client import Endpoint

CUSTOMERS, CUSTOMER = Endpoint.CUSTOMERS, Endpoint.CUSTOMER


@pytest.fixture(autouse=True)
def _nothing_booked() -> None:
    limiter._redis().flushdb()


def most_in_a_window(times: list[float], seconds: float) -> int:
    times = sorted(times)
    return max(sum(1 for other in times if start <= other < start + seconds) for start in times)


def test_never_more_calls_than_the_rate_in_any_window(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 3000  # 50 a second
    made: list[float] = []

    def work() -> None:
        for _ in range(12):
            limiter.book(CUSTOMERS, connection_id=1, patience=30)
            made.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(work) for _ in range(8)]:
            job.result()
    assert len(made) == 96
    # One second holds 48.75 spaced calls and the burst; over a minute that is below the limit of 3000.
    assert most_in_a_window(made, 1.0) <= 50 + limiter.BURST
    assert most_in_a_window(made, 1.0) >= 40


def test_a_minute_of_bookings_stays_below_the_limit_burst_included(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 600
    spacing = 60_000 / (600 * limiter.SHARE)
    waits = [limiter._reserve(limiter._keys(CUSTOMERS, 1), [spacing, limiter.BURST, 120_000]) for _ in range(700)]
    assert sum(1 for wait in waits if wait < 60) <= 600


def test_endpoints_have_a_budget_each(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 1
    for _ in range(limiter.BURST + 1):
        limiter.book(CUSTOMERS, connection_id=1, patience=0)
    with pytest.raises(limiter.BudgetError):
        limiter.book(CUSTOMERS, connection_id=1, patience=0)
    limiter.book(CUSTOMER, connection_id=1, patience=0)


@pytest.mark.parametrize(("scope", "shared"), [("client", True), ("connection", False)])
def test_the_scope_decides_whether_connections_share(settings: Settings, scope: str, shared: bool) -> None:
    settings.EACCOUNTING_RATE_SCOPE = scope
    limiter.silence(CUSTOMERS, connection_id=1, seconds=30)
    try:
        limiter.book(CUSTOMERS, connection_id=2, patience=0)
        refused = False
    except limiter.BudgetError:
        refused = True
    assert refused is shared


def test_a_429_silences_the_endpoint_for_everybody_until_the_told_second(settings: Settings) -> None:
    limiter.silence(CUSTOMERS, connection_id=1, seconds=1)
    began = time.monotonic()
    with pytest.raises(limiter.BudgetError) as refused:
        limiter.book(CUSTOMERS, connection_id=1, patience=0.2)
    assert 0.5 < refused.value.retry_in <= 1.01
    limiter.book(CUSTOMER, connection_id=1, patience=0)  # another endpoint is not concerned
    limiter.book(CUSTOMERS, connection_id=1, patience=5)
    assert 0.95 < time.monotonic() - began < 2


def test_a_shorter_silence_does_not_end_a_longer_one() -> None:
    limiter.silence(CUSTOMERS, connection_id=1, seconds=55)
    limiter.silence(CUSTOMERS, connection_id=1, seconds=1)
    with pytest.raises(limiter.BudgetError) as refused:
        limiter.book(CUSTOMERS, connection_id=1, patience=0)
    assert refused.value.retry_in > 50


def test_a_429_also_stops_those_who_wait_for_their_slot_already(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 60  # a call a second
    for _ in range(limiter.BURST + 1):
        limiter.book(CUSTOMERS, connection_id=1, patience=0)
    threading.Timer(0.2, limiter.silence, args=[CUSTOMERS], kwargs={"connection_id": 1, "seconds": 30}).start()
    with pytest.raises(limiter.BudgetError) as refused:
        limiter.book(CUSTOMERS, connection_id=1, patience=5)
    assert refused.value.retry_in > 25


def test_nobody_waits_longer_than_the_patience_and_what_is_refused_is_not_booked(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 60
    for _ in range(limiter.BURST + 1):
        limiter.book(CUSTOMERS, connection_id=1, patience=0)
    for _ in range(20):
        with pytest.raises(limiter.BudgetError) as refused:
            limiter.book(CUSTOMERS, connection_id=1, patience=0.05)
    assert refused.value.retry_in < 1.1


def test_a_person_reads_at_most_sixty_times_a_minute() -> None:
    for _ in range(20):
        limiter.count_live_read(7)
    with pytest.raises(limiter.BudgetError):
        limiter.count_live_read(7)
    limiter.count_live_read(8)


def test_without_redis_nothing_is_called(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    limiter._redis.cache_clear()
    try:
        with pytest.raises(limiter.BudgetUnknown) as refused:
            limiter.book(CUSTOMERS, connection_id=1, patience=5)
        limiter.silence(CUSTOMERS, connection_id=1, seconds=5)  # says nothing: the row waits all the same
    finally:
        limiter._redis.cache_clear()
    assert refused.value.code == "budget_unknown"


def test_a_silent_redis_is_asked_only_once(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        limiter._redis.cache_clear()
        began = time.monotonic()
        try:
            with pytest.raises(limiter.BudgetUnknown):
                limiter.book(CUSTOMERS, connection_id=1, patience=5)
        finally:
            limiter._redis.cache_clear()
        assert time.monotonic() - began < 0.95  # a second time would take another half second
