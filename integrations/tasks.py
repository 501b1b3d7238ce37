"""Entry points of the Celery workers.

A message only says "look at this row": losing it, or getting it twice, does no harm.
"""

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
from integrations.models import push_queue

log = logging.getLogger(__name__)

WAKE_SECONDS = 0.04  # once for connecting and once for the answer
QUIET_SECONDS = 5.0  # after a failed wake none is sent for this long: a click must not wait for the broker
PULL_SECONDS = 2.0  # after this a worker that pulls hands over to the next message
PULL_PAUSE = 0.1  # seconds to wait while every account with due rows already has its share of them in work
PULLS_WAITING = 16  # most pull messages that may be waiting: so many workers can be woken at once
# Seconds. A message that nobody has taken by then has long been replaced by a newer one. Not shorter, because each
# host compares it with its own clock, which may be wrong.
UPKEEP_EXPIRES = 7200.0
_quiet = {"until": 0.0}


@cache
def _wake_broker() -> Broker:
    """Return the broker connection for wakes: it gives up quickly, unlike the patient one of the workers."""
    options = {"socket_timeout": WAKE_SECONDS, "socket_connect_timeout": WAKE_SECONDS, "max_retries": 0}
    return current_app.connection_for_write(transport_options=options)


def wake(push_id: int) -> None:
    """Tell a worker that a push is due."""
    reach(Point.WISH_COMMITTED)
    _wake(deliver_push, {"push_id": push_id})


def wake_upkeep() -> None:
    """Tell a worker that terms of payment have to be fetched."""
    _wake(look_after_connections, {})


def _wake(task: "Task[..., None]", arguments: dict[str, int | str]) -> None:
    """Send a message. Never fails and never takes long: if it is lost, the sweeper finds the row."""
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
    """Take the push that was just clicked as far as it can go now."""
    deliver(push_id)


@shared_task
def pull(**_later: object) -> None:
    """Deliver due pushes one after the other, the account least recently served first.

    Stops after PULL_SECONDS, so that a worker that is asked to stop can; the next message goes on.
    """
    end = time.monotonic() + PULL_SECONDS
    while time.monotonic() < end:
        if deliver_next():
            continue
        if not push_queue.unattended(now=database_now()).exists():
            return
        time.sleep(PULL_PAUSE)
    _wake(pull, {})


@shared_task
def sweep(**_later: object) -> None:
    """Wake workers when pushes are due that no wake has announced.

    Makes pushes due first whose reason to wait is over. Sends only as many messages as there is room for: the ones
    that still wait in the queue already keep the workers busy.
    """
    room, now = max(0, PULLS_WAITING - _pulls_waiting()), database_now()
    push_queue.recheck(now=now)
    due = list(push_queue.unattended(now=now).values_list("pk")[:room])
    reach(Point.SWEEP_FOUND)
    for _row in due:
        pull.apply_async()


def _pulls_waiting() -> int:
    with current_app.connection_for_read() as broker:
        # kombu's types declare only what all its transports share.
        waiting: int = broker.default_channel.queue_declare("bulk").message_count  # type: ignore[attr-defined]
        return waiting


@shared_task
def look_after_connections(**_later: object) -> None:
    """Start one task for each connection that is due for upkeep."""
    now = database_now()
    upkeep.look_after(now=now, hand_on=_hand_on)
    customer_index.look_after(now=now, hand_on=_index)


def _hand_on(connection_id: int) -> None:
    look_after.apply_async(kwargs={"connection_id": connection_id}, expires=UPKEEP_EXPIRES)


@shared_task
def look_after(*, connection_id: int, **_later: object) -> None:
    """Do the upkeep of one connection: probe it if it is blocked, fetch its terms of payment, keep its grant alive."""
    upkeep.look_after_one(connection_id)


def _index(connection_id: int, lease: datetime) -> None:
    """Send the message for the next step of an index. If it is lost, it is sent again when the lease has ended."""
    _wake(index_customers, {"connection_id": connection_id, "lease": lease.isoformat()})


@shared_task
def index_customers(*, connection_id: int, lease: str, **_later: object) -> None:
    """Read one page of a connection's customers.

    The next page is another message, so that other connections get their turn.
    """
    following = customer_index.step(connection_id, lease=datetime.fromisoformat(lease))
    if following:
        _index(connection_id, following)
    else:
        customer_index.look_after(now=database_now(), hand_on=_index)
