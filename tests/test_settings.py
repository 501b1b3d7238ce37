"""Settings: nonsense is refused with a hint; what is missing is a system check."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.checks import check_settings_given

ROOT = Path(__file__).parent.parent


def _check(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py check` in an environment of its own, with these values changed."""
    command = [sys.executable, "manage.py", "check"]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("DEBUG", "perhaps", "DEBUG"),
        ("DATABASE_URL", "mysql://localhost/x", "must name a PostgreSQL database"),
        ("DATABASE_URL", "nonsense", "cannot be read"),
        ("REDIS_URL", "localhost:6379", "REDIS_URL must be an address such as redis://"),
        ("BASE_URL", "crm.example", "BASE_URL must be an address such as http://"),
        ("EMAIL_URL", "nonsense", "EMAIL_URL must look like"),
        ("FIELD_ENCRYPTION_KEYS", "short", "Make one: python -c"),
        ("EACCOUNTING_IDENTITY_URL", "ftp://identity.example", "EACCOUNTING_IDENTITY_URL must be"),
        ("EACCOUNTING_API_URL", "/v2", "EACCOUNTING_API_URL must be"),
        ("EACCOUNTING_RATE_LIMIT", "many", "EACCOUNTING_RATE_LIMIT must be a number"),
        ("EACCOUNTING_RATE_LIMIT", "0", "EACCOUNTING_RATE_LIMIT must be greater than 0"),
        ("EACCOUNTING_RATE_SCOPE", "world", "EACCOUNTING_RATE_SCOPE must be one of client, connection"),
        ("EACCOUNTING_SETTLE_SECONDS", "-1", "EACCOUNTING_SETTLE_SECONDS must be greater than 0"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_a_hint(name: str, value: str, hint: str) -> None:
    done = _check(**{name: value})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert hint in last


def test_mails_to_a_folder_go_to_one_beside_manage_py() -> None:
    program = "from django.conf import settings; print(settings.EMAIL_BACKEND, settings.EMAIL_FILE_PATH, sep='\\n')"
    environment = {**os.environ, "EMAIL_URL": "file:///.data/mail"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "django.core.mail.backends.filebased.EmailBackend",
        str(ROOT / ".data" / "mail"),
    ]


def test_a_missing_key_stops_the_start_with_a_hint() -> None:
    done = _check(SECRET_KEY="")
    assert done.returncode != 0
    assert "accounts.E001" in done.stderr
    assert "HINT: Set SECRET_KEY" in done.stderr


def test_everything_that_is_missing_is_named_at_once(settings: Settings) -> None:
    settings.SETTINGS_NOT_GIVEN = ["SECRET_KEY", "DATABASE_URL", "BASE_URL"]
    problems = check_settings_given()
    assert [problem.id for problem in problems] == ["accounts.E001", "accounts.E002", "accounts.E003"]
    assert all(problem.hint for problem in problems)


def test_a_production_environment_passes_the_checks() -> None:
    done = _check()
    assert done.returncode == 0, done.stderr


def test_while_debugging_the_address_may_be_left_out(settings: Settings) -> None:
    settings.SETTINGS_NOT_GIVEN = ["BASE_URL"]
    assert [problem.id for problem in check_settings_given()] == ["accounts.E003"]
    settings.DEBUG = True
    assert not check_settings_given()
