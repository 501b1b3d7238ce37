"""The shared budget: never above the limit, quiet for all after a 429, and nothing without Redis."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from integrations.access import rate_limit
from integrations.eaccounting.client import Endpoint
from tests.proxy import Proxy

ANSWER_SECONDS = rate_limit.ANSWER_SECONDS  # the product's; other tests give Redis as long as it takes (conftest.py)
CUSTOMERS, CUSTOMER = Endpoint.CUSTOMERS, Endpoint.CUSTOMER


@pytest.fixture(autouse=True)
def _nothing_booked() -> None:
    rate_limit._redis().flushdb()


def test_no_call_is_made_before_its_slot(settings: Settings) -> None:
    """How much of the limit is used, and that no window holds too many: B4 of `make bench`."""
    settings.EACCOUNTING_RATE_LIMIT = 3000  # 50 a second
    made: list[float] = []
    began = time.monotonic()

    def work() -> None:
        for _ in range(12):
            rate_limit.book(CUSTOMERS, connection_id=1, patience=30)
            made.append(time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        for job in [pool.submit(work) for _ in range(8)]:
            job.result()
    assert len(made) == 96
    spacing = 60 / (3000 * rate_limit.SHARE)
    slots = [began + (place - rate_limit.BURST) * spacing - 0.001 for place in range(len(made))]
    assert [at for at, slot in zip(sorted(made), slots, strict=True) if at < slot] == []


def test_a_minute_of_bookings_stays_below_the_limit_burst_included(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 600
    spacing = 60_000 / (600 * rate_limit.SHARE)
    slots = [
        now() + rate_limit._reserve(rate_limit._keys(CUSTOMERS, 1), [spacing, rate_limit.BURST, 120_000])
        for _ in range(700)
    ]
    assert sum(1 for slot in slots if slot < slots[0] + 60) <= 600


def now() -> float:
    """The time of Redis, in seconds."""
    seconds, microseconds = rate_limit._redis().time()
    return seconds + microseconds / 1e6


def test_endpoints_have_a_budget_each(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 1
    for _ in range(rate_limit.BURST + 1):
        rate_limit.book(CUSTOMERS, connection_id=1, patience=0)
    with pytest.raises(rate_limit.NoSlot):
        rate_limit.book(CUSTOMERS, connection_id=1, patience=0)
    rate_limit.book(CUSTOMER, connection_id=1, patience=0)


@pytest.mark.parametrize(("scope", "shared"), [("client", True), ("connection", False)])
def test_the_scope_decides_whether_connections_share(settings: Settings, scope: str, shared: bool) -> None:
    settings.EACCOUNTING_RATE_SCOPE = scope
    rate_limit.silence(CUSTOMERS, connection_id=1, seconds=30)
    try:
        rate_limit.book(CUSTOMERS, connection_id=2, patience=0)
        refused = False
    except rate_limit.NoSlot:
        refused = True
    assert refused is shared


def test_a_429_silences_the_endpoint_for_everybody_until_the_told_second(settings: Settings) -> None:
    rate_limit.silence(CUSTOMERS, connection_id=1, seconds=3)
    with pytest.raises(rate_limit.NoSlot) as refused:
        rate_limit.book(CUSTOMERS, connection_id=1, patience=0.2)
    assert 0.2 < refused.value.retry_in <= 3.01
    rate_limit.book(CUSTOMER, connection_id=1, patience=0)  # another endpoint is not concerned
    rate_limit.book(CUSTOMERS, connection_id=1, patience=60)
    assert not rate_limit._redis().exists(rate_limit._keys(CUSTOMERS, 1)[1]), (
        "it was booked before the silence was over"
    )


def test_a_shorter_silence_does_not_end_a_longer_one() -> None:
    rate_limit.silence(CUSTOMERS, connection_id=1, seconds=55)
    rate_limit.silence(CUSTOMERS, connection_id=1, seconds=1)
    with pytest.raises(rate_limit.NoSlot) as refused:
        rate_limit.book(CUSTOMERS, connection_id=1, patience=0)
    assert refused.value.retry_in > 50


def test_a_429_also_stops_those_who_wait_for_their_slot_already(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 20  # a call every three seconds
    for _ in range(rate_limit.BURST + 1):
        rate_limit.book(CUSTOMERS, connection_id=1, patience=0)
    threading.Timer(0.2, rate_limit.silence, args=[CUSTOMERS], kwargs={"connection_id": 1, "seconds": 300}).start()
    with pytest.raises(rate_limit.NoSlot) as refused:
        rate_limit.book(CUSTOMERS, connection_id=1, patience=60)
    assert refused.value.retry_in > 100


def test_nobody_waits_longer_than_the_patience_and_what_is_refused_is_not_booked(settings: Settings) -> None:
    settings.EACCOUNTING_RATE_LIMIT = 1
    for _ in range(rate_limit.BURST + 1):
        rate_limit.book(CUSTOMERS, connection_id=1, patience=0)
    for _ in range(20):
        with pytest.raises(rate_limit.NoSlot) as refused:
            rate_limit.book(CUSTOMERS, connection_id=1, patience=0.05)
    assert refused.value.retry_in < 60 / rate_limit.SHARE + 0.1


def test_a_person_reads_at_most_sixty_times_a_minute() -> None:
    for _ in range(20):
        rate_limit.count_live_read(7)
    with pytest.raises(rate_limit.NoSlot):
        _read_on()
    rate_limit.count_live_read(8)


def _read_on() -> None:
    for _ in range(60):  # one more may be made for each second and a half that this takes
        rate_limit.count_live_read(7)


def test_without_redis_nothing_is_called(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    rate_limit._redis.cache_clear()
    try:
        with pytest.raises(rate_limit.RateLimitUnknown) as refused:
            rate_limit.book(CUSTOMERS, connection_id=1, patience=5)
        rate_limit.silence(CUSTOMERS, connection_id=1, seconds=5)  # says nothing: the row waits all the same
    finally:
        rate_limit._redis.cache_clear()
    assert refused.value.code == "budget_unknown"


def test_a_silent_redis_is_asked_only_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ANSWER_SECONDS <= 0.5
    monkeypatch.setattr(rate_limit, "ANSWER_SECONDS", ANSWER_SECONDS)
    with Proxy.before(settings.REDIS_URL) as line:
        line.to_client.silent = True
        settings.REDIS_URL = line.url
        rate_limit._redis.cache_clear()
        try:
            with pytest.raises(rate_limit.RateLimitUnknown):
                rate_limit.book(CUSTOMERS, connection_id=1, patience=5)
        finally:
            rate_limit._redis.cache_clear()
        assert line.accepted == 1
