"""Whose turn it is: the account served least recently, whoever asked first; and nobody takes all the hands."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations import tasks
from integrations.delivery.worker import deliver_next
from integrations.domain.mapping import COMPANY_GROUPS, values_of
from integrations.models import Connection, Kind, Push, PushState, WaitReason, push_queue
from integrations.models.push_queue import AT_ONCE
from tests import sheets
from tests.integrations.conftest import AddCompany, MovableClock, confirm_terms, connect_as, named
from tests.integrations.threads import at_once

LONG_AGO = timedelta(hours=1)


@pytest.fixture
def theirs(ready: Connection, olav: User, sandbox: Sandbox) -> Connection:
    """Another account's connection, to another eAccounting company."""
    connection = connect_as(olav, company="2")
    confirm_terms(connection, olav)
    sandbox.forget_calls()
    return connection


Record = Callable[..., list[Push]]


@pytest.fixture
def record(add_company: AddCompany) -> Record:
    """Return what records wishes as a run does: without a poke."""

    def rows(connection: Connection, user: User, *, count: int, age: timedelta = LONG_AGO) -> list[Push]:
        companies = [
            add_company(to=user.account, name=f"{user.first_name} {number} AB", registration_number="")
            for number in range(count)
        ]
        wish = {"account": user.account, "connection": connection, "kind": Kind.CREATE, "requested_by": user}
        return [
            Push.objects.create(
                **wish,
                company=company,
                confirmed=values_of(company, None, groups=COMPANY_GROUPS),
                next_attempt_at=timezone.now() - age + timedelta(seconds=place),
            )
            for place, company in enumerate(companies)
        ]

    return rows


def taken(now: datetime) -> Push | None:
    return push_queue.claim_in_turn(now=now, seconds=60)


def end(push: Push, now: datetime) -> None:
    push.finish(now=now)


def test_the_account_served_least_recently_comes_first_and_its_longest_waiting_row(
    ready: Connection, theirs: Connection, ulf: User, olav: User, record: Record
) -> None:
    ours = record(ready, ulf, count=3)
    later = record(theirs, olav, count=2, age=timedelta(minutes=1))
    order = []
    for place in range(5):
        now = timezone.now() + timedelta(seconds=place)
        push = taken(now)
        assert push is not None
        order.append(push.pk)
        end(push, now)
    assert order == [ours[0].pk, later[0].pk, ours[1].pk, later[1].pk, ours[2].pk]
    assert taken(timezone.now()) is None


def test_one_connection_has_four_rows_in_hand_at_most_and_does_not_hold_others_up(
    ready: Connection, theirs: Connection, ulf: User, olav: User, record: Record
) -> None:
    record(ready, ulf, count=AT_ONCE + 2)
    now = timezone.now()
    held = [taken(now) for _ in range(AT_ONCE)]
    assert all(held)
    assert taken(now) is None
    [other] = record(theirs, olav, count=1)
    found = taken(now)
    assert found is not None
    assert found.pk == other.pk
    assert held[0] is not None
    end(held[0], now)
    assert taken(now) is not None


def test_four_that_were_killed_block_nobody_once_their_leases_ended(
    ready: Connection, ulf: User, record: Record
) -> None:
    record(ready, ulf, count=AT_ONCE)
    now = timezone.now()
    first = [taken(now) for _ in range(AT_ONCE)]
    again = [taken(now + timedelta(seconds=61)) for _ in range(AT_ONCE)]
    assert {push.pk for push in first if push} == {push.pk for push in again if push}
    assert [push.crashes for push in again if push] == [1] * AT_ONCE


def test_a_fresh_click_is_left_to_the_worker_that_was_poked_for_a_moment(
    ready: Connection, company: Company, ulf: User
) -> None:
    push = sheets.create(user=ulf, company=company)
    assert taken(push.requested_at + timedelta(seconds=1)) is None
    found = taken(push.requested_at + timedelta(seconds=3))
    assert found is not None
    assert found.pk == push.pk


@pytest.mark.django_db(transaction=True)
def test_many_who_pull_at_once_take_each_push_once_and_four_of_a_connection(
    ready: Connection, theirs: Connection, ulf: User, olav: User, record: Record
) -> None:
    record(ready, ulf, count=10)
    record(theirs, olav, count=10)
    now = timezone.now()
    ends = at_once([lambda: taken(now)] * 12)
    found = [end for end in ends if isinstance(end, Push)]
    assert not [end for end in ends if isinstance(end, BaseException)]
    assert len({push.pk for push in found}) == len(found)
    for connection in (ready, theirs):
        assert sum(push.connection_id == connection.pk for push in found) <= AT_ONCE


def test_one_who_pulls_does_all_that_is_due_in_turn(
    ready: Connection, theirs: Connection, ulf: User, olav: User, record: Record, sandbox: Sandbox
) -> None:
    ours, others = record(ready, ulf, count=3), record(theirs, olav, count=2)
    tasks.pull()
    assert set(Push.objects.values_list("state", flat=True)) == {PushState.DONE}
    ended = list(Push.objects.order_by("finished_at").values_list("pk", flat=True))
    assert ended == [ours[0].pk, others[0].pk, ours[1].pk, others[1].pk, ours[2].pk]
    assert [len(named(sandbox, f"Ulf {number} AB")) for number in range(3)] == [1] * 3


def test_a_connection_that_breaks_in_the_middle_stops_its_own_rows_only(
    ready: Connection, theirs: Connection, ulf: User, olav: User, record: Record, clock: MovableClock, sandbox: Sandbox
) -> None:
    ours, others = record(ready, ulf, count=3), record(theirs, olav, count=3)
    assert deliver_next(clock=clock)
    sandbox.revoke_grants(company="1")
    for _ in range(2):  # the grant is asked for twice
        while deliver_next(clock=clock):
            pass
        clock.forward(settings.EACCOUNTING_ASK_AGAIN_SECONDS)
    assert [Push.objects.get(pk=push.pk).wait_reason for push in ours] == ["", *[WaitReason.CONNECTION] * 2]
    assert {Push.objects.get(pk=push.pk).state for push in others} == {PushState.DONE}
