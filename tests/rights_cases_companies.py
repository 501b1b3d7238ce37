"""Who may do what at the addresses of companies and their contacts."""

from collections.abc import Callable
from datetime import UTC, datetime

from accounts.models import Account, Role
from companies.models import Company, Contact
from tests.rights import Case, Cast, Words

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
Make = Callable[[Account], Words]


def _new_company(account: Account) -> Company:
    return Company.add(account=account, now=NOW, values={"name": "Björk & Son Måleri AB", "country": "SE"})


def _company(account: Account) -> Words:
    return {"company_id": _new_company(account).pk}


def _archived_company(account: Account) -> Words:
    company = _new_company(account)
    company.archive(now=NOW)
    return {"company_id": company.pk}


def _new_contact(account: Account) -> Contact:
    return _new_company(account).add_contact(now=NOW, values={"first_name": "Åsa"})


def _contact(account: Account) -> Words:
    contact = _new_contact(account)
    return {"company_id": contact.company_id, "contact_id": contact.pk}


def _contact_who_left(account: Account) -> Words:
    contact = _new_contact(account)
    contact.mark_left(now=NOW)
    return {"company_id": contact.company_id, "contact_id": contact.pk}


def _case(url: str, make: Make, *, get: int, post: int, needs: Role = Role.USER, data: Words | None = None) -> Case:
    """One address below a company, tried with a company of either account."""
    return Case(
        url,
        needs=needs,
        get=get,
        post=post,
        ids=lambda cast: make(cast.account),
        foreign_ids=lambda cast: make(cast.other_account),
        data=lambda _cast: data or {},
    )


def _foreign_contact_at_own_company(cast: Cast) -> Words:
    return {"company_id": _new_company(cast.account).pk, "contact_id": _new_contact(cast.other_account).pk}


BERG: Words = {"name": "Berg AB", "country": "SE"}

CASES = [
    Case("companies:list", needs=Role.VIEWER),
    Case("companies:create", needs=Role.USER, post=302, data=lambda _cast: BERG),
    _case("companies:card", _company, needs=Role.VIEWER, get=200, post=405),
    _case("companies:edit", _company, get=200, post=302, data=BERG),
    _case("companies:archive", _company, get=405, post=302),
    _case("companies:restore", _archived_company, get=405, post=302),
    _case("companies:contact-add", _company, get=200, post=302, data={"first_name": "Bo"}),
    Case(
        "companies:contact-edit",
        needs=Role.USER,
        post=302,
        ids=lambda cast: _contact(cast.account),
        foreign_ids=_foreign_contact_at_own_company,
        data=lambda _cast: {"first_name": "Bo"},
    ),
    _case("companies:contact-left", _contact, get=405, post=302),
    _case("companies:contact-returned", _contact_who_left, get=405, post=302),
    _case("companies:contact-remove", _contact, get=200, post=302),
]
