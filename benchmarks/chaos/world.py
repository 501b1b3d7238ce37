"""Accounts, connections and companies: what people had before the chaos begins."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils import timezone
from stdnum import luhn

from accounts.models import Account, Role, User
from benchmarks.chaos.eaccounting import EAccounting, Record
from companies.models import Company
from integrations.access import client_factory
from integrations.delivery import upkeep
from integrations.eaccounting import oauth
from integrations.models import Connection
from integrations.services import connect as connecting
from integrations.services.requests import current_connection

TWIN_EVERY = 200  # every so many companies there is a customer already: a person has to decide
BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """One account with its user, connected to one eAccounting company."""

    key: str
    account: Account
    user: User
    connection_id: int


def registration_number(place: int) -> str:
    """Return a Swedish number with a right check digit; `place` is below 1,000,000."""
    digits = f"559{place:06d}"
    return f"{digits[:6]}-{digits[6:]}{luhn.calc_check_digit(digits)}"


def values(place: int) -> dict[str, str]:
    """Return a company that has no word in common with another."""
    return {
        "name": f"Kaosprovet {place:06d} AB",
        "registration_number": registration_number(place),
        "phone": "+46 8 123 45 67",
        "email": f"info@kaos{place:06d}.example",
        "address_line1": f"Provgatan {place}",
        "postal_code": "111 22",
        "city": "Stockholm",
        "country": "SE",
    }


def tenants(*, eaccounting: EAccounting, count: int) -> list[Tenant]:
    """Make accounts and connect each to an eAccounting company of its own, its terms confirmed."""
    made = []
    for place in range(count):
        key = f"c{place:02d}"
        account = Account.objects.create(name=f"Account {key}", country="SE", language="en", time_zone="UTC")
        user = User.objects.create_user(email=f"anna@{key}.example", account=account, password=None, role=Role.ADMIN)
        eaccounting.plant(key=key, customers=[])
        connection = connect(eaccounting=eaccounting, account=account, user=user, key=key)
        upkeep.read_terms(connection.pk)
        connection.refresh_from_db()
        terms = connecting.suggested_terms(connection)
        if terms is None:
            raise RuntimeError("the stand-in has no terms of payment")
        connecting.choose_terms(user=user, connection=connection, terms=terms)
        made.append(Tenant(key=key, account=account, user=user, connection_id=connection.pk))
    return made


def connect(*, eaccounting: EAccounting, account: Account, user: User, key: str) -> Connection:
    """Connect, or reconnect, as an admin does."""
    current = current_connection(account.pk)
    request = connecting.begin()
    query = eaccounting.consent(url=request.url, company=key)
    code = oauth.parse_callback(config=client_factory.oauth_config(), query=query, expected_state=request.state)
    return connecting.complete(
        user=user,
        account=account,
        code=code,
        code_verifier=request.code_verifier,
        started=connecting.started_from(current),
    )


def add_companies(*, everybody: list[Tenant], count: int, first: int = 0) -> list[int]:
    """Add so many companies from a place on, dealt to the accounts in turn; return their ids in that order."""
    ids: list[int] = []
    for batch in _batches(range(first, first + count)):
        rows = [_company(everybody[place % len(everybody)], place) for place in batch]
        ids += [company.pk for company in Company.objects.bulk_create(rows)]
    return ids


def plant_twins(*, eaccounting: EAccounting, everybody: list[Tenant], count: int) -> set[str]:
    """Let every 200th company be a customer there already; return their registration numbers."""
    there: dict[str, list[Record]] = {tenant.key: [] for tenant in everybody}
    for place in range(0, count, TWIN_EVERY):
        its = values(place)
        twin: Record = {"Name": its["name"], "CorporateIdentityNumber": its["registration_number"]}
        there[everybody[place % len(everybody)].key].append(
            {**twin, "CustomerNumber": str(900_000 + place), "InvoiceCity": "Lund", "InvoicePostalCode": "222 22"}
        )
    for key, customers in there.items():
        if customers:
            eaccounting.ask("POST", "/_sandbox/seed", {"companies": {key: {"customers": list(customers)}}})
    return {registration_number(place) for place in range(0, count, TWIN_EVERY)}


def _company(tenant: Tenant, place: int) -> Company:
    company = Company(account=tenant.account, changed_at=timezone.now(), **values(place))
    company.refresh_derived(contacts=())
    return company


def _batches(places: Iterable[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for place in places:
        batch.append(place)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
