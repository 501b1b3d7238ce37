"""The seam of the edit page: plugins add sections to the company form without being named here.

The setting COMPANY_FORM_SECTIONS lists dotted paths to classes that keep this contract (subclass `Section`, or
any Django form that does the same):

- `Section(data=None, *, company, user, prefix)`: `company` is None while a new one is being made; values that the
  section shows belong into `initial`. Field ids are `id_<prefix>-<field>`, the prefix being the class's name in
  lower case.
- `title`: the heading of the section. `on_create = False` leaves it out when a company is being made.
- `is_valid()` runs before the transaction, together with the company form: here a slow check may be made.
- `save(*, company)` runs inside the transaction, after the company's row is locked and stored. When it raises
  ValidationError (for a race that `is_valid` could not see), everything is rolled back and the errors are shown
  at this section.
- `told` is what the page says after saving, a full sentence; blank when there is nothing to say.

Company form and sections are saved together: if one fails nothing is saved, and all typed values stay.
"""

from typing import ClassVar

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from accounts.models import User
from companies.models import Company


class Section(forms.Form):
    """A plugin's section of the edit page."""

    title: ClassVar[str | Promise]
    on_create: ClassVar[bool] = True
    told: str = ""

    def __init__(self, data: QueryDict | None = None, *, company: Company | None, user: User, prefix: str) -> None:
        super().__init__(data, prefix=prefix)
        self.company = company
        self.user = user

    def save(self, *, company: Company) -> None:
        """Store what was typed. Raises ValidationError if that is no longer possible."""
        raise NotImplementedError


def build_sections(*, data: QueryDict | None, company: Company | None, user: User) -> list[Section]:
    """Return the sections of one edit page, in the order of the setting."""
    classes: list[type[Section]] = [import_string(path) for path in settings.COMPANY_FORM_SECTIONS]
    return [
        section(data, company=company, user=user, prefix=section.__name__.lower())
        for section in classes
        if company is not None or section.on_create
    ]
