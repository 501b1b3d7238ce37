"""The edit page: the company and the plugins' sections are saved together or not at all."""

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from companies.models import Company, Contact
from tests.companies.conftest import JUNE

VALUES = {"name": "Björk Måleri AB", "country": "SE", "city": "Umeå"}


@pytest.fixture
def sections(settings: Settings) -> None:
    """Two sections of a plugin."""
    settings.COMPANY_FORM_SECTIONS = ["tests.companies.sections.NameOfUlf", "tests.companies.sections.OnlyLater"]


@pytest.fixture
def client(as_user: Callable[[User], Client], ulf: User) -> Client:
    """Ulf's browser."""
    return as_user(ulf)


def _save(client: Client, company: Company, **values: str) -> HttpResponse:
    return client.post(f"/companies/{company.pk}/edit/", {**VALUES, **values})


def test_company_and_section_are_saved_together(client: Client, company: Company, ulf: User, sections: None) -> None:
    response = _save(client, company, **{"nameofulf-first_name": "Ulrik"})
    assert response.headers["Location"] == f"/companies/{company.pk}/"
    company.refresh_from_db()
    ulf.refresh_from_db()
    assert (company.name, ulf.first_name) == ("Björk Måleri AB", "Ulrik")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nameofulf-first_name": "wrong"}, "That is not a reference."),
        ({"nameofulf-first_name": "taken"}, "Björk Måleri AB was linked by somebody else."),
        ({"nameofulf-first_name": "Ulrik", "postal_code": "1"}, "That is not a postal code in Sweden."),
    ],
)
def test_when_one_fails_nothing_is_saved_and_typed_values_stay(
    client: Client, company: Company, ulf: User, sections: None, values: dict[str, str], message: str
) -> None:
    page = _save(client, company, **values).content.decode()
    assert message in page
    assert 'value="Björk Måleri AB"' in page
    assert f'value="{values["nameofulf-first_name"]}"' in page
    company.refresh_from_db()
    ulf.refresh_from_db()
    assert (company.name, ulf.first_name) == ("Björk & Son Måleri AB", "Ulf")


def test_a_new_company_is_not_made_when_a_section_fails(client: Client, sections: None) -> None:
    page = client.post("/companies/new/", {**VALUES, "nameofulf-first_name": "taken"})
    assert "was linked by somebody else" in page.content.decode()
    assert not Company.objects.exists()


def test_a_section_may_stay_away_from_new_companies(client: Client, company: Company, sections: None) -> None:
    titles = {
        address: [section.title for section in client.get(address).context["editor"].sections]
        for address in ("/companies/new/", f"/companies/{company.pk}/edit/")
    }
    assert list(titles.values()) == [["Plugin"], ["Plugin", "Later"]]


def test_a_stale_form_is_refused_and_a_second_save_wins(client: Client, company: Company) -> None:
    version = client.get(f"/companies/{company.pk}/edit/").context["form"]["version"].value()
    company.save_changes(now=JUNE, values={"city": "Luleå", "phone": "+46 8 123 45 67", "is_private_person": True})
    refused = _save(client, company, version=version, country="NO", address_line1="Nytorget 1")
    page = refused.content.decode()
    assert "Somebody else changed this company after you opened it" in page
    for stored in ("Luleå", "+46 8 123 45 67", "yes", "Sweden", "nothing"):
        assert f"Saved now: {stored}" in page
    assert 'value="Umeå"' in page
    company.refresh_from_db()
    assert company.city == "Luleå"

    _save(client, company, version=refused.context["form"]["version"].value())
    company.refresh_from_db()
    assert (company.city, company.phone) == ("Umeå", "")


def test_saving_twice_from_one_page_is_no_conflict_when_nothing_changed(client: Client, company: Company) -> None:
    version = client.get(f"/companies/{company.pk}/edit/").context["form"]["version"].value()
    unchanged = {name: str(getattr(company, name) or "") for name in Company.EDITABLE if name != "is_private_person"}
    for _ in range(2):
        assert client.post(f"/companies/{company.pk}/edit/", {**unchanged, "version": version}).status_code == 302
    company.refresh_from_db()
    assert company.name == "Björk & Son Måleri AB"


def test_a_stale_contact_form_is_refused_and_a_second_save_wins(client: Client, contact: Contact) -> None:
    address = f"/companies/{contact.company_id}/contacts/{contact.pk}/edit/"
    version = client.get(address).context["form"]["version"].value()
    typed = {"first_name": "Åsa", "last_name": "Ståhl", "version": version}
    contact.save_changes(now=JUNE, values={"mobile": "+46 70 174 06 05"})
    refused = client.post(address, typed)
    page = refused.content.decode()
    assert "Somebody else changed this contact after you opened it" in page
    assert "Saved now: +46 70 174 06 05" in page
    assert Contact.objects.get().last_name == "Öberg"
    assert client.post(address, {**typed, "version": refused.context["form"]["version"].value()}).status_code == 302
    assert (Contact.objects.get().last_name, Contact.objects.get().mobile) == ("Ståhl", "")


def test_a_change_elsewhere_at_the_company_makes_no_contact_form_stale(client: Client, contact: Contact) -> None:
    address = f"/companies/{contact.company_id}/contacts/{contact.pk}/edit/"
    version = client.get(address).context["form"]["version"].value()
    contact.company.save_changes(now=JUNE, values={"city": "Luleå"})
    assert client.post(address, {"last_name": "Ståhl", "version": version}).status_code == 302
    assert Contact.objects.get().last_name == "Ståhl"


@pytest.mark.parametrize(
    ("old", "message"),
    [
        ({"email": "info@localhost"}, "Mail from outside does not reach that address."),
        ({"website": "http://localhost"}, "Nobody outside your network can open that address."),
        ({"phone": "+46 8 463 39 00 vx"}, "“vx” is not part of the number. Write +46 8 463 39 00"),
        ({"postal_code": "1112"}, "That is not a postal code in Sweden. It looks like 111 22."),
    ],
)
def test_an_old_value_that_is_refused_now_says_so_at_its_field(
    client: Client, company: Company, old: dict[str, str], message: str
) -> None:
    company.save_changes(now=JUNE, values=old)
    page = _save(client, company, **old)
    [(name, errors)] = page.context["form"].errors.items()
    assert name in old
    assert errors[0].startswith(message)
    assert client.get(f"/companies/{company.pk}/").status_code == 200
    assert _save(client, company, **dict.fromkeys(old, "")).status_code == 302
