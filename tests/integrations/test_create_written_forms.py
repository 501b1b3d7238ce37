"""Stored there in one form, added or looked for here in another: never a second customer, always found.

By the roads users take: the sheet's question, a create that a worker carries out, the link search, the company list.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.models import Account, User
from companies.models import Company, FieldValue
from dev.sandbox.core import Sandbox
from integrations.clock import database_now
from integrations.delivery import duplicate_look
from integrations.domain import mapping
from integrations.forms import customer_search
from integrations.messages.sentences import why_words
from integrations.models import Connection, CustomerIndex, Push, PushState, WaitReason
from integrations.services.customer_search import ask_for_duplicates
from tests import sheets
from tests.companies.registration_numbers import WRITTEN
from tests.integrations.conftest import MAY, AddCompany, Run, named, posts
from tests.integrations.test_customer_index import grow, lists, steps
from tests.thorough import mostly_thorough

NAMES = [
    ("Ekens Bygg", "Ekens  Bygg "),
    ("Åkeri Öst", "A\u030akeri O\u0308st"),
    ("Norra Trä", "NORRA TRÄ"),
    ("Ekens Bygg", "Ekens\u00a0Bygg"),
    ("Straßer Bau", "STRASSER BAU"),
    ("O'Hara & Son", "O'HARA  & SON"),
]
# When the customer came into eAccounting, as the index sees it.
LONG_AGO, JUST_NOW, NOT_FILLED = "long ago", "just now", "index not filled"
POSTAL_CODES = {"SE": "111 22", "NO": "0150", "DK": "8660", "FI": "00550", "NL": "1234 AB"}
WHEN = [LONG_AGO, JUST_NOW, NOT_FILLED]
NOBODY = {"Name": "Niemand", "CorporateIdentityNumber": "", "InvoiceCountryCode": ""}
Store = Callable[..., str]


@pytest.fixture
def store(ready: Connection, sandbox: Sandbox) -> Store:
    """Return a function that gives a customer there these values, and the index its state; returns the number."""

    def keep(when: str, **values: str) -> str:
        there = sandbox.customers()[3]
        values = {"Name": "Någon annan", "CorporateIdentityNumber": "", "InvoiceCountryCode": "", **values}
        sandbox.edit_customer(customer_id=str(there["Id"]), **(values if when == LONG_AGO else NOBODY))
        CustomerIndex.objects.filter(connection=ready).update(full_at=None, due_at=None)
        if when != NOT_FILLED:
            fill(ready)
        if when == LONG_AGO:
            let_changes_be_old(ready)
        sandbox.edit_customer(customer_id=str(there["Id"]), **values)
        sandbox.forget_calls()
        return str(there["CustomerNumber"])

    return keep


def fill(connection: Connection) -> None:
    """Read all customers into the index."""
    steps(connection)
    assert CustomerIndex.objects.get(connection=connection).is_filled


def let_changes_be_old(connection: Connection) -> None:
    """Let nothing have changed since the index was read."""
    CustomerIndex.objects.filter(connection=connection).update(watermark=database_now() + timedelta(hours=1))


def wish(ulf: User, company: Company) -> Push:
    return sheets.create(user=ulf, company=company)


def assert_asked_about(push: Push, number: str, sandbox: Sandbox) -> None:
    assert (push.state, push.wait_reason) == (PushState.WAITING, WaitReason.DECISION)
    assert [candidate["number"] for candidate in push.candidates] == [number]
    assert posts(sandbox) == 0


def answered_on_the_sheet(connection: Connection, company: Company) -> list[tuple[str, str]]:
    values = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
    return [
        (one.number, why_words(one))
        for one in ask_for_duplicates(connection=connection, company=company, values=values)
    ]


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("country", mostly_thorough(WRITTEN, but="SE"))
def test_a_number_stored_in_another_form_is_never_added_again(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store,
    country: str, when: str,
) -> None:  # fmt: skip
    form, others = WRITTEN[country]
    for written in (form, *others):
        number = store(when, CorporateIdentityNumber=written, InvoiceCountryCode=country)
        company = add_company(registration_number=form, country=country, postal_code=POSTAL_CODES[country])
        assert answered_on_the_sheet(ready, company) == [(number, "Same registration number")], written
        assert_asked_about(run(wish(ulf, company)), number, sandbox)


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("country", mostly_thorough(WRITTEN, but="SE"))
def test_a_number_stored_without_its_country_is_never_added_again(
    add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store, country: str, when: str
) -> None:
    form, others = WRITTEN[country]
    for stored in ("", "DE"):
        number = store(when, CorporateIdentityNumber=others[-1], InvoiceCountryCode=stored)
        push = run(wish(ulf, add_company(registration_number=form, country=country, postal_code=POSTAL_CODES[country])))
        assert_asked_about(push, number, sandbox)


@pytest.mark.parametrize("when", WHEN)
def test_a_name_written_otherwise_stops_a_create_like_an_equal_one(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store, when: str
) -> None:
    for name, stored in NAMES:
        number = store(when, Name=stored)
        for own_number in ("556016-0680", ""):
            company = add_company(name=name, registration_number=own_number)
            assert answered_on_the_sheet(ready, company) == [(number, "Same name")], stored
            assert_asked_about(run(wish(ulf, company)), number, sandbox)


@pytest.mark.parametrize("is_rare", [True, False])
def test_many_with_its_name_do_not_hide_the_one_with_its_number(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store,
    monkeypatch: pytest.MonkeyPatch, is_rare: bool,
) -> None:  # fmt: skip
    # Who has the name is told by eAccounting, or by the index.
    monkeypatch.setattr(duplicate_look, "RARE", duplicate_look.RARE if is_rare else 0)
    others = [there for place, there in enumerate(sandbox.customers()) if place != 3]
    for there in others[: duplicate_look.MOST_ADDED + 1]:
        sandbox.edit_customer(customer_id=str(there["Id"]), Name="Vind AB", CorporateIdentityNumber="")
    number = store(LONG_AGO, CorporateIdentityNumber="Org.nr 556016-0680", InvoiceCountryCode="SE")
    push = run(wish(ulf, add_company(name="Vind AB", registration_number="556016-0680")))
    assert push.wait_reason == WaitReason.DECISION
    assert number in [candidate["number"] for candidate in push.candidates]


@pytest.mark.parametrize("country", mostly_thorough(WRITTEN, but="SE"))
def test_the_link_search_and_the_list_find_every_form(
    ready: Connection, account: Account, add_company: AddCompany, store: Store, country: str
) -> None:
    form, others = WRITTEN[country]
    company = add_company(registration_number=form, country=country, postal_code=POSTAL_CODES[country])
    for stored in (form, *others):
        number = store(LONG_AGO, CorporateIdentityNumber=stored, InvoiceCountryCode=country)
        for text in (form, *others) if stored == form else (form, stored):
            found = customer_search.answers(connection=ready, company=company, text=text)
            assert [candidate.number for candidate in found.candidates] == [number], (stored, text)
        [suggestion] = customer_search.answers(connection=ready, company=company, text="").candidates
        assert suggestion.number == number
        assert list(Company.objects.of(account).matching(stored)) == [company]


@pytest.mark.parametrize(("other", "there"), [("NL", "13585628"), ("FI", "13585628")])
def test_the_same_digits_in_another_register_are_another_company(
    add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store, other: str, there: str
) -> None:
    store(LONG_AGO, CorporateIdentityNumber=there, InvoiceCountryCode=other)
    push = run(wish(ulf, add_company(registration_number="13585628", country="DK", postal_code="8660")))
    assert push.state == (PushState.DONE if other == "NL" else PushState.WAITING)  # no number of Finland: not certain


@pytest.mark.parametrize("when", WHEN)
def test_a_placeholder_finds_nobody_but_the_name_does(
    add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store, when: str
) -> None:
    values: dict[str, FieldValue] = {"registration_number": "000 000 000", "country": "NO", "postal_code": "0150"}
    number = store(when, Name="Fjord Bygg", CorporateIdentityNumber="000000000", InvoiceCountryCode="NO")
    created = run(wish(ulf, add_company(name="Dal Bygg", **values)))
    assert created.state == PushState.DONE
    twin = run(wish(ulf, add_company(name="Skog Bygg", **values)))
    assert twin.state == PushState.DONE
    asked = run(wish(ulf, add_company(name="FJORD BYGG", **values)))
    assert [candidate["number"] for candidate in asked.candidates] == [number]


# --- What it costs, and what happens when it cannot be complete -----------------------------------------------


def test_a_create_makes_one_look_and_one_call(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    fill(ready)
    sandbox.forget_calls()
    assert run(wish(ulf, company)).state == PushState.DONE
    assert [(call.method, call.path) for call in sandbox.calls(path="/v2")] == [
        ("GET", "/v2/customers"), ("POST", "/v2/customers")
    ]  # fmt: skip


def test_one_who_is_gone_there_since_the_index_was_read_stops_nothing(
    add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store, ready: Connection
) -> None:
    number = store(LONG_AGO, CorporateIdentityNumber="Org.nr 556016-0680", InvoiceCountryCode="SE")
    [there] = [row for row in sandbox.customers() if row["CustomerNumber"] == number]
    sandbox.world.remove("customer", "1", str(there["Id"]))
    assert run(wish(ulf, add_company())).state == PushState.DONE
    assert [call.status for call in sandbox.calls(method="GET", path=f"/v2/customers/{there['Id']}")] == [404]


def test_one_who_was_given_another_number_since_stops_nothing(
    add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store
) -> None:
    number = store(LONG_AGO, CorporateIdentityNumber="Org.nr 556016-0680", InvoiceCountryCode="SE")
    [there] = [row for row in sandbox.customers() if row["CustomerNumber"] == number]
    sandbox.edit_customer(customer_id=str(there["Id"]), CorporateIdentityNumber="556677-8899")
    assert run(wish(ulf, add_company())).state == PushState.DONE


def test_a_common_word_is_left_to_the_index(
    add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicate_look, "RARE", 5)
    monkeypatch.setattr(duplicate_look, "MOST_PAGES", 1)
    grow(sandbox, 1001)  # Kund 00000 AB and so on: more than one look may read
    number = store(LONG_AGO, Name="KUND  VIND")  # its spaces keep eAccounting from finding it by the whole name
    push = run(wish(ulf, add_company(name="Kund Vind", registration_number="")))
    assert_asked_about(push, number, sandbox)
    assert lists(sandbox) == 1


def test_too_many_customers_to_read_let_the_create_wait_for_the_index(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(duplicate_look, "MOST_PAGES", 1)
    grow(sandbox, 1001)
    waiting = run(wish(ulf, company))
    assert (waiting.state, waiting.wait_reason, waiting.failure) == (
        PushState.WAITING, WaitReason.BUDGET, "customers_unread"
    )  # fmt: skip
    assert (lists(sandbox), posts(sandbox), waiting.attempts) == (1, 0, 0)
    steps(ready, most=1)  # the index knows how many there are, and has not read them all
    run(waiting, forward=60)
    assert lists(sandbox) == 2  # of the index, none of the create
    CustomerIndex.objects.update(lease_until=None)
    fill(ready)
    let_changes_be_old(ready)
    assert settle(waiting).state == PushState.DONE
    assert len(named(sandbox)) == 1


def test_many_changes_since_the_index_was_read_make_it_read_on_at_once(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(duplicate_look, "MOST_PAGES", 1)
    fill(ready)
    grow(sandbox, 1001)
    assert run(wish(ulf, company)).failure == "customers_unread"
    assert steps(ready) == 2  # due at once, not in ten minutes
    let_changes_be_old(ready)
    assert settle(Push.objects.get()).state == PushState.DONE


def test_a_page_that_fails_ends_the_look_and_nothing_is_sent(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    grow(sandbox, 1001)
    sandbox.fault(kind="status", status=500, method="GET", path="/v2/customers", skip=1)
    assert run(wish(ulf, company)).wait_reason == WaitReason.RETRY
    assert posts(sandbox) == 0


def test_a_company_saved_with_a_placeholder_has_no_twin_here(add_company: AddCompany) -> None:
    one = add_company(registration_number="000 000 000", country="NO")
    add_company(name="Annan", registration_number="000 000 000", country="NO")
    assert not one.with_same_registration_number().exists()
    danish = add_company(registration_number="13585628", country="DK")
    add_company(registration_number="13585628", country="NL")
    assert not danish.with_same_registration_number().exists()
    finnish, aland = (add_company(registration_number="0112038-9", country=country) for country in ("FI", "AX"))
    assert list(finnish.with_same_registration_number()) == [aland]
    assert finnish.changed_at == MAY
