"""The link of a company here to a customer there."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import models
from django.db.models import Value
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User
from companies.models import Company, Contact
from integrations.models.connection import Connection
from integrations.models.remote_customer import RemoteCustomer


class Origin(models.TextChoices):
    """How a link came to be."""

    CREATED = "created", _("created from Lime Go")
    PASTED = "pasted", _("linked by its reference")
    ADOPTED = "adopted", _("found after a lost answer")
    MATCHED = "matched", _("linked instead of created")


class CustomerLink(models.Model):
    """A company here is a customer there. It survives disconnecting."""

    class Broken(models.TextChoices):
        DELETED = "deleted", _("deleted in Visma eAccounting")
        INACTIVE = "inactive", _("made inactive in Visma eAccounting")

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="links")
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="+")
    customer = models.OneToOneField(RemoteCustomer, on_delete=models.PROTECT, related_name="link")
    contact = models.ForeignKey(Contact, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    origin = models.CharField(max_length=10, choices=Origin.choices)
    broken = models.CharField(max_length=10, choices=Broken.choices, blank=True)
    # What here and there were, property by property, when they were last agreed on: sent, or looked at by a person who
    # kept eAccounting's value (`kept`). A property without an entry was never agreed on.
    sent = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    answered = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    kept = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    # Values that eAccounting would refuse as they are: property → {"here": the whole value, or the blank where one is
    # required, "there": the shorter one, or what stands in its place}.
    shorter = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    sent_at = models.DateTimeField(null=True, blank=True)
    sent_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    linked_at = models.DateTimeField()
    linked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "company"], name="link_once_per_company_and_connection")
        ]
        indexes = [models.Index(fields=["company"], name="link_company")]

    def __str__(self) -> str:
        return f"{self.company} → {self.customer}"

    @property
    def reference(self) -> UUID:
        """The Company Reference: the customer's id in eAccounting."""
        return self.customer.customer_id

    def choose_contact(self, contact: Contact | None) -> None:
        """Choose the person who fills the one contact slot of the customer."""
        self.contact = contact
        self.save(update_fields=["contact"])

    def mark_sent(self, *, values: dict[str, str], answered: dict[str, str], user: User | None, now: datetime) -> None:
        """Remember the values that eAccounting was given (or already had) and its answer; it is not broken then."""
        self._agree(here=values, there=answered)
        self.kept = [name for name in self.kept if name not in values]
        self.sent_at, self.sent_by, self.broken = now, user, ""
        self.save(update_fields=["sent", "answered", "kept", "sent_at", "sent_by", "broken"])

    def mark_equal(self, *, values: dict[str, str], answered: dict[str, str]) -> None:
        """Remember that eAccounting already had these values: nothing was sent. It is not broken then."""
        self._agree(here=values, there=answered)
        self.kept = [name for name in self.kept if name not in values]
        self.broken = ""
        self.save(update_fields=["sent", "answered", "kept", "broken"])

    def keep(self, *, here: dict[str, str], there: dict[str, str]) -> None:
        """Remember that a person saw both sides of these values and left eAccounting's as they are."""
        self._agree(here=here, there=there)
        self.kept = sorted({*self.kept, *here})
        self.save(update_fields=["sent", "answered", "kept"])

    def _agree(self, *, here: dict[str, str], there: dict[str, str]) -> None:
        self.answered = {**self.answered, **{name: there.get(name, "") for name in here}}
        self.sent = {**self.sent, **here}

    def shorten(self, shorter: dict[str, dict[str, str]]) -> None:
        """Remember values that eAccounting gets in another form; each is good for the value it was given for."""
        if shorter:
            self.shorter = {**self.shorter, **shorter}
            self.save(update_fields=["shorter"])

    @classmethod
    def of_customers(
        cls, customers: Collection[UUID], *, connection: Connection | int
    ) -> "models.QuerySet[CustomerLink]":
        """The links to these customers of a connection.

        The connection of the customers is named too: with it PostgreSQL finds them by their index.
        """
        rows = cls.objects.filter(connection=connection, customer__connection=connection)
        return rows.filter(customer__customer_id__in=customers)

    @classmethod
    def follow(cls, *, connection: Connection, customers: Collection[UUID], returned: Collection[int] = ()) -> None:
        """Break or mend the links to these customers as they are there: inactive, active, or `returned` rows."""
        links = cls.of_customers(customers, connection=connection)
        links.filter(broken="", customer__is_active=False).update(broken=cls.Broken.INACTIVE)
        links.filter(broken=cls.Broken.INACTIVE, customer__is_active=True).update(broken="")
        if returned:
            links.filter(broken=cls.Broken.DELETED, customer__in=returned).update(broken="")

    def mark_broken(self, reason: str) -> None:
        """Record that the customer is gone there; "": it is back."""
        self.broken = reason
        self.save(update_fields=["broken"])
