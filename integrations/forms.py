"""Forms of the integration: the terms, the contact person."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from companies.models import Company, Contact
from integrations.models import Connection, TermsOfPayment


class TermsForm(forms.Form):
    """The terms of payment that new customers get."""

    terms = forms.ModelChoiceField(
        label=_("Terms of payment for new customers"),
        queryset=TermsOfPayment.objects.none(),
        empty_label=None,
        help_text=_("Check that this is right: every customer that is added from here gets these terms of payment."),
    )

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:  # Django's own
        super().__init__(*args, **kwargs)
        field = self.fields["terms"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = connection.choosable_terms()


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
