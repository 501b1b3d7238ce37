"""Rules for every form of the product, including those of Django and of later apps."""

from typing import Any

from django.forms import BoundField
from django.forms.renderers import TemplatesSetting

from companies.formats import visible


class SeenField(BoundField):
    """A field without the invisible characters of what was typed: if nothing else is left, the value is blank."""

    @property
    def data(self) -> Any:
        """The text as it is seen; passwords, which no field strips, and what is no text as they came."""
        data = super().data
        return visible(data) if isinstance(data, str) and getattr(self.field, "strip", False) else data


class Renderer(TemplatesSetting):
    """Draws forms with the project's templates, and reads them as above."""

    bound_field_class = SeenField
