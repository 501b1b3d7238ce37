"""The buttons of the card and the poll of the panel."""

from collections.abc import Callable

import pytest
from django.test import Client

from dev.sandbox.core import Sandbox
from integrations.domain import mapping
from integrations.messages.sentences import sentence
from integrations.models import Event, EventKind, Push, PushState, WaitReason
from tests.integrations.pages.conftest import LATER, NOW, World, said
from tests.pages import filled

CARD_QUERIES = 10


def _url(world: World, name: str = "") -> str:
    card = f"/companies/{world.company.pk}/"
    return f"{card}visma-eaccounting/{name}/" if name else card


def test_a_poll_is_answered_by_what_is_new(admin: Client, world: World) -> None:
    connection = world.connect()
    push = world.push(connection)
    version = world.panel().version
    address = _url(world, "panel")
    assert admin.get(address, {"version": version}).status_code == 204
    answer = admin.get(address, {"version": "an older one"})
    assert answer.status_code == 200
    assert "every 1s" in answer.content.decode()
    Push.objects.filter(pk=push.pk).update(wait_reason=WaitReason.RETRY, next_attempt_at=LATER)
    assert "every 10s" in admin.get(address, {"version": version}).content.decode()
    Push.objects.filter(pk=push.pk).update(state=PushState.DONE, finished_at=NOW, wait_reason="")
    world.link(connection)
    settled = admin.get(address, {"version": version})
    assert settled.status_code == 286
    assert "hx-trigger" not in settled.content.decode()
    assert "Visma eAccounting: In Visma eAccounting, up to date" in settled.content.decode()  # read out
    assert admin.get(address, {"version": world.panel().version}).status_code == 286


@pytest.mark.parametrize("rows", [0, 6])
def test_the_card_needs_few_queries_whatever_there_is(
    admin: Client, world: World, django_assert_max_num_queries: Callable[[int], object], rows: int
) -> None:
    connection = world.connect()
    for number in range(rows):
        contact = world.contact(f"Bo {number}")
        Event.add(EventKind.LINKED, connection=connection, company=world.company, actor=world.admin)
    if rows:
        world.push(connection, state=PushState.FAILED, finished_at=NOW, failure="validation")
        world.link(connection, contact=contact, other={"InvoiceCity": "Lund"})
    with django_assert_max_num_queries(CARD_QUERIES):
        admin.get(_url(world))


def _deciding(world: World, sandbox: Sandbox, **fields: object) -> tuple[Push, str]:
    customer = str(sandbox.customers()[0]["Id"])
    candidate = {"id": customer, "name": "Björk", "number": "1001"}
    values = {"wait_reason": WaitReason.DECISION, "candidates": [candidate], "next_attempt_at": None}
    return world.push(world.connect(), **{**values, **fields}), customer


def test_decisions_are_recorded_once(admin: Client, world: World, sandbox: Sandbox) -> None:
    push, _customer = _deciding(world, sandbox, state=PushState.UNKNOWN, unknown_since=NOW)
    assert "Checking Visma eAccounting once more." in said(admin, _url(world, "look-again"))
    assert sentence("nothing_to_decide") in said(admin, _url(world, "look-again"))
    assert sentence("nothing_to_decide") in said(admin, _url(world, "create-anyway"))
    Push.objects.update(wait_reason=WaitReason.DECISION)
    form = filled(admin.get(_url(world, "create-anyway")).content.decode(), button="Create customer in Visma")
    page = said(admin, _url(world, "create-anyway"), {**form, "none_of_these": "on"})
    assert "The company is being added as a customer in Visma eAccounting." in page
    push.refresh_from_db()
    assert push.create_anyway


def test_a_waiting_wish_is_cancelled_and_a_failed_one_repeated(admin: Client, world: World) -> None:
    confirmed = mapping.values_of(world.company, None, groups=mapping.COMPANY_GROUPS)
    push = world.push(world.connect(), wait_reason=WaitReason.RETRY, next_attempt_at=LATER, confirmed=confirmed)
    assert "Cancelled. Nothing was sent." in said(admin, _url(world, "cancel"))
    assert sentence("nothing_to_decide") in said(admin, _url(world, "try-again"))
    Push.objects.filter(pk=push.pk).update(state=PushState.FAILED, failure="validation", finished_at=NOW)
    assert "Fix and send again" in admin.get(_url(world)).content.decode()
    said(admin, _url(world, "try-again"))
    assert Push.objects.filter(state=PushState.WAITING).count() == 1


def test_a_broken_link_is_forgotten(admin: Client, world: World) -> None:
    world.link(world.connect(), broken="deleted")
    form = filled(admin.get(_url(world, "unlink")).content.decode(), button="Unlink")
    page = said(admin, _url(world, "unlink"), form)
    assert "The company is unlinked. Nothing was changed in Visma eAccounting." in page
    assert sentence("not_linked") in said(admin, _url(world, "unlink"))


@pytest.mark.parametrize("name", ["create-anyway", "look-again", "cancel", "try-again"])
def test_without_a_wish_there_is_nothing_to_decide(admin: Client, world: World, name: str) -> None:
    world.connect()
    assert admin.post(_url(world, name)).status_code == 404


def test_the_activity_tells_who_did_what(admin: Client, world: World) -> None:
    connection = world.connect()
    Event.add(
        EventKind.LINKED, connection=connection, company=world.company, actor=world.admin, parameters={"name": "Björk"}
    )
    card = admin.get(_url(world)).content.decode()
    assert "Linked the company to an existing customer (Björk)" in card
    assert "Anna Ek ·" in card
