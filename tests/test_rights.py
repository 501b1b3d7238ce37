"""Every URL of the site with every role, without a login, and with another account's ids.

The cases stand in `tests/rights_cases_*.py`. A URL without a case fails here.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.models import Account, User
from tests.rights import LOGIN, Case, Cast

# Django's own back room: open to operators only, tested below and by Django itself.
NOT_WALKED = {"admin"}
PEOPLE = ["nobody", "viewer", "user", "admin"]
OURS = ["accounts", "companies", "integrations"]


def _cases() -> list[Case]:
    modules = sorted(Path(__file__).parent.glob("rights_cases_*.py"))
    return [case for module in modules for case in import_module(f"tests.{module.stem}").CASES]


CASES = _cases()


def _urls(resolver: URLResolver, space: str = "", route: str = "/") -> Iterator[tuple[str, set[str]]]:
    """Walk the names of all URLs with the names of their ids; a URL without a name goes by its route."""
    for entry in resolver.url_patterns:
        here = route + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield (space + entry.name if entry.name else here), set(entry.pattern.converters)
        elif entry.namespace not in NOT_WALKED:
            yield from _urls(entry, f"{space}{entry.namespace}:" if entry.namespace else space, here)


URLS = dict(_urls(get_resolver()))


def test_every_url_has_exactly_one_case() -> None:
    assert sorted(case.url for case in CASES) == sorted(URLS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.url)
def test_a_url_with_ids_is_tried_with_foreign_ones(case: Case) -> None:
    assert case.needs is None or bool(case.foreign_ids) is bool(URLS[case.url])


@pytest.fixture
def cast(account: Account, other_account: Account, anna: User, ulf: User, vera: User, olav: User) -> Cast:
    return Cast(account=account, anna=anna, ulf=ulf, vera=vera, other_account=other_account, olav=olav)


@pytest.fixture
def visitor(cast: Cast, who: str) -> User | None:
    return {"nobody": None, "viewer": cast.vera, "user": cast.ulf, "admin": cast.anna}[who]


@pytest.fixture
def client(visitor: User | None, as_user: Callable[[User], Client]) -> Client:
    return as_user(visitor) if visitor else Client()


def _address(case: Case, ids: dict[str, object]) -> str:
    return case.url if case.url.startswith("/") else reverse(case.url, kwargs=ids)


def _send(client: Client, method: str, address: str, words: dict[str, object]) -> HttpResponse:
    return client.get(address) if method == "GET" else client.post(address, words)


def _outcome(answer: HttpResponse) -> int:
    is_login = answer.status_code == 302 and answer.headers["Location"].startswith("/login/?next=")
    return LOGIN if is_login else answer.status_code


def _rows() -> dict[str, list[tuple[object, ...]]]:
    """Dump every row of ours but the time of the last login, which the visit itself moves."""
    models = [model for label in OURS for model in apps.get_app_config(label).get_models(include_auto_created=True)]
    columns = {model: [f.attname for f in model._meta.concrete_fields if f.name != "last_login"] for model in models}
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values_list(*columns[model])) for model in models
    }


everybody = pytest.mark.parametrize("who", PEOPLE)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.url)
both_methods = pytest.mark.parametrize("method", ["GET", "POST"])


@every_case
@everybody
@both_methods
def test_only_those_who_may_get_in(case: Case, method: str, cast: Cast, visitor: User | None, client: Client) -> None:
    address, words = _address(case, case.ids(cast)), case.data(cast)
    before = _rows()
    outcome = _outcome(_send(client, method, address, words))
    assert outcome in case.outcomes(visitor, method)
    granted = outcome == (case.get if method == "GET" else case.post) and case.may(visitor)
    allowed = granted and (case.get_changes if method == "GET" else case.changes and case.post != 405)
    assert (_rows() != before) is allowed


@pytest.mark.parametrize("case", [case for case in CASES if case.foreign_ids], ids=lambda case: case.url)
@everybody
@both_methods
def test_another_accounts_ids_do_not_exist(
    case: Case, method: str, cast: Cast, visitor: User | None, client: Client
) -> None:
    assert case.foreign_ids is not None
    address, words = _address(case, case.foreign_ids(cast)), case.data(cast)
    before = _rows()
    outcome = _outcome(_send(client, method, address, words))
    granted = case.get if method == "GET" else case.post
    expected = {405 if granted == 405 else 404} if case.may(visitor) else case.outcomes(visitor, method)
    assert outcome in expected
    assert _rows() == before


@pytest.mark.parametrize("case", [case for case in CASES if case.foreign_data], ids=lambda case: case.url)
@everybody
def test_another_accounts_ids_in_a_form_change_nothing(case: Case, cast: Cast, client: Client) -> None:
    assert case.foreign_data is not None
    address, words = _address(case, case.ids(cast)), case.foreign_data(cast)
    before = _rows()
    assert client.post(address, words).status_code < 500
    assert _rows() == before


@everybody
def test_the_operators_site_is_closed_to_members(client: Client, visitor: User | None) -> None:
    answer = client.get("/admin/accounts/user/")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/login/")
