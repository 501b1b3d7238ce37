"""A customer in eAccounting as we last saw it, whether a company here is linked to it or not."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.indexes import GinIndex
from django.db import models

from accounts.models import Account
from companies.models import Company
from companies.search import name_sort, search_text
from integrations.eaccounting.types import Customer
from integrations.models.connection import Connection
from integrations.registration_keys import LONGEST_KEY, registration_key

LONGEST_NAME, LONGEST_NUMBER = 255, 50
HOME = "SE"  # how names are sorted as long as nobody knows the company's country
_CENT, _MOST = Decimal("0.01"), Decimal(10) ** 16


class RemoteCustomer(models.Model):
    """A customer of a connected eAccounting company. `answered` holds the properties that we write."""

    # What eAccounting answered, and what is worked out from it; a row is written when one of these differs.
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
    SEEN: ClassVar[tuple[str, ...]] = (*COMPARED, "changed_utc", "seen_at")

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
    seen_at = models.DateTimeField()  # when the reading began that last answered it
    gone_at = models.DateTimeField(null=True, blank=True)  # None: it is there
    # How it is found: see companies/search.py and registration_keys.py.
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

        What no column can hold is cut or left out: one odd customer must not keep the others from being stored.
        """
        row = cls(
            account_id=connection.account_id,
            connection=connection,
            customer_id=UUID(customer.id),
            number=_storable(customer.number)[:LONGEST_NUMBER],
            name=_storable(customer.name)[:LONGEST_NAME],
            registration_number=_storable(customer.registration_number)[:LONGEST_NUMBER],
            answered={name: _storable(value) for name, value in answered.items()},
            terms_id=UUID(customer.terms_of_payment_id) if customer.terms_of_payment_id else None,
            is_active=customer.is_active,
            unpaid_amount=_amount(customer.unpaid_amount),
            changed_utc=customer.changed_utc,
            seen_at=now,
        )
        row._derive(city=_storable(customer.city), email=_storable(customer.email))
        return row

    def _derive(self, *, city: str, email: str) -> None:
        """Work out by what it is found and sorted."""
        self.search_text = search_text(
            values=[self.name, self.number, city, email], registration_number=self.registration_number
        )
        self.registration_key = registration_key(self.registration_number)
        self.name_sort = name_sort(self.name, country=self.connection.country or HOME)

    @classmethod
    def remember(
        cls, *, connection: Connection, customer: Customer, answered: dict[str, str], now: datetime
    ) -> "RemoteCustomer":
        """Keep what eAccounting answered about a customer; `answered` holds the owned properties."""
        row = cls.of(connection=connection, customer=customer, answered=answered, now=now)
        # One statement, whether it is there or not.
        [remote] = RemoteCustomer.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["connection", "customer_id"], update_fields=cls.SEEN
        )
        return remote

    @property
    def city(self) -> str:
        """The city of its invoices' address."""
        return str(self.answered.get("InvoiceCity", ""))

    @property
    def email(self) -> str:
        """Where its invoices go."""
        return str(self.answered.get("EmailAddress", ""))

    @property
    def company_here(self) -> Company | None:
        """The company that is linked to it; no further query where the rows were read with `link__company`."""
        link = getattr(self, "link", None)
        return link.company if link else None

    def differs_from(self, other: "RemoteCustomer") -> bool:
        """Whether one of the values that are compared is another; the time of a change alone is none."""
        return any(getattr(self, name) != getattr(other, name) for name in self.COMPARED)


def _storable(text: str) -> str:
    """Return a text without what PostgreSQL refuses: NUL, and halves of signs that JSON can name."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _amount(amount: Decimal | None) -> Decimal | None:
    """Return an amount as its column holds it; one that is far too large is none."""
    return amount.quantize(_CENT) if amount is not None and abs(amount) < _MOST else None
