"""Company and Contact. Rows change only by the named methods here, each in one transaction.

Lock order: the company's row first (`Company.lock`). Code with rows of its own that belong to a company locks it the
same way before reading them. Foreign rows point at these; nothing here knows of them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from django_countries.fields import Country, CountryField

from accounts.models import Account
from companies import formats
from companies.search import matching, name_sort, search_text

FieldValue = str | bool | Country


class CompanyQuerySet(models.QuerySet["Company"]):
    """Companies of one account, by search and state."""

    def of(self, account: Account) -> "CompanyQuerySet":
        """Return this account's companies; every query of a view begins here."""
        return self.filter(account=account)

    def active(self) -> "CompanyQuerySet":
        """Return companies that are not archived."""
        return self.filter(archived_at=None)

    def archived(self) -> "CompanyQuerySet":
        """Return archived companies."""
        return self.filter(archived_at__isnull=False)

    def matching(self, query: str) -> "CompanyQuerySet":
        """Return companies with every word of the query in name, registration number, city, e-mail or contacts."""
        return self.filter(matching(query))


class Company(models.Model):
    """A company, or a private person, that an account sells to. Archiving is the only removal."""

    EDITABLE: ClassVar[tuple[str, ...]] = (
        "name",
        "registration_number",
        "vat_number",
        "is_private_person",
        "phone",
        "email",
        "website",
        "address_line1",
        "address_line2",
        "postal_code",
        "city",
        "country",
    )

    # No index of its own: the indexes below begin with it.
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+", db_index=False)
    name = models.CharField(_("Company name"), max_length=200)
    registration_number = models.CharField(_("Registration number"), max_length=50, blank=True)
    vat_number = models.CharField(_("VAT number"), max_length=50, blank=True)
    is_private_person = models.BooleanField(_("Private person"), default=False)
    phone = models.CharField(_("Phone number"), max_length=50, blank=True)
    email = models.CharField(_("E-mail"), max_length=254, blank=True)
    website = models.CharField(_("Website"), max_length=500, blank=True)
    address_line1 = models.CharField(_("Address line 1"), max_length=200, blank=True)
    address_line2 = models.CharField(_("Address line 2"), max_length=200, blank=True)
    postal_code = models.CharField(_("Postal code"), max_length=20, blank=True)
    city = models.CharField(_("City"), max_length=100, blank=True)
    country = CountryField(_("Country"))

    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField()  # also moved when its contacts change; archiving does not move it
    archived_at = models.DateTimeField(null=True, blank=True)
    name_sort = models.CharField(max_length=250, db_collation="C", editable=False)
    search_text = models.TextField(editable=False)

    objects = CompanyQuerySet.as_manager()

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        indexes = [
            GinIndex(name="company_search", fields=["account", "search_text"], opclasses=["int8_ops", "gin_trgm_ops"]),
            models.Index(
                name="company_active_list",
                fields=["account", "name_sort", "id"],
                condition=models.Q(archived_at=None),
            ),
            models.Index(
                name="company_archived_list",
                fields=["account", "name_sort", "id"],
                condition=models.Q(archived_at__isnull=False),
            ),
            models.Index(name="company_registration", fields=["account", "registration_number"]),
            models.Index(name="company_changed", fields=["account", "changed_at"]),
        ]
        constraints = [models.CheckConstraint(condition=~models.Q(name=""), name="company_has_name")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def add(cls, *, account: Account, now: datetime, values: Mapping[str, FieldValue]) -> "Company":
        """Create a company of this account. `values` maps names of EDITABLE to values in their written forms."""
        company = cls(account=account, changed_at=now)
        company._take(values)
        company.refresh_derived(contacts=())
        company.save(force_insert=True)
        return company

    def lock(self) -> None:
        """Lock this row until the transaction ends, and re-read it."""
        account = self.account
        self.refresh_from_db(from_queryset=Company.objects.select_for_update(no_key=True))
        self.account = account  # never changes, and re-reading has dropped it

    def save_changes(self, *, now: datetime, values: Mapping[str, FieldValue]) -> bool:
        """Store these values and return whether any differs. Equal ones leave `changed_at` alone."""
        with transaction.atomic():
            self.lock()
            if all(getattr(self, name) == value for name, value in values.items()):
                return False
            self._take(values)
            self.record_change(now=now)
            return True

    def archive(self, *, now: datetime) -> None:
        """Archive the company; its card stays readable. Archiving twice keeps the first time."""
        with transaction.atomic():
            self.lock()
            self.archived_at = self.archived_at or now
            self.save(update_fields=["archived_at"])

    def restore(self) -> None:
        """Restore an archived company."""
        with transaction.atomic():
            self.lock()
            self.archived_at = None
            self.save(update_fields=["archived_at"])

    def add_contact(self, *, now: datetime, values: Mapping[str, str]) -> "Contact":
        """Add a contact."""
        with transaction.atomic():
            self.lock()
            contact = Contact.objects.create(company=self, account_id=self.account_id, **values)
            self.record_change(now=now)
            return contact

    def record_change(self, *, now: datetime) -> None:
        """Store the company with the columns that are derived from it and its contacts. The row is locked."""
        self.changed_at = now
        self.refresh_derived(contacts=self.contacts.all())
        self.save()

    def refresh_derived(self, *, contacts: Iterable["Contact"]) -> None:
        """Set `name_sort` and `search_text`; call this yourself when inserting rows in bulk."""
        people = [f"{contact} {contact.email}" for contact in contacts]
        self.name_sort = name_sort(self.name, country=str(self.account.country))
        self.search_text = search_text(
            values=[self.name, self.city, self.email, *people], registration_number=self.registration_number
        )

    def _take(self, values: Mapping[str, FieldValue]) -> None:
        for name, value in values.items():
            if name not in self.EDITABLE:
                raise ValueError(f"{name} is no value of a company that may be set.")
            setattr(self, name, value)

    @property
    def is_archived(self) -> bool:
        """Whether it is out of the list."""
        return self.archived_at is not None

    @property
    def has_placeholder_number(self) -> bool:
        """Whether its registration number is only zeros or nines, and does not identify it."""
        return formats.is_placeholder(self.registration_number)

    def with_same_registration_number(self) -> CompanyQuerySet:
        """Other companies of the account with this registration number: branches, or duplicates."""
        if not self.registration_number or self.has_placeholder_number:
            return Company.objects.none()
        same = Company.objects.filter(account_id=self.account_id, registration_number=self.registration_number)
        return same.filter(country__in=formats.countries_of_register(str(self.country))).exclude(pk=self.pk)


class Contact(models.Model):
    """A person at a company. One who has left stays on the card; removing deletes the row."""

    EDITABLE: ClassVar[tuple[str, ...]] = ("first_name", "last_name", "title", "email", "direct_phone", "mobile")

    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="contacts")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    first_name = models.CharField(_("First name"), max_length=100, blank=True)
    last_name = models.CharField(_("Last name"), max_length=100, blank=True)
    title = models.CharField(_("Title"), max_length=100, blank=True)
    email = models.CharField(_("E-mail"), max_length=254, blank=True)
    direct_phone = models.CharField(_("Direct phone"), max_length=50, blank=True)
    mobile = models.CharField(_("Mobile"), max_length=50, blank=True)
    left_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(first_name="", last_name=""),
                name="contact_has_name",
                violation_error_message=_("Enter a first name or a last name."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def save_changes(self, *, now: datetime, values: Mapping[str, str]) -> None:
        """Store these values, names and values of EDITABLE in their written forms."""
        with transaction.atomic():
            company = self.lock()
            for name, value in values.items():
                setattr(self, name, value)
            self.save()
            company.record_change(now=now)

    def lock(self) -> Company:
        """Lock the company, and read this row afresh. Raises DoesNotExist when somebody removed it meanwhile."""
        company = self.company
        company.lock()
        self.refresh_from_db()
        self.company = company
        return company

    def mark_left(self, *, now: datetime) -> None:
        """Record that the person no longer works there. Marking twice keeps the first time."""
        self._set_left(now, now=now)

    def mark_returned(self, *, now: datetime) -> None:
        """Record that the person works there again."""
        self._set_left(None, now=now)

    def _set_left(self, left_at: datetime | None, *, now: datetime) -> None:
        with transaction.atomic():
            company = self.lock()
            if (self.left_at is None) == (left_at is None):
                return
            self.left_at = left_at
            self.save(update_fields=["left_at"])
            company.record_change(now=now)

    def remove(self, *, now: datetime) -> None:
        """Delete the person."""
        with transaction.atomic():
            company = self.lock()
            self.delete()
            company.record_change(now=now)
