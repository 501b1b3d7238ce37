"""Updates, with people who edit the same customers in eAccounting at the same time."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from django.utils import timezone

from accounts.models import User
from benchmarks.chaos.clicking import Job
from benchmarks.chaos.eaccounting import TERMS_10, Chance, EAccounting, Record
from benchmarks.chaos.world import Tenant
from companies.models import Company
from integrations.domain.diff import Side
from integrations.models import CustomerLink, Push
from tests import sheets

BURST = 0.1  # so many updates are three clicks in a row, each after another edit here
# What people edit there, each once per customer. The first three are never ours; the other two are, but nobody
# chooses ours of them on the sheet. All of them have to be there in the end.
EDITS = ("Note", "TermsOfPaymentId", "ChaosUnknown", "InvoiceAddress2", "WwwAddress")


@dataclass(frozen=True, kw_only=True)
class Edit:
    """One edit by a person in eAccounting, and between which moments it was committed."""

    customer: str
    name: str
    value: str
    begun: float
    ended: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """A linked company and its customer."""

    company_id: int
    customer: str
    tenant: Tenant


@dataclass
class Editors:
    """People in eAccounting."""

    eaccounting: EAccounting
    chance: Chance
    edits: list[Edit] = field(default_factory=list)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))

    def edit(self, *, target: Target, name: str, serial: int) -> None:
        """Edit now."""
        value = TERMS_10 if name == "TermsOfPaymentId" else f"{name[:4].lower()}{serial}"
        values: Record = {name: value}
        begun, ended = self.eaccounting.edit(company=target.tenant.key, customer=target.customer, values=values)
        self.edits.append(Edit(customer=target.customer, name=name, value=value, begun=begun, ended=ended))

    def edit_soon(self, *, target: Target, name: str, serial: int) -> None:
        """Edit within the next moments, while a worker reads and writes."""
        self.pool.submit(self._later, target, name, serial)

    def _later(self, target: Target, name: str, serial: int) -> None:
        time.sleep(self.chance.uniform(0, 0.15))
        self.edit(target=target, name=name, serial=serial)


def targets(*, everybody: list[Tenant], most: int) -> list[Target]:
    """Return linked companies, dealt over the accounts."""
    by_connection = {tenant.connection_id: tenant for tenant in everybody}
    links = CustomerLink.objects.select_related("customer").order_by("company_id")[:most]
    return [
        Target(company_id=link.company_id, customer=str(link.reference), tenant=by_connection[link.connection_id])
        for link in links
    ]


def jobs(*, chosen: list[Target], editors: Editors, count: int) -> Iterator[Job]:
    """Yield so many updates, in rounds over the customers."""
    for serial in range(count):
        turn, place = divmod(serial, len(chosen))
        target, name = chosen[place], EDITS[(place + turn) % len(EDITS)]
        yield partial(_update, target, name, serial, editors)


def rounds(count: int) -> int:
    """Return how many customers are needed, so that each is edited once in each property."""
    return max(1, -(-count // len(EDITS)))


def _update(target: Target, name: str, serial: int, editors: Editors) -> list[int]:
    """Edit here and click, while somebody edits there; return the ids of the pushes."""
    if editors.chance.uniform(0, 1) < 0.4:
        editors.edit(target=target, name=name, serial=serial)
    else:
        editors.edit_soon(target=target, name=name, serial=serial)
    clicks = 3 if editors.chance.uniform(0, 1) < BURST else 1
    pushes = [_edit_and_click(target.company_id, target.tenant.user, serial * 3 + turn) for turn in range(clicks)]
    return [push.pk for push in pushes if push]


def _edit_and_click(company_id: int, user: User, serial: int) -> Push | None:
    """Edit here, open the sheet, choose our phone number and nothing else of ours, and confirm it."""
    company = Company.objects.select_related("account").get(pk=company_id)
    phone = f"+46 8 {serial // 1000 % 900 + 100:03d} {serial // 10 % 100:02d} {serial % 10}0"
    company.save_changes(now=timezone.now(), values={"phone": phone})
    return sheets.update(user=user, company=company, Telephone=Side.OURS)
