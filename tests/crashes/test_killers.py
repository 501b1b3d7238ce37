"""A row that ends every process that takes it up is not taken up for ever."""

import pytest

from integrations.crash_points import Point
from integrations.models import CustomerLink, Push, PushState, WaitReason
from integrations.models.push import CRASHES_ALLOWED
from integrations.services.requests import recheck_push
from integrations.services.try_again import repeat_push
from tests.crashes.orders import Fate
from tests.crashes.scenarios import SCENARIOS, Scenario
from tests.crashes.stage import Stage
from tests.integrations.conftest import named, posts, puts
from tests.thorough import mostly_thorough

pytestmark = [pytest.mark.workers, pytest.mark.django_db(transaction=True)]

ENDS = mostly_thorough([Fate.KILL, Fate.RAISE], but=Fate.KILL)  # asked to stop, a process does its task to the end
LONG = 600.0  # seconds: three leases, and settle times between them


def die_again_and_again(stage: Stage, scenario: Scenario, point: Point, fate: Fate) -> Push:
    """Let the row end as many processes as it may; return what has become of it."""
    scenario.prepare(stage)
    stage.arm(point, fate, times=CRASHES_ALLOWED)
    scenario.begin(stage)
    for _ in range(CRASHES_ALLOWED):
        stage.suffer(fate, meanwhile=scenario.meanwhile)
    stage.settle(within=LONG)
    return Push.objects.get()


@pytest.mark.parametrize("fate", ENDS)
def test_three_ends_before_anything_was_sent_are_a_technical_failure(stage: Stage, fate: Fate) -> None:
    push = die_again_and_again(stage, SCENARIOS["create"], Point.CLAIMED, fate)
    assert (push.state, push.failure) == (PushState.FAILED, "crashed")
    assert posts(stage.sandbox) == 0
    repeat_push(user=stage.user, push=push)
    stage.settle(within=LONG)
    assert (len(named(stage.sandbox)), posts(stage.sandbox)) == (1, 1)


@pytest.mark.parametrize("fate", ENDS)
def test_after_three_ends_when_a_create_may_have_been_sent_a_person_decides(stage: Stage, fate: Fate) -> None:
    push = die_again_and_again(stage, SCENARIOS["create"], Point.SENDING_COMMITTED, fate)
    assert (push.state, push.wait_reason, push.failure) == (PushState.UNKNOWN, WaitReason.DECISION, "crashed")
    assert posts(stage.sandbox) == 0
    recheck_push(push=push)
    stage.settle(within=LONG)
    assert Push.objects.get().state == PushState.DONE
    assert str(CustomerLink.objects.get().reference) == named(stage.sandbox)[0]["Id"]
    assert (len(named(stage.sandbox)), posts(stage.sandbox)) == (1, 1)


@pytest.mark.parametrize("fate", ENDS)
def test_after_three_ends_when_an_update_may_have_been_sent_a_person_decides(stage: Stage, fate: Fate) -> None:
    push = die_again_and_again(stage, SCENARIOS["update"], Point.SENDING_COMMITTED, fate)
    assert (push.state, push.wait_reason, push.failure) == (PushState.UNKNOWN, WaitReason.DECISION, "crashed")
    assert puts(stage.sandbox) == 0
    recheck_push(push=push)
    stage.settle(within=LONG)
    SCENARIOS["update"].judge(stage, Point.SENDING_COMMITTED, fate)
