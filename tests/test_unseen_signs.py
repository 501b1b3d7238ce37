"""What cannot be seen is dropped on the way in, whatever form it comes by; a value of nothing else is blank."""

from collections.abc import Callable

import pytest
from django.forms import Form
from django.test import Client

from accounts.forms import LoginForm
from accounts.models import Account, Role, User
from companies.models import Company, Contact
from integrations.domain.references import Kind, parse
from limego_visma.forms import SeenField

SIGNS = ["\u200b", "\u00ad", "\ufeff", "\u2060", "\u200e", "\u202e", "\u3164", "\ufe0f", "\U000e0041", "\x07"]


@pytest.fixture
def client(as_user: Callable[[User], Client], anna: User) -> Client:
    return as_user(anna)


def test_forms_read_their_fields_through_one_class() -> None:
    assert Form().bound_field_class is LoginForm().bound_field_class is SeenField


@pytest.mark.parametrize("sign", SIGNS)
def test_a_company_and_a_contact_are_stored_without(client: Client, account: Account, sign: str) -> None:
    values = {"name": f"Ekens{sign} Bygg{sign}", "city": f"{sign}Lund", "country": "SE", "postal_code": f"222{sign}22"}
    values |= {"email": f"info@ekens.example{sign}", "website": f"ekens{sign}.example", "phone": f"08-123{sign}45 67"}
    values |= {"registration_number": f"5566778899{sign}"}
    assert client.post("/companies/new/", values).status_code == 302
    company = Company.objects.get(account=account)
    assert (company.name, company.city, company.postal_code) == ("Ekens Bygg", "Lund", "222 22")
    assert (company.email, company.website) == ("info@ekens.example", "https://ekens.example")
    assert (company.phone, company.registration_number) == ("+46 8 123 45 67", "556677-8899")
    person = {"first_name": f"Eva{sign}", "last_name": sign, "email": f"eva{sign}@ekens.example"}
    assert client.post(f"/companies/{company.pk}/contacts/add/", person).status_code == 302
    contact = Contact.objects.get()
    assert (contact.first_name, contact.last_name, contact.email) == ("Eva", "", "eva@ekens.example")


@pytest.mark.parametrize("sign", SIGNS)
def test_a_value_of_nothing_else_is_blank(client: Client, account: Account, sign: str) -> None:
    page = client.post("/companies/new/", {"name": sign * 3, "country": "SE"})
    assert page.context["form"].errors == {"name": ["This field is required."]}
    assert not Company.objects.exists()


@pytest.mark.parametrize("sign", SIGNS)
def test_searches_find_what_is_stored_without(client: Client, account: Account, sign: str) -> None:
    client.post("/companies/new/", {"name": "Ekens Bygg", "country": "SE"})
    found = client.get("/companies/", {"q": f"{sign}eke{sign}ns"}).context
    assert [company.name for company in found["companies"]] == ["Ekens Bygg"]
    reference = "38fe43cc-c843-48e0-9efe-fa7b262a8191"
    assert parse(f"{reference[:10]}{sign}{reference[10:]}{sign}").value == reference
    assert parse(sign).kind is Kind.NOTHING


def test_names_and_addresses_of_members_are_stored_without(client: Client, anna: User) -> None:
    client.post("/settings/profile/", {"first_name": "An\u200bna", "last_name": "Ek\u00ad", "language": ""})
    anna.refresh_from_db()
    assert (anna.first_name, anna.last_name) == ("Anna", "Ek")
    invited = {"email": "new\u200b@nordvik.example\ufeff", "role": Role.USER}
    client.post("/settings/members/invite/", {**invited, "first_name": "Nils", "last_name": "Ny"})
    assert User.objects.filter(email="new@nordvik.example").exists()


def test_a_login_is_the_same_with_a_sign_that_came_along(client: Client, anna: User) -> None:
    anna.set_password("a long pass\u200bword")
    anna.save()
    client.logout()
    login = {"username": "anna\u200b@nordvik.example", "password": "a long password"}
    assert client.post("/login/", login).status_code == 200  # a password counts as it was typed
    assert client.post("/login/", {**login, "password": "a long pass\u200bword"}).status_code == 302
