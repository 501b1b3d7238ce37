"""Mutations keep `changed_at` and the derived columns right, one after the other."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Account
from companies.models import Company, Contact
from tests.companies.conftest import JUNE, MAY, AddCompany


def _found(account: Account, query: str) -> list[str]:
    return [str(company) for company in Company.objects.of(account).matching(query)]


@pytest.mark.parametrize(
    "query",
    ["BJÖRK", "bjork son", "5599871018", "559987-1018", "umeå", "info@bjork", "Öberg", "asa@", "b", "må", "& son"],
)
def test_a_company_is_found_by_each_of_its_values(contact: Contact, account: Account, query: str) -> None:
    assert _found(account, query) == ["Björk & Son Måleri AB"]


@pytest.mark.parametrize("query", ["bjork oslo", "%", "_", "örk", "\\"])
def test_a_company_is_not_found_by_other_words(add_company: AddCompany, account: Account, query: str) -> None:
    add_company("Ängen AB")
    assert _found(account, query) == []


def test_saving_moves_changed_at_and_what_it_is_found_by(company: Company, account: Account) -> None:
    assert company.save_changes(now=JUNE, values={"name": "Ängens Måleri AB"})
    company.refresh_from_db()
    assert company.changed_at == JUNE
    assert _found(account, "angens") == ["Ängens Måleri AB"]
    assert _found(account, "bjork & son") == []
    assert company.name_sort > "z"


def test_saving_equal_values_changes_nothing(company: Company) -> None:
    assert not company.save_changes(now=JUNE, values={"name": company.name, "country": "SE"})
    company.refresh_from_db()
    assert company.changed_at == MAY


def test_saving_keeps_what_somebody_else_stored_meanwhile(company: Company) -> None:
    opened_earlier = Company.objects.get(pk=company.pk)
    company.save_changes(now=JUNE, values={"city": "Luleå"})
    opened_earlier.save_changes(now=JUNE, values={"phone": "+46 8 123 45 67"})
    company.refresh_from_db()
    assert (company.city, company.phone) == ("Luleå", "+46 8 123 45 67")


def test_only_its_own_values_can_be_set(company: Company) -> None:
    with pytest.raises(ValueError, match="account"):
        company.save_changes(now=JUNE, values={"account": "1"})


def test_archiving_is_undone_by_restoring_and_changes_no_value(company: Company) -> None:
    company.archive(now=JUNE)
    assert not Company.objects.active().exists()
    assert Company.objects.archived().get().archived_at == JUNE
    company.archive(now=MAY)
    assert company.archived_at == JUNE
    company.restore()
    stored = Company.objects.active().get()
    assert stored.changed_at == MAY


def test_a_contacts_change_moves_its_company(company: Company, contact: Contact, account: Account) -> None:
    contact.save_changes(now=JUNE, values={"last_name": "Ståhl"})
    assert Company.objects.get().changed_at == JUNE
    assert _found(account, "stahl")
    assert not _found(account, "oberg")


def test_who_has_left_can_return(contact: Contact) -> None:
    contact.mark_left(now=MAY)
    contact.mark_left(now=JUNE)
    assert Contact.objects.get().left_at == MAY
    contact.mark_returned(now=JUNE)
    assert Contact.objects.get().left_at is None
    assert Company.objects.get().changed_at == JUNE


def test_a_removed_contact_is_not_found_any_more(contact: Contact, account: Account) -> None:
    contact.remove(now=JUNE)
    assert not _found(account, "oberg")
    assert Company.objects.get().changed_at == JUNE


def test_a_contact_that_somebody_removed_cannot_be_saved(contact: Contact) -> None:
    Contact.objects.get().remove(now=JUNE)
    with pytest.raises(Contact.DoesNotExist):
        contact.save_changes(now=JUNE, values={"title": "VD"})


def test_the_database_refuses_rows_without_a_name(company: Company, account: Account) -> None:
    with pytest.raises(IntegrityError, match="company_has_name"), transaction.atomic():
        Company.add(account=account, now=MAY, values={"name": ""})
    with pytest.raises(IntegrityError, match="contact_has_name"), transaction.atomic():
        company.add_contact(now=MAY, values={"title": "VD"})


def test_the_same_number_is_found_within_the_account_only(
    company: Company, add_company: AddCompany, other_account: Account
) -> None:
    add_company("Fremd AS", to=other_account, registration_number="559987-1018")
    branch = add_company("Björk, filial", registration_number="559987-1018")
    assert list(company.with_same_registration_number()) == [branch]
    assert not add_company("Utan nummer").with_same_registration_number().exists()


@pytest.mark.django_db(transaction=True)
def test_two_people_add_contacts_at_once_and_both_are_found(company: Company, account: Account) -> None:
    start = threading.Barrier(2)

    def add(name: str) -> None:
        mine = Company.objects.get(pk=company.pk)
        start.wait()
        mine.add_contact(now=JUNE, values={"first_name": name})
        connection.close()

    threads = [threading.Thread(target=add, args=(name,)) for name in ("Gunhild", "Torbjörn")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _found(account, "gunhild torbjorn") == ["Björk & Son Måleri AB"]
