"""A connection, or terms of payment, that break while a sheet is open: what was typed and chosen stays on it."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import Mail, User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from integrations.domain import mapping
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Kind, Push, WaitReason
from tests.integrations.pages.conftest import LATER, NOW, World, fill_index, same_number
from tests.integrations.pages.test_create import LONG
from tests.pages import controls, filled

STAYS = "Nothing was sent. What you chose and typed is still here."
CREATE = "Create customer in Visma eAccounting"
ASK = "Ask an admin"
SETTINGS = "/settings/integrations/visma-eaccounting/"
SHORT = "Mälarstrand Fastighet AB"
PAGE, DIALOG = {}, {"hx-request": "true", "hx-target": "sheet"}
with_and_without_scripts = pytest.mark.parametrize("headers", [PAGE, DIALOG], ids=["page", "dialog"])


@pytest.fixture
def user(as_user: Callable[[User], Client], ulf: User) -> Client:
    """The browser of a user who is no admin."""
    return as_user(ulf)


def _url(world: World, name: str) -> str:
    return f"/companies/{world.company.pk}/visma-eaccounting/{name}/"


def _revoke() -> str:
    Connection.objects.update(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    return sentence("needs_reconnect")


def _disconnect() -> str:
    Connection.objects.update(state=Connection.State.DISCONNECTED)
    return sentence("disconnected")


def _lose_terms() -> str:
    Connection.objects.get().terms.update(gone_at=NOW)
    return "no longer exist in Visma eAccounting"


def _unconfirm_terms() -> str:
    Connection.objects.update(terms_confirmed_at=None)
    return sentence("terms_not_chosen")


def _mend() -> None:
    connection = Connection.objects.get()
    connection.terms.update(gone_at=None)
    Connection.objects.update(state=Connection.State.CONNECTED, broken_at=None, terms_confirmed_at=NOW)


BREAKS = [_revoke, _disconnect, _lose_terms, _unconfirm_terms]


# --- The create sheet ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("break_it", BREAKS)
@with_and_without_scripts
def test_the_create_sheet_keeps_its_values_until_an_admin_was_asked(
    world: World, user: Client, break_it: Callable[[], str], headers: dict[str, str]
) -> None:
    world.connect()
    world.company.save_changes(now=NOW, values={"name": LONG})
    contact, address = world.contact(), _url(world, "create")
    form = filled(user.get(address, headers=headers).content.decode(), button=CREATE)
    typed = {**form, "Name": SHORT, "ContactPersonMobile": "+46 70 174 06 05"}
    words = break_it()
    answer = user.post(address, typed, headers=headers)
    assert answer.status_code == 200
    page = answer.content.decode()
    for expected in (STAYS, words, SHORT, "+46 70 174 06 05"):
        assert expected in page
    assert SETTINGS not in page.split("<form")[-1]
    assert not Push.objects.exists()
    answer = user.post(address, filled(page, button=ASK), headers=headers)
    assert answer.headers["HX-Redirect" if headers else "Location"] == f"/companies/{world.company.pk}/"
    push = Push.objects.get()
    assert push.wait_reason == (WaitReason.TERMS if "terms" in break_it.__name__ else WaitReason.CONNECTION)
    assert (push.kind, push.contact, push.next_attempt_at) == (Kind.CREATE, contact, None)
    assert (push.confirmed["Name"], push.confirmed["ContactPersonMobile"]) == (SHORT, "+46 70 174 06 05")
    assert push.shorter["Name"]["there"] == SHORT
    assert Mail.objects.get().user == world.admin


@pytest.mark.parametrize("break_it", BREAKS)
@with_and_without_scripts
def test_an_admin_mends_it_beside_the_sheet_and_creates_what_stands_there(
    world: World, admin: Client, break_it: Callable[[], str], headers: dict[str, str]
) -> None:
    world.connect()
    address = _url(world, "create")
    form = filled(admin.get(address, headers=headers).content.decode(), button=CREATE)
    break_it()
    page = admin.post(address, {**form, "InvoiceCity": "Lund"}, headers=headers).content.decode()
    mend = [one for one in controls(page) if one.address.startswith(SETTINGS) and "new tab" in one.words]
    assert [one.address for one in mend] == [f"{SETTINGS}#terms" if "terms" in break_it.__name__ else SETTINGS]
    assert 'target="_blank"' in page
    assert ASK not in [one.words for one in controls(page)]
    _mend()
    again = filled(page, button=CREATE)
    again.setdefault("terms", [str(Connection.objects.get().default_terms_id)])
    admin.post(address, again, headers=headers)
    push = Push.objects.get()
    assert (push.wait_reason, push.confirmed["InvoiceCity"]) == ("", "Lund")


def test_terms_that_came_back_are_shown_before_anything_is_created(world: World, admin: Client) -> None:
    """The sheet that came back had none to choose: the person sees them first."""
    world.connect()
    address = _url(world, "create")
    form = filled(admin.get(address).content.decode(), button=CREATE)
    _lose_terms()
    page = admin.post(address, {**form, "InvoiceCity": "Lund"}).content.decode()
    assert "The customer gets the terms of payment that an admin has chosen for new customers." in page
    _mend()
    page = admin.post(address, filled(page, button=CREATE)).content.decode()
    assert "Choose terms of payment." in page
    assert not Push.objects.exists()
    admin.post(address, {**filled(page, button=CREATE), "terms": str(Connection.objects.get().default_terms_id)})
    assert Push.objects.get().confirmed["InvoiceCity"] == "Lund"


def test_a_sheet_about_one_company_there_sends_nothing_to_another(world: World, user: Client) -> None:
    left, address = world.connect(), _url(world, "create")
    form = filled(user.get(address).content.decode(), button=CREATE)
    Connection.objects.filter(pk=left.pk).update(is_current=False, state=Connection.State.DISCONNECTED)
    world.connect(name="Fjordlys AS")
    page = user.post(address, {**form, "InvoiceCity": "Lund"}).content.decode()
    assert (
        "Nothing has been sent yet. While you had this open, Fjordlys AS was connected. Check the values, then go on."
        in page
    )
    assert not Push.objects.exists()
    user.post(address, filled(page, button=CREATE))
    push = Push.objects.get()
    assert (str(push.connection), push.confirmed["InvoiceCity"]) == ("Fjordlys AS", "Lund")


def test_while_eaccounting_stops_the_company_what_was_typed_waits(world: World, admin: Client) -> None:
    world.connect()
    address = _url(world, "create")
    form = filled(admin.get(address).content.decode(), button=CREATE)
    Connection.objects.update(blocked_reason="module", blocked_at=NOW)
    assert admin.post(address, {**form, "InvoiceCity": "Lund"}).status_code == 302
    assert Push.objects.get().confirmed["InvoiceCity"] == "Lund"


def test_a_customer_that_is_gone_gives_way_only_when_an_admin_is_asked(world: World, user: Client) -> None:
    link = world.link(world.connect(), broken=CustomerLink.Broken.DELETED)
    address = _url(world, "create")
    form = filled(user.get(address).content.decode(), button=CREATE)
    _revoke()
    page = user.post(address, form).content.decode()
    assert CustomerLink.objects.filter(pk=link.pk).exists()
    user.post(address, filled(page, button=ASK))
    assert not CustomerLink.objects.exists()
    assert Push.objects.get().kind == Kind.CREATE


def test_when_the_chosen_person_is_removed_the_other_values_stay(world: World, user: Client) -> None:
    world.connect()
    contact, address = world.contact(), _url(world, "create")
    form = filled(user.get(address).content.decode(), button=CREATE)
    contact.delete()
    page = user.post(address, {**form, "InvoiceCity": "Lund"}).content.decode()
    assert "This person can no longer be chosen." in page
    assert 'value="Lund"' in page
    assert "Åsa" not in page


# --- The other sheets ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("break_it", [_revoke, _disconnect])
@with_and_without_scripts
def test_the_update_sheet_keeps_what_was_chosen(
    world: World, user: Client, break_it: Callable[[], str], headers: dict[str, str]
) -> None:
    world.link(world.connect(), other={"Telephone": "+46 8 999 99 99", "Name": "Short AB"})
    world.company.save_changes(now=NOW, values={"name": LONG})
    address = _url(world, "update")
    form = filled(user.get(address, headers=headers).content.decode(), button="Update the chosen fields")
    chosen = {**form, "Telephone": "theirs", "Name": "ours", "shorter-Name": SHORT}
    words = break_it()
    page = user.post(address, chosen, headers=headers).content.decode()
    for expected in (STAYS, words):
        assert expected in page
    kept = filled(page, button=ASK)
    assert (kept["Telephone"], kept["Name"], kept["shorter-Name"]) == (["theirs"], ["ours"], [SHORT])
    assert not Push.objects.exists()
    user.post(address, kept, headers=headers)
    push = Push.objects.get()
    assert (push.wait_reason, push.confirmed) == (WaitReason.CONNECTION, {"Name": SHORT})
    assert push.shorter["Name"] == {"here": LONG, "there": SHORT}
    assert push.based_on == {"Name": "Short AB"}


def test_the_contact_sheet_keeps_the_new_person(world: World, user: Client) -> None:
    world.link(world.connect())
    address = _url(world, "contact-person")
    form = filled(user.get(address).content.decode(), button="Save")
    words = _revoke()
    page = user.post(address, {**form, "contact": "new", "first_name": "Maj", "email": "maj@alvstrand.example"})
    kept = filled(page.content.decode(), button="Save")
    assert (kept["first_name"], kept["email"]) == (["Maj"], ["maj@alvstrand.example"])
    for expected in (STAYS, words):
        assert expected in page.content.decode()
    assert not Contact.objects.exists()
    _mend()
    user.post(address, kept)
    assert Push.objects.get().confirmed["ContactPersonName"] == "Maj"


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown to the index"])
def test_the_link_sheet_keeps_what_was_chosen(
    world: World, user: Client, connection: Connection, sandbox: Sandbox, is_known: bool
) -> None:
    customer = same_number(sandbox, sandbox.customers()[2])
    address = f"{_url(world, 'link')}{customer['Id']}/"
    if is_known:
        fill_index(connection)
    opened = user.get(address).content.decode()
    form = filled(opened, button="Link and update the chosen fields")
    words = _revoke()
    page = user.post(address, {**form, "do": "update", "Name": "ours"}).content.decode()
    for expected in (STAYS, words, str(customer["Name"])):
        assert expected in page
    assert not CustomerLink.objects.exists()
    _mend()
    kept = filled(page, button="Link and update the chosen fields")
    assert kept["Name"] == ["ours"]
    user.post(address, {**kept, "do": "update"})
    assert CustomerLink.objects.get().reference is not None
    assert Push.objects.get().confirmed == {"Name": world.company.name}


# --- The edit page -------------------------------------------------------------------------------------------

FIELD, WAS = "companyreferencesection-reference", "companyreferencesection-was"


def _send(world: World) -> str:
    world.push(Connection.objects.get(), kind=Kind.UPDATE, wait_reason=WaitReason.RETRY, next_attempt_at=LATER)
    return "Something is being sent to Visma eAccounting. Wait until it is done."


@pytest.mark.parametrize("is_linked", [False, True])
@pytest.mark.parametrize("stop", [lambda _world: _revoke(), lambda _world: _disconnect(), _send])
def test_the_edit_page_keeps_the_reference_and_all_the_rest(
    world: World, user: Client, stop: Callable[[World], str], is_linked: bool
) -> None:
    connection = world.connect()
    former = str(world.link(connection).reference) if is_linked else ""
    address, pasted = f"/companies/{world.company.pk}/edit/", str(uuid4())
    form = filled(user.get(address).content.decode(), button="Save")
    assert form[WAS] == [former]
    words = stop(world)
    page = user.post(address, {**form, FIELD: pasted, "city": "Lund"}).content.decode()
    for expected in (words, "Nothing is saved yet."):
        assert expected in page
    kept = filled(page, button="Save")
    assert (kept[FIELD], kept["city"]) == ([pasted], ["Lund"])
    assert Company.objects.get().city == "Umeå"
    assert CustomerLink.objects.count() == is_linked
    user.post(address, {**kept, FIELD: former})
    assert Company.objects.get().city == "Lund"


def test_the_edit_page_says_that_an_empty_reference_unlinks(world: World, user: Client) -> None:
    link = world.link(world.connect())
    page = user.get(f"/companies/{world.company.pk}/edit/").content.decode()
    assert f"Clear the field to unlink {link.customer}. Nothing is changed in Visma eAccounting." in page


def test_nothing_of_a_company_is_shown_to_whoever_may_not_see_it(
    world: World, as_user: Callable[[User], Client], vera: User, olav: User
) -> None:
    world.connect()
    _revoke()
    values = mapping.values_of(world.company, None, groups=mapping.COMPANY_GROUPS)
    for who, status in ((vera, 403), (olav, 404)):
        assert as_user(who).post(_url(world, "create"), {**values, "ask": "1"}).status_code == status
    assert not Push.objects.exists()
