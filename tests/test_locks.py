"""Row locks are no stronger than needed: what only changes values makes nobody wait who refers to the row."""

import ast
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection as database
from django.db import transaction

from accounts import members
from accounts.models import Account, Role, User
from companies.models import Company
from integrations.clock import database_now
from tests.integrations.threads import in_thread

ROOT = Path(__file__).parent.parent
APPS = ("accounts", "companies", "integrations", "limego_visma")
# Module and function → why a FOR UPDATE has to keep out whoever refers to its rows.
FOR_UPDATE = {("integrations.models.remote_customer", "erase_some"): "the rows are deleted in the same transaction"}


def _locks() -> Iterator[tuple[str, str, ast.Call]]:
    """Every row lock in our code, with its module and function."""
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
            for function in functions:
                for node in ast.walk(function):
                    if isinstance(node, ast.Attribute) and node.attr == "select_for_update":
                        yield module, function.name, _call_of(node, function)


def _call_of(attribute: ast.Attribute, function: ast.FunctionDef) -> ast.Call:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.func is attribute]
    assert calls, f"{function.name} passes select_for_update on: what it asks for cannot be seen"
    return calls[0]


def _keeps_references(call: ast.Call) -> bool:
    """Whether whoever refers to the row need not wait."""
    return any(
        word.arg == "no_key" and isinstance(word.value, ast.Constant) and word.value.value is True
        for word in call.keywords
    )


def test_every_row_lock_lets_others_refer_to_the_row_unless_it_says_why_not() -> None:
    found = list(_locks())
    assert len(found) > 20
    strong = {(module, function) for module, function, call in found if not _keeps_references(call)}
    assert strong == FOR_UPDATE.keys()


def test_no_row_is_locked_by_sql_of_our_own() -> None:
    """It would escape the test above."""
    for app in APPS:
        for file in (ROOT / app).rglob("*.py"):
            assert "for update" not in file.read_text().lower(), file


@pytest.mark.django_db(transaction=True)
def test_adding_a_company_does_not_wait_for_an_admin_who_changes_a_member(account: Account, ulf: User) -> None:
    """Changing a member holds the account, which every row of the account refers to."""
    is_held, is_over = threading.Event(), threading.Event()

    def change_a_member() -> None:
        with transaction.atomic():
            members.change_role(account=account, member=ulf, role=Role.VIEWER)
            is_held.set()
            is_over.wait(30)

    changing = in_thread(change_a_member)
    assert is_held.wait(10)
    with transaction.atomic():
        with database.cursor() as cursor:
            cursor.execute("set local lock_timeout = '5s'")  # who waits fails, instead of hanging the test
        Company.add(account=account, now=database_now(), values={"name": "Nytt Bygge AB", "country": "SE"})
    assert not changing.done(), "the account is still held"
    is_over.set()
    changing.result(60)
    ulf.refresh_from_db()
    assert (ulf.role, Company.objects.filter(account=account).count()) == (Role.VIEWER, 1)
