"""What the migrations do with rows that are there."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.models import User
from integrations.models import Connection, CustomerIndex, Kind, Push, PushState, RemoteCustomer
from tests.integrations.conftest import AddCompany
from tests.integrations.test_customer_index import steps

BEFORE = [("integrations", "0011_confirmed_kind")]


def migrate(targets: list[tuple[str, str]] | None = None) -> None:
    """Bring the schema to these migrations, or to the newest ones."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets or executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_rows_of_before_are_taken_along(ready: Connection, ulf: User, add_company: AddCompany) -> None:
    def push(state: str, kind: Kind = Kind.CREATE, **columns: object) -> int:
        row = {"account": ulf.account, "connection": ready, "requested_by": ulf, "state": state, "kind": kind}
        return Push.objects.create(company=add_company(name=f"{kind} {state}"), **row, **columns).pk

    there = {"Telephone": "08-1"}
    waiting, failed = push(PushState.WAITING), push(PushState.FAILED)
    unknown = push(PushState.UNKNOWN, values={"Name": "Ek AB"})
    update = push(PushState.SENDING, Kind.UPDATE, values={"Telephone": "08-2"}, before=there)
    kept = push(PushState.DONE, Kind.UPDATE, confirmed={"Telephone": "08-3"}, based_on=there)
    try:
        migrate(BEFORE)
        with connection.cursor() as cursor:
            cursor.execute("update integrations_push set confirmed = null, based_on = null where id <> %s", [kept])
            cursor.execute("update integrations_connection set index_page = 7, index_failure = 'unreachable'")
    finally:
        migrate()
    rows = Push.objects.values_list("pk", "state", "confirmed", "based_on")
    assert {pk: row for pk, *row in rows} == {
        waiting: [PushState.CANCELLED, {}, {}],  # nobody has seen what it would send
        failed: [PushState.FAILED, {}, {}],
        unknown: [PushState.UNKNOWN, {"Name": "Ek AB"}, {}],
        update: [PushState.SENDING, {"Telephone": "08-2"}, there],
        kept: [PushState.DONE, {"Telephone": "08-3"}, there],
    }
    index = CustomerIndex.objects.get(connection=ready)
    assert (index.page, index.failure) == (7, "unreachable")


def test_keys_of_before_get_their_country(ready: Connection) -> None:
    steps(ready)
    keys = dict(RemoteCustomer.objects.values_list("pk", "registration_key"))
    assert any(key.startswith("SE") for key in keys.values())
    RemoteCustomer.objects.update(registration_key="1")
    migration = import_module("integrations.migrations.0018_registration_keys_with_countries")
    migration.work_out_keys(apps, None)
    stored = RemoteCustomer.objects.exclude(registration_number="").values_list("pk", "registration_key")
    assert dict(stored) == {pk: key for pk, key in keys.items() if key}
