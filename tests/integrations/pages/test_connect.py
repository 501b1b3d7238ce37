"""The connection page in every state, and each way in which the road back from the consent page can end."""

import html
import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from pytest_django import Settings

from accounts.models import Account, User
from dev.sandbox.core import Sandbox
from integrations.access.token_lock import token_lock
from integrations.forms.terms import TermsForm
from integrations.messages.sentences import sentence
from integrations.models import BlockedReason, Connection, CustomerIndex, PushState, WaitReason
from integrations.services import connect
from tests.integrations.pages.conftest import NOW, World, decide, mark_on, said
from tests.sheets import confirmed

PAGE = "/settings/integrations/visma-eaccounting/"
CALLBACK = "/integrations/visma-eaccounting/callback/"
BUTTON = "Connect to Visma eAccounting"


def _begin(client: Client) -> str:
    """Press Connect and return the address of the consent page."""
    return client.post(f"{PAGE}connect/").headers["Location"]


def _back(client: Client, query: dict[str, str]) -> str:
    """Come back from the consent page and return the page that it leads to."""
    return client.get(CALLBACK, query, follow=True).content.decode()


def _connect(client: Client, **choice: str) -> str:
    return _back(client, decide(_begin(client), **choice))


def test_connecting_keeps_the_company_and_says_so(admin: Client, anna: User, sandbox: Sandbox) -> None:
    page = _connect(admin)
    assert "Connected to Nordvik Bygg AB." in page
    connection = Connection.objects.get()
    assert (connection.name, connection.connected_by) == ("Nordvik Bygg AB", anna)
    assert "(556677-8899)" in page
    assert "The terms of payment are being fetched" in page


def test_the_consent_page_is_asked_for_exactly_what_is_needed(admin: Client) -> None:
    query = parse_qs(urlsplit(_begin(admin)).query)
    assert query["scope"] == ["ea:api ea:sales offline_access"]
    assert query["redirect_uri"] == [f"http://testserver{CALLBACK}"]
    assert query["code_challenge_method"] == ["S256"]
    assert query["prompt"] == ["select_account"]


def test_each_way_back_without_a_code_has_its_own_sentence(admin: Client, sandbox: Sandbox) -> None:
    told = {}
    told["consent_denied"] = _connect(admin, decision="deny")
    state = parse_qs(urlsplit(_begin(admin)).query)["state"][0]
    told["missing_code"] = _back(admin, {"state": state})
    state = parse_qs(urlsplit(_begin(admin)).query)["state"][0]
    told["issuer_mismatch"] = _back(admin, {"state": state, "code": "x", "iss": "https://evil.example"})
    state = parse_qs(urlsplit(_begin(admin)).query)["state"][0]
    told["authorization_refused"] = _back(admin, {"state": state, "error": "invalid_scope"})
    _begin(admin)
    told["state_mismatch"] = _back(admin, {"state": "somebody else's", "code": "x"})
    for code, page in told.items():
        assert sentence(code).replace("'", "&#x27;") in page
        assert BUTTON in page
    assert not Connection.objects.exists()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Connection.State.CONNECTED, "Nothing was changed: you are still connected to Nordvik Bygg AB."),
        (Connection.State.NEEDS_RECONNECT, "Nothing was changed: Nordvik Bygg AB still has to be reconnected."),
        (Connection.State.DISCONNECTED, "Connect again when you want to."),
    ],
)
def test_denying_says_how_the_connection_stands(
    admin: Client, world: World, sandbox: Sandbox, state: Connection.State, words: str
) -> None:
    world.connect(state=state, broken_at=NOW)
    assert words in _connect(admin, decision="deny")
    assert Connection.objects.get().state == state


def test_a_state_is_good_once_and_only_in_its_own_session(
    admin: Client, as_user: Callable[[User], Client], anna: User, sandbox: Sandbox
) -> None:
    words = sentence("state_mismatch")
    query = decide(_begin(admin))
    assert words in _back(as_user(anna), query)
    assert "Connected to Nordvik Bygg AB." in _back(admin, query)
    assert words in _back(admin, query)
    assert words in _back(admin, {})
    assert Connection.objects.get().generation == 1


def test_a_refused_answer_uses_the_state_up(admin: Client, sandbox: Sandbox) -> None:
    query = decide(_begin(admin))
    _back(admin, {"state": "wrong", "code": query["code"]})
    assert sentence("state_mismatch") in _back(admin, query)


def test_a_code_that_is_too_old_or_used_is_said(admin: Client, sandbox: Sandbox) -> None:
    query = decide(_begin(admin))
    sandbox.fault(kind="invalid_grant", path="/connect/token")
    page = _back(admin, query)
    assert "Nothing was connected. Visma&#x27;s answer was too old or already used. Connect again." in page


def test_a_token_endpoint_that_does_not_answer_is_said(admin: Client, sandbox: Sandbox) -> None:
    query = decide(_begin(admin))
    sandbox.fault(kind="status", status=503, path="/connect/token", when="before")
    assert "Visma is not answering right now. Connect again in a moment." in _back(admin, query)


def test_a_company_that_says_odd_things_of_itself_is_connected(admin: Client, sandbox: Sandbox) -> None:
    odd = f'"Name": "{"Nordvik " * 50}", "CorporateIdentityNumber": "{"5" * 60}", "CurrencyCode": "SEKK"'
    sandbox.fault(kind="answer_also", path="/v2/companysettings", body=odd)
    assert "Connected to Nordvik Nordvik" in _connect(admin)


def test_settings_that_nobody_can_read_are_said_and_the_access_is_given_back(admin: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="answer_also", path="/v2/companysettings", body='"Name": ["x"]')
    page = _connect(admin)
    assert (
        "Nothing was connected. Visma sent an answer that Lime Go does not understand. Connect again, and contact"
        in page
    )
    assert not Connection.objects.exists()
    assert sandbox.world.store.all("grant") == {}


def test_our_own_client_being_refused_is_the_operators_matter(admin: Client, sandbox: Sandbox) -> None:
    query = decide(_begin(admin))
    sandbox.fault(kind="invalid_client", path="/connect/token")
    assert "The operator of Lime Go has been told; nothing is lost." in _back(admin, query)


def test_a_company_is_connected_in_one_account_at_a_time(
    admin: Client, as_user: Callable[[User], Client], olav: User, sandbox: Sandbox
) -> None:
    _connect(admin)
    assert "already connected to another Lime Go account" in _connect(as_user(olav))
    assert Connection.objects.count() == 1


def test_a_consent_that_took_long_overwrites_nothing_newer(
    admin: Client, as_user: Callable[[User], Client], anna: User, sandbox: Sandbox
) -> None:
    slow = decide(_begin(admin))
    _connect(as_user(anna))
    assert "Somebody else changed the connection meanwhile." in _back(admin, slow)
    assert Connection.objects.get().generation == 1


def test_while_the_connection_is_being_renewed_people_are_asked_to_wait(
    admin: Client, account: Account, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    _connect(admin)
    query = decide(_begin(admin))
    monkeypatch.setattr(connect, "LOCK_PATIENCE", 0.1)
    with token_lock(account.pk, patience=1):
        assert sentence("lock_taken") in _back(admin, query)
        assert sentence("lock_taken") in said(admin, f"{PAGE}disconnect/", mark_on(admin, f"{PAGE}disconnect/"))


# --- The page ------------------------------------------------------------------------------------


def test_the_steps_come_first(admin: Client) -> None:
    page = admin.get(PAGE).content.decode()
    for words in ("Connect in four steps", "Visma Integration add-on", "full rights", BUTTON, "Not connected"):
        assert words in page
    assert "Not connected" in admin.get("/settings/integrations/").content.decode()


def _needs_reconnect(world: World) -> str:
    world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    return "Visma eAccounting has not accepted the connection since"


def _disconnected(world: World) -> str:
    world.link(world.connect(state=Connection.State.DISCONNECTED, access_token="", refresh_token=""))
    return "1 link to Nordvik Bygg AB is kept"


def _no_terms(world: World) -> str:
    world.connect().terms.all().update(for_sales=False)
    return "There are no terms of payment for sales"


def _terms_gone(world: World) -> str:
    connection = world.connect()
    world.terms(connection, name_english="10 days")
    connection.terms.filter(name_english="30 days").update(gone_at=NOW)
    return "The chosen terms of payment “30 days” no longer exist"


def _terms_unconfirmed(world: World) -> str:
    Connection.objects.filter(pk=world.connect().pk).update(terms_confirmed_at=None, default_terms=None)
    return "Check the choice below and save it once."


def _terms_unread(world: World) -> str:
    Connection.objects.filter(pk=world.connect().pk).update(terms_read_at=None)
    return "The terms of payment are being fetched"


@pytest.mark.parametrize(
    "arrange", [_needs_reconnect, _disconnected, _no_terms, _terms_gone, _terms_unconfirmed, _terms_unread]
)
def test_the_page_says_its_state(admin: Client, world: World, arrange: Callable[[World], str]) -> None:
    words = arrange(world)
    assert words in admin.get(PAGE).content.decode()


@pytest.mark.parametrize("reason", BlockedReason.values)
def test_the_page_says_why_eaccounting_refuses_and_who_can_act(admin: Client, world: World, reason: str) -> None:
    world.connect(blocked_reason=reason, blocked_at=NOW)
    card = f"/companies/{world.company.pk}/"
    for address in (PAGE, card):
        page = html.unescape(admin.get(address).content.decode())
        assert sentence(reason) in page
        assert "Stopped by Visma eAccounting" in page


def test_everything_works_with_tokens_that_no_key_reads(
    admin: Client, world: World, settings: Settings, sandbox: Sandbox
) -> None:
    connection = world.connect()
    world.link(connection)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    card = f"/companies/{world.company.pk}/"
    for address in (PAGE, f"{PAGE}disconnect/", "/settings/integrations/", card, f"{card}edit/", "/companies/"):
        assert admin.get(address).status_code == 200
    assert admin.get(f"{card}visma-eaccounting/contact-person/").status_code == 200
    assert "chosen by Anna Ek" in admin.get(PAGE).content.decode()
    for button in ("test/", "terms/reload/"):
        assert sentence("tokens_unreadable") in said(admin, f"{PAGE}{button}")
    assert "The company is being added." not in said(
        admin, f"{card}visma-eaccounting/create/", confirmed(world.company)
    )
    assert "Disconnected. All links are kept" in said(admin, f"{PAGE}disconnect/", mark_on(admin, f"{PAGE}disconnect/"))


def test_the_page_needs_few_queries_whatever_there_is(
    admin: Client, world: World, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    connection = world.connect()
    for days in range(1, 9):
        connection.choose_terms(terms=world.terms(connection, days=days), user=world.admin, now=NOW)
    with django_assert_max_num_queries(13):
        admin.get(PAGE)


# --- The buttons ---------------------------------------------------------------------------------


def test_a_tested_connection_works_or_says_why_not(admin: Client, sandbox: Sandbox) -> None:
    _connect(admin)
    assert "The connection works: Nordvik Bygg AB answered" in said(admin, f"{PAGE}test/")
    sandbox.fault(kind="error", status=403, error_code=4003, text="Startup guide", path="/v2/companysettings")
    assert sentence("startup_guide") in said(admin, f"{PAGE}test/")
    sandbox.fault(kind="status", status=503, path="/v2/companysettings", when="before")
    assert "Visma eAccounting is not answering right now. Try again in a moment." in said(admin, f"{PAGE}test/")


@pytest.mark.django_db(transaction=True)
def test_a_revoked_grant_is_found_by_the_test(admin: Client, sandbox: Sandbox) -> None:
    _connect(admin)
    sandbox.revoke_grants()
    assert "did not renew the connection" in said(admin, f"{PAGE}test/")
    Connection.objects.update(grant_doubted_at=NOW - timedelta(minutes=1))
    page = said(admin, f"{PAGE}test/")
    assert "Needs reconnecting" in page
    assert Connection.objects.get().state == Connection.State.NEEDS_RECONNECT
    assert "Connected to Nordvik Bygg AB." in _connect(admin)


def test_terms_are_reloaded_and_chosen(admin: Client, sandbox: Sandbox) -> None:
    _connect(admin)
    page = said(admin, f"{PAGE}terms/reload/")
    assert "The terms of payment are up to date." in page
    assert "7 terms of payment, fetched just now." in page
    connection = Connection.objects.get()
    terms = connection.terms.get(name_english="20 days")
    page = said(admin, f"{PAGE}terms/", {"terms": terms.pk, "mark": TermsForm(connection=connection).list_mark})
    assert "New customers get the terms of payment 20 days. Check that this is right." in page
    assert Connection.objects.get().default_terms == terms
    sandbox.fault(kind="status", status=503, path="/v2/termsofpayments", when="before")
    assert "is not answering right now" in said(admin, f"{PAGE}terms/reload/")


def test_terms_with_odd_values_are_reloaded_as_far_as_they_fit(admin: Client, sandbox: Sandbox) -> None:
    _connect(admin)
    said(admin, f"{PAGE}terms/reload/")
    row = sandbox.world.row("terms", "1", str(Connection.objects.get().terms.order_by("pk")[0].remote_id))
    assert row is not None
    rows = [
        {**row, "Name": "N" * 300, "NameEnglish": "E" * 300, "NumberOfDays": 10**12, "TermsOfPaymentTypeId": -(10**12)},
        {**row, "Id": str(row["Id"]).upper(), "Name": "Again"},
    ]
    meta = {"TotalNumberOfPages": 1, "TotalNumberOfResults": 1, "ServerTimeUtc": sandbox.world.timestamp()}
    body = json.dumps({"Meta": meta, "Data": rows}, default=str)
    sandbox.fault(kind="status", status=200, path="/v2/termsofpayments", body=body)
    assert "The terms of payment are up to date." in said(admin, f"{PAGE}terms/reload/")
    kept = Connection.objects.get().terms.get(remote_id=row["Id"])
    assert (kept.name, kept.name_english, kept.days, kept.kind) == ("N" * 255, "E" * 255, None, None)


def test_terms_that_are_gone_cannot_be_chosen(admin: Client, world: World) -> None:
    connection = world.connect()
    gone = world.terms(connection, gone_at=NOW)
    mark = TermsForm(connection=connection).list_mark
    page = admin.post(f"{PAGE}terms/", {"terms": gone.pk, "mark": mark}).content.decode()
    assert "is-invalid" in page
    assert Connection.objects.get().default_terms != gone


def test_disconnecting_says_what_waits_and_cancels_it(admin: Client, world: World, sandbox: Sandbox) -> None:
    connection = world.connect()
    push = world.push(connection, wait_reason=WaitReason.RETRY)
    assert "1 waiting action is cancelled." in admin.get(f"{PAGE}disconnect/").content.decode()
    page = said(admin, f"{PAGE}disconnect/", mark_on(admin, f"{PAGE}disconnect/"))
    assert "Disconnected. All links are kept. 1 waiting action was cancelled." in page
    assert BUTTON in page
    push.refresh_from_db()
    assert push.state == PushState.CANCELLED
    card = admin.get(f"/companies/{world.company.pk}/").content.decode()
    assert "Disconnected Visma eAccounting, which cancelled sending (Nordvik Bygg AB)" in card


def test_disconnecting_without_links_and_wishes_names_neither(admin: Client, world: World, sandbox: Sandbox) -> None:
    world.connect()
    asked = admin.get(f"{PAGE}disconnect/").content.decode()
    assert "0 links" not in asked
    assert "waiting action" not in asked
    assert "Disconnected. All links are kept.\n" in said(
        admin, f"{PAGE}disconnect/", mark_on(admin, f"{PAGE}disconnect/")
    )


def test_the_copy_of_unlinked_customers_is_erased_only_when_that_is_chosen(
    admin: Client, world: World, sandbox: Sandbox
) -> None:
    connection = world.connect()
    world.link(connection)
    assert 'name="erase"' not in admin.get(f"{PAGE}disconnect/").content.decode(), "there is nothing to erase"
    world.link(connection, company=world.add_company("Bergs Rör AB")).delete()
    asked = admin.get(f"{PAGE}disconnect/").content.decode()
    assert "Also erase the copy of 1 customer that is not linked" in asked
    data = mark_on(admin, f"{PAGE}disconnect/")
    assert "is being erased" not in said(admin, f"{PAGE}disconnect/", data)
    assert not CustomerIndex.objects.get().erasing
    Connection.objects.update(state=Connection.State.CONNECTED)
    data = mark_on(admin, f"{PAGE}disconnect/") | {"erase": "on"}
    assert "The copy of the customers that are not linked is being erased." in said(admin, f"{PAGE}disconnect/", data)
    assert CustomerIndex.objects.get().erasing


def test_an_old_page_disconnects_nothing_newer(admin: Client, world: World, sandbox: Sandbox) -> None:
    connection = world.connect()
    old = mark_on(admin, f"{PAGE}disconnect/")
    Connection.objects.filter(pk=connection.pk).update(generation=connection.generation + 1)
    for data in (old, {}):
        assert sentence("connect_superseded") in said(admin, f"{PAGE}disconnect/", data)
    assert Connection.objects.get(pk=connection.pk).is_connected
