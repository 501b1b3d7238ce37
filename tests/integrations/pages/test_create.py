"""The create sheet: what it opens with, what it lets through, and to whom it answers."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Event, EventKind, Kind, Push, PushState, RemoteCustomer
from integrations.services.try_again import repeat_push
from tests.integrations.pages.conftest import LATER, NOW, World, fill_index, said
from tests.sheets import confirmed

LONG = "Mälarstrand Fastighetsförvaltning och Fastighetsutveckling i Västerås AB"
COULD_NOT_ASK = "Visma eAccounting could not be checked now. It is checked again before anything is created."


def _sheet(world: World) -> str:
    return f"/companies/{world.company.pk}/visma-eaccounting/create/"


def _shown(client: Client, world: World) -> str:
    answer = client.get(_sheet(world))
    assert answer.status_code == 200
    return answer.content.decode()


def _refused(client: Client, world: World, **typed: object) -> str:
    """Post the sheet with something wrong on it; return the sheet that comes back."""
    answer = client.post(_sheet(world), confirmed(world.company, **typed))
    assert answer.status_code == 200
    assert not Push.objects.exists()
    return answer.content.decode()


def _input(page: str, name: str) -> str:
    """The tag of an input."""
    return next(tag for tag in page.split("<")[1:] if f'name="{name}"' in tag)


def _customer(connection: Connection, **fields: object) -> RemoteCustomer:
    values = {"name": "Somebody AB", "seen_at": NOW, "customer_id": uuid4(), **fields}
    return RemoteCustomer.objects.create(account=connection.account, connection=connection, **values)


# --- What it opens with ------------------------------------------------------------------------------------


def test_the_sheet_shows_the_exact_values_and_sends_what_was_typed(admin: Client, world: World, anna: User) -> None:
    connection = world.connect()
    contact = world.contact()
    page = _shown(admin, world)
    assert 'value="903 26"' in _input(page, "InvoicePostalCode")
    assert 'value="Åsa Öberg"' in _input(page, "ContactPersonName")  # the sole person is chosen
    typed = confirmed(world.company, contact=contact, Telephone="08-465 00 41", WwwAddress="")
    assert "The company is being added as a customer in Visma eAccounting." in said(admin, _sheet(world), typed)
    push = Push.objects.get()
    assert (push.kind, push.contact, push.requested_by) == (Kind.CREATE, contact, anna)
    assert push.terms == connection.default_terms
    assert push.confirmed["Telephone"] == "+46 8 465 00 41"
    assert push.confirmed["ContactPersonName"] == "Åsa Öberg"
    world.company.refresh_from_db()
    assert world.company.phone == "+46 8 123 45 67"


def test_a_sheet_about_a_company_does_not_send_a_private_person(admin: Client, world: World) -> None:
    world.connect()
    stale = _input(_shown(admin, world), "private_person")
    assert 'value="False"' in stale
    world.company.save_changes(now=NOW, values={"is_private_person": True})
    page = _refused(admin, world, private_person="False", Telephone="08-465 00 41")
    assert "somebody changed whether this is a private person" in page
    assert "It is added as a private person" in page
    assert "08-465 00 41" in _input(page, "Telephone")


def test_the_second_press_is_told_that_the_first_is_under_way(admin: Client, world: World) -> None:
    world.connect()
    typed = confirmed(world.company)
    said(admin, _sheet(world), typed)
    assert "already being added by Anna Ek" in said(admin, _sheet(world), typed)
    assert Push.objects.count() == 1


def test_what_is_missing_stands_first_and_has_the_focus(admin: Client, world: World) -> None:
    world.connect()
    world.company.save_changes(now=NOW, values={"name": LONG, "postal_code": ""})
    page = _shown(admin, world)
    assert page.index('name="InvoicePostalCode"') < page.index('name="Name"') < page.index('name="InvoiceCity"')
    assert "autofocus" in _input(page, "InvoicePostalCode")
    assert "autofocus" not in _input(page, "Name")


def test_a_value_that_is_too_long_is_counted_and_never_cut(admin: Client, world: World) -> None:
    world.connect()
    world.company.save_changes(now=NOW, values={"name": LONG})
    page = _shown(admin, world)
    assert "<strong>72</strong> of 50 characters." in page
    assert LONG in _input(page, "Name")
    assert "maxlength" not in _input(page, "Name")  # a browser would cut what is pasted
    said(admin, _sheet(world), confirmed(world.company, Name="Mälarstrand Fastighet AB"))
    push = Push.objects.get()
    assert push.confirmed["Name"] == "Mälarstrand Fastighet AB"
    assert push.shorter == {"Name": {"here": LONG, "there": "Mälarstrand Fastighet AB"}}


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("InvoicePostalCode", "", "Postal code is missing."),
        ("Name", "  ", "Company name is missing."),
        ("Name", LONG, "Company name has 72 characters; Visma eAccounting allows at most 50."),
        ("CorporateIdentityNumber", "556016-0681", "That is not a registration number in Sweden."),
        ("InvoicePostalCode", "9032", "That is not a postal code in Sweden."),
        ("Telephone", "08", "That is not a phone number in Sweden."),
        ("EmailAddress", "nobody", "That is not an e-mail address."),
        ("WwwAddress", "http://", "That is not a web address."),
        ("InvoiceCountryCode", "XX", "Select a valid choice."),
    ],
)
def test_a_value_that_cannot_be_sent_is_refused_at_its_field(
    admin: Client, world: World, name: str, typed: str, words: str
) -> None:
    world.connect()
    page = _refused(admin, world, **{name: typed, "InvoiceAddress1": "Typed here"})
    assert words in page
    assert "Nothing was sent. Correct what is marked below." in page
    assert 'aria-invalid="true"' in next(tag for tag in page.split("<") if f'name="{name}"' in tag)
    assert 'value="Typed here"' in _input(page, "InvoiceAddress1")


def test_values_are_checked_by_the_rules_of_the_country_that_is_chosen(admin: Client, world: World) -> None:
    world.connect()
    norwegian = {"InvoiceCountryCode": "NO", "InvoicePostalCode": "4612", "CorporateIdentityNumber": "923609016"}
    typed = confirmed(world.company, **norwegian, Telephone="22 12 34 56")
    said(admin, _sheet(world), typed)
    assert Push.objects.get().confirmed["CorporateIdentityNumber"] == "923 609 016"
    assert Push.objects.get().confirmed["Telephone"] == "+47 22 12 34 56"


def test_it_says_whether_a_company_or_a_private_person_is_added(admin: Client, world: World) -> None:
    world.connect()
    assert "It is added as a company" in _shown(admin, world)
    world.company.save_changes(now=NOW, values={"is_private_person": True})
    assert "It is added as a private person" in _shown(admin, world)


# --- The contact person ------------------------------------------------------------------------------------


def test_without_a_person_none_is_sent(admin: Client, world: World) -> None:
    world.connect()
    world.contact()
    said(admin, _sheet(world), confirmed(world.company, ContactPersonMobile="+46 70 174 06 78"))
    push = Push.objects.get()
    assert push.contact is None
    assert "ContactPersonMobile" not in push.confirmed


def test_one_among_many_is_not_preselected(admin: Client, world: World) -> None:
    world.connect()
    world.contact()
    world.contact("Bo")
    assert "No contact person is sent." in _shown(admin, world)


def test_the_persons_values_follow_the_choice(admin: Client, world: World) -> None:
    world.connect()
    asa, bo = world.contact(), world.contact("Bo")
    typed = confirmed(world.company, contact=asa, InvoiceCity="Lund")
    chosen = {**typed, "contact": bo.pk, "show": "person"}
    page = admin.post(_sheet(world), chosen).content.decode()
    assert 'value="Bo Öberg"' in _input(page, "ContactPersonName")
    assert 'value="Lund"' in _input(page, "InvoiceCity")
    part = admin.post(_sheet(world), chosen, headers={"hx-request": "true", "hx-target": "add-person"})
    assert 'value="Bo Öberg"' in part.content.decode()
    assert "InvoiceCity" not in part.content.decode()
    assert not Push.objects.exists()


def test_a_person_whose_values_were_not_shown_is_shown_first(admin: Client, world: World) -> None:
    """Bo is never sent with Åsa's values: without JavaScript nothing exchanged them."""
    world.connect()
    asa, bo = world.contact(), world.contact("Bo")
    typed = {**confirmed(world.company, contact=asa), "contact": bo.pk}
    page = admin.post(_sheet(world), typed).content.decode()
    assert not Push.objects.exists()
    assert "the values of Bo Öberg are shown below." in page
    assert 'value="Bo Öberg"' in _input(page, "ContactPersonName")


def test_people_who_left_or_work_elsewhere_cannot_be_chosen(admin: Client, world: World) -> None:
    world.connect()
    gone = world.contact()
    gone.mark_left(now=NOW)
    foreign = world.add_company("Annan AB").add_contact(now=NOW, values={"first_name": "Bo"})
    for person in (gone, foreign):
        page = _refused(admin, world, contact=person)
        assert "This person can no longer be chosen." in page


# --- Terms of payment --------------------------------------------------------------------------------------


def test_the_default_terms_and_those_that_are_offered_can_be_chosen(admin: Client, world: World) -> None:
    connection = world.connect()
    offered = world.terms(connection, name_english="10 days", days=10, offered=True)
    world.terms(connection, name_english="90 days", days=90)
    connection.terms.update(kind=0)
    page = _shown(admin, world)
    assert "30 days: an invoice dated today would be due" in page
    assert "10 days: an invoice dated today would be due" in page
    assert "90 days" not in page.split("<form")[-1]
    said(admin, _sheet(world), confirmed(world.company, terms=offered))
    assert Push.objects.get().terms == offered


def test_terms_that_are_not_offered_or_not_ours_are_refused(admin: Client, world: World) -> None:
    connection = world.connect()
    elsewhere = world.connect(is_current=False, name="Fjordlys AS")
    for terms in (world.terms(connection, days=90), world.terms(elsewhere, offered=True)):
        page = _refused(admin, world, terms=terms)
        assert "These terms of payment can no longer be chosen for new customers. Choose others." in page


# --- Why there is no sheet ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"state": Connection.State.NEEDS_RECONNECT, "broken_at": NOW}, "needs_reconnect"),
        ({"state": Connection.State.DISCONNECTED}, "disconnected"),
        ({"is_current": False}, "not_connected"),
    ],
)
def test_without_a_connection_the_card_or_the_sheet_says_why(
    admin: Client, world: World, fields: dict[str, object], code: str
) -> None:
    world.connect(**fields)
    for page in (admin.get(_sheet(world), follow=True), admin.post(_sheet(world), {}, follow=True)):
        assert bool(page.redirect_chain) is (code == "not_connected")  # else the sheet says it, and keeps what is typed
        assert sentence(code) in page.content.decode()
    assert not Push.objects.exists()


def test_the_card_says_why_nothing_can_be_added_now(admin: Client, world: World) -> None:
    connection = world.connect()
    connection.terms.update(gone_at=NOW)
    assert "no longer exist in Visma eAccounting" in admin.get(_sheet(world), follow=True).content.decode()
    connection.terms.update(gone_at=None)
    push = world.push(connection, wait_reason="retry", next_attempt_at=LATER)
    assert "already being added by Anna Ek" in admin.get(_sheet(world), follow=True).content.decode()
    push.delete()
    world.link(connection)
    assert sentence("already_linked") in admin.get(_sheet(world), follow=True).content.decode()
    world.company.archive(now=NOW)
    assert sentence("archived") in admin.get(_sheet(world), follow=True).content.decode()
    in_dialog = admin.get(_sheet(world), headers={"hx-request": "true", "hx-target": "sheet"})
    assert in_dialog.headers["HX-Redirect"] == f"/companies/{world.company.pk}/"


# --- Who it could be already -------------------------------------------------------------------------------


def test_the_index_suggests_who_it_could_be_with_the_reason(admin: Client, world: World) -> None:
    connection = world.connect()
    twin = _customer(
        connection, name="Älvstrands Snickeri", number="1007", registration_number="5560160680", is_active=False,
        registration_key="5560160680", search_text=" älvstrands snickeri 1007", name_sort="älvstrands snickeri",
    )  # fmt: skip
    page = _shown(admin, world)
    assert "Same registration number, similar name" in page
    assert "inactive" in page
    assert f"link/{twin.customer_id}/" in page
    other = world.add_company("Acme Holding AB")
    CustomerLink.objects.create(
        account=world.account, connection=connection, company=other, customer=twin, origin="pasted", linked_at=NOW
    )
    page = _shown(admin, world)
    assert "Already linked to" in page
    assert "Acme Holding AB" in page
    assert f"link/{twin.customer_id}/" not in page


def test_one_with_the_same_number_has_to_be_judged(admin: Client, world: World) -> None:
    connection = world.connect()
    twin, seen = str(uuid4()), str(uuid4())
    typed = {"alike": [twin, seen], "seen": [seen]}
    page = _refused(admin, world, **typed)
    assert "Confirm that none of these is this company, or link one instead." in page
    said(admin, _sheet(world), confirmed(world.company, **typed, none_of_these="on"))
    push = Push.objects.get(connection=connection)
    assert (push.create_anyway, push.seen_ids) == (True, [seen])  # the engine asks about the other one itself
    assert Event.objects.get().kind == EventKind.CREATE_ANYWAY


def test_nonsense_instead_of_ids_judges_nothing(admin: Client, world: World) -> None:
    world.connect()
    typed = {"seen": ["x", "' or 1 eq 1"], "none_of_these": "on"}
    said(admin, _sheet(world), confirmed(world.company, **typed))
    assert Push.objects.get().seen_ids == []
    assert not Push.objects.get().create_anyway


@pytest.mark.django_db(transaction=True)  # a refused token is refreshed in a thread of its own
def test_when_eaccounting_cannot_be_asked_the_sheet_says_so_and_goes_on(
    admin: Client, world: World, sandbox: Sandbox
) -> None:
    world.connect()  # with tokens that the sandbox does not know
    answer = admin.get(f"{_sheet(world)}possible-duplicates/")
    assert answer.status_code == 200
    assert COULD_NOT_ASK in answer.content.decode()
    Connection.objects.update(state=Connection.State.CONNECTED)
    again = {**confirmed(world.company), "show": "possible"}
    assert COULD_NOT_ASK in admin.post(_sheet(world), again).content.decode()
    assert not Push.objects.exists()


@pytest.mark.parametrize(("number", "asked_by"), [("923609016", "registration number"), ("000000000", "name")])
def test_what_eaccounting_was_asked_by_is_told(
    admin: Client, world: World, connection: Connection, number: str, asked_by: str
) -> None:
    fill_index(connection)
    connection.choose_terms(terms=connection.choosable_terms().first(), user=world.admin, now=NOW)
    typed = {"Name": "Nytt Navn AS", "CorporateIdentityNumber": number, "InvoiceCountryCode": "NO"}
    answer = admin.get(f"{_sheet(world)}possible-duplicates/", typed).content.decode()
    assert f"Visma eAccounting has no customer with this {asked_by}." in answer


def test_the_part_that_asks_says_when_nothing_can_be_added_any_more(admin: Client, world: World) -> None:
    assert "This cannot be added now." in admin.get(f"{_sheet(world)}possible-duplicates/").content.decode()


# --- After a refusal, and in place of one that is gone -----------------------------------------------------


def _fail(world: World, **fields: object) -> Push:
    values = {**confirmed(world.company), "Name": "Typed AB", "EmailAddress": "a@b.example"}
    kept = {name: value for name, value in values.items() if name not in ("contact", "whose", "terms")}
    problems = [
        {"field": "EmailAddress", "message": "That address is not allowed."},
        {"field": "DeliveryTerm", "message": "Give a delivery term."},
    ]
    return world.push(
        world.connect(),
        **{
            "state": PushState.FAILED,
            "failure": "validation",
            "failure_parameters": {"problems": problems},
            "failure_detail": "Validation failed",
            "error_id": "7d0c-reference",
            "finished_at": LATER,
            "next_attempt_at": None,
            "confirmed": kept,
            **fields,
        },
    )


def test_a_refusal_keeps_the_sheet_and_its_values_with_the_words_at_the_field(admin: Client, world: World) -> None:
    contact = world.contact()
    _fail(world, contact=contact)
    card = admin.get(f"/companies/{world.company.pk}/").content.decode()
    assert "Fix and send again" in card
    page = _shown(admin, world)
    assert 'value="Typed AB"' in _input(page, "Name")
    assert "In Lime Go: Älvstrand Snickeri AB" in page
    assert "Visma eAccounting did not accept this: That address is not allowed." in page
    assert 'aria-invalid="true"' in _input(page, "EmailAddress")
    assert page.index('name="EmailAddress"') < page.index('name="Name"')
    assert "DeliveryTerm: Give a delivery term." in page
    assert "7d0c-reference" in page
    assert 'value="Åsa Öberg"' in _input(page, "ContactPersonName")


def test_what_stands_in_lime_go_is_shown_as_text(admin: Client, world: World) -> None:
    _fail(world)
    world.company.save_changes(now=NOW, values={"name": "<img src=x> & Co"})
    page = _shown(admin, world)
    assert "In Lime Go: &lt;img src=x&gt; &amp; Co" in page
    assert "<img src=x>" not in page


def test_what_was_mended_on_the_company_since_is_taken_from_it(admin: Client, world: World) -> None:
    _fail(world, finished_at=NOW)
    world.company.save_changes(now=LATER, values={"email": "info@alvstrand.example"})
    page = _shown(admin, world)
    assert 'value="info@alvstrand.example"' in _input(page, "EmailAddress")
    assert "That address is not allowed." not in page
    assert 'value="Typed AB"' in _input(page, "Name")


def test_a_broken_link_gives_its_place_to_a_new_customer(admin: Client, world: World, anna: User) -> None:
    connection = world.connect()
    link = world.link(connection, broken=CustomerLink.Broken.DELETED)
    assert f"The new customer replaces {link.customer}" in _shown(admin, world)
    assert CustomerLink.objects.exists()  # until it is confirmed
    said(admin, _sheet(world), confirmed(world.company))
    assert not CustomerLink.objects.exists()
    assert Push.objects.get().kind == Kind.CREATE
    assert Event.objects.filter(kind=EventKind.UNLINKED, actor=anna).exists()


def test_the_shorter_form_that_the_gone_customer_had_is_proposed_again(admin: Client, world: World) -> None:
    world.company.save_changes(now=NOW, values={"name": LONG})
    shorter = {"Name": {"here": LONG, "there": "Mälarstrand Fastighet AB"}}
    world.link(world.connect(), broken=CustomerLink.Broken.DELETED, shorter=shorter)
    page = _shown(admin, world)
    assert 'value="Mälarstrand Fastighet AB"' in _input(page, "Name")
    assert "<strong>24</strong> of 50 characters." in page


@pytest.mark.parametrize("typed", ["9" * 5000, "٣", "-1", "x"])
def test_terms_that_are_no_number_of_ours_are_refused(admin: Client, world: World, typed: str) -> None:
    world.connect()
    page = admin.post(_sheet(world), {**confirmed(world.company), "terms": typed}).content.decode()
    assert "These terms of payment can no longer be chosen for new customers. Choose others." in page
    assert not Push.objects.exists()


def test_terms_that_were_chosen_on_a_refused_sheet_are_chosen_again(admin: Client, world: World) -> None:
    push = _fail(world)
    offered = world.terms(push.connection, name_english="10 days", days=10, offered=True)
    Push.objects.filter(pk=push.pk).update(terms=offered)
    assert "checked" in next(tag for tag in _shown(admin, world).split("<") if f'value="{offered.pk}"' in tag)


def test_a_viewer_has_no_sheet(world: World, as_user: Callable[[User], Client], vera: User) -> None:
    world.connect()
    for client, status in ((as_user(vera), 403), (as_user(world.admin), 200)):
        assert client.get(_sheet(world)).status_code == status


def test_trying_again_repeats_what_was_judged(world: World) -> None:
    seen = str(uuid4())
    push = _fail(world, create_anyway=True, seen_ids=[seen])
    again = repeat_push(user=world.admin, push=push)
    assert (again.create_anyway, again.seen_ids) == (True, [seen])
    assert Company.objects.get(pk=world.company.pk).name == "Älvstrand Snickeri AB"
