"""The form about who numbers new customers."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from integrations.models import Connection
from integrations.models.connection import LONGEST_PREFIX, PREFIX
from integrations.services import numbers


class NumbersForm(forms.Form):
    """Who numbers new customers, and with which prefix. The prefix is blank when eAccounting does."""

    EACCOUNTING, LIME_GO = "eaccounting", "lime_go"

    who = forms.ChoiceField(
        label=_("Customer numbers for new customers"),
        choices=[
            (EACCOUNTING, _("Visma eAccounting gives each new customer its next number")),
            (LIME_GO, _("Lime Go gives the number: a prefix and a running number")),
        ],
        widget=forms.RadioSelect,
    )
    number_prefix = forms.CharField(
        label=_("Prefix"),
        required=False,
        help_text=_(
            "One to five of the letters A to Z, digits and hyphens, with a letter first and no digit last. "
            "LG makes numbers such as LG118."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:  # Django's own
        who = self.LIME_GO if connection.own_prefix else self.EACCOUNTING
        super().__init__(*args, **kwargs)
        self.initial = {"who": who, "number_prefix": connection.number_prefix}
        if numbers.why_not_offered(connection):
            for field in self.fields.values():
                field.disabled = True

    def clean_number_prefix(self) -> str:
        """Letters are made capital: eAccounting may not tell them apart, we would."""
        prefix: str = self.cleaned_data["number_prefix"].strip().upper()
        if self.cleaned_data.get("who") != self.LIME_GO:
            return ""
        if not prefix:
            raise ValidationError(gettext("Give the prefix that the numbers begin with."))
        if len(prefix) > LONGEST_PREFIX:
            words = gettext("The prefix has %(length)d characters; at most %(most)d leave room for the running number.")
            raise ValidationError(words % {"length": len(prefix), "most": LONGEST_PREFIX})
        if not PREFIX.fullmatch(prefix):
            words = gettext(
                "That cannot be a prefix. Use A to Z, digits and hyphens, a letter first and no digit last."
            )
            raise ValidationError(words)
        return prefix
