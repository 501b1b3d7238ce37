"""Keyset paging: every row once, in order, in both directions."""

import pytest

from accounts.models import Account
from companies.listing import Cursor, Page, company_page
from companies.models import Company
from tests.companies.conftest import AddCompany

NAMES = ["Abel", "Abel", "Abel", "Berg", "Zorn", "Ågren", "Öberg"]


@pytest.fixture
def pages(account: Account, add_company: AddCompany) -> list[Page]:
    """All pages of two of seven companies, by Next."""
    for name in reversed(NAMES):
        add_company(name)
    found = [_page(account, "")]
    while found[-1].next:
        found.append(_page(account, found[-1].next))
    return found


def _page(account: Account, cursor: str) -> Page:
    return company_page(companies=Company.objects.of(account), cursor=cursor, size=2)


def test_next_leads_through_all_rows_once(pages: list[Page]) -> None:
    rows = [company for page in pages for company in page.companies]
    assert [company.name for company in rows] == NAMES
    assert len({company.pk for company in rows}) == len(NAMES)
    assert pages[-1].next == ""


def test_previous_leads_back_over_the_same_pages(pages: list[Page], account: Account) -> None:
    back = [pages[-1]]
    while back[-1].previous:
        back.append(_page(account, back[-1].previous))
    names = [company.pk for page in reversed(back) for company in page.companies]
    assert names == [company.pk for page in pages for company in page.companies]
    assert pages[0].previous == ""


def test_a_cursor_survives_the_removal_of_its_row(pages: list[Page], account: Account) -> None:
    Company.objects.filter(pk=pages[0].companies[-1].pk).delete()
    assert [company.pk for company in _page(account, pages[0].next).companies] == [
        company.pk for company in pages[1].companies
    ]


@pytest.mark.parametrize("bad", ["x", "WzEsMl0:1:abc", "é", "1:2:3"])
def test_a_bad_cursor_means_the_first_page(pages: list[Page], account: Account, bad: str) -> None:
    assert _page(account, bad) == pages[0]


def test_a_cursor_cannot_be_altered(pages: list[Page]) -> None:
    assert Cursor.parse(pages[0].next) is not None
    assert Cursor.parse(pages[0].next.swapcase()) is None
