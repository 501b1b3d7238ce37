"""Who numbers new customers: offered only where it is known to be safe, with each mistake at its field."""

import html

import pytest
from django.test import Client
from django.utils import timezone, translation

from accounts.models import User
from integrations.delivery.other_company import mark_of
from integrations.forms.numbers import NumbersForm
from integrations.messages.sentences import sentence
from integrations.models import Connection, Event, EventKind
from integrations.services import numbers
from tests.integrations.pages.conftest import World, mark_on

PAGE = "/settings/integrations/visma-eaccounting/"
NUMBERS = f"{PAGE}numbers/"
OURS = {"who": "lime_go", "number_prefix": "LG"}


def safe(world: World) -> Connection:
    """A connection whose eAccounting company refuses a number in use."""
    connection = world.connect()
    connection.note_duplicates(refused=True, now=timezone.now())
    return connection


def shown(client: Client, address: str) -> str:
    return html.unescape(client.get(address).content.decode())


@pytest.mark.parametrize(("refused", "code"), [(None, "numbers_not_offered"), (False, "numbers_not_safe")])
def test_own_numbers_cannot_be_chosen_until_they_are_known_to_be_safe(
    admin: Client, world: World, refused: bool | None, code: str
) -> None:
    connection = world.connect(duplicates_refused=refused)
    page = shown(admin, PAGE)
    assert sentence(code) in page
    assert NUMBERS not in page  # a button that cannot be pressed instead of a link
    choice = shown(admin, NUMBERS)
    assert sentence(code) in choice
    assert 'type="submit" disabled' in choice
    admin.post(NUMBERS, {**OURS, "mark": mark_of(connection)})
    connection.refresh_from_db()
    assert connection.number_prefix == ""


def test_an_admin_chooses_a_prefix_and_gives_it_up_again(admin: Client, world: World, anna: User) -> None:
    connection = safe(world)
    assert "Visma eAccounting gives each new customer its next number." in shown(admin, PAGE)
    page = admin.post(
        NUMBERS, {**mark_on(admin, NUMBERS), **OURS, "number_prefix": " lg "}, follow=True
    ).content.decode()
    assert "New customers get numbers that begin with LG." in page
    assert "Lime Go numbers new customers: LG and a running number." in page
    connection.refresh_from_db()
    assert connection.own_prefix == "LG"
    event = Event.objects.get(kind=EventKind.NUMBERS_CHOSEN)
    assert (event.actor, event.parameters) == (anna, {"number": "LG"})
    page = admin.post(
        NUMBERS, {**mark_on(admin, NUMBERS), "who": "eaccounting", "number_prefix": "LG"}, follow=True
    ).content.decode()
    assert "Visma eAccounting numbers new customers." in page
    connection.refresh_from_db()
    assert connection.number_prefix == ""


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("", "Give the prefix that the numbers begin with."),
        ("LIMEGO", "The prefix has 6 characters; at most 5 leave room for the running number."),
        ("7", "That cannot be a prefix."),
        ("L1", "That cannot be a prefix."),
        ("-L", "That cannot be a prefix."),
        ("L G", "That cannot be a prefix."),
        ("ÅÄÖ", "That cannot be a prefix."),
        ("L'", "That cannot be a prefix."),
    ],
)
def test_a_wrong_prefix_is_a_message_at_its_field_and_stays_typed(
    admin: Client, world: World, prefix: str, words: str
) -> None:
    connection = safe(world)
    form = NumbersForm({"who": "lime_go", "number_prefix": prefix}, connection=connection)
    assert list(form.errors) == ["number_prefix"]
    answer = admin.post(NUMBERS, {**mark_on(admin, NUMBERS), "who": "lime_go", "number_prefix": prefix})
    page = html.unescape(answer.content.decode())
    assert (answer.status_code, words in page) == (200, True)
    assert f'value="{prefix}"' in page or not prefix
    assert 'aria-invalid="true"' in page
    connection.refresh_from_db()
    assert connection.number_prefix == ""


@pytest.mark.parametrize("prefix", ["L", "LG", "LG-", "A1-B", "LIMEG"])
def test_a_right_prefix_is_taken(world: World, prefix: str) -> None:
    form = NumbersForm({"who": "lime_go", "number_prefix": prefix.lower()}, connection=safe(world))
    assert form.is_valid()
    assert form.cleaned_data["number_prefix"] == prefix


def test_a_company_that_takes_duplicates_after_all_switches_our_numbers_off(admin: Client, world: World) -> None:
    connection = safe(world)
    connection.choose_numbers(prefix="LG")
    connection.note_duplicates(refused=False, now=timezone.now())
    assert connection.own_prefix == ""
    page = shown(admin, PAGE)
    assert "Visma eAccounting gives each new customer its next number." in page
    assert sentence("numbers_not_safe") in page


def test_the_service_refuses_what_the_form_does_not_offer(world: World, anna: User) -> None:
    with pytest.raises(numbers.NumbersNotOffered):
        numbers.choose(user=anna, connection=world.connect(), prefix="LG")
    assert not Event.objects.filter(kind=EventKind.NUMBERS_CHOSEN).exists()


def test_the_reason_is_told_in_the_readers_language() -> None:
    with translation.override("sv"):
        assert sentence("numbers_not_offered").startswith("Det är ännu inte känt")
