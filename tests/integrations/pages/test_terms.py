"""The list of terms of payment, the banner for admins, and who has other terms."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from integrations.forms.terms import TermsForm
from integrations.models import Connection, RemoteCustomer, TermsOfPayment
from tests.integrations.pages.conftest import NOW, World, said

PAGE = "/settings/integrations/visma-eaccounting/"
OTHER = f"{PAGE}terms/other/"
BANNER = "Customers cannot be added to Visma eAccounting"


def _page(client: Client, address: str = PAGE) -> str:
    return client.get(address).content.decode()


def _mark(connection: Connection) -> str:
    """What a page that is opened now carries of its list."""
    return TermsForm(connection=connection).list_mark


def test_the_list_tells_days_kind_and_when_an_invoice_of_today_would_fall_due(admin: Client, world: World) -> None:
    connection = world.connect()
    for kind, days, name in ((0, 10, "10 days"), (1, 0, "Month end"), (2, 0, "Cash in hand"), (9, 7, "New")):
        world.terms(connection, kind=kind, days=days, name_english=name)
    world.terms(connection, name_english="Not for sales", for_sales=False)
    page = _page(admin)
    for words in ("Net · 10 days", "From the end of the month · 0 days", "Unknown kind (9) · 7 days"):
        assert words in page
    assert page.count("An invoice dated today would be due") == 3
    assert "The due date of an invoice is not known." in page
    assert "Not for sales" not in page
    assert "They are reloaded every night." in page


def test_what_may_be_chosen_beside_the_default_is_saved_with_it(admin: Client, world: World) -> None:
    connection = world.connect()
    other, third = (world.terms(connection, name_english=name) for name in ("20 days", "10 days"))
    assert "checked" in _page(admin).split("30 days")[0].rsplit("<input", 1)[1]
    said(admin, f"{PAGE}terms/", {"terms": other.pk, "offered": [third.pk], "mark": _mark(connection)})
    assert Connection.objects.get().default_terms == other
    assert list(TermsOfPayment.objects.filter(offered=True)) == [third]
    offered = _page(admin).split('name="offered"')
    assert sum("checked" in box.split(">")[0] for box in offered[1:]) == 1


def test_an_old_page_confirms_nothing_that_changed_since(admin: Client, world: World) -> None:
    connection = world.connect()
    Connection.objects.update(terms_confirmed_at=None)
    chosen = {"terms": connection.default_terms_id, "mark": _mark(connection)}
    TermsOfPayment.objects.update(name_english="Thirty")
    for old in (chosen, {**chosen, "mark": ""}):
        page = admin.post(f"{PAGE}terms/", old).content.decode()
        assert "The terms of payment changed in Visma eAccounting since this page was opened. Choose again." in page
        assert Connection.objects.get().terms_confirmed_at is None
    said(admin, f"{PAGE}terms/", {**chosen, "mark": _mark(connection)})
    assert Connection.objects.get().terms_confirmed_at is not None


def _renamed(connection: Connection) -> str:
    terms = connection.default_terms
    assert terms is not None
    Connection.objects.update(terms_were=terms.meaning, terms_confirmed_at=None)
    TermsOfPayment.objects.filter(pk=terms.pk).update(name_english="Thirty")
    return "“30 days” is now “Thirty”."


def _gone(connection: Connection) -> str:
    connection.terms.update(gone_at=NOW)
    return "The chosen terms of payment “30 days” no longer exist in Visma eAccounting."


@pytest.mark.parametrize("lose", [_renamed, _gone])
def test_lost_terms_are_told_to_admins_on_every_page(
    admin: Client, world: World, lose: Callable[[Connection], str], as_user: Callable[[User], Client], ulf: User
) -> None:
    connection = world.connect()
    pages = ["/companies/", f"/companies/{world.company.pk}/", "/settings/", OTHER]
    assert not [page for page in pages if BANNER in _page(admin, page)]
    words = lose(connection)
    for page in pages:
        told = _page(admin, page)
        assert BANNER in told
        assert words in told
        assert f"{PAGE}#terms" in told
    assert BANNER not in _page(admin)  # it tells that itself
    assert words in _page(admin)
    assert BANNER not in _page(as_user(ulf), "/companies/")
    terms = world.terms(connection, name_english="10 days")
    said(admin, f"{PAGE}terms/", {"terms": terms.pk, "mark": _mark(connection)})
    assert BANNER not in _page(admin, "/companies/")


@pytest.mark.parametrize(
    "fields",
    [{"state": Connection.State.NEEDS_RECONNECT}, {"is_current": False}, {"terms_confirmed_at": None}],
)
def test_the_banner_tells_of_lost_terms_only(admin: Client, world: World, fields: dict[str, object]) -> None:
    connection = world.connect()
    if "terms_confirmed_at" not in fields:
        _renamed(connection)
    Connection.objects.update(**fields)
    assert BANNER not in _page(admin, "/companies/")


def test_another_accounts_terms_are_not_told(world: World, as_user: Callable[[User], Client], olav: User) -> None:
    _gone(world.connect())
    assert BANNER not in _page(as_user(olav), "/companies/")


def test_the_banner_costs_admins_one_query_and_others_none(
    world: World, as_user: Callable[[User], Client], vera: User
) -> None:
    counted = []
    for client in (as_user(vera), as_user(world.admin)):
        client.get("/settings/profile/")
        with CaptureQueriesContext(database) as queries:
            assert client.get("/settings/profile/").status_code == 200
        counted.append([query["sql"] for query in queries])
    of_others, of_admins = counted
    assert not [sql for sql in of_others if "integrations_" in sql]
    assert len([sql for sql in of_admins if "integrations_" in sql]) == 1
    assert len(of_admins) == len(of_others) + 1


# --- Who has other terms -----------------------------------------------------------------------------------


def _customer(world: World, connection: Connection, name: str, terms: TermsOfPayment | None) -> None:
    link = world.link(connection, company=world.add_company(name))
    RemoteCustomer.objects.filter(pk=link.customer_id).update(terms_id=terms.remote_id if terms else None)


def test_linked_customers_with_other_terms_are_counted_and_listed(admin: Client, world: World) -> None:
    connection = world.connect()
    assert "linked customers have terms" not in _page(admin)
    assert "No linked customer has terms of payment other than your default" in _page(admin, OTHER)
    other = world.terms(connection, name_english="10 days")
    _customer(world, connection, "Berg AB", other)
    _customer(world, connection, "Dal AB", connection.default_terms)
    _customer(world, connection, "Fjord AB", None)
    assert "1 linked customer has terms of payment other than your default" in _page(admin)
    _customer(world, connection, "Alm AB", other)
    strange = world.link(connection, company=world.add_company("Ek AB"))
    RemoteCustomer.objects.filter(pk=strange.customer_id).update(terms_id=uuid4())
    assert "3 linked customers have terms of payment other than your default" in _page(admin)
    listed = _page(admin, OTHER)
    places = [listed.index(name) for name in ("Alm AB", "Berg AB", "Ek AB")]
    assert places == sorted(places)
    assert listed.count("10 days") == 2
    assert "Outcome not known yet" in listed
    assert "Dal AB" not in listed
    assert "Fjord AB" not in listed


def test_customers_of_an_earlier_company_are_not_listed(admin: Client, world: World) -> None:
    left = world.connect(is_current=False, state=Connection.State.DISCONNECTED)
    _customer(world, left, "Berg AB", world.terms(left, name_english="10 days"))
    world.connect()
    assert "Berg AB" not in _page(admin, OTHER)


def test_the_list_of_other_terms_is_paged_with_few_queries(
    admin: Client, world: World, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    connection = world.connect()
    other = world.terms(connection, name_english="10 days")
    for number in range(52):
        _customer(world, connection, f"Berg {number:02} AB", other)
    with django_assert_max_num_queries(10):
        first = _page(admin, OTHER)
    assert "Berg 49 AB" in first
    assert "Berg 50 AB" not in first
    following = first.split('rel="next"')[1].split('href="')[1].split('"')[0]
    second = _page(admin, following)
    assert "Berg 51 AB" in second
    assert "Berg 49 AB" not in second
    assert "Berg 00 AB" in _page(admin, f"{OTHER}?page=nonsense")
