"""The engine's own fixtures, and the card as a person reads it."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection as database
from django.test import Client

from accounts.models import User
from companies.models import Company
from tests.faults.reading import Card, panel_words
from tests.integrations.conftest import (  # noqa: F401  # fixtures, asked for by their names
    add_company,
    clock,
    company,
    connection,
    contact,
    ready,
    run,
    sandbox,
    server,
    settle,
)
from tests.integrations.test_tasks import poke_through, silent_broker  # noqa: F401  # fixtures too
from tests.proxy import Proxy


@pytest.fixture
def card(as_user: Callable[[User], Client]) -> Card:
    """Return a function that opens a company's card in a browser of this user and returns what the panel says."""

    def read(user: User, of: Company, *, language: str = "en") -> str:
        User.objects.filter(pk=user.pk).update(language=language)
        answer = as_user(user).get(f"/companies/{of.pk}/")
        assert answer.status_code == 200
        return panel_words(answer.content.decode())

    return read


@pytest.fixture
def line_to_database(transactional_db: None) -> Iterator[Proxy]:
    """The database of this process, behind a line that can break."""
    stored = database.settings_dict
    database.close()
    with Proxy(stored["HOST"], int(stored["PORT"])) as line:
        stored["HOST"], before = "127.0.0.1", (stored["HOST"], stored["PORT"])
        stored["PORT"] = str(line.port)
        yield line
        database.close()
        stored["HOST"], stored["PORT"] = before
