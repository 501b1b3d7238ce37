"""Save a company together with the sections that plugins add to its form: all of it or nothing."""

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import QueryDict

from accounts.models import Account, User
from companies.forms import CompanyForm, ContactForm
from companies.models import Company, Contact
from companies.sections import Section, build_sections


class _Refused(Exception):
    """Something cannot be saved; its form holds the reason, and the transaction is rolled back."""


@dataclass(frozen=True)
class CompanyEditor:
    """The forms of one edit page; `company` is None for a new one."""

    account: Account
    company: Company | None
    form: CompanyForm
    sections: list[Section]

    @property
    def has_errors(self) -> bool:
        """Whether any of the forms has errors."""
        return any(form.is_bound and form.errors for form in (self.form, *self.sections))

    def save(self, *, now: datetime) -> Company | None:
        """Check and store everything. Returns None if nothing was stored; the forms hold the errors."""
        checked = [
            form.is_valid() for form in (self.form, *self.sections)
        ]  # check every form, so that each shows its errors
        if not all(checked):
            return None
        try:
            with transaction.atomic():
                company = self._save_company(now=now)
                for section in self.sections:
                    _save_section(section, company)
                return company
        except _Refused:
            return None

    def _save_company(self, *, now: datetime) -> Company:
        if self.company is None:
            return Company.add(account=self.account, now=now, values=self.form.values())
        self.company.lock()
        if self.form.is_stale(self.company):
            self.form.refuse_stale(self.company)
            raise _Refused
        self.company.save_changes(now=now, values=self.form.values())
        return self.company


def _save_section(section: Section, company: Company) -> None:
    try:
        section.save(company=company)
    except ValidationError as error:
        section.add_error(None, error)
        raise _Refused from error


def save_contact(contact: Contact, form: ContactForm, *, now: datetime) -> bool:
    """Store a valid form. Returns False if somebody else was faster; the form then shows what is stored.

    Raises Contact.DoesNotExist when somebody removed the contact meanwhile.
    """
    with transaction.atomic():
        contact.lock()
        if form.is_stale(contact):
            form.refuse_stale(contact)
            return False
        contact.save_changes(now=now, values=form.values())
        return True


def open_editor(*, user: User, account: Account, company: Company | None, data: QueryDict | None) -> CompanyEditor:
    """Return the forms of the edit page, or of the page for a new company; `data` is what was posted."""
    return CompanyEditor(
        account=account,
        company=company,
        form=CompanyForm(data, account=account, company=company),
        sections=build_sections(data=data, company=company, user=user),
    )
