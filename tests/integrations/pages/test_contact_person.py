"""The sheet for the contact person, and the successor that is asked for when the chosen one leaves."""

import html
import re
from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import User
from companies.models import Contact
from integrations.domain import mapping
from integrations.messages.sentences import sentence
from integrations.models import CustomerLink, Event, EventKind, Push, PushState
from tests.integrations.pages.conftest import NOW, World

SHOW = {"look": "1"}


def _url(world: World) -> str:
    return f"/companies/{world.company.pk}/visma-eaccounting/contact-person/"


def _page(client: Client, address: str, data: dict[str, object] | None = None) -> str:
    answer = client.get(address) if data is None else client.post(address, data)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def _seen(page: str) -> dict[str, object]:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return {"seen": found[1]}


def _choose(client: Client, world: World, who: object, **more: object) -> None:
    """Check what will be written, then save."""
    seen = _seen(_page(client, _url(world), {"contact": who, **SHOW}))
    answer = client.post(_url(world), {"contact": who, **seen, **more})
    assert answer.status_code == 302


def _card(client: Client, world: World) -> str:
    return _page(client, f"/companies/{world.company.pk}/")


@pytest.fixture
def linked(world: World) -> CustomerLink:
    """The company is a customer; nobody was chosen."""
    return world.link(world.connect())


def test_a_company_that_is_no_customer_has_no_contact_person_there(admin: Client, world: World) -> None:
    assert sentence("not_linked") in admin.get(_url(world), follow=True).content.decode()


def test_only_present_people_can_be_chosen(admin: Client, world: World, linked: CustomerLink) -> None:
    world.contact()
    gone = world.contact("Bo")
    gone.mark_left(now=NOW)
    page = _page(admin, _url(world))
    assert "Åsa Öberg" in page
    assert "Bo Öberg" not in page
    assert "Choose a contact person, or nobody." in _page(admin, _url(world), {"contact": gone.pk, **_seen(page)})
    assert "Choose a contact person, or nobody." in _page(admin, _url(world), _seen(page))
    assert not Push.objects.exists()


def test_choosing_a_contact_shows_both_sides_and_saving_sends_exactly_that(
    admin: Client, world: World, linked: CustomerLink
) -> None:
    contact = world.contact()
    contact.save_changes(now=NOW, values={"email": "asa@alvstrand.example"})
    type(linked.customer).objects.update(answered={"ContactPersonName": "Eva Björk", "ContactPersonMobile": "070"})
    world.contact("Bo")
    page = _page(admin, _url(world))
    assert "Show what will be written" in page
    page = _page(admin, _url(world), {"contact": contact.pk, **SHOW})
    for words in ("Eva Björk", "asa@alvstrand.example", "When last read", "Will be written"):
        assert words in page
    assert not Push.objects.exists()
    assert admin.post(_url(world), {"contact": contact.pk, **_seen(page)}).status_code == 302
    push = Push.objects.get()
    assert push.confirmed == {
        "ContactPersonName": "Åsa Öberg",
        "ContactPersonEmail": "asa@alvstrand.example",
        "ContactPersonPhone": "",
        "ContactPersonMobile": "",
    }
    assert push.based_on["ContactPersonName"] == "Eva Björk"
    linked.refresh_from_db()
    assert linked.contact == contact


def test_what_changed_after_it_was_shown_is_shown_again_before_it_is_sent(
    admin: Client, world: World, linked: CustomerLink
) -> None:
    contact = world.contact()
    seen = _seen(_page(admin, _url(world), {"contact": contact.pk, **SHOW}))
    contact.save_changes(now=NOW, values={"mobile": "+46 70 174 06 05"})
    page = _page(admin, _url(world), {"contact": contact.pk, **seen})
    assert "Nothing has been sent yet. Check what will be written, then save." in page
    assert "+46 70 174 06 05" in page
    assert not Push.objects.exists()
    admin.post(_url(world), {"contact": contact.pk, **_seen(page)})
    assert Push.objects.get().confirmed["ContactPersonMobile"] == "+46 70 174 06 05"


def test_another_choice_than_the_one_that_was_shown_is_shown_first(
    admin: Client, world: World, linked: CustomerLink
) -> None:
    shown, other = world.contact(), world.contact("Bo")
    seen = _seen(_page(admin, _url(world), {"contact": shown.pk, **SHOW}))
    for words in ({"contact": other.pk, **seen}, {"contact": shown.pk, "seen": "forged"}, {"contact": shown.pk}):
        assert "Nothing has been sent yet." in _page(admin, _url(world), words)
    assert not Push.objects.exists()


def test_one_click_is_one_line_of_the_activity(admin: Client, world: World, linked: CustomerLink) -> None:
    _choose(admin, world, world.contact().pk)
    assert [event.kind for event in Event.objects.all()] == [EventKind.CONTACT_CHOSEN]
    assert "Chose the contact person (Åsa Öberg)" in _card(admin, world)


def test_nobody_empties_the_slot(admin: Client, world: World) -> None:
    link = world.link(world.connect(), contact=world.contact())
    _choose(admin, world, "nobody")
    link.refresh_from_db()
    assert link.contact is None
    assert set(Push.objects.get().confirmed.values()) == {""}
    assert "Removed the contact person in Visma eAccounting" in _card(admin, world)


def test_a_new_person_is_added_and_chosen(admin: Client, world: World, linked: CustomerLink) -> None:
    page = _page(admin, _url(world))
    assert re.search(r'value="new"[^>]* checked', page)  # there is nobody else
    refused = _page(admin, _url(world), {"contact": "new", "mobile": "x", "title": "VD", **_seen(page)})
    assert 'value="VD"' in refused
    assert not Contact.objects.exists()
    admin.post(_url(world), {"contact": "new", "first_name": "Göran", "mobile": "070-174 06 05", **_seen(refused)})
    linked.refresh_from_db()
    assert str(linked.contact) == "Göran"
    assert Push.objects.get().confirmed["ContactPersonMobile"] == "+46 70 174 06 05"


def test_pressing_twice_adds_a_new_person_once(admin: Client, world: World, linked: CustomerLink) -> None:
    typed = {"contact": "new", "first_name": "Göran", **_seen(_page(admin, _url(world)))}
    assert admin.post(_url(world), typed).status_code == 302
    assert "Somebody made Göran the contact person after you opened this." in _page(admin, _url(world), typed)
    assert [str(person) for person in world.company.contacts.order_by("pk")] == ["Göran"]
    assert Event.objects.filter(kind=EventKind.CONTACT_CHOSEN).count() == 1


def test_a_choice_that_somebody_made_meanwhile_is_told_before_it_is_replaced(
    admin: Client, world: World, linked: CustomerLink
) -> None:
    asa, bo = world.contact(), world.contact("Bo")
    stale = _seen(_page(admin, _url(world), {"contact": asa.pk, **SHOW}))
    linked.choose_contact(bo)
    page = _page(admin, _url(world), {"contact": asa.pk, **stale})
    assert "Somebody made Bo Öberg the contact person after you opened this." in page
    linked.refresh_from_db()
    assert linked.contact == bo
    assert admin.post(_url(world), {"contact": asa.pk, **_seen(page)}).status_code == 302
    bo.remove(now=NOW)
    linked.refresh_from_db()
    assert linked.contact == asa


def test_an_overlong_name_is_refused_at_its_field(admin: Client, world: World, linked: CustomerLink) -> None:
    words = "Contact person has 111 characters; Visma eAccounting allows at most 100."
    page = _page(admin, _url(world))
    typed = {"contact": "new", "first_name": "Å" * 90, "last_name": "Ö" * 20, **_seen(page)}
    refused = _page(admin, _url(world), typed)
    assert words in refused.split('id="id_first_name_error"')[1].split("</div>\n")[0]
    assert not Contact.objects.exists()
    contact = world.company.add_contact(now=NOW, values={"first_name": "Å" * 90, "last_name": "Ö" * 20})
    shown = _page(admin, _url(world), {"contact": contact.pk, **SHOW})
    assert words in shown
    assert f"/contacts/{contact.pk}/edit/" in shown
    assert words in _page(admin, _url(world), {"contact": contact.pk, **_seen(shown)})
    assert not Push.objects.exists()


def test_a_refusal_keeps_the_sheet_and_what_was_typed(admin: Client, world: World, linked: CustomerLink) -> None:
    seen = _seen(_page(admin, _url(world)))
    world.company.archive(now=NOW)
    page = _page(admin, _url(world), {"contact": "new", "first_name": "Göran", **seen})
    assert sentence("archived") in page
    assert 'value="Göran"' in page
    assert not Contact.objects.exists()


def test_a_choice_is_answered_by_the_part_that_follows_it(admin: Client, world: World, linked: CustomerLink) -> None:
    contact = world.contact()
    headers = {"HX-Request": "true", "HX-Target": "contact-person-sides"}
    answer = admin.post(_url(world), {"contact": contact.pk, **SHOW}, headers=headers).content.decode()
    assert "Will be written" in answer
    assert "<html" not in answer
    assert 'type="radio"' not in answer


# --- A successor ---------------------------------------------------------------------------------


STILL = "Visma eAccounting still has: Åsa Öberg, asa@alvstrand.example."


@pytest.fixture
def chosen(world: World) -> Contact:
    """Åsa fills the contact slot there."""
    contact = world.contact()
    contact.save_changes(now=NOW, values={"email": "asa@alvstrand.example"})
    world.link(world.connect(), contact=contact)
    return contact


def test_who_has_left_is_told_with_what_is_still_there(admin: Client, world: World, chosen: Contact) -> None:
    assert "still has" not in _card(admin, world)
    chosen.mark_left(now=NOW)
    page = _card(admin, world)
    assert f"Åsa Öberg has left. {STILL}" in page
    assert "Choose a new contact person" in page
    assert "Åsa Öberg has left. Choose a new contact person." in _page(admin, _url(world))
    chosen.mark_returned(now=NOW)
    assert "still has" not in _card(admin, world)


def test_who_was_removed_is_told_with_what_is_still_there(admin: Client, world: World, chosen: Contact) -> None:
    address = f"/companies/{world.company.pk}/contacts/{chosen.pk}/remove/"
    assert "Åsa Öberg is the contact person in Visma eAccounting and stays there until you choose another one" in _page(
        admin, address
    )
    admin.post(address)
    page = _card(admin, world)
    assert f"The contact person is no longer a contact in Lime Go. {STILL}" in page
    assert "Choose a new contact person" in page


def test_removing_anybody_else_says_nothing_of_eaccounting(admin: Client, world: World, chosen: Contact) -> None:
    other = world.contact("Bo")
    assert "stays there until you choose another one" not in _page(
        admin, f"/companies/{world.company.pk}/contacts/{other.pk}/remove/"
    )


def test_a_viewer_is_told_without_a_button(
    as_user: Callable[[User], Client], vera: User, world: World, chosen: Contact
) -> None:
    chosen.mark_left(now=NOW)
    page = _card(as_user(vera), world)
    assert STILL in page
    assert "Choose a new contact person" not in page


def test_a_person_whom_only_eaccounting_knows_is_nobodys_to_replace(
    admin: Client, world: World, linked: CustomerLink
) -> None:
    type(linked.customer).objects.update(answered={**linked.sent, "ContactPersonName": "Eva Björk"})
    assert "still has" not in _card(admin, world)


def test_a_successor_or_nobody_ends_it(admin: Client, world: World, chosen: Contact) -> None:
    chosen.mark_left(now=NOW)
    link = CustomerLink.objects.get()
    link.choose_contact(world.contact("Bo"))
    assert "still has" not in _card(admin, world)
    link.choose_contact(chosen)
    _choose(admin, world, "nobody")
    assert "still has" not in _card(admin, world)  # it is being emptied
    Push.objects.update(state=PushState.DONE, finished_at=NOW)
    blank = dict.fromkeys(mapping.values_of(world.company, None, groups=["contact"]), "")
    link.refresh_from_db()
    link.mark_sent(values=blank, answered=blank, user=None, now=NOW)
    type(link.customer).objects.update(answered=blank)
    assert "still has" not in _card(admin, world)


@pytest.mark.parametrize("leave", [Contact.remove, Contact.mark_left])
def test_whom_somebody_there_put_in_the_place_of_ours_needs_no_successor(
    admin: Client, world: World, chosen: Contact, leave: Callable[..., None]
) -> None:
    leave(chosen, now=NOW)
    link = CustomerLink.objects.select_related("customer").get()
    link.customer.answered["ContactPersonMobile"] = "+46 70 174 06 05"  # still Åsa
    link.customer.save()
    assert "still has" in _card(admin, world)
    link.customer.answered["ContactPersonName"] = "Eva Björk"
    link.customer.save()
    assert "still has" not in _card(admin, world)
