"""The look before a create: is the company already a customer, however its number and name are written there?

eAccounting is asked for the spellings that can be listed, and for every customer that it changed since the index was
read. Customers stored in another spelling and unchanged since are found in the index, and then asked for by id, so
that a deleted one stops no create. Until the index is filled, every customer is read. If a look cannot be complete,
the create waits (docs/reliability.md, "How a create cannot double").
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from companies import formats
from companies.search import fold, name_sort
from integrations.access.rate_limit import NoSlot
from integrations.delivery.calls import get_customer, read_now
from integrations.domain.duplicates import in_common, longest_word, look_filter
from integrations.domain.mapping import COUNTRY, Values, owned
from integrations.eaccounting.client import LARGEST_PAGE, Client, TooManyPages
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.models import Connection, CustomerIndex, RemoteCustomer
from integrations.models.remote_customer import HOME

MOST_PAGES = 5  # pages of 1,000 customers; more would take too long, and use up the calls of others
RARE = 200  # customers; eAccounting is not asked for a word that more of them have
MOST_ADDED = 5  # most customers to ask for that only the index found; one is enough to ask a person
SHORTEST_ASKED = 3  # letters; the shortest word to ask for
UNREAD_SECONDS = 30.0


class CustomersUnread(NoSlot):
    """There are more customers to look through than one look may read; the create waits for the index."""

    code = "customers_unread"


@dataclass(frozen=True, kw_only=True)
class Look:
    """Who may be the company, and when that was asked."""

    same: tuple[Customer, ...]
    server_time: datetime
    """eAccounting's clock (UTC) when it was asked."""


def look(client: Client, connection: Connection, values: Values, *, deadline: float) -> Look:
    """Look for the company with these values. One call when nothing is found and few customers changed.

    Raises CustomersUnread, NoSlot and every EAccountingError.
    """
    ends_at = time.monotonic() + deadline
    index = _Index.of(connection.pk)
    if index.is_too_long_to_read:
        raise CustomersUnread(retry_in=UNREAD_SECONDS)
    try:
        page = client.list_customers(filter=index.filter(values), deadline=deadline, most_pages=MOST_PAGES)
    except TooManyPages:
        index.hurry()
        raise CustomersUnread(retry_in=UNREAD_SECONDS) from None
    if len(page.customers) > LARGEST_PAGE:
        index.hurry()
    same = [customer for customer in page.customers if in_common(values, owned(customer.raw))]
    answered, added = {customer.id for customer in page.customers}, list[Customer]()
    for reference in index.others(values, answered):
        if len(added) >= MOST_ADDED:
            break
        added += _asked(client, connection, reference, values, deadline=max(0.0, ends_at - time.monotonic()))
    return Look(same=(*same, *added), server_time=page.server_time)


def linked_since(connection_id: int, values: Values, *, since: datetime) -> bool:
    """Whether a company was linked after `moment` to a customer that may be the one with these values."""
    rows = _Index.of(connection_id).alike(values).filter(link__linked_at__gte=since)
    return any(in_common(values, row.answered) for row in rows.only("answered"))


def _asked(
    client: Client, connection: Connection, reference: str, values: Values, *, deadline: float
) -> list[Customer]:
    """Return a customer that the index found, if it still exists and still may be the company."""
    try:
        customer = get_customer(client, connection, customer_id=reference, deadline=deadline)
    except NotFound:
        return []
    return [customer] if in_common(values, owned(customer.raw)) else []


@dataclass(frozen=True)
class _Index:
    """What the index of a connection can answer; it holds every customer as it was at `read_until`."""

    connection_id: int
    country: str
    read_until: datetime | None  # by eAccounting's clock; None: the index is not filled
    total: int  # customers, as far as eAccounting said so

    @classmethod
    def of(cls, connection_id: int) -> "_Index":
        rows = Connection.objects.filter(pk=connection_id)
        names = ("full_at", "watermark", "total")
        columns = ("country", *(f"customer_index__{name}" for name in names))
        country, full_at, watermark, total = rows.values_list(*columns).get()
        return cls(connection_id, country or HOME, watermark if full_at else None, total or 0)

    @property
    def is_too_long_to_read(self) -> bool:
        """Whether a look would have to read more customers than it may; then not even one page is asked for."""
        return self.read_until is None and self.total > MOST_PAGES * LARGEST_PAGE

    def hurry(self) -> None:
        """Make the next pass due now, so that less has to be looked through; a failed one keeps its pause."""
        CustomerIndex.objects.filter(connection=self.connection_id, failure="").update(due_at=None)

    def filter(self, values: Values) -> str | None:
        """Return the filter to ask eAccounting with; None: ask for every customer."""
        if self.read_until is None:
            return None
        return look_filter(values, changed_since=self.read_until, by_name=self._is_rare(longest_word(values["Name"])))

    def _is_rare(self, word: str) -> bool:
        """Whether so few customers have this word that eAccounting can be asked for it."""
        if len(fold(word)) < SHORTEST_ASKED:
            return False
        with_it = self._rows().filter(search_text__contains=fold(word))
        return with_it[: RARE + 1].count() <= RARE

    def others(self, values: Values, answered: set[str]) -> Iterator[str]:
        """Yield the ids of customers that may be the company and that eAccounting did not name, same number first.

        Many customers can share a name; the ones with the same number must not be left out because of them.
        """
        if self.read_until is None:
            return
        keys = formats.registration_keys(values["CorporateIdentityNumber"], values.get(COUNTRY, ""))
        found = self.alike(values).order_by("pk").only("customer_id", "registration_key", "answered")
        for row in sorted(found, key=lambda row: row.registration_key not in keys):
            if str(row.customer_id) not in answered and in_common(values, row.answered):
                yield str(row.customer_id)

    def alike(self, values: Values) -> QuerySet[RemoteCustomer]:
        """Return the customers that `in_common` may find, and few others."""
        keys = formats.registration_keys(values.get("CorporateIdentityNumber", ""), values.get(COUNTRY, ""))
        name = name_sort(values["Name"], country=self.country)
        return self._rows().filter(Q(registration_key__in=keys) | Q(name_sort=name))

    def _rows(self) -> QuerySet[RemoteCustomer]:
        return RemoteCustomer.objects.filter(connection=self.connection_id, gone_at=None)


def look_now(connection: Connection, *, values: Values) -> list[Customer]:
    """Return the customers that may be the company with these values, as delivery will look for them before a create.

    Raises TooBusy, NotConnected and every EAccountingError.
    """
    return list(read_now(connection, lambda client, left: look(client, connection, values, deadline=left)).same)
