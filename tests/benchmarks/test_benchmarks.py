"""The benchmarks still press what is there. They run outside `make test`: `make bench ARGS=--quick`."""

import pkgutil
from importlib import import_module

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

import benchmarks
from accounts.models import User
from benchmarks.bench import CASES
from benchmarks.bench_rows import Tenant, run_of, updates_of
from benchmarks.scale.people import session_of
from benchmarks.sheets import CREATE, UPDATE, Desk, Unusable, confirm_create, fields_of
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.models import Connection, Push, PushState
from tests.integrations.conftest import AddCompany, Run, named

MODULES = [found.name for found in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.")]


@pytest.fixture
def desk(live_server: LiveServer, ulf: User) -> Desk:
    """Ulf, logged in as the people of the benchmarks are."""
    made = Desk(live_server.url)
    made.session.cookies.set(settings.SESSION_COOKIE_NAME, session_of(ulf))
    return made


@pytest.fixture
def tenant(ready: Connection, ulf: User) -> Tenant:
    return Tenant(key="1", account=ulf.account, user=ulf, connection=ready)


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_module_can_be_imported(name: str) -> None:
    assert import_module(name).__doc__


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_where_the_table_says(name: str) -> None:
    assert getattr(import_module(CASES[name]), name).__doc__


@pytest.mark.django_db(transaction=True)
def test_the_sheets_that_are_pressed_open_and_are_taken(
    desk: Desk, ready: Connection, company: Company, sandbox: Sandbox, run: Run
) -> None:
    desk.confirm(desk.open(company.pk, CREATE))
    assert run(Push.objects.get()).state == PushState.DONE
    company.save_changes(now=timezone.now(), values={"phone": "+46 8 124 00 01"})
    desk.confirm(desk.open(company.pk, UPDATE))
    assert run(Push.objects.latest("pk")).state == PushState.DONE
    [customer] = named(sandbox)
    assert (customer["InvoiceCity"], customer["Telephone"]) == ("Stockholm", "+46 8 124 00 01")
    assert Push.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_sheet_that_does_not_open_or_comes_back_breaks_the_case_off(
    desk: Desk, ready: Connection, company: Company
) -> None:
    with pytest.raises(Unusable, match="answered with 302"):
        desk.open(company.pk, UPDATE)  # it is no customer there
    sheet = desk.open(company.pk, CREATE)
    sheet.fields[:] = [(name, "" if name == "Name" else value) for name, value in sheet.fields]
    with pytest.raises(Unusable, match="answered with 200"):
        desk.confirm(sheet)
    assert not Push.objects.exists()


def test_runs_and_clicks_without_a_browser_record_what_a_sheet_does(
    tenant: Tenant, company: Company, add_company: AddCompany, sandbox: Sandbox, run: Run
) -> None:
    other = add_company(name="Andra AB", registration_number="", email="")
    [create] = run_of([(tenant, company)])
    clicked = confirm_create(user=tenant.user, company=other)
    assert [run(Push.objects.get(pk=pk)).state for pk in (create, clicked.pk)] == [PushState.DONE] * 2
    [update] = updates_of([(tenant, company)], phone="+46 8 125 00 01")
    push = run(Push.objects.get(pk=update))
    assert (push.state, push.values) == (PushState.DONE, {"Telephone": "+46 8 125 00 01"})
    rows = Push.objects.filter(kind="create").values("based_on", "is_private_person", "create_anyway", "contact")
    assert [{**row, "based_on": bool(row["based_on"])} for row in rows] == [
        {"based_on": True, "is_private_person": False, "create_anyway": False, "contact": None}
    ] * 2


def test_a_form_is_read_as_a_browser_posts_it() -> None:
    page = """
      <form action="/other/"><input name="no" value="1"></form>
      <form action="/this/">
        <input type="hidden" name="seen" value="a&amp;b"><input name="Name" value="Ek AB">
        <input type="text" name="City">
        <input type="radio" name="side" value="ours" checked><input type="radio" name="side" value="theirs">
        <input type="checkbox" name="none_of_these"><input name="off" value="1" disabled>
        <select name="country"><option value="SE">Sverige</option><option value="NO" selected>Norge</option></select>
        <select name="contact"><option value="">None</option><option value="7">Åsa</option></select>
        <button type="submit" name="show" value="person">Show</button>
      </form>
    """
    expected = [("seen", "a&b"), ("Name", "Ek AB"), ("City", ""), ("side", "ours"), ("country", "NO"), ("contact", "")]
    assert fields_of(page, path="/this/") == expected
    with pytest.raises(ValueError, match="no form"):
        fields_of(page, path="/gone/")
