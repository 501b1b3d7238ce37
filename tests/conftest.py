"""Fixtures that every test may use: a cast of people, their accounts, and clients logged in as them."""

import os
from collections.abc import Callable, Iterator

import pytest
import pytest_socket
from django.db import connection, connections, transaction
from django.test import Client, TransactionTestCase
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker, Settings

from accounts.models import Account, Role, User
from integrations import tasks
from integrations.access import rate_limit
from limego_visma import heartbeat

PASSWORD = "correct horse battery staple"
MADE_BY_MIGRATIONS = {"auth_permission", "django_content_type", "django_migrations"}
# The same examples each time, so that a run tells about a change and not about chance; HYPOTHESIS=random goes hunting.
hypothesis_settings.register_profile("steady", derandomize=True, deadline=None, database=None)
hypothesis_settings.register_profile("random", deadline=None, max_examples=1000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS", "steady"))


def pytest_runtest_setup() -> None:
    """Block every network but loopback."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(scope="session", autouse=True)
def patient_with_redis() -> Iterator[None]:
    """Redis answers when the machine lets it. What tests these time-outs sets them to the product's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_limit, "ANSWER_SECONDS", 30.0)
        patch.setattr(tasks, "WAKE_SECONDS", 30.0)
        patch.setattr(heartbeat, "ANSWER_SECONDS", 30.0)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """A test is a transaction, and idles while it waits for others; the product's sessions may not (dead_peers.py)."""
    stored = connections["default"].settings_dict
    words = f"{stored['OPTIONS']['options']} -c idle_in_transaction_session_timeout=600s"
    stored["OPTIONS"] = {**stored["OPTIONS"], "options": words, "connect_timeout": 60}


def _delete_rows(_case: TransactionTestCase) -> None:
    """Delete every row but those that migrations make. References are checked when that is committed, as ever."""
    with transaction.atomic(), connections["default"].cursor() as cursor:
        for table in connections["default"].introspection.django_table_names(include_views=False):
            if table not in MADE_BY_MIGRATIONS:
                cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608  # the names of our own tables


@pytest.fixture(scope="session", autouse=True)
def quick_ends_of_tests_that_commit() -> Iterator[None]:
    """Django truncates every table and makes its permissions anew, which takes forty times as long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _delete_rows)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """End what still uses the database before it is dropped: a process that was killed may not have noticed yet."""
    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> "
        cursor.execute(others + "pg_backend_pid()")


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Passwords are hashed in microseconds: the slowness that stops guessers is Django's to test."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def account(db: None) -> Account:
    """Nordvik's account: the one most tests live in."""
    return Account.objects.create(name="Nordvik Sales", country="SE", language="en", time_zone="Europe/Stockholm")


@pytest.fixture
def other_account(db: None) -> Account:
    """A second tenant whose rows nobody of the first may see."""
    return Account.objects.create(name="Fjordlys Salg", country="NO", language="en", time_zone="Europe/Oslo")


def _person(account: Account, role: Role, name: str) -> User:
    email = f"{name.lower()}@{account.name.split()[0].lower()}.example"
    return User.objects.create_user(
        email=email, account=account, password=PASSWORD, role=role, first_name=name, last_name="Ek"
    )


@pytest.fixture
def anna(account: Account) -> User:
    """The admin of the account."""
    return _person(account, Role.ADMIN, "Anna")


@pytest.fixture
def ulf(account: Account) -> User:
    """A user of the account."""
    return _person(account, Role.USER, "Ulf")


@pytest.fixture
def vera(account: Account) -> User:
    """A viewer of the account."""
    return _person(account, Role.VIEWER, "Vera")


@pytest.fixture
def olav(other_account: Account) -> User:
    """The admin of the other account."""
    return _person(other_account, Role.ADMIN, "Olav")


@pytest.fixture
def as_user() -> Callable[[User], Client]:
    """Return a browser-like client that is logged in as the given user."""

    def log_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return log_in
