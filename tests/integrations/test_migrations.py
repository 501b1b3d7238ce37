"""One migration for each app; a database from before the first release gets a sentence."""

from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

OURS = ("accounts", "companies", "integrations")


@pytest.mark.parametrize("app", OURS)
def test_an_app_begins_with_one_migration_of_its_name(app: str) -> None:
    found = sorted(file.stem for file in (Path(apps.get_app_config(app).path) / "migrations").glob("0*.py"))
    assert found[0] == f"0001_{app}"


def test_the_models_and_the_migrations_agree(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_a_database_from_before_the_first_release_is_refused_in_a_sentence(db: None) -> None:
    """Its tables are there, under migrations that have other names now."""
    MigrationRecorder(connection).record_applied("accounts", "0001_initial")
    with pytest.raises(SystemCheckError, match=r"before its first release .*\n.*folder \.data: delete it"):
        call_command("migrate", verbosity=0, skip_checks=False)
