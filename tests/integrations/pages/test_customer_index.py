"""What a page says about the copy of the customers: one sentence for each state it can be in."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.messages.customer_index import customer_index_words
from integrations.models import BlockedReason, Connection, CustomerIndex
from integrations.services.customer_index import IndexStage, state_of
from tests.integrations.pages.conftest import NOW, World


def told(connection: Connection, *, usable: dict[str, str] | None = None, **index: object) -> tuple[IndexStage, str]:
    """What is said of an index with these columns, of a connection whose `usable` says whether calls can be made."""
    Connection.objects.filter(pk=connection.pk).update(**{"name": connection.name, **(usable or {})})
    CustomerIndex.objects.filter(connection=connection).update(**{"reading": "", **index})
    report = state_of(Connection.objects.get(pk=connection.pk))
    return report.stage, customer_index_words(report)


def test_nothing_was_fetched_yet(world: World) -> None:
    connection = world.connect()
    assert told(connection) == (
        IndexStage.WAITING,
        "The customers have not been fetched from Visma eAccounting yet. This happens automatically soon.",
    )
    stage, words = told(connection, usable={"blocked_reason": BlockedReason.LICENCE})
    assert stage == IndexStage.WAITING
    assert words.endswith("This happens automatically once the connection works.")


def test_while_it_is_filled_it_is_said_how_far_that_is(world: World) -> None:
    connection = world.connect()
    world.link(connection)
    stage, words = told(connection, page=2, total=12345)
    assert stage == IndexStage.FILLING
    assert "1 of 12,345 so far. The rest cannot be found yet." in words
    assert "Visma eAccounting: 1 so far." in told(connection, total=None)[1]


def test_its_age_is_said_once_it_is_complete(world: World) -> None:
    connection = world.connect()
    columns = {"full_at": NOW, "read_at": timezone.now() - timedelta(minutes=7)}
    stage, words = told(connection, **columns)
    assert stage == IndexStage.READY
    assert words.replace("\xa0", " ") == "The customers were last fetched from Visma eAccounting 7 minutes ago."


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (
            {"failure": "server_error"},
            "Visma eAccounting has not answered since then. Lime Go tries again automatically.",
        ),
        (
            {"failure": "fault"},
            "newer ones were not fetched. Lime Go tries again automatically. Contact support if this does not go away.",
        ),
        ({"usable": {"state": Connection.State.NEEDS_RECONNECT}}, "An admin can fix it."),
        ({"usable": {"blocked_reason": BlockedReason.SCOPE}}, "An admin can fix it."),
    ],
)
def test_a_copy_that_is_not_kept_up_says_why(world: World, columns: dict[str, object], reason: str) -> None:
    connection = world.connect()
    stage, words = told(connection, full_at=NOW, read_at=timezone.now(), **columns)
    assert stage == IndexStage.BEHIND
    assert "just now." in words
    assert words.endswith(reason)
