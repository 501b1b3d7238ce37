"""The forms of companies and contacts, checked with the country's own rules."""

import hashlib
from collections.abc import Callable, Mapping
from copy import copy

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries.fields import Country

from accounts.models import Account
from companies import formats
from companies.formats.registration_numbers import PLACEHOLDER_WARNING
from companies.models import Company, Contact, FieldValue

_BY_COUNTRY: dict[str, Callable[[str, str], str]] = {
    "registration_number": formats.check_registration_number,
    "vat_number": formats.check_vat_number,
    "postal_code": formats.check_postal_code,
    "phone": formats.check_phone,
    "direct_phone": formats.check_phone,
    "mobile": formats.check_phone,
}
_ALONE: dict[str, Callable[[str], str]] = {"email": formats.check_email, "website": formats.check_website}
# `off`: these are other people's data, and the browser would fill in the reader's own.
_OFF = {"autocomplete": "off"}
_WIDGETS = {
    "phone": forms.TextInput(attrs={**_OFF, "type": "tel"}),
    "direct_phone": forms.TextInput(attrs={**_OFF, "type": "tel"}),
    "mobile": forms.TextInput(attrs={**_OFF, "type": "tel"}),
    "email": forms.EmailInput(attrs=_OFF),
    "website": forms.TextInput(attrs={**_OFF, "inputmode": "url"}),
}


def _check(form: "CompanyForm | ContactForm", name: str, country: str) -> None:
    """Put one cleaned value into its written form, or a message at its field."""
    value = form.cleaned_data.get(name)
    if not isinstance(value, str):
        return  # the field has its message already, or is no text
    try:
        if name in _BY_COUNTRY:
            form.cleaned_data[name] = _BY_COUNTRY[name](value, country)
        else:
            form.cleaned_data[name] = _ALONE.get(name, formats.text)(value)
    except ValidationError as error:
        form.add_error(name, error)


class CompanyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when run
    """A company's own values. It only checks: `Company.add` and `save_changes` store them."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Company
        fields = Company.EDITABLE
        widgets = {name: _WIDGETS[name] for name in ("phone", "email", "website")}
        help_texts = {
            "is_private_person": gettext_lazy("Tick this for a person who buys for themselves and not for a business."),
        }

    def __init__(self, data: QueryDict | None = None, *, account: Account, company: Company | None) -> None:
        # A copy: checking writes what was typed into the instance, and other code still reads the company.
        super().__init__(data, instance=copy(company))
        if company is None:
            self.initial["country"] = account.country
        else:
            self.initial["version"] = company.changed_at.isoformat()
        shown = self.data.get("registration_number", "") if self.is_bound else self.instance.registration_number
        if formats.is_placeholder(shown):
            self.fields["registration_number"].help_text = PLACEHOLDER_WARNING

    def clean(self) -> None:
        """Check each value by the rules of the country that was chosen."""
        country = str(self.cleaned_data.get("country") or "")
        for name in Company.EDITABLE:
            if country or name not in _BY_COUNTRY:
                _check(self, name, country)
        if "registration_number" in self.errors:
            self["registration_number"].help_text = ""  # what is refused is not kept

    def values(self) -> dict[str, FieldValue]:
        """The checked values, by their names in Company.EDITABLE."""
        return {name: self.cleaned_data[name] for name in Company.EDITABLE}

    def is_stale(self, stored: Company) -> bool:
        """Whether somebody saved the company after this form was opened."""
        version = self.cleaned_data["version"]
        return bool(version) and version != stored.changed_at.isoformat()

    def refuse_stale(self, stored: Company) -> None:
        """Show what is stored now where it differs; a second Save then overwrites it knowingly."""
        sentence = _(
            "Somebody else changed this company after you opened it, so nothing is saved yet. Where your values "
            "differ, the saved one is shown beside yours. Save again to keep yours."
        )
        self.add_error(None, ValidationError(sentence, code="stale"))
        _show_stored(self, stored, typed=self.values(), version=stored.changed_at.isoformat())


def _show_stored(
    form: "CompanyForm | ContactForm", stored: Company | Contact, *, typed: Mapping[str, FieldValue], version: str
) -> None:
    """Show what is stored now beside the values that differ, and let the next Save know that it was seen."""
    for name, value in typed.items():
        now = getattr(stored, name)
        if now != value:
            form.add_error(name, _("Saved now: %(value)s") % {"value": _in_words(now)})
    # Name by name: unpacking a QueryDict would give lists.
    form.data = {name: form.data[name] for name in form.data} | {"version": version}


def _in_words(value: FieldValue) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Country):
        return str(value.name)
    return value or _("nothing")


class ContactForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable when run
    """A person at a company. It only checks: `add_contact` and `Contact.save_changes` store the values."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Contact
        fields = Contact.EDITABLE
        widgets = {name: _WIDGETS[name] for name in ("email", "direct_phone", "mobile")} | {
            name: forms.TextInput(attrs=_OFF) for name in ("first_name", "last_name", "title")
        }

    def __init__(self, data: QueryDict | None = None, *, company: Company, contact: Contact | None) -> None:
        super().__init__(data, instance=copy(contact))
        self.company = company
        if contact is not None:
            self.initial["version"] = _version(contact)

    def clean(self) -> None:
        """Check each value by the rules of the company's country; a person has at least one name."""
        for name in Contact.EDITABLE:
            _check(self, name, str(self.company.country))
        if not self.cleaned_data.get("first_name") and not self.cleaned_data.get("last_name"):
            self.add_error("first_name", _("Enter a first name or a last name."))

    def values(self) -> dict[str, str]:
        """The checked values, by their names in Contact.EDITABLE."""
        return {name: self.cleaned_data[name] for name in Contact.EDITABLE}

    def is_stale(self, stored: Contact) -> bool:
        """Whether somebody saved the contact after this form was opened."""
        version = self.cleaned_data["version"]
        return bool(version) and version != _version(stored)

    def refuse_stale(self, stored: Contact) -> None:
        """Show what is stored now where it differs; a second Save then overwrites it knowingly."""
        sentence = _(
            "Somebody else changed this contact after you opened it, so nothing is saved yet. Where your values "
            "differ, the saved one is shown beside yours. Save again to keep yours."
        )
        self.add_error(None, ValidationError(sentence, code="stale"))
        _show_stored(self, stored, typed=self.values(), version=_version(stored))


def _version(contact: Contact) -> str:
    """Return a text that changes with a contact's stored values: a contact has no time of its last change."""
    values = "\0".join(getattr(contact, name) for name in Contact.EDITABLE)
    return hashlib.sha256(values.encode()).hexdigest()
