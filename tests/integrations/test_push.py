"""Rows of the outbox: one holder at a time, and nobody else writes."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from companies.models import Company, Contact
from integrations.exceptions import NothingToDecide
from integrations.models import Connection, Kind, Push, PushState, WaitReason, push_queue
from integrations.models.push import LostLease
from integrations.services.requests import cancel_push
from tests import sheets
from tests.integrations.conftest import AddCompany
from tests.integrations.threads import at_once, in_thread

real_threads = pytest.mark.django_db(transaction=True)
WHY = {"failure": "x", "failure_parameters": {}, "failure_detail": "", "error_id": ""}


@pytest.fixture
def wish(ready: Connection, company: Company, ulf: User) -> Push:
    return sheets.create(user=ulf, company=company)


def claim(push: Push, *, ahead: float = 0.0, seconds: float = 30) -> Push | None:
    return push_queue.claim(push.pk, now=timezone.now() + timedelta(seconds=ahead), seconds=seconds)


def claimed(push: Push, **more: float) -> Push:
    found = claim(push, **more)
    assert found is not None
    return found


def begin(push: Push, fingerprint: str = "f") -> None:
    now = timezone.now()
    push.begin_sending(values={}, send_by=now, lease_until=now + timedelta(seconds=5), fingerprint=fingerprint)


def stored(push: Push) -> Push:
    return Push.objects.get(pk=push.pk)


@real_threads
def test_of_eight_workers_one_gets_the_row(wish: Push) -> None:
    holders = [end for end in at_once([lambda: claim(wish)] * 8) if end is not None]
    assert len(holders) == 1
    assert (stored(wish).fence, stored(wish).attempts) == (1, 0)


def test_a_held_row_is_not_claimed_until_its_lease_is_over(wish: Push) -> None:
    claimed(wish, seconds=30)
    assert claim(wish, ahead=29) is None
    assert claimed(wish, ahead=31).fence == 2


def test_what_is_not_due_or_is_finished_is_not_claimed(wish: Push) -> None:
    Push.objects.update(next_attempt_at=timezone.now() + timedelta(seconds=60))
    assert claim(wish) is None
    Push.objects.update(next_attempt_at=None)
    assert claim(wish, ahead=10_000) is None
    Push.objects.update(next_attempt_at=timezone.now(), state=PushState.DONE)
    assert claim(wish, ahead=1) is None


def test_a_cancelled_row_is_lost_to_the_worker_that_holds_it(wish: Push, ready: Connection) -> None:
    holder = claimed(wish)
    assert Push.cancel_waiting(connection=ready, now=timezone.now()) == [wish.company_id]
    with pytest.raises(LostLease):
        begin(holder)
    assert stored(wish).state == PushState.CANCELLED


@real_threads
def test_holding_a_row_keeps_others_from_writing_it(wish: Push) -> None:
    holder = claimed(wish)
    with transaction.atomic():
        holder.lock_lease()
        other = in_thread(lambda: Push.objects.filter(pk=wish.pk).update(failure="other"))
        with pytest.raises(TimeoutError):
            other.result(0.3)
    other.result(60)


def test_an_expired_lease_while_sending_means_that_bytes_may_have_left(wish: Push) -> None:
    begin(claimed(wish, seconds=1))
    second = claimed(wish, ahead=6)
    assert (second.state, second.crashes) == (PushState.UNKNOWN, 1)
    assert second.unknown_since == stored(wish).send_by


def test_an_expired_lease_before_sending_means_nothing_was_sent(wish: Push) -> None:
    claimed(wish, seconds=1)
    assert claimed(wish, ahead=2).state == PushState.WAITING


def test_unknown_is_never_cancelled_and_never_parked_into_a_plain_wait(wish: Push, ready: Connection) -> None:
    holder = claimed(wish)
    begin(holder)
    holder.mark_unknown(now=timezone.now(), until=timezone.now(), failure=WHY)
    assert not stored(wish).cancel(now=timezone.now())
    assert Push.cancel_waiting(connection=ready, now=timezone.now()) == []
    again = claimed(wish, ahead=1)
    again.wait(WaitReason.CONNECTION, until=None)
    assert stored(wish).state == PushState.UNKNOWN


def test_one_open_push_per_company(wish: Push, ready: Connection, company: Company, ulf: User) -> None:
    with pytest.raises(IntegrityError, match="push_one_open_per_company"), transaction.atomic():
        Push.objects.create(
            account=ready.account,
            connection=ready,
            company=company,
            kind=Kind.UPDATE,
            requested_by=ulf,
            confirmed={},
        )
    Push.objects.update(state=PushState.FAILED)
    sheets.create(user=ulf, company=company)


def test_two_equal_creates_are_not_sent_at_once(wish: Push, add_company: AddCompany, ulf: User) -> None:
    twin = sheets.create(user=ulf, company=add_company())
    begin(claimed(wish))
    with pytest.raises(IntegrityError, match="push_no_twin_create"), transaction.atomic():
        begin(claimed(twin))
    Push.objects.filter(pk=wish.pk).update(state=PushState.DONE)
    begin(claimed(twin, ahead=60))


def test_cancelling_takes_a_waiting_wish_back(wish: Push, ulf: User) -> None:
    cancel_push(user=ulf, push=wish)
    assert stored(wish).state == PushState.CANCELLED
    with pytest.raises(NothingToDecide):
        cancel_push(user=ulf, push=wish)


def test_a_wish_that_a_worker_holds_is_not_cancelled(wish: Push, ulf: User) -> None:
    claimed(wish)
    with pytest.raises(NothingToDecide):
        cancel_push(user=ulf, push=wish)


def test_a_waiting_update_takes_the_newer_wish(
    ready: Connection, company: Company, contact: Contact, ulf: User, anna: User
) -> None:
    push = Push.objects.create(
        account=ready.account, connection=ready, company=company, kind=Kind.UPDATE, confirmed={"Telephone": "1"},
        requested_by=ulf, wait_reason=WaitReason.RETRY,
    )  # fmt: skip
    newer = {"confirmed": {"Telephone": "2"}, "contact": contact, "requested_by": anna}
    assert push.replace_request(newer, now=timezone.now())
    row = stored(push)
    assert (row.confirmed, row.contact, row.requested_by) == ({"Telephone": "2"}, contact, anna)
    holder = claimed(row, ahead=1)
    newest = {"contact": None, "confirmed": {"Telephone": "2", "Name": "Älvstrand"}, "requested_by": ulf}
    assert not row.replace_request(newest, now=timezone.now())
    assert row.request_next(newest, names={"Name"})
    holder.finish(now=timezone.now())
    holder.open_next(now=timezone.now())
    following = Push.objects.get(state=PushState.WAITING)
    assert (following.confirmed, following.requested_by, following.again) == ({"Name": "Älvstrand"}, ulf, [])
    assert not row.request_next(newest, names={"Name"})


def test_who_holds_an_update_takes_up_what_a_newer_sheet_confirmed(
    ready: Connection, company: Company, ulf: User, anna: User
) -> None:
    push = Push.objects.create(
        account=ready.account, connection=ready, company=company, kind=Kind.UPDATE, confirmed={"Telephone": "1"},
        requested_by=ulf, next_attempt_at=timezone.now(),
    )  # fmt: skip
    holder = claimed(push, ahead=1)
    assert stored(push).request_next({"confirmed": {"Name": "Älvstrand"}, "requested_by": anna}, names={"Name"})
    holder.reload_request()
    assert (holder.confirmed, holder.requested_by, holder.again) == ({"Name": "Älvstrand"}, anna, [])
    holder.finish(now=timezone.now())
    holder.open_next(now=timezone.now())
    assert not Push.objects.exclude(pk=push.pk).exists()


def test_due_rows_are_those_that_a_worker_can_move_longest_waiting_first(
    wish: Push, add_company: AddCompany, ulf: User
) -> None:
    now = timezone.now() + timedelta(seconds=1)
    older, held, later = (
        sheets.create(user=ulf, company=add_company(name=name, registration_number=""))
        for name in ("Äldre AB", "Hållen AB", "Senare AB")
    )
    Push.objects.filter(pk=older.pk).update(next_attempt_at=now - timedelta(hours=1))
    Push.objects.filter(pk=held.pk).update(lease_until=now + timedelta(seconds=10))
    Push.objects.filter(pk=later.pk).update(next_attempt_at=now + timedelta(seconds=10))
    assert list(push_queue.due(now=now).order_by("next_attempt_at")) == [older, wish]


@real_threads
def test_many_who_pull_forward_at_once_do_not_block_each_other(
    ready: Connection, add_company: AddCompany, ulf: User
) -> None:
    for number in range(30):
        sheets.create(user=ulf, company=add_company(name=f"Nr {number}", registration_number=""))
    Push.objects.update(wait_reason=WaitReason.RETRY, next_attempt_at=timezone.now() + timedelta(hours=1))
    now = timezone.now()
    ends = at_once([lambda: push_queue.pull_forward(connection=ready, now=now)] * 8)
    assert set(ends) == {None}
    assert Push.objects.filter(next_attempt_at=now).count() == 30


def test_only_what_waits_for_eaccounting_is_pulled_forward(
    wish: Push, ready: Connection, add_company: AddCompany, ulf: User
) -> None:
    decided = sheets.create(user=ulf, company=add_company(name="Beslut AB", registration_number=""))
    Push.objects.filter(pk=decided.pk).update(wait_reason=WaitReason.DECISION, next_attempt_at=None)
    Push.objects.filter(pk=wish.pk).update(wait_reason=WaitReason.CONNECTION, next_attempt_at=None)
    now = timezone.now()
    push_queue.pull_forward(connection=ready, now=now)
    assert stored(wish).next_attempt_at == now
    assert stored(decided).next_attempt_at is None
