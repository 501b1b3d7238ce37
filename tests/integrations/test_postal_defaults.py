"""Countries without postal codes, or with ones that people do not know: suggested, kept with the link, used again."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.domain.mapping import is_postal_default, postal_defaults
from integrations.models import Connection, CustomerLink, Push, PushState
from integrations.panel.panel import panel_of
from integrations.panel.states import State
from tests.integrations.conftest import Run, named, puts
from tests.sheets import confirmed

WITHOUT_CODES, SELDOM_KNOWN = ["HK", "AE", "QA"], "IE"


@pytest.fixture
def desk(as_user: Callable[[User], Client], ulf: User) -> Client:
    return as_user(ulf)


@pytest.fixture
def abroad(ready: Connection, company: Company) -> Company:
    """A company that has no postal code."""
    return move(company, "HK")


def move(company: Company, country: str, **values: str) -> Company:
    changed = {"country": country, "postal_code": "", "registration_number": "", "phone": "", **values}
    company.save_changes(now=timezone.now(), values=changed)
    return company


def create_sheet(company: Company) -> str:
    return f"/companies/{company.pk}/visma-eaccounting/create/"


def update_sheet(company: Company) -> str:
    return f"/companies/{company.pk}/visma-eaccounting/update/"


def inputs(page: str) -> dict[str, str]:
    """What stands in the page's fields."""
    found = (re.search(r'name="([^"]+)"', tag) for tag in page.split("<input")[1:])
    values = (re.search(r'value="([^"]*)"', tag) for tag in page.split("<input")[1:])
    return {name[1]: value[1] if value else "" for name, value in zip(found, values, strict=True) if name}


def created(desk: Client, company: Company, run: Run, **typed: str) -> CustomerLink:
    """Confirm the create sheet as it stands but for what is typed; return the link."""
    suggested = inputs(desk.get(create_sheet(company)).content.decode())["InvoicePostalCode"]
    desk.post(create_sheet(company), confirmed(company, **{"InvoicePostalCode": suggested, **typed}))
    assert run(Push.objects.get()).state == PushState.DONE
    return CustomerLink.objects.get()


def there(sandbox: Sandbox) -> Document:
    [found] = named(sandbox)
    return found


def state(company: Company, user: User) -> State:
    return panel_of(company=Company.objects.get(pk=company.pk), user=user).state


def choose(desk: Client, company: Company, run: Run, **choices: str) -> str:
    """Open the update sheet, choose, and let it be sent; return the sheet as it was opened."""
    page = desk.get(update_sheet(company)).content.decode()
    seen = re.search(r'name="seen" value="([^"]+)"', page)
    assert seen
    answer = desk.post(update_sheet(company), {"seen": seen[1], **choices})
    assert answer.status_code == 302, answer.content.decode()
    assert run(Push.objects.order_by("-pk")[0]).state == PushState.DONE
    return page


@pytest.mark.parametrize("country", [*WITHOUT_CODES, SELDOM_KNOWN])
def test_the_sheet_suggests_what_to_write_and_it_is_kept(
    desk: Client, ready: Connection, company: Company, country: str, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    company = move(company, country)
    page = desk.get(create_sheet(company)).content.decode()
    assert "is remembered until a postal code is entered in Lime Go." in page
    link = created(desk, company, run)
    assert there(sandbox)["InvoicePostalCode"] == inputs(page)["InvoicePostalCode"] == "00000"
    assert link.shorter == {"InvoicePostalCode": {"here": "", "there": "00000"}}
    assert state(company, ulf) == State.UP_TO_DATE


def test_what_was_written_instead_is_used_when_the_address_is(
    desk: Client, abroad: Company, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    created(desk, abroad, run, InvoicePostalCode="-")
    abroad.save_changes(now=timezone.now(), values={"address_line1": "1 Queen's Road"})
    assert state(abroad, ulf) == State.CHANGED
    page = choose(desk, abroad, run, address="ours")
    assert "Postal code: -" in page
    now = there(sandbox)
    assert (now["InvoicePostalCode"], now["InvoiceAddress1"]) == ("-", "1 Queen's Road")
    assert state(abroad, ulf) == State.UP_TO_DATE


def test_a_postal_code_of_the_company_itself_takes_its_place(
    desk: Client, abroad: Company, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    move(abroad, SELDOM_KNOWN)
    created(desk, abroad, run)
    abroad.save_changes(now=timezone.now(), values={"postal_code": "D02 AF30"})
    assert state(abroad, ulf) == State.CHANGED
    choose(desk, abroad, run, address="ours")
    assert there(sandbox)["InvoicePostalCode"] == "D02 AF30"


def test_the_update_sheet_suggests_it_for_an_address_without(
    desk: Client, abroad: Company, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    created(desk, abroad, run)
    CustomerLink.objects.update(shorter={})  # as if it had been linked by hand
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), InvoicePostalCode="-", InvoiceCity="Kowloon")
    page = desk.get(update_sheet(abroad)).content.decode()
    assert inputs(page)["shorter-InvoicePostalCode"] == "-"  # what stands there already
    choose(desk, abroad, run, address="ours", **{"shorter-InvoicePostalCode": "999077"})
    assert there(sandbox)["InvoicePostalCode"] == "999077"
    assert CustomerLink.objects.get().shorter["InvoicePostalCode"]["there"] == "999077"
    assert state(abroad, ulf) == State.UP_TO_DATE


def test_a_customer_without_a_postal_code_gets_one_with_whatever_is_written(
    desk: Client, abroad: Company, sandbox: Sandbox, run: Run, ulf: User
) -> None:
    created(desk, abroad, run)
    CustomerLink.objects.update(shorter={}, sent={}, answered={})
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), InvoicePostalCode=None)
    abroad.save_changes(now=timezone.now(), values={"email": "new@alvstrand.example"})
    page = choose(desk, abroad, run, EmailAddress="ours", **{"needed-InvoicePostalCode": "-"})
    assert "Needed with any change" in page
    assert inputs(page)["needed-InvoicePostalCode"] == "00000"
    now = there(sandbox)
    assert (now["InvoicePostalCode"], now["EmailAddress"]) == ("-", "new@alvstrand.example")
    assert puts(sandbox) == 1
    assert state(abroad, ulf) == State.UP_TO_DATE


def test_a_postal_code_of_another_country_is_not_suggested(
    desk: Client, abroad: Company, sandbox: Sandbox, run: Run
) -> None:
    created(desk, abroad, run)
    CustomerLink.objects.update(shorter={})
    customer = {"InvoicePostalCode": "112 21", "InvoiceCountryCode": "SE"}
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), **customer)
    page = desk.get(update_sheet(abroad)).content.decode()
    assert inputs(page)["shorter-InvoicePostalCode"] == "00000"


@pytest.mark.parametrize("country", ["SE", "NO", "DK", "FI", "GB", "US"])
def test_where_everybody_knows_their_code_nothing_is_suggested(
    desk: Client, ready: Connection, company: Company, country: str
) -> None:
    move(company, country)
    page = desk.get(create_sheet(company)).content.decode()
    assert inputs(page)["InvoicePostalCode"] == ""
    desk.post(create_sheet(company), confirmed(company, InvoicePostalCode="-"))
    assert not Push.objects.exists()


def test_a_code_that_looks_like_one_is_checked_all_the_same(desk: Client, abroad: Company) -> None:
    move(abroad, SELDOM_KNOWN)
    page = desk.post(create_sheet(abroad), confirmed(abroad, InvoicePostalCode="Dublin 4")).content.decode()
    assert "That is not a postal code in Ireland. It looks like A65 F4E2." in page
    assert not Push.objects.exists()


def test_the_card_does_not_ask_for_what_the_sheet_suggests(abroad: Company, ulf: User) -> None:
    assert panel_of(company=abroad, user=ulf).problems == []
    move(abroad, "SE")
    assert [problem.words for problem in panel_of(company=abroad, user=ulf).problems] == ["Postal code is missing."]


def test_an_address_without_a_city_names_its_country() -> None:
    values = {"InvoicePostalCode": "546080", "InvoiceCity": "", "InvoiceCountryCode": "SG"}
    assert postal_defaults(values) == {"InvoiceCity": "Singapore"}
    assert postal_defaults({**values, "InvoiceCountryCode": "SE"}) == {}
    assert postal_defaults({**values, "InvoiceCountryCode": ""}) == {}
    assert not is_postal_default("InvoiceCity", "Singapore", values={**values, "InvoiceCity": "Singapore"})
