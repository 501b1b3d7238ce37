"""What the migrations do with rows that are there."""

from importlib import import_module

from django.apps import apps

from integrations.models import Connection, RemoteCustomer
from tests.integrations.test_indexing import steps


def test_keys_of_before_get_their_country(ready: Connection) -> None:
    steps(ready)
    keys = dict(RemoteCustomer.objects.values_list("pk", "registration_key"))
    assert any(key.startswith("SE") for key in keys.values())
    RemoteCustomer.objects.update(registration_key="1")
    migration = import_module("integrations.migrations.0018_registration_keys_with_countries")
    migration.work_out_keys(apps, None)
    stored = RemoteCustomer.objects.exclude(registration_number="").values_list("pk", "registration_key")
    assert dict(stored) == {pk: key for pk, key in keys.items() if key}
