"""B13, B14: search in the index of the customers, and likely duplicates, at 100,000; against the same without it."""

import itertools
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from django.db import connection as database
from django.db import transaction

from benchmarks.bench_figures import Result, p95, ratio
from benchmarks.bench_rows import Tenant, tenants
from benchmarks.bench_stack import Stack
from companies.models import Company
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.eaccounting.types import Customer
from integrations.models import RemoteCustomer
from integrations.services.customer_search import find, similar

CUSTOMERS, FEW = 100_000, 5_000
BATCH = 2_000
GOAL_MS = 50.0
MS = 1000.0
# Common words, rare ones, none at all, single letters, numbers and parts of them.
QUERIES = (
    *("AB", "a", "ö", "e", "i", "in", "s ab", "bygg", "ab bygg", "sverige", "måleri söner", "nordvik", "nordviks bygg"),
    *("björkholm trädgård", "MALMO", "uppsala konsult hb", "info", "info@nordvik", "xyzzyq", "www", "zetter"),
    *("1", "10", "104", "1043", "55", "556", "556677-8899", "16556677-8899", "42", "ab ab ab", "ekonomisk förening"),
)
_PLACES = "Björk Nordvik Ängsholm Havsvik Lindgren Tallås Granit Sol Mälar Öster Väster Norr Berg Dal Ek Zetter"
_ENDS = "vik holm gård berg dal lund ström sund näs å hult torp stad borg by mark kulla sjö fors bro hamn tuna"
_TRADES = "Bygg Måleri Konsult Redovisning Åkeri Snickeri El Rör Data Trädgård Fastigheter Handel Bageri Städ"
_FORMS = ["AB"] * 14 + ["HB", "Aktiebolag", "Ekonomisk förening", "& Söner AB", "i Sverige AB", ""]
_CITIES = "Stockholm Göteborg Malmö Uppsala Umeå Luleå Örebro Västerås Lund Kalmar"


def b13(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # the signature of every case
    """Search as somebody types."""
    tenant, count = _filled(stack, FEW if quick else CUSTOMERS)
    works = [partial(find, connection=tenant.connection, query=query) for query in QUERIES]
    return [_measured("B13", f"search in {count:,} customers, p95 of {len(QUERIES)} kinds of queries", works, quick)]


def b14(stack: Stack, quick: bool) -> list[Result]:  # noqa: FBT001  # as above
    """Likely duplicates of a company that is to be added."""
    tenant, count = _filled(stack, FEW if quick else CUSTOMERS)
    dice = random.Random(14)  # noqa: S311  # repeatable, not secret
    those = [_company(tenant, dice) for _ in range(40)]
    works = [partial(similar, connection=tenant.connection, company=company) for company in those]
    return [_measured("B14", f"likely duplicates among {count:,} customers, p95", works, quick)]


def _measured(name: str, what: str, works: Sequence[Callable[[], object]], quick: bool) -> Result:  # noqa: FBT001  # as above
    ours: list[float] = []
    control: list[float] = []
    for work in works:
        work()  # once for what PostgreSQL keeps in memory
    for work in [*works] * (1 if quick else 5):
        ours.append(_seconds(work))
        with _without_indexes():
            control.append(_seconds(work))
    figure = MS * p95(ours)
    return Result(
        name=name,
        what=what,
        goal=f"≤ {GOAL_MS:.0f} ms",
        figure=f"{figure:.1f} ms",
        met=figure <= GOAL_MS,
        detail=f"n={len(ours)}; slowest {MS * max(ours):.1f} ms; p95 without the indexes {MS * p95(control):.0f} ms, "
        f"ratio {ratio(ours, control, reduce=p95)}",
    )


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@contextmanager
def _without_indexes() -> Iterator[None]:
    """Let PostgreSQL answer from the table alone."""
    with transaction.atomic(), database.cursor() as cursor:
        for kind in ("bitmapscan", "indexscan", "indexonlyscan"):
            cursor.execute(f"set local enable_{kind} = off")
        yield


def _filled(stack: Stack, count: int) -> tuple[Tenant, int]:
    """Return a tenant whose index holds so many customers; those of an earlier case are used again."""
    tenant = tenants(stack, 1)[0]
    known = RemoteCustomer.objects.filter(connection=tenant.connection).count()
    made = (_row(tenant, number) for number in range(known, count))
    while batch := list(itertools.islice(made, BATCH)):
        RemoteCustomer.objects.bulk_create(batch)
    with database.cursor() as cursor:
        cursor.execute("vacuum analyze integrations_remotecustomer")
    return tenant, max(known, count)


def _row(tenant: Tenant, number: int) -> RemoteCustomer:
    dice = random.Random(number)  # noqa: S311  # repeatable, not secret
    name, city = _name(dice), dice.choice(_CITIES.split())
    digits = f"55{dice.randrange(10**8):08d}"
    customer = Customer.from_json(
        {
            "Id": str(uuid.UUID(int=dice.getrandbits(128))),
            "Name": name,
            "CustomerNumber": str(1000 + number),
            "CorporateIdentityNumber": f"{digits[:6]}-{digits[6:]}",
            "InvoiceCity": city,
            "EmailAddress": f"info@{name.split()[0].lower()}{number % 5000}.example",
        }
    )
    answered = mapping.owned(customer.raw)
    return RemoteCustomer.of(connection=tenant.connection, customer=customer, answered=answered, now=database_now())


def _name(dice: random.Random) -> str:
    place = dice.choice(_PLACES.split()) + dice.choice(_ENDS.split()) + dice.choice(["", "s"])
    number = dice.choice(["", "", str(dice.randrange(1000))])
    return " ".join(filter(None, [place, dice.choice(_TRADES.split()), number, dice.choice(_FORMS)]))


def _company(tenant: Tenant, dice: random.Random) -> Company:
    """A company that nobody stored: searching for its like needs no more."""
    name = _name(dice)
    return Company(
        account=tenant.account,
        name=name,
        registration_number=f"55{dice.randrange(10**4):04d}-{dice.randrange(10**4):04d}",
        email=f"info@{name.split()[0].lower()}{dice.randrange(5000)}.example",
        city=dice.choice(_CITIES.split()),
        country="SE",
    )
