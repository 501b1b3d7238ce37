"""The page of the choice between the connected eAccounting company and another one that was just chosen."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Account
from dev.sandbox.core import Sandbox
from integrations.access.token_lock import token_lock
from integrations.messages.sentences import sentence
from integrations.models import Connection, Push, PushState, WaitReason
from integrations.services import connect
from tests.integrations.pages.conftest import World, decide, said

PAGE = "/settings/integrations/visma-eaccounting/"
CHOICE = f"{PAGE}other-company/"
CALLBACK = "/integrations/visma-eaccounting/callback/"


def _connect(client: Client, **choice: str) -> str:
    """Connect as a person does; return the page that this leads to."""
    consent = client.post(f"{PAGE}connect/").headers["Location"]
    answer = client.get(CALLBACK, decide(consent, **choice), follow=True)
    return html.unescape(answer.content.decode())


@pytest.fixture
def chosen(admin: Client, sandbox: Sandbox) -> str:
    """The admin is connected to Nordvik Bygg AB and has just chosen Fjordlys AS; the page they see."""
    _connect(admin)
    return _connect(admin, company="2")


def _decide(client: Client, decision: str) -> str:
    """Press one of the two buttons on the page as it is now."""
    page = client.get(CHOICE).content.decode()
    found = re.search(r'name="offer" value="([^"]+)"', page)
    assert found
    return html.unescape(said(client, CHOICE, {"offer": found[1], "decision": decision}))


def test_it_names_both_companies_and_no_empty_number(chosen: str) -> None:
    for words in ("Nordvik Bygg AB (556677-8899)", "Fjordlys AS", "Go back", "Start over with Fjordlys AS"):
        assert words in chosen
    assert "0 " not in re.sub(r"<[^>]*>", "", chosen).replace("10 ", "")
    assert "kept but not used" not in chosen
    assert "cancelled" not in chosen


@pytest.mark.parametrize(
    ("count", "links", "waiting"),
    [
        (
            1,
            "1 link to Nordvik Bygg AB is kept but not used. It works again when Nordvik Bygg AB is connected.",
            "1 action that waits for Nordvik Bygg AB is cancelled.",
        ),
        (
            2,
            "2 links to Nordvik Bygg AB are kept but not used. They work again when Nordvik Bygg AB is connected.",
            "2 actions that wait for Nordvik Bygg AB are cancelled.",
        ),
    ],
)
def test_it_says_what_is_at_stake(
    admin: Client, world: World, chosen: str, count: int, links: str, waiting: str
) -> None:
    old = Connection.objects.get(is_current=True)
    for number in range(count):
        company = world.add_company(f"Nr {number}")
        world.link(old, company=company)
        world.push(old, company=company, wait_reason=WaitReason.RETRY)
    page = admin.get(CHOICE).content.decode()
    assert links in page
    assert waiting in page


def test_actions_whose_outcome_is_not_known_stay_and_are_told(admin: Client, world: World, chosen: str) -> None:
    old = Connection.objects.get(is_current=True)
    push = world.push(old, state=PushState.UNKNOWN, unknown_since=timezone.now())
    words = "Lime Go checks when Nordvik Bygg AB is connected again"
    for address in (CHOICE, f"{PAGE}disconnect/"):
        assert f"It is not known yet whether 1 action succeeded. {words}" in admin.get(address).content.decode()
    _decide(admin, "start_over")
    assert Push.objects.get(pk=push.pk).state == PushState.UNKNOWN


def test_going_back_is_said_and_changes_nothing(admin: Client, chosen: str) -> None:
    page = _decide(admin, "go_back")
    assert "Nothing was changed: you are still connected to Nordvik Bygg AB." in page
    assert Connection.objects.get().name == "Nordvik Bygg AB"


def test_going_back_to_a_connection_that_needs_a_person_says_so(admin: Client, chosen: str) -> None:
    Connection.objects.filter(is_current=True).update(state=Connection.State.NEEDS_RECONNECT, broken_at=timezone.now())
    assert "Reconnect and choose Nordvik Bygg AB when you want to." in _decide(admin, "go_back")


def test_starting_over_says_what_became_of_links_and_wishes(admin: Client, world: World, chosen: str) -> None:
    old = Connection.objects.get(is_current=True)
    world.link(old)
    push = world.push(old, wait_reason=WaitReason.RETRY)
    page = _decide(admin, "start_over")
    assert "Connected to Fjordlys AS. 1 link to Nordvik Bygg AB is kept; it works again" in page
    assert "1 waiting action was cancelled." in page
    assert Push.objects.get(pk=push.pk).state == PushState.CANCELLED
    for told in ("Connected Visma eAccounting (Fjordlys AS)", "Disconnected Visma eAccounting (Nordvik Bygg AB)"):
        assert told in page


def test_the_settings_and_the_card_tell_of_kept_links(admin: Client, world: World, chosen: str) -> None:
    world.link(Connection.objects.get(is_current=True))
    _decide(admin, "start_over")
    kept = "1 link to Nordvik Bygg AB is kept; it works again when Nordvik Bygg AB is connected."
    assert kept in html.unescape(admin.get(PAGE).content.decode())
    card = html.unescape(admin.get(f"/companies/{world.company.pk}/").content.decode())
    assert "customer 1014 in Nordvik Bygg AB" in card
    current = Connection.objects.get(is_current=True)
    connect.disconnect(user=world.admin, connection=current)
    assert kept in html.unescape(admin.get(PAGE).content.decode())


def test_a_choice_that_is_over_leads_to_the_connection(admin: Client, chosen: str) -> None:
    _decide(admin, "start_over")
    words = html.escape(sentence("offer_gone"))
    assert words in admin.get(CHOICE, follow=True).content.decode()
    assert words in said(admin, CHOICE, {"offer": "1-1", "decision": "start_over"})


def test_the_settings_lead_back_to_an_open_choice(admin: Client, chosen: str) -> None:
    page = admin.get(PAGE).content.decode()
    assert "You chose Fjordlys AS at Visma" in page
    assert f'href="{CHOICE}"' in page
    Connection.objects.filter(is_current=False).update(connected_at=timezone.now() - timedelta(minutes=15))
    assert CHOICE not in admin.get(PAGE).content.decode()


def test_while_tokens_are_being_renewed_the_choice_stays_open(
    admin: Client, account: Account, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "LOCK_PATIENCE", 0.1)
    with token_lock(account.pk, patience=1):
        page = _decide(admin, "start_over")
    assert sentence("lock_taken") in page
    assert "Start over with Fjordlys AS" in page


def test_a_company_that_refuses_everything_is_chosen_knowing_why(admin: Client, sandbox: Sandbox) -> None:
    _connect(admin)
    sandbox.fault(kind="error", error_code=4012, status=403, path="/v2/companysettings", when="before")
    assert sentence("licence") in _connect(admin, company="2")
