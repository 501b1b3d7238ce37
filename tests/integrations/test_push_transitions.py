"""Every pair of a state and what may happen: the row ends as the table of models/push.py says, or nothing happens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from integrations.models import Connection, Kind, Push, PushState, WaitReason, push_queue
from integrations.models.push import ASKED_LONG_AGO, OPEN, TRANSITIONS, LostLease, NotAllowed, Transition, Who

NOW = timezone.now()
SOON = NOW + timedelta(minutes=1)
WHY = {"failure": "x", "failure_parameters": {}, "failure_detail": "", "error_id": ""}
DECIDING = {"wait_reason": WaitReason.DECISION, "candidates": [{"id": "1"}]}
UPDATE = {"kind": Kind.UPDATE, "lease_until": None}
# Methods that leave the row's own state alone: they read, or open the row that follows.
BESIDE_THE_TABLE = {"open_of", "waiting_on", "open_next"}
# What stands in the table and writes other columns only.
WRITES_NO_STATE = {"lock_lease", "pull_forward"}
WHILE_OPEN: dict[str, dict[str, Any]] = {
    PushState.WAITING: {},
    PushState.SENDING: {"send_by": NOW},
    PushState.UNKNOWN: {"unknown_since": NOW},
}


@dataclass(frozen=True)
class Act:
    """How something is done to a push; `having`: what the row needs for it, whatever its state is."""

    do: Callable[[Push], object]
    having: dict[str, Any] = field(default_factory=dict)


def begin(push: Push) -> None:
    push.begin_sending(values={}, send_by=NOW, lease_until=SOON, fingerprint="f")


def pull_forward(push: Push) -> bool:
    push_queue.pull_forward(connection=push.connection, now=NOW)
    return Push.objects.get(pk=push.pk).next_attempt_at == NOW


ACTS = {
    "take_lease": Act(lambda push: push_queue.claim(push.pk, now=NOW, seconds=60) or False, {"lease_until": None}),
    "renew_lease": Act(lambda push: push.renew_lease(now=NOW, seconds=500)),
    "lock_lease": Act(lambda push: push.lock_lease()),
    "reload_request": Act(lambda push: push.reload_request()),
    "begin_sending": Act(begin),
    "mark_not_stored": Act(lambda push: push.mark_not_stored(now=NOW, seconds=5)),
    "mark_unknown": Act(lambda push: push.mark_unknown(now=NOW, until=SOON, failure=WHY)),
    "prove_absent": Act(lambda push: push.prove_absent(until=NOW)),
    "wait": Act(lambda push: push.wait(WaitReason.CONNECTION, until=None)),
    "wait_to_retry": Act(lambda push: push.wait_to_retry(now=NOW, until=SOON, failure=WHY)),
    "ask_person": Act(lambda push: push.ask_person(candidates=[{"id": "1"}])),
    "release": Act(lambda push: push.release(until=SOON)),
    "finish": Act(lambda push: push.finish(now=NOW)),
    "fail": Act(lambda push: push.fail(now=NOW, failure=WHY)),
    "cancel_disconnected": Act(lambda push: push.cancel_disconnected(now=NOW)),
    "pull_forward": Act(pull_forward, {"wait_reason": WaitReason.RETRY, "next_attempt_at": None, "lease_until": None}),
    "decide_create_anyway": Act(lambda push: push.decide_create_anyway(now=NOW), DECIDING),
    "decide_link": Act(lambda push: push.decide_link(now=NOW), DECIDING),
    "look_again": Act(lambda push: push.look_again(now=NOW), {"wait_reason": WaitReason.DECISION}),
    "renew_request": Act(
        lambda push: push.renew_request(user=push.requested_by, now=NOW), {"wait_reason": WaitReason.TERMS}
    ),
    "replace_request": Act(lambda push: push.replace_request({"confirmed": {"Name": "B"}}, now=NOW), UPDATE),
    "reduce_request": Act(lambda push: push.reduce_request({"confirmed": {"Name": "B"}}), UPDATE),
    "request_next": Act(lambda push: push.request_next({"confirmed": {"Name": "B"}}, names={"Name"}), UPDATE),
    "send_after_all": Act(
        lambda push: push.send_after_all(user=push.requested_by, now=NOW),
        {"wait_reason": WaitReason.DECISION, "failure": ASKED_LONG_AGO},
    ),
    "cancel": Act(lambda push: push.cancel(now=NOW), {"lease_until": None, "unknown_since": None}),
    "cancel_waiting": Act(
        lambda push: bool(Push.cancel_waiting(connection=push.connection, now=NOW)), {"unknown_since": None}
    ),
}


MakePush = Callable[..., Push]


@pytest.fixture
def make_push(ready: Connection, company: Company, ulf: User) -> MakePush:
    def make(state: str, **having: Any) -> Push:
        """Put a row in a state, in the hands of a worker, in place of the one before."""
        Push.objects.all().delete()
        held: dict[str, Any] = {"fence": 1, "lease_until": SOON, "next_attempt_at": NOW}
        columns = {
            "kind": Kind.CREATE,
            "confirmed": {"Name": "A"},
            **held,
            **WHILE_OPEN.get(state, {"finished_at": NOW}),
            **having,
        }
        whose = {"account": ready.account, "connection": ready, "company": company, "requested_by": ulf}
        return Push.objects.create(state=state, **whose, **columns)

    return make


def stored() -> dict[str, Any]:
    return Push.objects.values().get()


def refusal(state: str, who: Who) -> type[Exception] | None:
    """What a method raises in a state that the table does not name; None: it returns False."""
    if who is not Who.HOLDER:
        return None
    return NotAllowed if state in OPEN else LostLease


@pytest.mark.parametrize("event", TRANSITIONS)
def test_the_row_ends_as_the_table_says(make_push: MakePush, event: str) -> None:
    transition, act = TRANSITIONS[event], ACTS[event]
    for state in transition.becomes:
        push = make_push(state, **act.having)
        assert act.do(push) is not False, state
        assert stored()["state"] == transition.becomes[state], state
        if transition.who is Who.HOLDER:
            assert push.state == transition.becomes[state], state


@pytest.mark.parametrize("event", TRANSITIONS)
def test_what_the_table_does_not_name_is_refused_and_changes_nothing(make_push: MakePush, event: str) -> None:
    transition, act = TRANSITIONS[event], ACTS[event]
    for state in PushState:
        if state in transition.becomes:
            continue
        push = make_push(state, **act.having)
        before, raised = stored(), refusal(state, transition.who)
        if raised:
            with pytest.raises(raised):
                act.do(push)
        else:
            assert act.do(push) is False, state
        assert stored() == before, state


def pairs() -> Iterator[tuple[str, str, PushState]]:
    for event, transition in TRANSITIONS.items():
        yield from ((event, state, becomes) for state, becomes in transition.becomes.items())


def test_no_method_writes_a_state_of_its_own(make_push: MakePush, monkeypatch: pytest.MonkeyPatch) -> None:
    for event, state, becomes in pairs():
        if event in WRITES_NO_STATE:
            continue
        other = PushState.FAILED if becomes != PushState.FAILED else PushState.DONE
        push = make_push(state, **ACTS[event].having)
        with monkeypatch.context() as patched:
            patched.setitem(TRANSITIONS, event, Transition(TRANSITIONS[event].who, {state: other}))
            ACTS[event].do(push)
        assert stored()["state"] == other, f"{event} while {state}"


def test_who_was_frozen_past_its_lease_writes_nothing(make_push: MakePush) -> None:
    for event, state, _becomes in pairs():
        if TRANSITIONS[event].who is not Who.HOLDER:
            continue
        frozen = make_push(state, **ACTS[event].having)
        Push.objects.update(fence=F("fence") + 1)  # another worker's by now
        before = stored()
        with pytest.raises(LostLease):
            ACTS[event].do(frozen)
        assert stored() == before, f"{event} while {state}"


def test_the_table_names_all_that_a_push_can_do() -> None:
    members = {name: getattr(member, "__func__", member) for name, member in vars(Push).items()}
    own = {name for name, member in members.items() if isinstance(member, FunctionType)}
    public = {name for name in own if members[name].__module__ == Push.__module__ and not name.startswith("_")}
    assert public | {"pull_forward"} == TRANSITIONS.keys() | BESIDE_THE_TABLE
    assert TRANSITIONS.keys() == ACTS.keys()


@pytest.mark.parametrize("state", PushState)
def test_opening_the_next_push_leaves_this_one_as_it_is(make_push: MakePush, state: PushState) -> None:
    push = make_push(state, kind=Kind.UPDATE)
    push.open_next(now=NOW)
    assert stored()["state"] == state


def test_recheck_leaves_states_alone(make_push: MakePush) -> None:
    for state in PushState:
        make_push(state, wait_reason=WaitReason.CONNECTION, next_attempt_at=None, lease_until=None)
        push_queue.recheck(now=NOW)
        assert stored()["state"] == state


def test_only_who_was_sending_may_have_sent(make_push: MakePush) -> None:
    def unknown_since(state: str, act: Callable[[Push], object], **having: datetime | None) -> datetime | None:
        act(make_push(state, send_by=SOON, **having))
        return Push.objects.get().unknown_since

    for event in ("take_lease", "release"):
        act = ACTS[event]
        assert unknown_since(PushState.SENDING, act.do, **act.having) == SOON
        assert unknown_since(PushState.UNKNOWN, act.do, **act.having) == NOW
        assert unknown_since(PushState.WAITING, act.do, **act.having) is None
