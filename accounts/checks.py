"""System checks: settings that an installation still needs. `manage.py check` and every start run them."""

from collections.abc import Sequence

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

# `python -c` needs nothing of this project, so the hint works even before the settings load.
NEW_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(50))'"
MISSING = {
    "SECRET_KEY": Error(
        "SECRET_KEY is not set: logins would end with each restart and not hold across processes.",
        hint=f"Set SECRET_KEY in the environment or in .env. Make one: {NEW_KEY}",
        id="accounts.E001",
    ),
    "DATABASE_URL": Error(
        "DATABASE_URL is not set.",
        hint="Set it to your PostgreSQL database: postgresql://user:password@host/name.",
        id="accounts.E002",
    ),
    "BASE_URL": Error(
        f"BASE_URL is not set, so links in mails would lead to {settings.BASE_URL}.",
        hint="Set it to the address that people open, such as https://crm.example, without a slash at its end.",
        id="accounts.E003",
    ),
}


def check_settings_given(**_: object) -> list[CheckMessage]:
    """Report each missing setting that has no usable default. BASE_URL may be missing while DEBUG is on."""
    missing: list[str] = settings.SETTINGS_NOT_GIVEN
    return [MISSING[name] for name in missing if not (name == "BASE_URL" and settings.DEBUG)]


def check_database_is_ours(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse a database from before the first release, before its migrations, which had other names, are missed."""
    return [
        Error(
            "This database was made by a version of Lime Go from before its first release and cannot be used.",
            hint="Begin with an empty database. That of `make run` is in the folder .data: delete it.",
            id="accounts.E004",
        )
        for alias in databases or ()
        if ("accounts", "0001_initial") in MigrationRecorder(connections[alias]).applied_migrations()
    ]
