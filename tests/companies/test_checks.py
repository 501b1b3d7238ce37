"""What the database must know before companies can be found in it."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from companies.checks import check_letters


@pytest.fixture
def blind_database(db: None) -> Iterator[str]:
    """The address of a database of PostgreSQL's own C.UTF-8, whose LC_CTYPE is C: trigrams drop its Nordic letters."""
    server, _slash, own = os.environ["DATABASE_URL"].rpartition("/")
    name = f"{connection.settings_dict['NAME']}_blind"
    locale = "encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"
    with psycopg.connect(f"{server}/{own}", autocommit=True) as administrator:
        administrator.execute(f'create database "{name}" template template0 {locale}')
        yield f"{server}/{name}"
        administrator.execute(f'drop database "{name}"')


def test_this_database_knows_the_letters(db: None) -> None:
    assert check_letters(databases=["default"]) == []


def test_without_a_named_database_none_is_asked() -> None:
    assert check_letters() == []  # this test may not touch one


def test_a_database_that_drops_letters_is_not_migrated(blind_database: str) -> None:
    environment = {**os.environ, "DATABASE_URL": blind_database}
    command = [sys.executable, "manage.py", "migrate", "--noinput"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "LC_CTYPE=C, so that searching and comparing names would drop å, ä and ö." in refused.stderr
    with psycopg.connect(blind_database) as there:
        assert there.execute("select count(*) from pg_tables where tablename like '%company%'").fetchone() == (0,)
