"""Worker entry points. A message only says "look at this row"; losing or doubling one does no harm."""

import logging
import time
from datetime import datetime
from functools import cache

from celery import Task, current_app, shared_task
from kombu import Connection as Broker
from kombu.exceptions import KombuError, OperationalError
from kombu.pools import producers
from redis.exceptions import RedisError

from integrations.clock import database_now
from integrations.crash_points import Point, reach
from integrations.delivery import customer_index, upkeep
from integrations.delivery.worker import deliver, deliver_next
from integrations.models import Push

log = logging.getLogger(__name__)

WAKE_SECONDS = 0.04  # each for connecting and for answering
QUIET_SECONDS = 5.0  # after a failed poke no other is tried for so long: a click must not wait for the broker
PULL_SECONDS = 2.0  # after which a worker that pulls hands over to the next message
PULL_PAUSE = 0.1  # seconds, when all accounts that have due rows have enough of them in hand
PULLS_WAITING = 16  # messages that may wait for those who pull: as many of them can be woken at once
# Seconds. What nobody has taken by then is long since booked again; no shorter, since a host compares it with its
# own clock, which may be wrong.
UPKEEP_EXPIRES = 7200.0
_quiet = {"until": 0.0}


@cache
def _wake_broker() -> Broker:
    """How pokes reach the broker: giving up quickly, unlike the workers' patient connections."""
    options = {"socket_timeout": WAKE_SECONDS, "socket_connect_timeout": WAKE_SECONDS, "max_retries": 0}
    return current_app.connection_for_write(transport_options=options)


def wake(push_id: int) -> None:
    """Tell a worker about a row that is due."""
    reach(Point.WISH_COMMITTED)
    _wake(deliver_push, {"push_id": push_id})


def wake_upkeep() -> None:
    """Tell a worker that there are terms of payment to fetch."""
    _wake(look_after_connections, {})


def _wake(task: "Task[..., None]", arguments: dict[str, int | str]) -> None:
    """Send a message. Never fails and never takes long: the sweeper finds the row anyway."""
    if time.monotonic() < _quiet["until"]:
        return
    try:
        with producers[_wake_broker()].acquire(block=True, timeout=WAKE_SECONDS) as producer:
            options = {"producer": producer, "retry": False}
            task.apply_async(kwargs=arguments, **options)
    except (KombuError, OperationalError, RedisError, OSError) as error:
        _quiet["until"] = time.monotonic() + QUIET_SECONDS
        log.warning("the broker does not answer, the sweeper will find the row: %s", error)


@shared_task
def deliver_push(*, push_id: int, **_later: object) -> None:
    """Move the push that was just clicked as far as it goes now."""
    deliver(push_id)


@shared_task
def pull(**_later: object) -> None:
    """Move rows that no poke takes care of, one after the other, the account least recently served first.

    For a moment only, so that a worker that is asked to stop soon can; what is left is for the next message.
    """
    end = time.monotonic() + PULL_SECONDS
    while time.monotonic() < end:
        if deliver_next():
            continue
        if not Push.unattended(now=database_now()).exists():
            return
        time.sleep(PULL_PAUSE)
    _wake(pull, {})


@shared_task
def sweep(**_later: object) -> None:
    """Wake those who pull when there are rows that no poke takes care of.

    Messages that nobody has taken yet keep them busy; more of them would only pile up. What waits although its cause
    is over is made due first.
    """
    room, now = max(0, PULLS_WAITING - _pulls_waiting()), database_now()
    Push.recheck(now=now)
    due = list(Push.unattended(now=now).values_list("pk")[:room])
    reach(Point.SWEEP_FOUND)
    for _row in due:
        pull.apply_async()


def _pulls_waiting() -> int:
    with current_app.connection_for_read() as broker:
        # kombu's types name only what all its transports share.
        waiting: int = broker.default_channel.queue_declare("bulk").message_count  # type: ignore[attr-defined]
        return waiting


@shared_task
def look_after_connections(**_later: object) -> None:
    """Hand each connection that is due for upkeep on to a task of its own."""
    now = database_now()
    upkeep.look_after(now=now, hand_on=_hand_on)
    customer_index.look_after(now=now, hand_on=_index)


def _hand_on(connection_id: int) -> None:
    look_after.apply_async(kwargs={"connection_id": connection_id}, expires=UPKEEP_EXPIRES)


@shared_task
def look_after(*, connection_id: int, **_later: object) -> None:
    """Probe a blocked connection, fetch its terms, or keep its grant alive."""
    upkeep.look_after_one(connection_id)


def _index(connection_id: int, lease: datetime) -> None:
    """A message that is lost is sent again once the lease is over."""
    _wake(index_customers, {"connection_id": connection_id, "lease": lease.isoformat()})


@shared_task
def index_customers(*, connection_id: int, lease: str, **_later: object) -> None:
    """Read one page of a connection's customers; the next one is another message, so that others get their turn."""
    following = customer_index.step(connection_id, lease=datetime.fromisoformat(lease))
    if following:
        _index(connection_id, following)
    else:
        customer_index.look_after(now=database_now(), hand_on=_index)
