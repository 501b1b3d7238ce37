"""System checks: settings that an installation still needs. `manage.py check` and every start run them."""

from django.conf import settings
from django.core.checks import CheckMessage, Error

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
