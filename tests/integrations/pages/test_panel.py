"""Which state the panel shows when several hold, what it offers, and to whom."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from companies.models import Company
from integrations.models import Connection, CustomerLink, Kind, Origin, Push, PushState, WaitReason
from integrations.panel.states import LOOKS, POLL_SECONDS, State
from tests.integrations.pages.conftest import LATER, NOW, World

Arrange = Callable[[World], object]


def _gone_terms(world: World) -> None:
    connection = world.connect()
    connection.terms.update(gone_at=NOW)


def _failed(world: World, failure: str, **fields: object) -> Connection:
    connection = world.connect()
    world.push(connection, state=PushState.FAILED, finished_at=NOW, failure=failure, next_attempt_at=None, **fields)
    return connection


def _answered(world: World, name: str) -> None:
    """eAccounting answered another name than it was sent."""
    link = world.link(world.connect())
    link.answered = link.customer.answered = {**link.sent, "Name": name}
    link.customer.save()
    link.save()


def _changed_there(world: World, *, other: dict[str, str] | None = None, **values: str) -> CustomerLink:
    """Somebody changed these values in eAccounting since the two sides agreed; `other` was sent and differs too."""
    link = world.link(world.connect(), other=other)
    link.customer.answered |= values
    link.customer.save()
    return link


def _left(world: World) -> None:
    """Bytes left for a company that is not connected any more; another one is."""
    left = world.connect(name="Fjordlys AS", is_current=False, state=Connection.State.DISCONNECTED)
    lost = {"state": PushState.UNKNOWN, "unknown_since": NOW, "next_attempt_at": None}
    world.push(left, wait_reason=WaitReason.CONNECTION, **lost)
    world.connect()


ONE_AT_A_TIME: dict[State, list[Arrange]] = {
    State.SENDING: [
        lambda world: world.push(world.connect(), state=PushState.SENDING, send_by=NOW),
        lambda world: world.push(world.connect()),
    ],
    State.CHECKING: [
        lambda world: world.push(
            world.connect(), state=PushState.UNKNOWN, wait_reason=WaitReason.SETTLING, unknown_since=NOW
        )
    ],
    State.LEFT: [_left],
    State.WAITING: [
        lambda world: world.push(world.connect(), wait_reason=WaitReason.RETRY, next_attempt_at=LATER),
        lambda world: world.push(world.connect(), wait_reason=WaitReason.TWIN),
        lambda world: world.push(world.connect(), wait_reason=WaitReason.CONNECTION),
    ],
    State.DECISION: [
        lambda world: world.push(world.connect(), wait_reason=WaitReason.DECISION),
        lambda world: world.push(world.connect(), state=PushState.UNKNOWN, wait_reason=WaitReason.DECISION),
    ],
    State.NOT_CONNECTED: [
        lambda world: None,
        lambda world: world.connect(state=Connection.State.DISCONNECTED),
        lambda world: world.connect(is_current=False),
    ],
    State.NEEDS_RECONNECT: [lambda world: world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)],
    State.STOPPED: [lambda world: world.connect(blocked_reason="module", blocked_at=NOW)],
    State.TERMS: [
        _gone_terms,
        lambda world: Connection.objects.filter(pk=world.connect().pk).update(terms_confirmed_at=None),
        lambda world: Connection.objects.filter(pk=world.connect().pk).update(default_terms=None),
    ],
    State.REFUSED: [
        lambda world: _failed(world, "validation"),
        lambda world: _failed(world, "values", failure_parameters={"problems": [["InvoiceCity", "missing", 0]]}),
    ],
    State.TECHNICAL: [lambda world: _failed(world, "gave_up"), lambda world: _failed(world, "crashed")],
    State.LINK_BROKEN: [
        lambda world: world.link(world.connect(), broken=CustomerLink.Broken.DELETED),
        lambda world: world.link(world.connect(), broken=CustomerLink.Broken.INACTIVE),
    ],
    State.CHANGED: [
        lambda world: world.link(world.connect(), other={"Telephone": "+46 8 999 99 99"}),
    ],
    State.CHANGED_THERE: [lambda world: _changed_there(world, Telephone="08 999")],
    State.CHANGED_BOTH: [lambda world: _changed_there(world, other={"Telephone": "1"}, Telephone="08 999")],
    State.DIFFERS: [
        lambda world: world.link(world.connect(), other={"InvoiceCity": "Lund"}, sent={}, sent_at=None),
    ],
    State.OTHERWISE: [lambda world: _answered(world, "Somebody Else AB")],
    State.UP_TO_DATE: [lambda world: world.link(world.connect())],
    State.NOT_LINKED: [lambda world: world.connect()],
}


def test_every_state_is_tried_and_has_a_look() -> None:
    assert set(ONE_AT_A_TIME) == set(LOOKS) == set(State)


@pytest.mark.parametrize(
    ("state", "arrange"),
    [
        pytest.param(state, arrange, id=f"{state}-{n}")
        for state, all_ in ONE_AT_A_TIME.items()
        for n, arrange in enumerate(all_)
    ],
)
def test_each_state_is_shown_on_the_card(
    world: World, state: State, arrange: Arrange, admin: Client, as_user: Callable[[User], Client], vera: User
) -> None:
    arrange(world)
    shown = world.panel()
    assert shown.state == state
    card = admin.get(f"/companies/{world.company.pk}/").content.decode()
    assert shown.title in card
    assert ("hx-get" in card.split('id="visma-eaccounting"')[1].split(">")[0]) is (state in POLL_SECONDS)
    for_a_viewer = as_user(vera).get(f"/companies/{world.company.pk}/").content.decode()
    assert world.panel(vera).title in for_a_viewer
    assert "<button" not in for_a_viewer.split('id="visma-eaccounting"')[1].split("</section>")[0]


def test_an_open_wish_shows_before_everything_else(world: World) -> None:
    connection = world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW)
    world.link(connection, broken=CustomerLink.Broken.DELETED)
    push = world.push(connection, kind=Kind.UPDATE, state=PushState.SENDING)
    assert world.panel().state == State.SENDING
    type(push).objects.update(state=PushState.UNKNOWN, wait_reason=WaitReason.SETTLING)
    assert world.panel().state == State.CHECKING
    type(push).objects.update(state=PushState.WAITING, wait_reason=WaitReason.BUDGET)
    assert world.panel().state == State.WAITING
    type(push).objects.update(wait_reason=WaitReason.DECISION)
    assert world.panel().state == State.DECISION


def test_a_wish_that_waits_for_the_connection_shows_the_connection(world: World) -> None:
    connection = world.connect(state=Connection.State.NEEDS_RECONNECT, broken_at=NOW, blocked_reason="module")
    push = world.push(connection, wait_reason=WaitReason.CONNECTION, next_attempt_at=None)
    assert world.panel().state == State.NEEDS_RECONNECT
    Connection.objects.update(state=Connection.State.CONNECTED)
    assert world.panel().state == State.STOPPED
    assert world.panel().poll_seconds is None
    Connection.objects.update(blocked_reason="")
    assert (world.panel().state, world.panel().poll_seconds) == (State.WAITING, 10)
    type(push).objects.update(wait_reason=WaitReason.TERMS)
    Connection.objects.update(terms_confirmed_at=None)
    assert world.panel().state == State.TERMS


def test_the_connection_shows_before_a_failure_and_a_failure_before_the_link(world: World) -> None:
    connection = world.connect(blocked_reason="module", blocked_at=NOW)
    link = world.link(connection, other={"InvoiceCity": "Lund"}, linked_at=NOW - timedelta(days=1))
    push = world.push(connection, kind=Kind.UPDATE, state=PushState.FAILED, finished_at=NOW, failure="validation")
    assert world.panel().state == State.STOPPED
    Connection.objects.update(blocked_reason="")
    assert world.panel().state == State.REFUSED
    assert world.panel().has_failed
    link.mark_broken(CustomerLink.Broken.DELETED)
    assert world.panel().state == State.LINK_BROKEN
    type(link).objects.update(broken="", linked_at=NOW + timedelta(minutes=1))  # linked anew since it failed
    assert world.panel().state == State.CHANGED
    type(push).objects.update(state=PushState.CANCELLED)
    assert world.panel().state == State.CHANGED


def test_a_failed_create_is_over_once_the_company_is_linked(world: World) -> None:
    connection = _failed(world, "validation")
    world.link(connection)
    assert world.panel().state == State.UP_TO_DATE


def test_terms_that_are_gone_stop_no_update(world: World) -> None:
    connection = world.connect()
    world.link(connection)
    connection.terms.update(gone_at=NOW)
    assert world.panel().state == State.UP_TO_DATE


def test_the_fields_that_changed_are_named_and_counted(world: World) -> None:
    contact = world.contact()
    link = world.link(world.connect(), contact=contact, other={"Telephone": "1", "InvoiceCity": "Lund"})
    shown = world.panel()
    assert shown.differences_told == ["Changed in Lime Go: Phone number, Postal address (City)."]
    assert shown.title == "2 fields changed in Lime Go"
    contact.save_changes(now=NOW, values={"email": "asa@alvstrand.example"})
    assert world.panel().title == "3 fields changed in Lime Go"
    type(link).objects.update(sent={}, answered={})
    assert world.panel().title == "3 fields differ"


def test_the_title_names_the_fields_that_changed_on_both_sides(world: World) -> None:
    _changed_there(world, other={"Telephone": "1", "Name": "Another AB"}, Telephone="2", InvoiceCity="Lund")
    shown = world.panel()
    assert shown.title == "Changed in both systems: Phone number"
    assert shown.differences_told == [
        "Changed in both systems: Phone number.",
        "Changed in Visma eAccounting: Postal address (City).",
        "Changed in Lime Go: Company name.",
    ]


def test_what_a_person_kept_there_is_up_to_date_and_still_named(world: World, admin: Client) -> None:
    link = _changed_there(world, Telephone="08 999")
    link.refresh_from_db()
    link.keep(here={"Telephone": "+46 8 123 45 67"}, there={"Telephone": "08 999"})
    assert world.panel().state == State.UP_TO_DATE
    card = admin.get(f"/companies/{world.company.pk}/").content.decode()
    assert "Kept as in Visma eAccounting: Phone number." in card


def test_of_a_customer_that_was_never_read_nothing_is_claimed(world: World) -> None:
    link = world.link(world.connect(), other={"Telephone": "1"})
    link.customer.answered = {}
    link.customer.save()
    assert world.panel().differences == []


def test_what_was_overtaken_is_to_be_reviewed_until_somebody_has(world: World, admin: Client) -> None:
    link = _changed_there(world, Telephone="08 999")
    failure = {"failure": "changed_there", "failure_parameters": {"fields": ["Telephone"]}}
    world.push(link.connection, kind=Kind.UPDATE, state=PushState.FAILED, finished_at=LATER, **failure)
    assert world.panel().state == State.REFUSED
    panel = admin.get(f"/companies/{world.company.pk}/").content.decode().split('id="visma-eaccounting"')[1]
    assert "Somebody changed this in Visma eAccounting after you opened it: Phone number." in panel
    assert "Review the differences</a>" in panel
    assert "Send again" not in panel
    link.refresh_from_db()
    link.keep(here={"Telephone": "+46 8 123 45 67"}, there={"Telephone": "08 999"})
    assert world.panel().state == State.UP_TO_DATE


def test_a_refused_value_of_the_contact_person_is_corrected_at_the_person(world: World, admin: Client) -> None:
    contact = world.contact()
    problems = [{"field": "ContactPersonEmail", "message": "No"}, {"field": "VatNumber", "message": "Nor this"}]
    _failed(world, "validation", contact=contact, failure_parameters={"problems": problems})
    panel = admin.get(f"/companies/{world.company.pk}/").content.decode().split('id="visma-eaccounting"')[1]
    assert f'href="/companies/{world.company.pk}/contacts/{contact.pk}/edit/"' in panel
    assert panel.count("Correct it</a>") == 1


def test_a_refusal_of_an_archived_company_offers_nothing(world: World, admin: Client) -> None:
    _failed(world, "validation", failure_parameters={"problems": [{"field": "InvoiceCity", "message": "No"}]})
    address = f"/companies/{world.company.pk}/"
    panel = admin.get(address).content.decode().split('id="visma-eaccounting"')[1]
    assert f'href="{address}edit/#id_city"' in panel
    world.company.archive(now=NOW)
    panel = admin.get(address).content.decode().split('id="visma-eaccounting"')[1].split("</section>")[0]
    assert "Not sent" in panel
    assert "<button" not in panel
    assert "<a " not in panel


def test_a_contact_person_who_has_left_is_told(world: World, admin: Client) -> None:
    contact = world.contact()
    world.link(world.connect(), contact=contact)
    contact.mark_left(now=NOW)
    card = admin.get(f"/companies/{world.company.pk}/").content.decode()
    assert "Åsa Öberg (has left)" in card


def test_missing_and_overlong_values_are_named_before_anything_is_sent(world: World, admin: Client) -> None:
    world.connect()
    world.company.save_changes(now=NOW, values={"postal_code": "", "name": "Å" * 51})
    card = admin.get(f"/companies/{world.company.pk}/").content.decode()
    for words, field in (
        ("Postal code is missing.", "postal_code"),
        ("Company name has 51 characters; Visma eAccounting allows at most 50.", "name"),
    ):
        assert words in card
        assert f"/companies/{world.company.pk}/edit/#id_{field}" in card


def test_the_version_moves_with_what_is_shown(world: World) -> None:
    connection = world.connect()
    seen = [world.panel().version]
    push = world.push(connection)
    seen.append(world.panel().version)
    type(push).objects.update(wait_reason=WaitReason.RETRY, next_attempt_at=LATER)
    seen.append(world.panel().version)
    type(push).objects.update(state=PushState.DONE, finished_at=NOW, wait_reason="")
    world.link(connection)
    seen.append(world.panel().version)
    assert len(set(seen)) == len(seen)


def test_an_archived_company_offers_nothing(world: World) -> None:
    world.link(world.connect())
    world.company.archive(now=NOW)
    shown = world.panel()
    assert not shown.may_change
    assert not shown.may_act_on_link


def test_what_was_sent_cannot_be_cancelled(world: World) -> None:
    push = world.push(world.connect(), wait_reason=WaitReason.RETRY)
    assert world.panel().may_cancel
    type(push).objects.update(unknown_since=NOW, state=PushState.UNKNOWN)
    assert not world.panel().may_cancel


def test_the_customers_page_is_linked_when_the_operator_says_where_it_is(world: World, settings: Settings) -> None:
    link = world.link(world.connect())
    assert world.panel().customer_url == ""
    settings.EACCOUNTING_CUSTOMER_URL = "https://eaccounting.example/#/customers/{id}"
    assert world.panel().customer_url == f"https://eaccounting.example/#/customers/{link.reference}"


def test_a_new_customer_is_named_by_its_number_until_something_else_is_done(
    world: World, admin: Client, settings: Settings
) -> None:
    settings.EACCOUNTING_CUSTOMER_URL = "https://eaccounting.example/#/customers/{id}"
    connection = world.connect()
    world.push(connection, state=PushState.DONE, finished_at=NOW, next_attempt_at=None)
    link = world.link(connection)
    card = admin.get(f"/companies/{world.company.pk}/").content.decode()
    assert "Customer 1014 created" in card
    assert "Open in Visma eAccounting<" in card
    assert "Copy reference" in card
    link.origin = Origin.MATCHED
    link.save()
    assert not world.panel().has_created
    link.origin = Origin.CREATED
    link.save()
    world.push(connection, kind=Kind.UPDATE, state=PushState.DONE, finished_at=NOW, next_attempt_at=None)
    assert "Customer 1014 created" not in admin.get(f"/companies/{world.company.pk}/").content.decode()


def test_a_customer_created_while_the_card_is_drawn_is_shown_or_polled_for(world: World) -> None:
    """The worker ends between two of the card's queries: what was read first must not hide the link for ever."""
    connection = world.connect()
    push = world.push(connection)
    ended = []

    def end_after(execute: Callable[..., object], sql: str, *rest: object) -> object:
        answer = execute(sql, *rest)
        if not ended and ("integrations_push" in sql or "integrations_customerlink" in sql):
            ended.append(sql)
            Push.objects.filter(pk=push.pk).update(state=PushState.DONE, finished_at=NOW, next_attempt_at=None)
            world.link(connection)
        return answer

    with database.execute_wrapper(end_after):
        shown = world.panel()
    assert ended
    assert shown.link or shown.poll_seconds


def test_another_companys_wish_is_not_shown(world: World) -> None:
    connection = world.connect()
    other = Company.add(account=world.account, now=NOW, values={"name": "Other AB", "country": "SE"})
    world.push(connection)
    world.company = other
    assert world.panel().state == State.NOT_LINKED


def test_an_unknown_push_of_a_left_company_names_it_and_offers_nothing_refused(
    world: World, as_user: Callable[[User], Client]
) -> None:
    _left(world)
    client = as_user(world.admin)
    card = client.get(f"/companies/{world.company.pk}/").content.decode()
    assert "This company was being sent to Fjordlys AS, and it is not known yet whether that succeeded." in card
    assert "+ Add as customer" not in card
    assert (
        "Lime Go checks when an admin connects Fjordlys AS again"
        in client.get(f"/companies/{world.company.pk}/edit/").content.decode()
    )
    assert "Outcome not known yet" in client.get("/companies/").content.decode()
