"""Accounts that are connected, companies to push, and a way to know when a push has ended."""

import http.client
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.db import connection as database
from stdnum import luhn

from accounts.models import Account, Role, User
from benchmarks.bench_processes import NotInTime
from benchmarks.bench_stack import Stack
from companies.models import Company
from integrations import tasks
from integrations.access import client_factory
from integrations.clock import database_now
from integrations.delivery import upkeep
from integrations.domain import mapping
from integrations.eaccounting import oauth
from integrations.models import Connection, CustomerIndex, CustomerLink, Kind, Push, PushState
from integrations.models.customer_index import FULL_EVERY
from integrations.models.push import HEAD_START, OPEN
from integrations.services import connect

PASSWORD = "bench-lime-go"  # noqa: S105  # of rows that live as long as the measurement
TERMS = {
    "Name": "30 dagar netto",
    "NameEnglish": "30 days",
    "NumberOfDays": 30,
    "TermsOfPaymentTypeId": 0,
    "AvailableForSales": True,
}
# Seconds between two looks whether a click is done. Two calls of 150 ms are never done before QUICKEST, and looking
# more often until then would take the machine away from what is measured.
POLL, SLOW_POLL, QUICKEST = 0.002, 0.02, 0.25
PHONE = "Telephone"
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """An account with its admin and its connection to an eAccounting company of its own."""

    key: str  # of the eAccounting company
    account: Account
    user: User
    connection: Connection


@cache
def tenants(stack: Stack, count: int) -> tuple[Tenant, ...]:
    """Return so many connected accounts; made once."""
    earlier = tenants(stack, count - 1) if count > 1 else ()
    return (*earlier, _tenant(stack, f"bench{count}"))


def new_tenant(stack: Stack) -> Tenant:
    """Return another connected account, that no other case uses."""
    return _tenant(stack, f"own{next(_numbers)}")


def _tenant(stack: Stack, key: str) -> Tenant:
    settings = {
        "Name": f"{key} AB",
        "CorporateIdentityNumber": "556677-8899",
        "CountryCode": "SE",
        "CurrencyCode": "SEK",
        "CompanyIdentifier": key,
        "VismaOnlineId": key,
        "CompanyStatus": 1,
        "ProductVariant": 5,
        "ActivatedModules": ["api_standard"],
        "NextCustomerNumber": 1,
    }
    stack.steer("POST", "seed", {"companies": {key: {"settings": settings, "terms": [TERMS]}}})
    account = Account.objects.open(name=key, country="SE", language="en")
    user = User.objects.create_user(email=f"anna@{key}.example", account=account, password=PASSWORD, role=Role.ADMIN)
    return Tenant(key=key, account=account, user=user, connection=_connected(account, user, key))


def _connected(account: Account, user: User, key: str) -> Connection:
    """Connect through the consent page and choose the terms, as an admin does."""
    request = connect.begin()
    query = _consent(request.url, key)
    code = oauth.parse_callback(config=client_factory.oauth_config(), query=query, expected_state=request.state)
    made = connect.complete(user=user, account=account, code=code, code_verifier=request.code_verifier, started=None)
    upkeep.read_terms(made.pk)
    terms = made.terms.get()
    connect.choose_terms(user=user, connection=made, terms=terms)
    # Nobody is there yet, so the copy is complete; the calls of reading it would count among those of a click.
    take_as_read(made)
    return made


def take_as_read(connection: Connection) -> None:
    """Let the index count as filled with whoever is a customer by now, and be read again tomorrow."""
    now = database_now()
    rows = CustomerIndex.objects.filter(connection=connection)
    # A filter knows whole seconds, cut down: those of this second would all be read again.
    rows.update(full_at=now, watermark=now + timedelta(seconds=1), due_at=now + timedelta(days=1))


def read_all_again(connection: Connection) -> None:
    """Let the daily reading of every customer begin now; meanwhile a create asks for what changed lately, as ever."""
    now = database_now()
    CustomerIndex.objects.filter(connection=connection).update(due_at=now, full_at=now - FULL_EVERY)


def _consent(url: str, key: str) -> dict[str, str]:
    parts = urlsplit(url)
    browser = http.client.HTTPConnection(parts.netloc, timeout=10)
    browser.request("POST", f"{parts.path}?{parts.query}", body=urlencode({"company": key, "decision": "allow"}))
    answer = browser.getresponse()
    answer.read()
    browser.close()
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def companies(tenant: Tenant, count: int) -> list[Company]:
    """Make complete companies that are no customers yet."""
    now = database_now()
    made = [_company(tenant, next(_numbers)) for _ in range(count)]
    for company in made:
        company.changed_at = now
        company.refresh_derived(contacts=())
    return Company.objects.bulk_create(made)


def _company(tenant: Tenant, number: int) -> Company:
    digits = f"556{number:06d}"
    digits += luhn.calc_check_digit(digits)
    return Company(
        account=tenant.account,
        name=f"Mätverkstad {number} AB",
        registration_number=f"{digits[:6]}-{digits[6:]}",
        phone="+46 8 123 45 67",
        email=f"info@bench{number}.example",
        address_line1="Hyvelgatan 3",
        postal_code="111 22",
        city="Stockholm",
        country="SE",
    )


def companies_of_all(those: Sequence[Tenant], count: int) -> list[tuple[Tenant, Company]]:
    """Make companies, one account after the other in turn."""
    each = [companies(tenant, -(-count // len(those))) for tenant in those]
    pairs = [(tenant, company) for row in zip(*each, strict=True) for tenant, company in zip(those, row, strict=True)]
    return pairs[:count]


def run_of(pairs: Iterable[tuple[Tenant, Company]]) -> list[int]:
    """Record a run, as many creates at once, each confirmed as its sheet shows it: rows that nobody is poked for.

    Return the pushes.
    """
    return _record((tenant, company, _confirmed_create(company)) for tenant, company in pairs)


def updates_of(pairs: Sequence[tuple[Tenant, Company]], *, phone: str) -> list[int]:
    """Give each company another phone number, and record, as run_of, the update that its sheet then confirms."""
    ids = [company.pk for _tenant, company in pairs]
    Company.objects.filter(pk__in=ids).update(phone=phone)
    links = CustomerLink.objects.select_related("customer", "company").filter(company__in=ids)
    linked = {link.company_id: link for link in links}
    return _record((tenant, company, _confirmed_update(linked[company.pk])) for tenant, company in pairs)


def _record(those: Iterable[tuple[Tenant, Company, dict[str, object]]]) -> list[int]:
    due = database_now() - HEAD_START
    rows = [
        Push(
            account=tenant.account,
            connection=tenant.connection,
            company=company,
            requested_by=tenant.user,
            next_attempt_at=due,
            **confirmed,
        )
        for tenant, company, confirmed in those
    ]
    return [push.pk for push in Push.objects.bulk_create(rows)]


def _confirmed_create(company: Company) -> dict[str, object]:
    values = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
    return {"kind": Kind.CREATE, "confirmed": values, "based_on": values, "is_private_person": False}


def _confirmed_update(link: CustomerLink) -> dict[str, object]:
    here = mapping.values_of(link.company, None, groups=mapping.COMPANY_GROUPS)
    confirmed, based_on = {PHONE: here[PHONE]}, {PHONE: link.customer.answered[PHONE]}
    return {"kind": Kind.UPDATE, "confirmed": confirmed, "based_on": based_on}


def wake() -> None:
    """Wake all who pull, as the sweeper does when it finds rows."""
    for _ in range(tasks.PULLS_WAITING):
        tasks.pull.apply_async()


def cancel_all() -> None:
    """Forget what is still open: the next case begins without it."""
    Push.objects.filter(state__in=OPEN).update(state=PushState.CANCELLED)


def is_open(pushes: Sequence[int]) -> bool:
    """Whether one of these, which were made one after the other, has not ended."""
    return Push.objects.filter(pk__gte=min(pushes), pk__lte=max(pushes), state__in=OPEN).exists()


def await_end(pushes: Sequence[int], *, seconds: float, pause: float = 0.05) -> float:
    """Wait until none of these is open; return when that was seen, monotonic. Raises NotInTime."""
    end = time.monotonic() + seconds
    while is_open(pushes):
        if time.monotonic() > end:
            raise NotInTime(f"{len(pushes)} pushes did not end within {seconds:.0f} s: {_states(pushes)}")
        time.sleep(pause)
    return time.monotonic()


def await_newest(company: Company, *, after: int = 0, seconds: float = 30.0) -> tuple[float, Push]:
    """Wait until the company's newest push is settled; return when that was seen, monotonic, and the push."""
    begin = time.monotonic()
    sql = "select id, state from integrations_push where company_id = %s and id > %s order by id desc limit 1"
    with database.cursor() as cursor:
        while (waited := time.monotonic() - begin) < seconds:
            cursor.execute(sql, [company.pk, after])
            found = cursor.fetchone()
            if found and found[1] not in OPEN:
                return time.monotonic(), Push.objects.get(pk=found[0])
            time.sleep(POLL if waited > QUICKEST else SLOW_POLL)
    raise NotInTime(f"the push of {company} did not end within {seconds:.0f} s")


def not_done(pushes: Sequence[int]) -> int:
    """Count those that did not end well."""
    return Push.objects.filter(pk__in=pushes).exclude(state=PushState.DONE).count()


def crashed(pushes: Sequence[int]) -> int:
    """Count those whose worker did not come back to them."""
    return Push.objects.filter(pk__in=pushes, crashes__gt=0).count()


def _states(pushes: Sequence[int]) -> list[tuple[str, str, str]]:
    rows = Push.objects.filter(pk__in=pushes).exclude(state=PushState.DONE)
    return list(rows.values_list("state", "wait_reason", "failure").distinct()[:5])
