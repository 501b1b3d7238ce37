"""The form of the create sheet: the exact values that will be sent, checked as the CRM checks its own."""

from collections.abc import Callable
from typing import TypedDict

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms import BoundField
from django.http import QueryDict
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.html import escape, format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_countries import countries

from accounts.models import User
from companies import formats
from companies.forms import PLACEHOLDER
from companies.models import Contact
from integrations import mapping, services
from integrations.due_dates import due_date
from integrations.mapping import BY_PROPERTY, COUNTRY, FIELDS, Values
from integrations.models import Push, TermsOfPayment
from integrations.sheets.adding import PERSON, Opening
from integrations.stand_ins import is_stand_in, stand_ins
from integrations.words.sentences import value_problem
from integrations.words.stand_in_words import stand_in_words

# The country's own rules for what a person types; the other values are only tidied.
CHECKS: dict[str, Callable[[str, str], str]] = {
    "CorporateIdentityNumber": formats.check_registration_number,
    "InvoicePostalCode": formats.check_postal_code,
    "Telephone": formats.check_phone,
    "EmailAddress": lambda value, _country: formats.check_email(value),
    "WwwAddress": lambda value, _country: formats.check_website(value),
    "ContactPersonEmail": lambda value, _country: formats.check_email(value),
    "ContactPersonPhone": formats.check_phone,
    "ContactPersonMobile": formats.check_phone,
}
_TYPES = {
    "Telephone": {"type": "tel"},
    "EmailAddress": {"type": "email"},
    "WwwAddress": {"inputmode": "url"},
    "ContactPersonEmail": {"type": "email"},
    "ContactPersonPhone": {"type": "tel"},
    "ContactPersonMobile": {"type": "tel"},
}


_LABELS = {"ContactPersonName": _("Contact person's name")}  # "Contact person" is the choice above it
IDENTIFYING = ("Name", "CorporateIdentityNumber")  # by which eAccounting is asked for possible duplicates


class TermsChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when run
    """Terms of payment, each with the day on which an invoice of today would fall due."""

    def label_from_instance(self, obj: TermsOfPayment) -> str:
        """Name and sample due date."""
        day = due_date(invoiced=timezone.localdate(), kind=obj.kind, days=obj.days)
        if day is None:
            return str(obj)
        words = gettext("%(terms)s: an invoice of today would fall due %(day)s")
        return words % {"terms": obj, "day": date_format(day, "DATE_FORMAT")}


class CreateWish(TypedDict):
    """What `services.request_create` and `asking.ask_admin` take of the sheet."""

    contact: Contact | None
    confirmed: Values
    terms: TermsOfPayment | None
    judged: list[str]


class AddForm(forms.Form):
    """What is about to be sent. One input for each property; those of a person only when one is chosen."""

    contact = forms.ModelChoiceField(
        label=_("Contact person"),
        queryset=Contact.objects.none(),
        required=False,
        empty_label=_("None"),
        error_messages={"invalid_choice": _("This person cannot be chosen any more. Choose another, or nobody.")},
    )
    terms = TermsChoice(
        label=_("Terms of payment"),
        queryset=TermsOfPayment.objects.none(),
        empty_label=None,
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose terms of payment."),
            "invalid_choice": _("These terms of payment cannot be chosen for new customers any more. Choose others."),
        },
    )
    none_of_these = forms.BooleanField(required=False)

    def __init__(self, data: QueryDict | None = None, *, opening: Opening) -> None:
        super().__init__(data)
        self.opening = opening
        self._choose_among()
        for field in FIELDS:
            if field.remote in opening.here:
                self.fields[field.remote] = self._input(field)
        self.initial = {**opening.values, "contact": opening.contact, "terms": opening.terms}

    @classmethod
    def refused(cls, opening: Opening) -> "AddForm":
        """The form of a sending that eAccounting refused, with its words at the fields it named."""
        data = QueryDict(mutable=True)
        data.update(opening.values)
        data["contact"] = str(opening.contact.pk) if opening.contact else ""
        data["terms"] = str(opening.terms.pk) if opening.terms else ""
        form = cls(data, opening=opening)
        for name in opening.refused_now:
            words = gettext("Visma eAccounting refused this: %(words)s") % {"words": opening.messages[name]}
            form.add_error(name, words)
        return form

    def _choose_among(self) -> None:
        """Give the choices what can be chosen; there are no terms before an admin has chosen some."""
        contact, terms = self.fields["contact"], self.fields["terms"]
        if isinstance(contact, forms.ModelChoiceField) and isinstance(terms, forms.ModelChoiceField):
            contact.queryset, terms.queryset = self.opening.people(), self.opening.connection.offered_terms()
        if self.opening.connection.terms_problem:
            del self.fields["terms"]

    def _input(self, field: mapping.Field) -> forms.Field:
        attributes = {"autocomplete": "off", **_TYPES.get(field.remote, {})}
        attributes |= {"data-identifies": ""} if field.remote in IDENTIFYING else {}
        if field.remote == COUNTRY:
            choices = [("", gettext("None")), *countries] if not self.opening.here[COUNTRY] else list(countries)
            return forms.ChoiceField(label=str(field.label), choices=choices, required=False)
        return forms.CharField(
            label=str(_LABELS.get(field.remote, field.label)),
            required=field.required,
            error_messages={"required": value_problem(field.remote, "missing", 0).words},
            help_text=self._hint(field),
            widget=forms.TextInput(attributes),
        )

    def _hint(self, field: mapping.Field) -> str:
        """Say, in HTML, what to do about a value that is missing or too long, or was typed on an earlier sheet."""
        here, shown = self.opening.here.get(field.remote, ""), self.opening.values.get(field.remote, "")
        if max(len(here), len(shown)) > field.limit:
            return format_html(
                '<span data-counts="id_{}" data-limit="{}" class="{}">{}</span> {}',
                field.remote,
                field.limit,
                "text-danger" if len(shown) > field.limit else "",
                _counted(len(shown), field.limit),
                gettext("Give Visma eAccounting a shorter form. It is remembered until the value in Lime Go changes."),
            )
        suggested = stand_ins(self.opening.here).get(field.remote)
        if suggested:
            return stand_in_words(field.remote, suggested, country=self.opening.here[COUNTRY])
        if field.remote == "CorporateIdentityNumber" and formats.is_placeholder(shown):
            return str(PLACEHOLDER)
        if self.opening.refused and here != shown:
            return gettext("In Lime Go: %(value)s") % {"value": escape(here) or gettext("nothing")}
        return ""

    def clean(self) -> None:
        """Check each value by the rules of the country that was chosen, then its length."""
        country = self.cleaned_data.get(COUNTRY) or self.opening.here[COUNTRY]
        for name in self._properties():
            if name in self.cleaned_data:
                self._check(name, country)
        if self.opening.alike and not self.cleaned_data.get("none_of_these"):
            self.add_error("none_of_these", gettext("Say that none of these is this company, or link one instead."))

    def _check(self, name: str, country: str) -> None:
        check = CHECKS.get(name, _tidy)
        if is_stand_in(name, self.cleaned_data[name], values={**self.opening.here, COUNTRY: country}):
            check = _tidy
        try:
            value = check(self.cleaned_data[name], country)
        except ValidationError as error:
            self.add_error(name, error)
            return
        self.cleaned_data[name] = value
        if len(value) > BY_PROPERTY[name].limit:
            self.add_error(name, value_problem(name, "too_long", len(value)).words)

    def _properties(self) -> list[str]:
        return [name for name in self.fields if name in BY_PROPERTY]

    def confirmed(self) -> Values:
        """The values to send, blanks included."""
        return {name: self.cleaned_data[name] for name in self._properties()}

    def wish(self) -> CreateWish:
        """What a valid form asks for."""
        return {
            "contact": self.opening.contact,
            "confirmed": self.confirmed(),
            "terms": self.cleaned_data.get("terms"),
            "judged": self.opening.seen if self.cleaned_data["none_of_these"] else [],
        }

    def request(self, *, user: User) -> Push:
        """Record the wish to create the customer that a valid form describes. Raises a Refusal."""
        return services.request_create(user=user, company=self.opening.company, **self.wish())

    # --- For the template -------------------------------------------------------------------------

    @cached_property
    def urgent(self) -> list[BoundField]:
        """What has to be given or mended first: what is missing, then what is too long, then what was refused."""
        return [self[name] for name in self.opening.urgent if name in self.fields]

    @cached_property
    def rest(self) -> list[BoundField]:
        """The other values of the company."""
        names = [name for name in self._properties() if name not in PERSON and name not in self.opening.urgent]
        return [self[name] for name in names]

    @cached_property
    def persons(self) -> list[BoundField]:
        """The values of the chosen person; nothing without one."""
        return [self[name] for name in PERSON if name in self.fields]

    @property
    def marks(self) -> bool:
        """Whether fields carry messages; the box about possible customers says its own above."""
        return bool(self.errors.keys() - {"none_of_these", NON_FIELD_ERRORS})

    def point_at_first(self) -> None:
        """Let the page open where something has to be done."""
        names = list(self.errors) if self.is_bound else self.opening.urgent
        first = next((name for name in [*self.opening.urgent, *self.fields] if name in names), "")
        if first in self.fields:
            self.fields[first].widget.attrs["autofocus"] = True


def _tidy(value: str, _country: str) -> str:
    return formats.text(value)


def _counted(length: int, limit: int) -> str:
    """Return how many characters of how many, the first number where count.js finds it."""
    number = format_html("<strong>{}</strong>", length)
    return format_html(gettext("{length} of {limit} characters."), length=number, limit=limit)
