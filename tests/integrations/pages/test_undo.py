"""What an update overwrote, and putting it back, as a page; tests/integrations/test_undo.py sends it."""

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import User
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Event, EventKind, Kind, Push, PushState
from tests.integrations.pages.conftest import LATER, NOW, World

BEFORE = {"Telephone": "08-1", "EmailAddress": "gammal@alvstrand.example"}
SENT = {"Telephone": "+46 8 123 45 67", "EmailAddress": "ny@alvstrand.example"}


@pytest.fixture
def connection(world: World) -> Connection:
    """A working connection; eAccounting does not answer here, so the sheet shows what was read last."""
    return world.connect()


@pytest.fixture
def link(world: World, connection: Connection) -> CustomerLink:
    """The company's customer, which has what was sent."""
    return world.link(connection, other=SENT)


@pytest.fixture
def done(world: World, connection: Connection, link: CustomerLink) -> Push:
    """A finished update."""
    return world.push(connection, kind=Kind.UPDATE, state=PushState.DONE, before=BEFORE, values=SENT, finished_at=LATER)


def _url(push: Push) -> str:
    return f"/companies/{push.company_id}/visma-eaccounting/updates/{push.pk}/"


def _page(client: Client, push: Push, data: dict[str, object] | None = None) -> str:
    answer = client.get(_url(push)) if data is None else client.post(_url(push), data)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def _seen(page: str) -> dict[str, object]:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return {"seen": found[1]}


def _ticked(page: str) -> dict[str, bool]:
    boxes = re.findall(r'type="checkbox"\s+name="(\w+)"[^>]*>', page)
    return {name: bool(re.search(rf'name="{name}"[^>]* checked', page)) for name in boxes}


def test_the_sheet_shows_before_sent_and_now_and_ticks_what_nobody_changed_since(
    admin: Client, done: Push, link: CustomerLink
) -> None:
    link.customer.answered["EmailAddress"] = "annan@alvstrand.example"
    link.customer.save()
    page = _page(admin, done)
    for words in (*BEFORE.values(), *SENT.values(), "annan@alvstrand.example", "Changed since then"):
        assert words in page
    assert "The current values could not be read, so these are the values from" in page
    assert _ticked(page) == {"Telephone": True, "EmailAddress": False}


def test_what_is_ticked_is_put_back_over_what_was_seen(admin: Client, done: Push, link: CustomerLink) -> None:
    page = _page(admin, done)
    answer = admin.post(_url(done), {"Telephone": "ours", **_seen(page)})
    assert answer.status_code == 302
    push = Push.objects.order_by("-pk")[0]
    assert (push.confirmed, push.based_on) == ({"Telephone": "08-1"}, {"Telephone": SENT["Telephone"]})
    assert (push.undoes, push.requested_by) == (done, done.requested_by)
    told = Event.objects.get()
    assert (told.kind, told.parameters) == (EventKind.UNDO_REQUESTED, {"fields": ["Telephone"]})


def test_nothing_ticked_or_nothing_seen_sends_nothing(admin: Client, done: Push) -> None:
    seen = _seen(_page(admin, done))
    assert "Nothing is ticked. Tick what you want to put back." in _page(admin, done, seen)
    for sealed in ("", "forged"):
        page = _page(admin, done, {"Telephone": "ours", "seen": sealed})
        assert "Nothing has been sent yet. Check what Visma eAccounting has now, then put the values back." in page
    assert Push.objects.count() == 1


def test_what_another_sheet_showed_is_not_taken_for_this_one(admin: Client, world: World, done: Push) -> None:
    other = world.push(
        done.connection, kind=Kind.UPDATE, state=PushState.DONE, before=BEFORE, values=SENT, finished_at=LATER
    )
    seen = _seen(_page(admin, done))
    assert "Nothing has been sent yet" in _page(admin, other, {"Telephone": "ours", **seen})


def test_nothing_left_to_put_back_is_said(admin: Client, done: Push, link: CustomerLink) -> None:
    link.customer.answered |= BEFORE
    link.customer.save()
    page = _page(admin, done)
    assert "Visma eAccounting already has the previous values." in page
    assert re.search(r'<button[^>]* disabled aria-describedby="why-nothing"', page)
    assert _ticked(page) == {}


def _unlink(world: World, done: Push) -> str:
    CustomerLink.objects.update(linked_at=LATER + timedelta(days=1))
    return sentence("not_undoable")


def _archive(world: World, done: Push) -> str:
    world.company.archive(now=NOW)
    return sentence("archived")


def _disconnect(world: World, done: Push) -> str:
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    return sentence("disconnected")


def _send(world: World, done: Push) -> str:
    world.push(done.connection, kind=Kind.UPDATE)
    return "This is already being sent, requested by Anna Ek."


def _delete(world: World, done: Push) -> str:
    CustomerLink.objects.update(broken=CustomerLink.Broken.DELETED)
    return sentence("customer_deleted")


@pytest.mark.parametrize("stop", [_unlink, _archive, _send, _delete])
def test_what_stands_in_the_way_is_said_and_nothing_is_sent(
    admin: Client, world: World, done: Push, stop: Callable[[World, Push], str]
) -> None:
    seen = _seen(_page(admin, done))
    words = stop(world, done)
    count = Push.objects.count()
    for page in (_page(admin, done), _page(admin, done, {"Telephone": "ours", **seen})):
        assert words in page
        assert "08-1" in page  # what was there can still be looked at
        assert 'type="checkbox"' not in page
    assert Push.objects.count() == count


def test_without_a_connection_nothing_is_put_back_and_what_was_ticked_stays(
    admin: Client, world: World, done: Push
) -> None:
    page = _page(admin, done)
    seen, ticked = _seen(page), _ticked(page)
    assert ticked == {"Telephone": True, "EmailAddress": True}
    words = _disconnect(world, done)
    opened = _page(admin, done)
    assert (words in opened, _ticked(opened)) == (True, {})
    again = _page(admin, done, {"Telephone": "ours", **seen})
    assert f"Nothing was sent. What you chose and typed is still here.\n      {words}" in again
    assert _ticked(again) == {"Telephone": True, "EmailAddress": False}
    assert Push.objects.count() == 1
    Connection.objects.update(state=Connection.State.CONNECTED)
    admin.post(_url(done), {"Telephone": "ours", **_seen(again)})
    assert Push.objects.latest("pk").confirmed == {"Telephone": BEFORE["Telephone"]}


def test_only_finished_updates_of_this_company_have_something_to_put_back(
    admin: Client, world: World, done: Push
) -> None:
    other = world.add_company("Other AB")
    assert admin.get(f"/companies/{other.pk}/visma-eaccounting/updates/{done.pk}/").status_code == 404
    for fields in ({"state": PushState.FAILED}, {"state": PushState.DONE, "before": None}):
        Push.objects.filter(pk=done.pk).update(**fields)
        assert admin.get(_url(done)).status_code == 404


def test_card_and_activity_lead_to_it(
    admin: Client, as_user: Callable[[User], Client], vera: User, world: World, done: Push
) -> None:
    card = f"/companies/{world.company.pk}/"
    Event.add(
        EventKind.UPDATED,
        connection=done.connection,
        company=world.company,
        actor=world.admin,
        parameters={"fields": ["Telephone"], "push": done.pk},
    )
    page = admin.get(card).content.decode()
    assert page.count(f'hx-get="{_url(done)}"') == 2
    assert _url(done) not in as_user(vera).get(card).content.decode()
