"""Another eAccounting company is chosen at the consent page: what the admin reads, and how they start over."""

import html

import pytest
from django.test import Client
from django.utils import timezone

from dev.sandbox.core import Sandbox
from integrations.models import Connection, Push, PushState
from tests.integrations.pages.conftest import World, decide, mark_on, said

PAGE = "/settings/integrations/visma-eaccounting/"
CALLBACK = "/integrations/visma-eaccounting/callback/"
ADVICE = (
    "To stay with Nordvik Bygg AB, choose it when you reconnect. To start over with {chosen}, disconnect first, then "
    "connect: links are kept and work again when their company is connected."
)


def _connect(client: Client, **choice: str) -> str:
    """Connect as a person does; return the page that this leads to."""
    consent = client.post(f"{PAGE}connect/").headers["Location"]
    answer = client.get(CALLBACK, decide(consent, **choice), follow=True)
    return html.unescape(answer.content.decode())


def _disconnect(client: Client) -> str:
    return html.unescape(said(client, f"{PAGE}disconnect/", mark_on(client, f"{PAGE}disconnect/")))


@pytest.fixture
def connected(admin: Client, sandbox: Sandbox) -> Connection:
    """The admin is connected to Nordvik Bygg AB."""
    _connect(admin)
    return Connection.objects.get()


@pytest.mark.parametrize(
    ("count", "links"),
    [(0, ""), (1, "1 link belongs to Nordvik Bygg AB. "), (2, "2 links belong to Nordvik Bygg AB. ")],
)
def test_it_says_who_answered_who_is_connected_what_is_at_stake_and_what_to_do(
    admin: Client, world: World, connected: Connection, count: int, links: str
) -> None:
    for number in range(count):
        world.link(connected, company=world.add_company(f"Nr {number}"))
    words = "You chose Fjordlys AS, but this account works with Nordvik Bygg AB. Nothing was changed. "
    assert f"{words}{links}{ADVICE.format(chosen='Fjordlys AS')}" in _connect(admin, company="2")
    assert Connection.objects.get().is_connected


def test_a_company_that_does_not_tell_its_name_is_another_one(
    admin: Client, connected: Connection, sandbox: Sandbox
) -> None:
    sandbox.fault(kind="error", error_code=4012, status=403, path="/v2/companysettings", when="before")
    page = _connect(admin, company="2")
    assert "You chose another company in Visma eAccounting, but this account works with Nordvik Bygg AB." in page
    assert ADVICE.format(chosen="another company in Visma eAccounting") in page


def test_disconnecting_and_connecting_starts_over_and_tells_of_the_kept_links(
    admin: Client, world: World, connected: Connection
) -> None:
    world.link(connected)
    assert "Disconnected. All links are kept." in _disconnect(admin)
    kept = "1 link to Nordvik Bygg AB is kept; it works again when Nordvik Bygg AB is connected."
    page = _connect(admin, company="2")
    told = ("Connected to Fjordlys AS.", "Disconnected Visma eAccounting (Nordvik Bygg AB)", kept)
    assert [words for words in told if words not in page] == []
    card = html.unescape(admin.get(f"/companies/{world.company.pk}/").content.decode())
    assert "customer 1014 in Nordvik Bygg AB" in card
    _disconnect(admin)
    assert kept in html.unescape(admin.get(PAGE).content.decode())


def test_actions_whose_outcome_is_not_known_stay_and_are_told(
    admin: Client, world: World, connected: Connection
) -> None:
    push = world.push(connected, state=PushState.UNKNOWN, unknown_since=timezone.now())
    words = "Lime Go checks when Nordvik Bygg AB is connected again"
    asked = admin.get(f"{PAGE}disconnect/").content.decode()
    assert f"It is not known yet whether 1 action succeeded. {words}" in asked
    _disconnect(admin)
    _connect(admin, company="2")
    assert Push.objects.get(pk=push.pk).state == PushState.UNKNOWN
