"""A run: many wishes that nobody pokes a worker for, and what has to be true when it is over."""

from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.domain.mapping import COMPANY_GROUPS, values_of
from integrations.models import Connection, CustomerLink, Kind, Push, PushState
from tests.integrations.workers import until

OPEN = (PushState.WAITING, PushState.SENDING, PushState.UNKNOWN)


def begin_run(connection: Connection, user: User, *, count: int) -> list[str]:
    """Record a wish for each of so many new companies, as a run does; return their names."""
    now = timezone.now()
    place = {"country": "SE", "postal_code": "111 22", "city": "Stockholm", "address_line1": "Hyvelgatan 3"}
    companies = Company.objects.bulk_create(
        Company(
            account_id=connection.account_id, name=f"{user.first_name} {n} AB", changed_at=now, search_text="", **place
        )
        for n in range(count)
    )
    wish = {"account_id": connection.account_id, "connection": connection, "kind": Kind.CREATE, "requested_by": user}
    Push.objects.bulk_create(
        Push(**wish, company=company, confirmed=values_of(company, None, groups=COMPANY_GROUPS), next_attempt_at=now)
        for company in companies
    )
    return [company.name for company in companies]


def done() -> int:
    return Push.objects.filter(state=PushState.DONE).count()


def wait_for(count: int) -> None:
    """Wait until so many are done."""
    until(lambda: done() >= count, what=f"{count} to be done")


def assert_run_is_over(sandbox: Sandbox, names: list[str], *, company: str = "1") -> None:
    """Everything is done, each company is one customer there, and linked to it."""
    ends = {push.company.name: push.state for push in Push.objects.select_related("company")}
    assert {name: ends[name] for name in names if ends[name] != PushState.DONE} == {}
    there: dict[str, list[str]] = {}
    for row in sandbox.customers(company=company):
        there.setdefault(str(row["Name"]), []).append(str(row["Id"]))
    assert {name: there.get(name) for name in names if len(there.get(name, [])) != 1} == {}
    links = CustomerLink.objects.select_related("company", "customer").filter(company__name__in=names)
    assert {link.company.name: [str(link.reference)] for link in links} == {name: there[name] for name in names}
