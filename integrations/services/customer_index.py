"""How complete and how old the index of a connection's customers is, for the pages that show it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integrations.models import Connection, CustomerIndex, RemoteCustomer
from integrations.services.customer_search import _present


class IndexStage(StrEnum):
    """How complete the index of a connection's customers is."""

    WAITING = "waiting"  # nothing was fetched yet
    FILLING = "filling"
    READY = "ready"
    BEHIND = "behind"  # complete once, but not kept up


@dataclass(frozen=True, kw_only=True)
class IndexReport:
    """What a page says about the index (messages/customer_index.py)."""

    stage: IndexStage
    read: int  # customers read so far, while it is being filled
    total: int | None  # customers in all, as eAccounting counts them
    read_at: datetime | None  # the time as of which it is complete
    unreadable: int  # rows in the last pass that were no customers
    failure: str  # the code of why the last step failed, or blank
    is_usable: bool  # whether calls can be made now


def state_of(connection: Connection) -> IndexReport:
    """Return how complete the index of a connection is. Counts customers only while it is filled for the first time."""
    index = CustomerIndex.of(connection)
    stage = _stage(index)
    return IndexReport(
        stage=stage,
        read=_present(connection).count() if stage == IndexStage.FILLING else 0,
        total=index.total,
        read_at=index.read_at,
        unreadable=index.skipped,
        failure=index.failure,
        is_usable=connection.is_usable,
    )


def _stage(index: CustomerIndex) -> IndexStage:
    if index.is_filled:
        is_kept_up = index.connection.is_usable and not index.failure
        return IndexStage.READY if is_kept_up else IndexStage.BEHIND
    has_begun = index.page > 1 or index.read_at is not None
    return IndexStage.FILLING if has_begun else IndexStage.WAITING


def unlinked_count(connection: Connection) -> int:
    """Return how many customers in the index are linked to no company."""
    return RemoteCustomer.without_link(connection).count()
