"""The demo accounts: complete enough to show everything, loaded once, never beside real ones."""

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Count
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account, User
from companies import formats
from companies.models import Company, Contact
from dev.demo.load import DatabaseInUse, load_demo


@pytest.fixture
def demo(db: None) -> None:
    """The demo accounts, loaded."""
    load_demo()


def test_loading_twice_makes_everything_once(demo: None) -> None:
    load_demo()
    assert [Company.objects.filter(account=account).count() for account in Account.objects.all()] == [40, 40]


def test_the_logins_work_with_the_printed_password(demo: None) -> None:
    roles = {user.email: user.role for user in User.objects.all() if user.check_password("lime-go-demo")}
    assert roles == {
        "anna@nordvik.example": "admin",
        "ulf@nordvik.example": "user",
        "vera@nordvik.example": "viewer",
        "olav@fjordlys.example": "admin",
    }


def test_loading_asks_the_database_a_few_times_for_each_company(
    db: None, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(5 * 80):
        load_demo()


def test_values_are_in_their_written_forms(demo: None) -> None:
    for company in Company.objects.all():
        country = str(company.country)
        assert formats.check_registration_number(company.registration_number, country) == company.registration_number
        assert formats.check_postal_code(company.postal_code, country) == company.postal_code
        assert formats.check_phone(company.phone, country) == company.phone
        assert company.email.endswith(".example") or not company.email
    for contact in Contact.objects.select_related("company"):
        try:
            assert formats.check_phone(contact.mobile, str(contact.company.country)) == contact.mobile
            assert formats.check_email(contact.email) == contact.email
        except ValidationError as error:
            pytest.fail(f"{contact}: {error}")


def test_the_sandboxs_customers_are_among_them(demo: None) -> None:
    known = {
        "Björk & Son Måleri AB": "559987-1018",
        "Havsvik Konsult AB": "559987-2024",
        "Lindgrens Rör i Umeå AB": "559987-3030",
    }
    assert dict(Company.objects.filter(name__in=known).values_list("name", "registration_number")) == known


def test_some_lack_a_postal_code_some_are_long_some_are_branches(demo: None) -> None:
    assert 4 <= Company.objects.filter(postal_code="").count() <= 10
    assert sum(len(company.name) > 50 for company in Company.objects.all()) >= 4
    shared = Company.objects.values("account", "registration_number").annotate(n=Count("id")).filter(n__gt=1)
    assert shared.count() == 4
    people = Company.objects.annotate(n=Count("contacts")).values_list("n", flat=True)
    assert set(people) == {1, 2, 3, 4}
    assert Contact.objects.filter(left_at__isnull=False).exists()


def test_real_accounts_are_left_alone(account: Account) -> None:
    with pytest.raises(DatabaseInUse, match="holds accounts already"):
        load_demo()
    assert Account.objects.get() == account
    load_demo(force=True)
    assert Account.objects.count() == 3


def test_a_database_in_use_can_be_left_as_it_is(account: Account) -> None:
    load_demo(if_empty=True)
    assert list(Account.objects.all()) == [account]
    assert not Company.objects.exists()
