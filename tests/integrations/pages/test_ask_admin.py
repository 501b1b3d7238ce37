"""Ask an admin on the card: who sees the button, what is said afterwards, and what a viewer sees instead."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Mail, User
from companies.models import Company
from integrations.domain import mapping
from integrations.models import Connection, Kind, Push, PushState, WaitReason
from integrations.models.push import ASKED_LONG_AGO
from integrations.panel.panel import State
from tests.integrations.pages.conftest import COMPLETE, NOW, World, said
from tests.integrations.pages.test_panel import ONE_AT_A_TIME
from tests.pages import controls, filled

SETTINGS = "/settings/integrations/visma-eaccounting/"
BUTTON = "Ask an admin</button>"


def _panel(client: Client, company: Company) -> str:
    page = client.get(f"/companies/{company.pk}/").content.decode()
    return page.split('id="visma-eaccounting"')[1].split("</section>")[0]


def _url(world: World, name: str) -> str:
    return f"/companies/{world.company.pk}/visma-eaccounting/{name}/"


def _ask(client: Client, world: World) -> str:
    """Press the button on the card, and where a sheet opens, its button too; return the page that comes of it."""
    [button] = [one for one in controls(_panel(client, world.company)) if one.words == "Ask an admin"]
    if button.how == "post":
        return said(client, button.address)
    sheet = client.get(button.address).content.decode()
    return said(client, button.address, filled(sheet, button="Ask an admin"))


@pytest.fixture
def user(as_user: Callable[[User], Client], ulf: User) -> Client:
    """The browser of a user who is no admin."""
    return as_user(ulf)


def _unconnected(_world: World) -> None:
    return None


def _disconnected(world: World) -> None:
    world.connect(state=Connection.State.DISCONNECTED)


def _broken(world: World) -> None:
    world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)


def _stopped(world: World) -> None:
    world.connect(blocked_reason="module", blocked_at=NOW)


def _without_terms(world: World) -> None:
    world.connect()
    Connection.objects.update(terms_confirmed_at=None)


def _lost_terms(world: World) -> None:
    world.connect().terms.update(gone_at=NOW)


CONNECTION, TERMS = "when the connection works again", "when the terms of payment are chosen"


@pytest.mark.parametrize(
    ("arrange", "follows"),
    [
        (_unconnected, "Add the company when Visma eAccounting is connected."),
        (_disconnected, CONNECTION),
        (_broken, CONNECTION),
        (_stopped, CONNECTION),
        (_without_terms, TERMS),
        (_lost_terms, TERMS),
    ],
)
def test_a_user_asks_where_an_admin_is_needed_and_is_told_who_knows(
    world: World, user: Client, admin: Client, as_user: Callable[[User], Client], vera: User,
    arrange: Callable[[World], None], follows: str,
) -> None:  # fmt: skip
    arrange(world)
    assert BUTTON in _panel(user, world.company)
    assert BUTTON not in _panel(admin, world.company)
    assert SETTINGS in _panel(admin, world.company)
    for_a_viewer = _panel(as_user(vera), world.company)
    assert "<button" not in for_a_viewer
    assert "An admin of your account can change that." in for_a_viewer
    page = _ask(user, world)
    assert "Asked. An e-mail is on its way to Anna Ek." in page
    assert follows in page
    assert Mail.objects.get().user == world.admin


@pytest.mark.parametrize("arrange", [_disconnected, _broken, _stopped, _without_terms])
def test_what_was_parked_is_shown_with_who_asked_and_can_be_cancelled(
    world: World, user: Client, as_user: Callable[[User], Client], vera: User, arrange: Callable[[World], None]
) -> None:
    arrange(world)
    _ask(user, world)
    shown = _panel(user, world.company)
    assert "Ulf Ek asked an admin, " in shown
    assert "It is sent automatically" in shown
    assert BUTTON not in shown
    assert "Ulf Ek asked an admin, " in _panel(as_user(vera), world.company)
    assert "Cancelled. Nothing was sent." in said(user, _url(world, "cancel"))
    assert BUTTON in _panel(user, world.company)


def test_asking_again_at_once_says_that_the_mail_went_out_just_now(world: World, user: Client) -> None:
    _ask(user, world)
    Mail.objects.update(due_at=None, sent_at=timezone.now())
    page = _ask(user, world)
    assert "Anna Ek got an e-mail about Visma eAccounting less than five minutes ago." in page
    assert "on its way" not in page
    assert page.count("Asked an admin (Anna Ek)") == 1  # in the activity


def test_without_an_admin_that_is_said(world: World, user: Client) -> None:
    _broken(world)
    world.admin.deactivate()
    page = _ask(user, world)
    assert "Nobody could be asked, because your account has no admin who can log in." in page
    assert Push.objects.get().is_parked


def test_a_push_from_before_the_connection_broke_can_still_be_asked_of_an_admin(world: World, user: Client) -> None:
    connection = world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    world.push(connection, wait_reason=WaitReason.CONNECTION, next_attempt_at=None, fence=1)
    shown = _panel(user, world.company)
    assert "What Anna Ek requested, " in shown
    assert BUTTON in shown
    _ask(user, world)
    assert Push.objects.count() == 1


def test_what_could_not_be_sent_anyway_is_told_at_its_field_before_anybody_is_asked(world: World, user: Client) -> None:
    _without_terms(world)
    world.company.save_changes(now=NOW, values={"postal_code": ""})
    page = _ask(user, world)
    assert "Postal code is missing." in page
    assert not Push.objects.exists()
    assert not Mail.objects.exists()
    said(user, _url(world, "create"), {**filled(page, button="Ask an admin"), "InvoicePostalCode": "903 26"})
    assert Push.objects.get().confirmed["InvoicePostalCode"] == "903 26"


def test_when_an_admin_was_faster_the_person_goes_on_by_themselves(world: World, user: Client) -> None:
    world.connect()
    assert "You no longer need to ask an admin" in said(user, _url(world, "ask-admin"))
    Connection.objects.update(terms_confirmed_at=None)
    form = filled(user.get(_url(world, "create")).content.decode(), button="Ask an admin")
    Connection.objects.update(terms_confirmed_at=NOW)
    terms = Connection.objects.get().default_terms_id
    page = said(user, _url(world, "create"), {**form, "InvoiceCity": "Lund", "terms": terms})
    assert "You no longer need to ask an admin" in page
    said(user, _url(world, "create"), filled(page, button="Create customer in Visma"))  # with what was typed
    assert Push.objects.get().confirmed["InvoiceCity"] == "Lund"


def test_the_only_person_of_the_company_goes_along(world: World, user: Client) -> None:
    _without_terms(world)
    contact = world.contact()
    _ask(user, world)
    assert Push.objects.get().contact == contact


def test_a_linked_company_asks_for_an_update(world: World, user: Client) -> None:
    connection = world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    world.link(connection, other={"Telephone": "+46 8 999 99 99"})
    page = _ask(user, world)
    assert "What you chose is sent automatically when the connection works again." in page
    push = Push.objects.get()
    assert (push.kind, push.confirmed) == (Kind.UPDATE, {"Telephone": COMPLETE["phone"]})
    assert push.based_on == {"Telephone": "+46 8 999 99 99"}


def test_what_is_left_as_it_is_there_is_neither_sent_nor_decided(world: World, user: Client) -> None:
    connection = world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    link = world.link(connection, other={"Telephone": "+46 8 999 99 99", "WwwAddress": "https://there.example"})
    form = filled(user.get(_url(world, "update")).content.decode(), button="Ask an admin")
    said(user, _url(world, "update"), {**form, "Telephone": "theirs", "WwwAddress": "theirs"})
    assert not Push.objects.exists()
    assert Mail.objects.exists()
    link.refresh_from_db()
    assert not link.kept


@pytest.mark.parametrize("arrange", [_broken, _without_terms])
def test_a_request_that_shows_no_sheet_is_led_to_it(
    world: World, user: Client, arrange: Callable[[World], None]
) -> None:
    """As the button of an earlier release sent it: today's data, which nobody saw."""
    arrange(world)
    answer = user.post(_url(world, "ask-admin"))
    assert answer.headers["Location"] == _url(world, "create")
    assert (
        "Nobody has been asked yet. Check what will be sent, then ask."
        in user.get(_url(world, "create")).content.decode()
    )
    assert not Push.objects.exists()
    assert not Mail.objects.exists()


def test_a_linked_company_that_has_nothing_to_send_only_asks(world: World, user: Client) -> None:
    connection = world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    world.link(connection)
    assert "Asked." in _ask(user, world)
    assert Mail.objects.exists()
    assert not Push.objects.exists()


def test_asking_sends_nothing_over_what_changed_in_eaccounting(world: World, user: Client) -> None:
    connection = world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    link = world.link(connection, other={"Telephone": "+46 8 999 99 99", "WwwAddress": "https://ours.example"})
    link.answered = {**link.customer.answered}
    link.save()
    link.customer.answered = {**link.customer.answered, "Telephone": "+46 8 111 11 11", "InvoiceCity": "Skellefteå"}
    link.customer.save()
    sheet = user.get(_url(world, "update")).content.decode()
    form = filled(sheet, button="Ask an admin")
    assert (form.get("Telephone"), form["address"]) == (None, ["theirs"])  # who changed both has to say it
    page = said(user, _url(world, "update"), form)
    assert "Choose one of the two." in page
    assert not Push.objects.exists()


def test_an_archived_company_asks_nobody(world: World, user: Client) -> None:
    _broken(world)
    world.company.archive(now=NOW)
    assert "<button" not in _panel(user, world.company)


@pytest.mark.parametrize("state", list(ONE_AT_A_TIME))
def test_an_archived_company_and_a_viewer_see_no_button_in_any_state(
    world: World, user: Client, as_user: Callable[[User], Client], vera: User, state: State
) -> None:
    for_whom = {"a viewer": as_user(vera), "an archived company": user}
    ONE_AT_A_TIME[state][0](world)
    for who, client in for_whom.items():
        if who == "an archived company":
            world.company.archive(now=NOW)
        shown = _panel(client, world.company)
        for words in ("<button", "<form", "<select", ">Correct it<", ">Ask an admin<"):
            assert words not in shown, (who, words)


# --- After more than seven days ------------------------------------------------------------------------------


def _asked_long_ago(world: World) -> Push:
    return world.push(
        world.connect(),
        wait_reason=WaitReason.DECISION,
        failure=ASKED_LONG_AGO,
        confirmed=mapping.values_of(world.company, None, groups=mapping.COMPANY_GROUPS),
        next_attempt_at=None,
        requested_at=NOW - timedelta(days=9),
    )


def test_an_old_wish_asks_whether_it_is_still_wanted(world: World, user: Client) -> None:
    push = _asked_long_ago(world)
    assert world.panel().state == State.DECISION
    shown = _panel(user, world.company)
    assert "This was requested more than seven days ago and had to wait for an admin." in shown
    assert "Anna Ek asked to add the company as a customer" in shown
    assert "The answer was lost" not in shown
    for words in ("Send it now</button>", "Cancel</button>"):
        assert words in shown
    for words in ("Create anyway", "Check again"):
        assert words not in shown
    said(user, _url(world, "send-now"))
    push.refresh_from_db()
    assert (push.state, push.wait_reason, push.requested_by.first_name) == (PushState.WAITING, "", "Ulf")
    assert "Nothing was done" in said(user, _url(world, "send-now"))


def test_a_viewer_is_told_that_a_user_decides(world: World, as_user: Callable[[User], Client], vera: User) -> None:
    _asked_long_ago(world)
    viewer = as_user(vera)
    for page in (_panel(viewer, world.company), viewer.get("/companies/").content.decode()):
        assert "A user decides" in page
        assert "Your decision" not in page
    assert "<button" not in _panel(viewer, world.company)


# --- What waits ----------------------------------------------------------------------------------------------


def test_the_connection_page_counts_what_waits_for_what(world: World, admin: Client) -> None:
    connection = world.connect()
    assert "Waiting to be sent" not in admin.get(SETTINGS).content.decode()
    reasons = [WaitReason.TERMS] * 2 + [WaitReason.CONNECTION, WaitReason.DECISION, WaitReason.RETRY, WaitReason.TWIN]
    for number, reason in enumerate(reasons):
        company = world.add_company(f"Berg {number} AB")
        world.push(connection, company=company, wait_reason=reason, next_attempt_at=None)
    world.push(connection)  # under way: it waits for nothing
    page = admin.get(SETTINGS).content.decode()
    for words in (
        "2 companies are waiting to be added until the terms of payment are chosen.",
        "1 action is waiting until the connection works.",
        "1 action is waiting for a decision on its company&#x27;s card.",
        "2 actions are waiting for Visma eAccounting",
    ):
        assert words in page


def test_what_is_parked_while_disconnected_is_counted_too(world: World, admin: Client) -> None:
    left = world.connect(state=Connection.State.DISCONNECTED)
    world.push(left, wait_reason=WaitReason.CONNECTION, next_attempt_at=None)
    assert "1 action is waiting until the connection works." in admin.get(SETTINGS).content.decode()
