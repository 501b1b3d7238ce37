"""The form for the terms of payment that new customers get."""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundWidget
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from integrations.models import Connection, TermsOfPayment


@dataclass(frozen=True)
class TermsRow:
    """One line of the list: the terms, the radio button for the default, and the box that allows them."""

    terms: TermsOfPayment
    default: BoundWidget
    offered: BoundWidget


class TermsForm(forms.Form):
    """The default terms of new customers, and which others may be chosen when one is created."""

    terms = forms.ModelChoiceField(
        label=_("Terms of payment for new customers"),
        queryset=TermsOfPayment.objects.none(),
        empty_label=None,
        widget=forms.RadioSelect,
        help_text=_("Check that this is right: every customer that is added from Lime Go gets these terms of payment."),
    )
    offered = forms.ModelMultipleChoiceField(
        label=_("Can also be chosen when a customer is added"),
        queryset=TermsOfPayment.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    mark = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:  # Django's own arguments
        super().__init__(*args, **kwargs)
        choosable = connection.choosable_terms()
        for name in ("terms", "offered"):
            field = self.fields[name]
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = choosable
        self.initial.setdefault("offered", choosable.filter(offered=True))

    @cached_property
    def rows(self) -> list[TermsRow]:
        """The lines of the list, in order."""
        pairs = zip(self["terms"].subwidgets, self["offered"].subwidgets, strict=True)
        return [TermsRow(default.data["value"].instance, default, offered) for default, offered in pairs]

    @property
    def list_mark(self) -> str:
        """A mark of the list that the page shows, so that an old page confirms nothing that changed since."""
        meanings = [[row.terms.pk, row.terms.meaning] for row in self.rows]
        return sha256(json.dumps(meanings, sort_keys=True).encode()).hexdigest()[:16]

    def clean_mark(self) -> str:
        """Refuse a choice from a list that has changed since."""
        mark: str = self.cleaned_data["mark"]
        if mark != self.list_mark:
            words = gettext(
                "The terms of payment changed in Visma eAccounting since this page was opened. Choose again."
            )
            raise ValidationError(words)
        return mark
