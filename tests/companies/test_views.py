"""What the pages of companies show and do, for whom, and with how many queries."""

import re
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from companies.models import Company, Contact
from tests.companies.conftest import JUNE, MAY, AddCompany

PAGE_QUERIES = 10


@pytest.fixture
def client(as_user: Callable[[User], Client], ulf: User) -> Client:
    """Ulf's browser."""
    return as_user(ulf)


def _listed(client: Client, **query: str) -> list[str]:
    return [company.name for company in client.get("/companies/", query).context["companies"]]


def test_the_list_shows_active_companies_of_the_account_in_order(
    client: Client, add_company: AddCompany, foreign_company: Company
) -> None:
    for name in ("Öberg", "Zorn", "Abel"):
        add_company(name)
    add_company("Gone").archive(now=MAY)
    assert _listed(client) == ["Abel", "Zorn", "Öberg"]
    assert _listed(client, archived="1") == ["Gone"]


@pytest.mark.parametrize(
    ("query", "found"), [("oberg", ["Öberg"]), ("ö z", []), ("\0zorn", ["Zorn"]), ("  ", ["Zorn", "Öberg"])]
)
def test_the_list_is_searched(client: Client, add_company: AddCompany, query: str, found: list[str]) -> None:
    add_company("Öberg")
    add_company("Zorn")
    assert _listed(client, q=query) == found


def test_next_and_previous_keep_the_search(client: Client, add_company: AddCompany) -> None:
    for number in range(60):
        add_company(f"Berg {number:02}")
    first = client.get("/companies/", {"q": "berg"})
    second = client.get(first.context["next"])
    assert [company.name for company in second.context["companies"]] == [f"Berg {number}" for number in range(50, 60)]
    back = client.get(second.context["previous"])
    assert back.context["companies"] == first.context["companies"]
    assert "q=berg" in second.context["previous"]


def test_each_empty_list_says_what_to_do(client: Client) -> None:
    assert "There are no companies yet" in client.get("/companies/").content.decode()
    assert "No company matches “<b>”" not in client.get("/companies/?q=<b>").content.decode()
    assert "No company matches “&lt;b&gt;”" in client.get("/companies/?q=<b>").content.decode()
    assert "Nothing is archived" in client.get("/companies/?archived=1").content.decode()


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def test_the_list_needs_the_same_few_queries_for_one_row_and_for_three(client: Client, add_company: AddCompany) -> None:
    counted = []
    for number in range(3):
        add_company(f"Berg {number}").add_contact(now=MAY, values={"first_name": "Bo"})
        counted.append(_queries(client, "/companies/?q=berg"))
    assert counted[0] == counted[2] <= PAGE_QUERIES


def test_the_card_needs_the_same_few_queries_for_one_contact_and_for_three(client: Client, company: Company) -> None:
    counted = []
    for number in range(3):
        company.add_contact(now=MAY, values={"first_name": f"Bo {number}"})
        counted.append(_queries(client, f"/companies/{company.pk}/"))
    assert counted[0] == counted[2] <= PAGE_QUERIES


@pytest.mark.parametrize("address", ["/companies/new/", "/companies/{}/edit/", "/companies/{}/contacts/add/"])
def test_forms_need_few_queries(
    client: Client, company: Company, django_assert_max_num_queries: DjangoAssertNumQueries, address: str
) -> None:
    with django_assert_max_num_queries(PAGE_QUERIES):
        client.get(address.format(company.pk))


def test_the_card_shows_the_company_and_its_people(client: Client, company: Company, contact: Contact) -> None:
    company.save_changes(now=MAY, values={"phone": "+46 8 123 45 67", "website": "https://bjork.example"})
    Contact.objects.get().mark_left(now=JUNE)
    page = client.get(f"/companies/{company.pk}/").content.decode()
    for words in ("559987-1018", "tel:+4681234567", "https://bjork.example", "903 26", "Sweden", "Åsa Öberg"):
        assert words in page
    assert "mailto:asa@bjork.example" in page
    assert re.search(r"Has left, noted [\w ,.]*June[\w ,.]*2026", page)


def test_a_viewer_gets_no_buttons(as_user: Callable[[User], Client], vera: User, contact: Contact) -> None:
    viewer = as_user(vera)
    card = viewer.get(f"/companies/{contact.company_id}/").content.decode()
    assert "Åsa Öberg" in card
    for word in ("Archive", "Edit", "Add contact", "Remove"):
        assert word not in card
    assert "Add company" not in viewer.get("/companies/").content.decode()


def test_a_new_company_is_stored_in_written_forms(client: Client) -> None:
    values = {
        "name": "  Havsvik   Konsult AB ",
        "country": "SE",
        "registration_number": "5599872024",
        "vat_number": "559987202401",
        "phone": "08-123 45 67",
        "email": "Info@HAVSVIK.example",
        "website": "www.havsvik.example",
        "postal_code": "39231",
    }
    response = client.post("/companies/new/", values)
    company = Company.objects.get()
    assert response.headers["Location"] == f"/companies/{company.pk}/"
    stored = {name: str(getattr(company, name)) for name in values}
    assert stored == {
        "name": "Havsvik Konsult AB",
        "country": "SE",
        "registration_number": "559987-2024",
        "vat_number": "SE559987202401",
        "phone": "+46 8 123 45 67",
        "email": "Info@havsvik.example",
        "website": "https://www.havsvik.example",
        "postal_code": "392 31",
    }


def test_wrong_values_are_named_at_their_fields(client: Client) -> None:
    values = {"name": " ", "country": "NO", "registration_number": "1", "phone": "x", "email": "x", "postal_code": "x"}
    form = client.post("/companies/new/", values).context["form"]
    assert sorted(form.errors) == ["email", "name", "phone", "postal_code", "registration_number"]
    assert form.errors["postal_code"] == ["That is not a postal code in Norway. It looks like 0025."]
    assert not Company.objects.exists()


def test_without_a_country_the_country_is_asked_for(client: Client) -> None:
    form = client.post("/companies/new/", {"name": "Berg", "country": "", "email": "x"}).context["form"]
    assert sorted(form.errors) == ["country", "email"]


def test_a_new_company_starts_in_the_accounts_country(as_user: Callable[[User], Client], olav: User) -> None:
    form = as_user(olav).get("/companies/new/").context["form"]
    assert form["country"].value() == "NO"


def test_the_same_registration_number_is_saved_with_a_warning(client: Client, company: Company) -> None:
    values = {"name": "Björk, filial", "country": "SE", "registration_number": "559987-1018"}
    page = client.post("/companies/new/", values, follow=True).content.decode()
    link = f'<a href="/companies/{company.pk}/">Björk &amp; Son Måleri AB</a>'
    assert f"It has the same registration number as {link}." in page
    assert Company.objects.count() == 2


@pytest.mark.parametrize(
    ("country", "typed", "form"),
    [("NO", "000000000", "000 000 000"), ("FI", "0000000-0", "0000000-0"), ("NL", "99999999", "99999999")],
)
def test_a_placeholder_is_saved_with_a_warning_and_has_no_twin(
    client: Client, add_company: AddCompany, country: str, typed: str, form: str
) -> None:
    add_company("Annan", registration_number=form, country=country)
    values = {"name": "Fjord Bygg", "country": country, "registration_number": typed}
    page = client.post("/companies/new/", values, follow=True).content.decode()
    assert "This registration number looks like a placeholder." in page
    assert "A placeholder: it does not identify the company." in page
    assert "It has the same registration number as" not in page
    saved = Company.objects.get(name="Fjord Bygg")
    assert saved.registration_number == form
    edited = client.get(f"/companies/{saved.pk}/edit/").context["form"]
    assert "looks like a placeholder" in str(edited["registration_number"].help_text)


@pytest.mark.parametrize(("country", "typed"), [("SE", "000000-0000"), ("SE", "9999999999"), ("DK", "00000000")])
def test_a_placeholder_that_is_no_number_of_its_country_is_refused(client: Client, country: str, typed: str) -> None:
    values = {"name": "Fjord Bygg", "country": country, "registration_number": typed}
    answer = client.post("/companies/new/", values)
    assert answer.context["form"].errors.keys() == {"registration_number"}
    assert "It is saved" not in answer.content.decode()
    assert not Company.objects.filter(name="Fjord Bygg").exists()


def test_archive_and_restore(client: Client, company: Company) -> None:
    page = client.post(f"/companies/{company.pk}/archive/", follow=True).content.decode()
    assert "Björk &amp; Son Måleri AB is archived." in page
    assert "Restore" in page
    page = client.post(f"/companies/{company.pk}/restore/", follow=True).content.decode()
    assert "is back in the list of companies" in page
    assert Company.objects.active().get() == company


def test_a_contact_is_added_with_checked_values(client: Client, company: Company) -> None:
    address = f"/companies/{company.pk}/contacts/add/"
    refused = client.post(address, {"title": "VD", "mobile": "x", "email": "x"}).context["form"]
    assert sorted(refused.errors) == ["email", "first_name", "mobile"]
    client.post(address, {"last_name": " Lund ", "mobile": "070-174 06 05"})
    assert (str(Contact.objects.get()), Contact.objects.get().mobile) == ("Lund", "+46 70 174 06 05")


def test_a_contact_is_edited_marked_and_removed(client: Client, contact: Contact) -> None:
    address = f"/companies/{contact.company_id}/contacts/{contact.pk}"
    assert 'value="Öberg"' in client.get(f"{address}/edit/").content.decode()
    client.post(f"{address}/edit/", {"first_name": "Åsa", "last_name": "Ståhl"})
    assert str(Contact.objects.get()) == "Åsa Ståhl"
    client.post(f"{address}/left/")
    assert Contact.objects.get().left_at is not None
    client.post(f"{address}/returned/")
    assert Contact.objects.get().left_at is None
    assert "cannot be brought back" in client.get(f"{address}/remove/").content.decode()
    assert Contact.objects.exists()
    client.post(f"{address}/remove/")
    assert not Contact.objects.exists()


@pytest.mark.parametrize("what", ["edit", "left", "returned", "remove"])
def test_a_contact_that_was_removed_this_very_moment_is_not_found(
    client: Client, contact: Contact, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    lock = Company.lock

    def lock_after_somebody_elses_removal(company: Company) -> None:
        Contact.objects.filter(company=company).delete()
        lock(company)

    monkeypatch.setattr(Company, "lock", lock_after_somebody_elses_removal)
    address = f"/companies/{contact.company_id}/contacts/{contact.pk}/{what}/"
    assert client.post(address, {"first_name": "Åsa"}).status_code == 404


def test_a_contact_belongs_to_the_company_of_the_address(
    client: Client, contact: Contact, add_company: AddCompany
) -> None:
    other = add_company("Other AB")
    assert client.get(f"/companies/{other.pk}/contacts/{contact.pk}/edit/").status_code == 404


@pytest.mark.parametrize("company_id", ["0", "99999999999999999999999999"])
def test_a_company_that_is_not_there_is_not_found(client: Client, company_id: str) -> None:
    assert client.get(f"/companies/{company_id}/").status_code == 404
