"""An operator frees an eAccounting company from an account that nobody can reach any more."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.access.token_lock import token_lock
from integrations.models import Connection, Event, EventKind, Push, PushState
from integrations.services import connect
from tests import sheets
from tests.integrations.conftest import connect_as
from tests.integrations.threads import in_thread

NUMBER = "556677-8899"


def release(*words: str) -> str:
    said = StringIO()
    call_command("release_company", *words, stdout=said)
    return said.getvalue()


@pytest.mark.parametrize("company", [NUMBER, "nordvik bygg ab"])
def test_it_says_where_a_company_is_connected_and_changes_nothing(connection: Connection, company: str) -> None:
    said = release(company)
    assert f"Nordvik Bygg AB ({NUMBER}) in account {connection.account_id}, Nordvik Sales" in said
    assert Connection.objects.get().is_connected


def test_a_released_company_can_be_connected_in_another_account(
    ready: Connection, company: Company, ulf: User, olav: User, sandbox: Sandbox
) -> None:
    push = sheets.create(user=ulf, company=company)
    with pytest.raises(connect.ConnectedElsewhere):
        connect_as(olav)
    assert "Waiting actions cancelled: 1." in release(NUMBER, "--account", str(ready.account_id))
    ready.refresh_from_db()
    assert (ready.state, ready.refresh_token) == (Connection.State.DISCONNECTED, "")
    assert Push.objects.get(pk=push.pk).state == PushState.CANCELLED
    assert Event.objects.get(kind=EventKind.DISCONNECTED).actor is None
    assert connect_as(olav).is_connected


def test_what_does_not_fit_is_said(connection: Connection, olav: User) -> None:
    for words in (["999999-9999"], [NUMBER, "--account", str(olav.account_id)]):
        with pytest.raises(CommandError, match="No account is connected"):
            release(*words)
    assert Connection.objects.get().is_connected


@pytest.mark.django_db(transaction=True)
def test_while_tokens_are_renewed_it_asks_to_wait(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "LOCK_PATIENCE", 0.05)
    with token_lock(connection.account_id, patience=1), pytest.raises(CommandError, match="Run this again"):
        in_thread(lambda: release(NUMBER, "--account", str(connection.account_id))).result(60)
    assert Connection.objects.get().is_connected
