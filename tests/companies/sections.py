"""A plugin's section for the edit page, as a plugin would write it."""

from typing import ClassVar

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import User
from companies.models import Company
from companies.sections import Section


class NameOfUlf(Section):
    """Keeps a first name for the user Ulf, so that there is something to save in another table."""

    title = "Plugin"
    first_name = forms.CharField(label="Reference", required=False)

    def clean_first_name(self) -> str:
        """Refuse one value as a plugin refuses a wrong reference."""
        value: str = self.cleaned_data["first_name"]
        if value == "wrong":
            raise ValidationError("That is not a reference.")
        return value

    def save(self, *, company: Company) -> None:
        """Store the value, unless something came between."""
        User.objects.filter(email="ulf@nordvik.example").update(first_name=self.cleaned_data["first_name"])
        if self.cleaned_data["first_name"] == "taken":
            raise ValidationError({"first_name": f"{company.name} was linked by somebody else."})


class OnlyLater(Section):
    """A section that a new company does not have."""

    title = "Later"
    on_create: ClassVar[bool] = False

    def save(self, *, company: Company) -> None:
        """Has nothing to store."""
