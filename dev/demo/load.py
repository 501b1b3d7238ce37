"""Make two accounts with companies and contacts to look around in. Does nothing when they are there."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from stdnum.dk import cvr
from stdnum.fi import ytunnus
from stdnum.no import orgnr as norwegian
from stdnum.se import orgnr as swedish

from accounts.models import TIME_ZONES, Account, Role, User
from companies import formats
from companies.models import Company, Contact
from companies.search import fold
from dev.demo import data

PASSWORD = "lime-go-demo"  # noqa: S105  # every demo login's; it is printed on the screen
_SWEDISH_ACCOUNT, _NORWEGIAN_ACCOUNT = "Nordvik Sales", "Fjordlys Salg"
_PEOPLE = (
    (_SWEDISH_ACCOUNT, Role.ADMIN, "Anna", "Ek", "anna@nordvik.example"),
    (_SWEDISH_ACCOUNT, Role.USER, "Ulf", "Nygren", "ulf@nordvik.example"),
    (_SWEDISH_ACCOUNT, Role.VIEWER, "Vera", "Holm", "vera@nordvik.example"),
    (_NORWEGIAN_ACCOUNT, Role.ADMIN, "Olav", "Berge", "olav@fjordlys.example"),
)
_CHECKED: dict[str, tuple[str, Callable[[str], bool]]] = {  # how a made-up number begins, and its check
    "SE": ("5594", swedish.is_valid),
    "NO": ("9296", norwegian.is_valid),
    "FI": ("3401", ytunnus.is_valid),
    "DK": ("4420", cvr.is_valid),
}
_DIGITS = {"SE": 10, "NO": 9, "FI": 8, "DK": 8}
# Sweden keeps series of telephone numbers free for films and books; the others are merely well-formed.
_PHONES = {"SE": "08-465 004 {:02}", "NO": "22 00 10 {:02}", "FI": "09 4247 01{:02}", "DK": "33 12 00 {:02}"}
_MOBILES = {"SE": "070-174 06 {:02}", "NO": "400 00 0{:02}", "FI": "040 123 45{:02}", "DK": "20 12 00 {:02}"}


class DatabaseInUse(Exception):
    """Somebody's accounts are in this database, and the demo's logins have a known password."""


def load_demo(*, password: str = PASSWORD, if_empty: bool = False, force: bool = False) -> str:
    """Make two demo accounts with companies and contacts, in one transaction; return what was done, as a sentence.

    Nothing is done when they are there already. `if_empty`: leave a database with other accounts as it is; `force`:
    load beside them. Raises DatabaseInUse without either.
    """
    if User.objects.filter(email=_PEOPLE[0][-1]).exists():
        return "The demo accounts are there already."
    if Account.objects.exists() and not force:
        if if_empty:
            return "This database holds accounts already; no demo was loaded."
        raise DatabaseInUse(
            "This database holds accounts already, and demo logins have a known password. "
            "Use an empty database, or add --force if you mean it."
        )
    with transaction.atomic():
        _load(password=password, now=timezone.now())
    return "Two demo accounts are made."


def _load(*, password: str, now: datetime) -> None:
    accounts = {
        name: Account.objects.create(name=name, country=country, time_zone=TIME_ZONES[country])
        for name, country in ((_SWEDISH_ACCOUNT, "SE"), (_NORWEGIAN_ACCOUNT, "NO"))
    }
    hashed = make_password(password)  # hashing is slow on purpose; once is enough for a known password
    User.objects.bulk_create(
        User(account=accounts[account], role=role, first_name=first, last_name=last, email=email, password=hashed)
        for account, role, first, last, email in _PEOPLE
    )
    _load_companies(accounts[_SWEDISH_ACCOUNT], data.SWEDISH_ACCOUNT, offset=0, now=now)
    _load_companies(accounts[_NORWEGIAN_ACCOUNT], data.NORWEGIAN_ACCOUNT, offset=40, now=now)


def _load_companies(account: Account, rows: str, *, offset: int, now: datetime) -> None:
    companies: list[Company] = []
    people: list[Contact] = []
    for index, row in enumerate(rows.splitlines(), start=offset):
        before = companies[-1].registration_number if companies else ""
        company = _company(account, [cell.strip() for cell in row.split("|")], index=index, before=before, now=now)
        contacts = list(_contacts(company, index=index))
        company.refresh_derived(contacts=contacts)
        companies.append(company)
        people.extend(contacts)
    Company.objects.bulk_create(companies)
    Contact.objects.bulk_create(people)


def _company(account: Account, cells: list[str], *, index: int, before: str, now: datetime) -> Company:
    name, country, postal_code, city, street, number = cells
    domain = _domain(name)
    return Company(
        account=account,
        changed_at=now,
        name=name,
        country=country,
        registration_number=before if number == "=" else number or _number(country, index),
        is_private_person=name == "Eva Lundmark",
        phone="" if index % 9 == 8 else formats.check_phone(_PHONES[country].format(index), country),
        email="" if index % 11 == 10 else formats.check_email(f"info@{domain}"),
        website="" if index % 7 == 6 else formats.check_website(f"www.{domain}"),
        address_line1=street,
        postal_code=formats.check_postal_code(postal_code, country),
        city=city,
    )


def _number(country: str, index: int) -> str:
    """Make up a number with right check digits: the first of this index's hundred that has them."""
    start, is_valid = _CHECKED[country]
    length = _DIGITS[country] - len(start)
    digits = next(
        number for last in range(index * 100, index * 100 + 100) if is_valid(number := f"{start}{last:0{length}}")
    )
    return formats.check_registration_number(digits, country)


def _domain(name: str) -> str:
    words = re.findall(r"[a-z0-9]+", fold(name.partition(",")[0]))
    return f"{'-'.join(words[:2])}.example"


def _contacts(company: Company, *, index: int) -> Iterator[Contact]:
    """Invent one to four people; one in ten has left."""
    country = str(company.country)
    for place in range(1 + index * 7 % 4):
        seed = index * 4 + place
        first = data.FIRST_NAMES[seed * 7 % len(data.FIRST_NAMES)]
        last = data.LAST_NAMES[seed * 5 % len(data.LAST_NAMES)]
        address = formats.check_email(f"{fold(first)}.{fold(last)}@{_domain(company.name)}")
        phone = formats.check_phone(_PHONES[country].format((index + 50) % 100), country)
        mobile = formats.check_phone(_MOBILES[country].format(5 + seed % 90), country)
        yield Contact(
            company=company,
            account=company.account,
            first_name=first,
            last_name=last,
            title=data.TITLES[seed % len(data.TITLES)],
            email=address,
            direct_phone=phone if place == 0 else "",
            mobile=mobile if seed % 3 else "",
            left_at=company.changed_at if place and seed % 10 == 0 else None,
        )
