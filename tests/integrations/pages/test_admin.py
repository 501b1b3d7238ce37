"""What operators see of the bridge: rows and codes, never tokens, nor what a contact person is called."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Field, ForeignKey, JSONField, Model
from django.test import Client

from accounts.models import User
from integrations.admin import PERSONAL, SECRET
from integrations.models import Connection, CustomerLink, Event, EventKind, Push
from tests.integrations.pages.conftest import NOW, World

NAME, MAIL = "Åsa Borttagen", "asa.borttagen@alvstrand.example"
# Every other column of the bridge, looked at one by one: codes, times, numbers, ids, and companies' own names.
HARMLESS = {
    "Connection": {
        *("id", "account", "identity_kind", "identity", "is_current", "state", "blocked_reason", "blocked_at"),
        *("probe_at", "issued_at", "expires_at", "refresh_intent_at", "refused_at", "generation", "scope", "name"),
        "grant_doubted_at",
        *("registration_number", "country", "currency", "company_terms_id", "connected_by", "connected_at"),
        *("last_ok_at", "served_at", "last_error", "broken_at", "default_terms", "terms_confirmed_by"),
        *("terms_confirmed_at", "terms_read_at", "terms_were", *SECRET),  # tokens are hidden as such
    },
    "CustomerIndex": {
        *("id", "account", "connection", "reading", "page", "total", "skipped", "began_at", "watermark"),
        *("next_watermark", "read_at", "full_at", "due_at", "lease_until", "failure", "erasing"),
    },
    "TermsOfPayment": {
        *("id", "account", "connection", "remote_id", "name", "name_english", "days", "kind", "for_sales", "offered"),
        *("seen_at", "gone_at"),
    },
    "RemoteCustomer": {
        *("id", "account", "connection", "customer_id", "number", "registration_number", "terms_id", "is_active"),
        *("unpaid_amount", "changed_utc", "seen_at", "unread_at", "gone_at", "registration_key"),
        *("name", "name_sort"),
    },
    "CustomerLink": {
        *("id", "account", "connection", "company", "customer", "origin", "broken", "sent_at", "sent_by"),
        *("linked_at", "linked_by"),
    },
    "Push": {
        *("id", "account", "connection", "company", "kind", "state", "wait_reason", "next_attempt_at"),
        *(
            "again",
            "read_at",
            "requested_by",
            "requested_at",
            "lease_until",
            "fence",
            "attempts",
            "retrying_since",
            "crashes",
        ),
        *("terms", "create_anyway", "is_private_person", "undoes", "fingerprint"),
        *("send_by", "unknown_since", "looked_at", "seen_ids", "failure", "error_id", "finished_at"),
    },
    "Event": {"id", "account", "company", "connection", "actor", "kind", "at"},
}
SHOWN = [model for model in PERSONAL if admin.site.is_registered(model)]
Open = Callable[..., str]


def test_every_column_of_the_bridge_is_known_as_personal_or_not() -> None:
    models = list(apps.get_app_config("integrations").get_models())
    assert set(models) == PERSONAL.keys()
    for model in models:
        columns, personal = {field.name for field in model._meta.concrete_fields}, set(PERSONAL[model])
        harmless = HARMLESS[model.__name__]
        assert columns == personal | harmless, f"{model.__name__}: say whether these hold what people are called"
        assert not personal & harmless


def test_the_pages_hide_every_personal_column() -> None:
    assert set(SHOWN) == {Connection, CustomerLink, Event, Push}
    for model in SHOWN:
        page = admin.site.get_model_admin(model)
        hidden = {*PERSONAL[model], *(SECRET if model is Connection else ())}
        assert set(page.exclude or ()) == hidden
        assert not hidden & {*page.list_display, *page.list_filter, *page.search_fields, *page.readonly_fields}


# --- On the pages themselves -----------------------------------------------------------------------------------------


def _filled(field: "Field[object, object]") -> object:
    """What stands in a personal column after the person was removed."""
    if isinstance(field, ForeignKey):
        return None
    if not isinstance(field, JSONField):
        return f"{NAME} <{MAIL}>"
    values = {"ContactPersonName": NAME, "ContactPersonEmail": MAIL}
    return [values] if field.default is list else values


def _fill(row: Model) -> None:
    model = type(row)
    columns = {name: _filled(model._meta.get_field(name)) for name in PERSONAL[model]}
    model._default_manager.filter(pk=row.pk).update(**columns)


@pytest.fixture
def rows(world: World) -> dict[type[Model], Model]:
    """One row of each kind, with the name of somebody who was removed in every personal column."""
    connection = world.connect()
    contact = world.contact()
    made: list[Model] = [
        connection,
        world.link(connection, contact=contact),
        Push.objects.create(
            account=world.account,
            connection=connection,
            company=world.company,
            contact=contact,
            requested_by=world.admin,
            kind="create",
            state="failed",
            failure="refused",
            error_id="an-error-id",
            finished_at=NOW + timedelta(minutes=1),
        ),
        Event.add(EventKind.CONTACT_CHOSEN, connection=connection, company=world.company, actor=world.admin),
    ]
    contact.remove(now=NOW)
    for row in made:
        _fill(row)
    return {type(row): row for row in made}


@pytest.fixture
def operator(as_user: Callable[[User], Client], db: None) -> Client:
    client = as_user(User.objects.create_superuser(email="op@limego.example", password="x"))
    client.raise_request_exception = False
    return client


def _page(model: type[Model], rest: str = "") -> str:
    return f"/admin/integrations/{model._meta.model_name}/{rest}"


def _assert_nobody_named(text: str) -> None:
    for part in (NAME, MAIL, "Borttagen", "borttagen", "an access token", "a refresh token"):
        assert part not in text


@pytest.mark.parametrize("model", SHOWN)
def test_no_page_names_who_was_removed(operator: Client, rows: dict[type[Model], Model], model: type[Model]) -> None:
    row = rows[model]
    for rest in ("", f"{row.pk}/change/", f"{row.pk}/history/", "?q=%C3%85sa", "?o=1"):
        answer = operator.get(_page(model, rest))
        assert answer.status_code == 200, rest
        text = answer.content.decode()
        _assert_nobody_named(text)
        assert f"/{row.pk}/change/" in text or rest != "", "the list has the row"


@pytest.mark.parametrize("model", SHOWN)
def test_no_row_can_be_found_by_what_is_hidden(
    operator: Client, rows: dict[type[Model], Model], model: type[Model]
) -> None:
    """The number of rows would tell what stands there."""
    hidden = [*PERSONAL[model], *(SECRET if model is Connection else ())]
    lookups = [*(f"{name}__icontains" for name in hidden), *(f"{name}__isnull" for name in hidden)]
    for lookup in lookups:
        assert operator.get(_page(model, f"?{urlencode({lookup: 'Borttagen'})}")).status_code == 400, lookup


@pytest.mark.parametrize("lookup", ["customer__answered__icontains", "customer__search_text__icontains"])
def test_nor_by_what_is_hidden_in_the_rows_beside_it(
    operator: Client, rows: dict[type[Model], Model], lookup: str
) -> None:
    assert operator.get(_page(CustomerLink, f"?{urlencode({lookup: 'Borttagen'})}")).status_code == 400


def test_somebody_who_is_still_there_is_not_named_either(operator: Client, world: World) -> None:
    connection = world.connect()
    contact = world.contact()
    link = world.link(connection, contact=contact)
    for rest in ("", f"{link.pk}/change/"):
        assert "Öberg" not in operator.get(_page(CustomerLink, rest)).content.decode()


def test_what_an_operator_needs_is_shown(operator: Client, rows: dict[type[Model], Model]) -> None:
    push = operator.get(_page(Push, f"{rows[Push].pk}/change/")).content.decode()
    assert "an-error-id" in push
    assert "Failed" in push
    assert "Nordvik Bygg AB" in operator.get(_page(Connection)).content.decode()
