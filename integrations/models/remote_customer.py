"""A customer in eAccounting as last read, whether or not a company is linked to it."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction
from django.db.models import F, Q, QuerySet

from accounts.models import Account
from companies import formats
from companies.formats.registration_numbers import LONGEST_KEY
from companies.models import Company
from companies.search import name_sort, search_text
from integrations.eaccounting.types import Customer
from integrations.models.connection import Connection

LONGEST_NAME, LONGEST_NUMBER = 255, 50
HOME = "SE"  # the sort order of names while the company's country is not known
_CENT, _MOST = Decimal("0.01"), Decimal(10) ** 16


class RemoteCustomer(models.Model):
    """A customer of a connected eAccounting company; `answered` holds the properties that we write."""

    # What eAccounting answered, and what is derived from it; a row is written only when one of these differs.
    COMPARED: ClassVar[tuple[str, ...]] = (
        "number",
        "name",
        "registration_number",
        "answered",
        "terms_id",
        "is_active",
        "unpaid_amount",
        "search_text",
        "registration_key",
        "name_sort",
        "gone_at",
    )
    SEEN: ClassVar[tuple[str, ...]] = (*COMPARED, "changed_utc", "seen_at", "unread_at")

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="+")
    customer_id = models.UUIDField()
    number = models.CharField(max_length=LONGEST_NUMBER, blank=True)
    name = models.CharField(max_length=LONGEST_NAME, blank=True)
    registration_number = models.CharField(max_length=LONGEST_NUMBER, blank=True)
    answered = models.JSONField(default=dict)
    terms_id = models.UUIDField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    unpaid_amount = models.DecimalField(max_digits=18, decimal_places=2, null=True, blank=True)
    changed_utc = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()  # when the last reading that returned it began
    # When a later reading found it but could not read it: its values are still those of `seen_at`.
    unread_at = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)  # None: it exists
    # Derived for search: see companies/search.py and companies/formats.
    search_text = models.TextField(blank=True, default="", db_default="")
    registration_key = models.CharField(max_length=LONGEST_KEY, blank=True, default="", db_default="")
    name_sort = models.CharField(max_length=250, db_collation="C", blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "customer_id"], name="remote_customer_once_per_connection")
        ]
        indexes = [
            GinIndex(
                name="remote_customer_search",
                fields=["connection", "search_text"],
                opclasses=["int8_ops", "gin_trgm_ops"],
                # No fastupdate: every search would have to scan the pending list, and a page adds hundreds of rows.
                fastupdate=False,
            ),
            models.Index(name="remote_customer_registration", fields=["connection", "registration_key"]),
            models.Index(name="remote_customer_number", fields=["connection", "number"]),
            models.Index(name="remote_customer_list", fields=["connection", "name_sort", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.number})" if self.number else self.name

    @classmethod
    def of(
        cls, *, connection: Connection, customer: Customer, answered: dict[str, str], now: datetime
    ) -> "RemoteCustomer":
        """Return an unsaved row of what eAccounting answered; `answered` holds the owned properties.

        A value that is too long or too large is cut or left out: one odd customer must not stop the others from being
        stored.
        """
        row = cls(
            account_id=connection.account_id,
            connection=connection,
            customer_id=UUID(customer.id),
            number=customer.number[:LONGEST_NUMBER],
            name=customer.name[:LONGEST_NAME],
            registration_number=customer.registration_number[:LONGEST_NUMBER],
            answered=answered,
            terms_id=UUID(customer.terms_of_payment_id) if customer.terms_of_payment_id else None,
            is_active=customer.is_active,
            unpaid_amount=_amount(customer.unpaid_amount),
            changed_utc=customer.changed_utc,
            seen_at=now,
        )
        row._derive(city=row.city, email=row.email, country=customer.country_code)
        return row

    def _derive(self, *, city: str, email: str, country: str) -> None:
        """Set the columns that it is found and sorted by."""
        name = formats.text(self.name)
        self.search_text = search_text(
            values=[name, self.number, city, email], registration_number=self.registration_number
        )
        self.registration_key = formats.registration_key(self.registration_number, country.strip().upper())
        self.name_sort = name_sort(name, country=self.connection.country or HOME)

    @classmethod
    def remember(
        cls, *, connection: Connection, customer: Customer, answered: dict[str, str], now: datetime
    ) -> "RemoteCustomer":
        """Store what eAccounting answered about a customer; `answered` holds the owned properties."""
        row = cls.of(connection=connection, customer=customer, answered=answered, now=now)
        # One statement, whether or not the row exists.
        [remote] = RemoteCustomer.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["connection", "customer_id"], update_fields=cls.SEEN
        )
        return remote

    @classmethod
    def take_in(
        cls, *, connection: Connection, rows: list["RemoteCustomer"], unread: Collection[UUID], began: datetime
    ) -> list[int]:
        """Store the customers of a reading that began at `began`; return those of them that counted as gone until now.

        A row that somebody has stored since then is newer and is left alone. Of the others only rows that differ are
        written; all are marked as seen. Those in `unread` are only marked as existing. Locks are taken in one order,
        so that two readings never deadlock; `remember` locks one row only.
        """
        answered = {row.customer_id: row for row in rows}
        known = {row.customer_id: row for row in cls._locked(connection, {*answered, *unread})}
        older = {key: row for key, row in known.items() if row.seen_at <= began}
        changed = [key for key in sorted(answered.keys() & older) if answered[key].differs_from(older[key])]
        RemoteCustomer.objects.bulk_create(
            [answered[key] for key in changed],
            update_conflicts=True,
            unique_fields=["connection", "customer_id"],
            update_fields=cls.SEEN,
        )
        # Whoever is storing one of these now has a newer answer.
        new = [answered[key] for key in sorted(answered.keys() - known.keys())]
        RemoteCustomer.objects.bulk_create(new, ignore_conflicts=True)
        same = [row.pk for key, row in older.items() if key in answered and key not in changed]
        cls.objects.filter(pk__in=same).update(seen_at=began, unread_at=None)
        cls.objects.filter(pk__in=[row.pk for key, row in older.items() if key not in answered]).update(unread_at=began)
        return [older[key].pk for key in changed if older[key].gone_at is not None]

    @classmethod
    def _locked(cls, connection: Connection, keys: Collection[UUID]) -> QuerySet["RemoteCustomer"]:
        rows = cls.objects.select_for_update(no_key=True).filter(connection=connection, customer_id__in=keys)
        return rows.order_by("customer_id")

    @classmethod
    def all_seen_since(cls, moment: datetime | None, *, connection: Connection, keys: Collection[UUID]) -> bool:
        """Whether a reading has returned each of these since then, readable or not."""
        if moment is None:
            return False
        seen = Q(seen_at__gte=moment) | Q(unread_at__gte=moment)
        return cls.objects.filter(seen, connection=connection, customer_id__in=keys).count() == len(keys)

    @classmethod
    def unseen_since(cls, moment: datetime, *, connection: Connection) -> QuerySet["RemoteCustomer"]:
        """Return the customers that no reading has returned since then, linked ones first."""
        rows = cls.objects.filter(connection=connection, gone_at=None, seen_at__lt=moment)
        rows = rows.exclude(unread_at__gte=moment)
        return rows.order_by(F("link").asc(nulls_last=True), "seen_at", "pk")

    def mark_unread(self, *, now: datetime) -> None:
        """Record that the customer could not be read, and so probably still exists."""
        RemoteCustomer.objects.filter(pk=self.pk, seen_at__lt=now).update(unread_at=now)

    def mark_gone(self, *, now: datetime) -> bool:
        """Record that the customer was asked for at `now` and does not exist. Return False if somebody saw it since."""
        rows = RemoteCustomer.objects.filter(pk=self.pk, seen_at__lt=now).exclude(unread_at__gte=now)
        return bool(rows.update(gone_at=now, seen_at=now))

    @classmethod
    def number_of(cls, customer_id: UUID, *, connection: Connection) -> str:
        """Return the number by which the customer is found in a list, or ""."""
        known = cls.objects.filter(connection=connection, customer_id=customer_id)
        return known.values_list("number", flat=True).first() or ""

    @classmethod
    def without_link(cls, connection: Connection) -> QuerySet["RemoteCustomer"]:
        """Return the customers that no company is linked to."""
        return cls.objects.filter(connection=connection, link=None)

    @classmethod
    def erase_some(cls, *, connection: Connection, most: int) -> int:
        """Delete at most so many customers that are not linked; return how many. A link made meanwhile waits for us."""
        with transaction.atomic():
            free = cls.without_link(connection).order_by("customer_id").select_for_update(of=("self",))
            ids = list(free.values_list("pk", flat=True)[:most])
            # Check again now that they are locked: one may have been linked since it was selected.
            return cls.objects.filter(pk__in=ids, link=None).delete()[0]

    @property
    def city(self) -> str:
        """The city of its invoice address."""
        return str(self.answered.get("InvoiceCity", ""))

    @property
    def email(self) -> str:
        """The e-mail address that its invoices go to."""
        return str(self.answered.get("EmailAddress", ""))

    @property
    def company_here(self) -> Company | None:
        """The company that is linked to it; no further query if the rows were loaded with `link__company`."""
        link = getattr(self, "link", None)
        return link.company if link else None

    def differs_from(self, other: "RemoteCustomer") -> bool:
        """Whether one of the compared values differs; a newer time of change alone does not count."""
        return any(getattr(self, name) != getattr(other, name) for name in self.COMPARED)


def _amount(amount: Decimal | None) -> Decimal | None:
    """Return an amount that fits its column, or None if it is far too large."""
    if amount is None or amount.copy_abs() >= _MOST:
        return None
    rounded = amount.quantize(_CENT)
    return rounded if rounded.copy_abs() < _MOST else None
