"""The form of the integration that chooses a contact person."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from companies.models import Company, Contact


class ContactChoiceForm(forms.Form):
    """One of the company's people as its contact person in eAccounting."""

    contact = forms.ModelChoiceField(
        label=_("Contact person"), queryset=Contact.objects.none(), empty_label=None, widget=forms.RadioSelect
    )

    def __init__(self, *args: Any, company: Company, **kwargs: Any) -> None:  # Django's own
        super().__init__(*args, **kwargs)
        field = self.fields["contact"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = company.contacts.filter(left_at=None).order_by("pk")
