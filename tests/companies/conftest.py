"""Companies and contacts of the cast's accounts."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from accounts.models import Account
from companies.models import Company, Contact, FieldValue

MAY = datetime(2026, 5, 3, 12, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, 12, tzinfo=UTC)

AddCompany = Callable[..., Company]


@pytest.fixture
def add_company(account: Account) -> AddCompany:
    """Return a function that adds a company to Nordvik's account, or to the one given."""

    def add(name: str = "Björk & Son Måleri AB", *, to: Account = account, **values: FieldValue) -> Company:
        return Company.add(account=to, now=MAY, values={"name": name, "country": "SE", **values})

    return add


@pytest.fixture
def company(add_company: AddCompany) -> Company:
    """A complete company."""
    return add_company(
        registration_number="559987-1018",
        email="info@bjork.example",
        postal_code="903 26",
        city="Umeå",
    )


@pytest.fixture
def contact(company: Company) -> Contact:
    """A person at the complete company."""
    return company.add_contact(
        now=MAY, values={"first_name": "Åsa", "last_name": "Öberg", "email": "asa@bjork.example"}
    )


@pytest.fixture
def foreign_company(other_account: Account, add_company: AddCompany) -> Company:
    """A company of the other account, with a contact."""
    company = add_company("Fjordblikk AS", to=other_account)
    company.add_contact(now=MAY, values={"first_name": "Kari"})
    return company
