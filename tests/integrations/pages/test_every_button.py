"""Nothing is written to eAccounting, and no link undone, without a sheet: every button of every state of the panel."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse
from pytest_django import Settings

from accounts.models import User
from integrations import urls
from integrations.domain import mapping
from integrations.models import Connection, CustomerLink, Kind, Push, PushState, WaitReason
from integrations.models.push import ASKED_LONG_AGO
from tests.integrations.pages.conftest import COMPLETE, LATER, NOW, World
from tests.integrations.pages.test_panel import ONE_AT_A_TIME
from tests.pages import Control, controls, filled

Arrange = Callable[[World], object]
OTHER = {"Telephone": "+46 8 999 99 99"}
CONFIRMED = {"Telephone": COMPLETE["phone"]}

# Which sheet a button opens, by the end of its address.
OPENS = {
    "+ Add as customer in Visma eAccounting": {"create/"},
    "Fix and send again": {"create/"},
    "Create again": {"create/"},
    "Try again": {"create/", "update/"},
    "Send again": {"update/"},
    "Ask an admin": {"create/", "update/"},
    "Create anyway": {"create-anyway/"},
    "Unlink": {"unlink/"},
    "Link an existing customer": {"link/"},
    "Find it again": {"link/"},
    "Link instead": {"link/…/"},
    "Add a contact person": {"contact-person/"},
    "Choose a new contact person": {"contact-person/"},
    "Update the information in Visma eAccounting": {"update/"},
    "Review the differences": {"update/"},
    "Change this": {"update/"},
    "Previous values": {"updates/…/"},
}
# What acts at once, and why it needs no sheet.
ACTS = {
    ("Cancel", "cancel/"): "nothing was sent, and nothing is",
    ("Check eAccounting now", "check/"): "only reads",
    ("Check again", "look-again/"): "reads; what is then sent again is what a sheet confirmed",
    ("Ask an admin", "ask-admin/"): "only mails: nothing is to be sent, or it was confirmed before",
    ("Try again", "try-again/"): "repeats exactly what a sheet confirmed",
    ("Send again", "try-again/"): "repeats exactly what a sheet confirmed",
    ("Send it now", "send-now/"): "repeats exactly what a sheet confirmed",
}
REPEATS = {"try-again/", "send-now/"}
# What leads elsewhere, or happens in the browser alone.
LEADS = {
    "Correct it": "the company's, or the person's, edit page",
    "Copy reference": "the clipboard",
    "Connect in the settings": "the settings",
    "Reconnect in the settings": "the settings",
    "Test the connection in the settings": "the settings",
    "Check the terms of payment": "the settings",
    "Choose terms of payment": "the settings",
    "Open in Visma eAccounting": "the customer's page there",
}


def _failed(world: World, kind: Kind, failure: str, **fields: object) -> None:
    connection = world.connect()
    if kind == Kind.UPDATE:
        world.link(connection, other=OTHER, linked_at=NOW - timedelta(days=1))
    ended = {"state": PushState.FAILED, "finished_at": NOW, "failure": failure, "next_attempt_at": None}
    world.push(connection, kind=kind, **{**ended, **fields})


def _deciding(world: World, **fields: object) -> None:
    candidate = {"id": str(uuid4()), "name": "Björk", "number": "1001"}
    world.push(world.connect(), wait_reason=WaitReason.DECISION, candidates=[candidate], **fields)


def _asked_long_ago(world: World, **fields: object) -> None:
    old = {"wait_reason": WaitReason.DECISION, "failure": ASKED_LONG_AGO, "requested_at": NOW - timedelta(days=9)}
    world.push(world.connect(), **{**old, **fields})


def _changed_and_broken(world: World) -> None:
    world.link(world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW), other=OTHER)


def _left(world: World) -> None:
    contact = world.contact()
    world.link(world.connect(), contact=contact)
    contact.mark_left(now=NOW)


def _updated(world: World, **fields: object) -> None:
    connection = world.connect()
    world.link(connection, linked_at=NOW - timedelta(days=1), **fields)
    done = {"state": PushState.DONE, "finished_at": NOW, "before": OTHER, "values": CONFIRMED, "confirmed": CONFIRMED}
    world.push(connection, kind=Kind.UPDATE, next_attempt_at=None, **done)


def _kept(world: World) -> None:
    link = world.link(world.connect(), other=OTHER)
    link.keep(here=CONFIRMED, there=OTHER)


def _created(world: World) -> None:
    connection = world.connect()
    world.push(connection, state=PushState.DONE, finished_at=NOW, next_attempt_at=None)
    world.link(connection)


MORE: list[Arrange] = [
    _deciding,
    lambda world: _deciding(world, state=PushState.UNKNOWN, unknown_since=NOW),
    lambda world: world.push(
        world.connect(), state=PushState.UNKNOWN, unknown_since=NOW, wait_reason=WaitReason.DECISION
    ),
    _asked_long_ago,
    lambda world: _asked_long_ago(world, confirmed=CONFIRMED),
    lambda world: _asked_long_ago(world, kind=Kind.UPDATE, confirmed=CONFIRMED),
    lambda world: _failed(world, Kind.CREATE, "gave_up", confirmed=CONFIRMED),
    lambda world: _failed(world, Kind.UPDATE, "gave_up", confirmed=CONFIRMED),
    lambda world: _failed(world, Kind.UPDATE, "gave_up"),
    lambda world: _failed(world, Kind.UPDATE, "validation", confirmed=CONFIRMED),
    lambda world: _failed(world, Kind.UPDATE, "validation"),
    _changed_and_broken,
    lambda world: world.link(world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)),
    _left,
    _updated,
    _kept,
    _created,
]
ALL = [arrange for several in ONE_AT_A_TIME.values() for arrange in several] + MORE


class _Back(Exception):
    pass


@contextmanager
def _for_now(world: World) -> Iterator[None]:
    """What is arranged within is gone afterwards."""
    with suppress(_Back), transaction.atomic():
        yield
        raise _Back
    world.company.refresh_from_db()


def _panel(client: Client, world: World) -> str:
    page = client.get(f"/companies/{world.company.pk}/").content.decode()
    return page.split('id="visma-eaccounting"')[1].split("</section>")[0]


def _end(address: str) -> str:
    """The end of an address below the card, ids left out."""
    _card, _, end = address.partition("/visma-eaccounting/")
    return "/".join("…" if part.isdigit() or len(part) == 36 else part for part in end.split("/"))


def _is_allowed(control: Control) -> bool:
    if control.how == "post":
        return (control.words, _end(control.address)) in ACTS
    if control.how == "sheet":
        return _end(control.address) in OPENS.get(control.words, set())
    return control.words in LEADS


@pytest.fixture
def user(as_user: Callable[[User], Client], ulf: User) -> Client:
    """The browser of a user who is no admin."""
    return as_user(ulf)


def test_every_button_opens_a_sheet_or_has_a_reason(
    world: World, admin: Client, user: Client, settings: Settings
) -> None:
    settings.EACCOUNTING_CUSTOMER_URL = "https://there.example/{id}"
    met: set[tuple[str, str]] = set()
    for arrange in ALL:
        with _for_now(world):
            arrange(world)
            for client in (admin, user):
                panel = _panel(client, world)
                found = controls(panel)
                assert [control for control in found if not _is_allowed(control)] == []
                met |= {(one.words, _end(one.address)) for one in found if one.how in ("post", "sheet")}
                met |= {(one.words, "") for one in found if one.how in ("link", "script")}
                if any(one.how == "post" and _end(one.address) in REPEATS for one in found):
                    assert "What was confirmed earlier is sent unchanged" in panel
    opened = {(words, end) for words, ends in OPENS.items() for end in ends}
    assert opened | set(ACTS) | {(words, "") for words in LEADS} == met


# --- The addresses themselves --------------------------------------------------------------------------------

# The addresses below a card that open sheets, each with what it takes for that.
SHEETS: dict[str, Arrange] = {
    "create": lambda world: world.connect(),
    "update": lambda world: world.link(world.connect(), other=OTHER),
    "contact-person": lambda world: (world.contact(), world.link(world.connect())),
    "create-anyway": _deciding,
    "unlink": lambda world: world.link(world.connect(), broken=CustomerLink.Broken.DELETED),
    "undo": _updated,
    "link-customer": lambda world: world.connect(),
    "ask-admin": _changed_and_broken,
}
AT_ONCE = ["cancel", "check", "look-again", "send-now", "try-again"]  # their reasons stand in ACTS
READS = {"panel", "create-possible-duplicates", "link", "company-reference"}


def _names() -> list[str]:
    below = [url for url in urls.urlpatterns if isinstance(url, URLPattern) and "company_id" in url.pattern.converters]
    return [str(url.name) for url in below]


def test_every_address_of_the_card_is_known_here() -> None:
    assert {*SHEETS, *AT_ONCE} | READS == {*_names()}


def _address(world: World, name: str) -> str:
    push = Push.objects.order_by("-pk").values_list("pk", flat=True).first()
    more = {"undo": {"push_id": push}, "link-customer": {"customer_id": uuid4()}}.get(name, {})
    return reverse(f"integrations:{name}", kwargs={"company_id": world.company.pk, **more})


def _rows() -> tuple[list[object], list[object]]:
    return list(Push.objects.order_by("pk").values()), list(CustomerLink.objects.order_by("pk").values())


@pytest.mark.parametrize("name", SHEETS)
@pytest.mark.parametrize("where", ["page", "dialog"])
def test_what_shows_no_sheet_was_seen_does_nothing(world: World, user: Client, name: str, where: str) -> None:
    """Neither a form of an earlier release nor a made-up one writes, or undoes a link: the sheet opens instead."""
    SHEETS[name](world)
    before = _rows()
    headers = {"hx-request": "true", "hx-target": "sheet"} if where == "dialog" else {}
    nonsense = {"seen": "x:y:z", "none_of_these": "on", "linked_to": str(uuid4()), "ask": "1"}
    for data in ({}, nonsense):
        answer = user.post(_address(world, name), data, headers=headers)
        assert answer.status_code == (302 if name == "ask-admin" else 200)
        assert _rows() == before


@pytest.mark.parametrize("name", [*SHEETS, *AT_ONCE])
def test_without_the_token_against_forgery_nothing_is_done(world: World, ulf: User, name: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ulf, backend="django.contrib.auth.backends.ModelBackend")
    SHEETS.get(name, lambda world: world.connect())(world)
    before = _rows()
    assert browser.post(_address(world, name), {"none_of_these": "on"}).status_code == 403
    assert _rows() == before


# --- What the sheets of these buttons do ---------------------------------------------------------------------


def test_create_anyway_shows_who_and_what_and_asks_for_the_tick(world: World, user: Client) -> None:
    values = mapping.values_of(world.company, None, groups=mapping.COMPANY_GROUPS)
    known = {"id": str(uuid4()), "name": "Björk AB", "number": "1007", "city": "Luleå", "is_active": ""}
    known["registration_number"] = "5560160680"
    push = world.push(
        world.connect(), wait_reason=WaitReason.DECISION, candidates=[known], confirmed={**values, "Name": "Typed AB"}
    )
    world.company.save_changes(now=LATER, values={"city": "Lund"})
    address = _address(world, "create-anyway")
    page = user.get(address).content.decode()
    for words in ("Björk AB", "1007", "5560160680", "Luleå", "inactive", "Same registration number"):
        assert words in page
    for words in ("Typed AB", "Umeå", "30 days", "exactly the values that were confirmed"):
        assert words in page
    assert "Lund" not in page  # what was confirmed, not what stands here now
    form = filled(page, button="Create customer in Visma eAccounting")
    without = user.post(address, form)
    assert "Confirm that none of these is this company, or link one instead." in without.content.decode()
    push.refresh_from_db()
    assert push.wait_reason == WaitReason.DECISION
    assert user.post(address, {**form, "none_of_these": "on"}).status_code == 302
    push.refresh_from_db()
    assert (push.state, push.wait_reason, push.create_anyway) == (PushState.WAITING, "", True)
    assert push.seen_ids == [known["id"]]
    assert push.confirmed["Name"] == "Typed AB"


def test_a_candidate_that_came_meanwhile_is_not_judged(world: World, user: Client) -> None:
    _deciding(world)
    address = _address(world, "create-anyway")
    form = filled(user.get(address).content.decode(), button="Create customer in Visma eAccounting")
    push = Push.objects.get()
    another = {"id": str(uuid4()), "name": "Björk Två", "number": "1009"}
    Push.objects.update(candidates=[*push.candidates, another])
    page = user.post(address, {**form, "none_of_these": "on"}).content.decode()
    assert "Nothing has been created yet. This has changed since you opened it. Check it, then decide." in page
    assert "Björk Två" in page
    assert not filled(page, button="Create customer in Visma eAccounting").get("none_of_these")
    assert not push.decide_create_anyway(now=LATER)  # nor by one who read the row before
    push.refresh_from_db()
    assert (push.wait_reason, push.create_anyway) == (WaitReason.DECISION, False)


def test_create_anyway_with_other_terms_than_it_showed_is_shown_again(world: World, user: Client) -> None:
    _deciding(world)
    address = _address(world, "create-anyway")
    form = filled(user.get(address).content.decode(), button="Create customer in Visma eAccounting")
    connection = Connection.objects.get()
    connection.choose_terms(terms=world.terms(connection, days=90), user=world.admin, now=LATER)
    page = user.post(address, {**form, "none_of_these": "on"}).content.decode()
    assert "Nothing has been created yet" in page
    assert Push.objects.get().wait_reason == WaitReason.DECISION


def test_what_no_sheet_confirmed_is_sent_as_create_anyway_showed_it(world: World, user: Client) -> None:
    _deciding(world)
    address = _address(world, "create-anyway")
    form = filled(user.get(address).content.decode(), button="Create customer in Visma eAccounting")
    world.company.save_changes(now=LATER, values={"city": "Lund"})
    assert "Nothing has been created yet" in user.post(address, {**form, "none_of_these": "on"}).content.decode()
    form = filled(user.get(address).content.decode(), button="Create customer in Visma eAccounting")
    user.post(address, {**form, "none_of_these": "on"})
    world.company.save_changes(now=LATER, values={"city": "Kalmar"})
    assert Push.objects.get().confirmed["InvoiceCity"] == "Lund"


def test_values_that_cannot_be_sent_are_named_and_not_created(world: World, user: Client) -> None:
    _deciding(world)
    world.company.save_changes(now=LATER, values={"postal_code": ""})
    page = user.get(_address(world, "create-anyway")).content.decode()
    assert "Postal code is missing." in page
    assert "Create customer in Visma eAccounting</button>" not in page


def test_unlink_names_the_customer_and_unlinks_no_other(world: World, user: Client) -> None:
    connection = world.connect()
    link = world.link(connection, broken=CustomerLink.Broken.DELETED, contact=world.contact())
    address = _address(world, "unlink")
    page = user.get(address).content.decode()
    for words in (str(link.reference), "1014", "Åsa Öberg", "Nothing is changed in Visma eAccounting."):
        assert words in page
    form = filled(page, button="Unlink")
    link.delete()
    other = world.link(connection, company=world.company, broken=CustomerLink.Broken.DELETED)
    assert "Nothing has been unlinked yet" in user.post(address, form).content.decode()
    assert CustomerLink.objects.get() == other
    page = user.post(address, filled(user.get(address).content.decode(), button="Unlink"), follow=True)
    assert "The company is unlinked. Nothing was changed in Visma eAccounting." in page.content.decode()
    assert not CustomerLink.objects.exists()


def test_while_something_waits_the_company_cannot_be_unlinked(world: World, user: Client) -> None:
    connection = world.connect()
    world.link(connection, broken=CustomerLink.Broken.DELETED)
    address = _address(world, "unlink")
    form = filled(user.get(address).content.decode(), button="Unlink")
    world.push(connection, kind=Kind.UPDATE, wait_reason=WaitReason.RETRY, next_attempt_at=LATER)
    page = user.get(address).content.decode()
    assert "This is already being sent, requested by Anna Ek." in page
    with pytest.raises(AssertionError, match="there is no button"):
        filled(page, button="Unlink")
    assert "This is already being sent" in user.post(address, form, follow=True).content.decode()
    assert CustomerLink.objects.exists()


def test_what_no_sheet_confirmed_is_neither_repeated_nor_sent_now(world: World, user: Client) -> None:
    with _for_now(world):
        _failed(world, Kind.CREATE, "gave_up")
        assert user.post(_address(world, "try-again")).headers["Location"] == _address(world, "create")
    with _for_now(world):
        _failed(world, Kind.UPDATE, "gave_up")
        assert user.post(_address(world, "try-again")).headers["Location"] == _address(world, "update")
    _asked_long_ago(world)
    assert "Cancel this and start again." in _panel(user, world)
    before = _rows()
    user.post(_address(world, "send-now"))
    assert _rows() == before
