"""The create sheet and the sheet *Create anyway*: what they open with, and what is sent exactly as confirmed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import QuerySet
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
from companies.formats.registration_numbers import PLACEHOLDER_WARNING
from companies.models import Company, Contact
from integrations.domain import mapping
from integrations.domain.duplicates import PossibleDuplicate
from integrations.domain.mapping import BY_PROPERTY, COUNTRY, FIELDS, Group, Values, is_postal_default, postal_defaults
from integrations.forms.diff import Line, value_lines
from integrations.forms.snapshot import Snapshot
from integrations.messages.ask_admin import Stop
from integrations.messages.sentences import postal_default_words, sentence, value_problem
from integrations.models import Connection, CustomerLink, Kind, Push, PushState
from integrations.models.terms_of_payment import TermsOfPayment, due_date
from integrations.services.create import request_create
from integrations.services.customer_search import stopped_at

MOST_SHOWN = 100  # most customers with the same registration number
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
PERSON = [field.remote for field in FIELDS if field.group == Group.CONTACT]


@dataclass(frozen=True)
class CreateSheet:
    """A company that can be created as a customer, and the values of its sheet."""

    company: Company
    connection: Connection
    gone: CustomerLink | None  # link to a customer that is gone, which the new one replaces
    refused: Push | None  # the last create of the company, if it was refused
    typed: QueryDict | None = None  # the values on the sheet now

    @cached_property
    def stop(self) -> Stop | None:
        """What only an admin can fix before the customer can be created."""
        return Stop.of(self.connection, None)

    @cached_property
    def here(self) -> Values:
        """The company's values in Lime Go, with those of the chosen contact person."""
        return self.values_with(self.contact)

    def values_with(self, contact: Contact | None) -> Values:
        """Return the company's values together with those of a contact."""
        return mapping.values_of(self.company, contact, groups=mapping.groups_for(contact))

    def people(self) -> "QuerySet[Contact]":
        """The contacts that can be the contact person."""
        return self.company.contacts.filter(left_at=None).order_by("pk")

    @cached_property
    def contact(self) -> Contact | None:
        """The chosen contact person; at first that of the refused create, else the company's only contact."""
        people = list(self.people())
        if self.typed is not None:
            return next((person for person in people if str(person.pk) == self.typed.get("contact")), None)
        if self.refused:
            return next((person for person in people if person.pk == self.refused.contact_id), None)
        return people[0] if len(people) == 1 else None

    @property
    def is_other_person(self) -> bool:
        """Whether another contact was chosen than the one whose values the page shows: never Bo with Anna's mobile."""
        return bool(self.typed is not None and self.contact and self.typed.get("whose") != str(self.contact.pk))

    @cached_property
    def terms(self) -> TermsOfPayment | None:
        """The chosen terms; at first those of the refused create, else the default."""
        typed = self.typed.get("terms", "") if self.typed else ""
        chosen = typed or str(self.refused.terms_id if self.refused else "")
        offered = self.connection.offered_terms()
        # Compared as text: what was posted may be no number, or one of thousands of digits.
        return next((terms for terms in offered if str(terms.pk) == chosen), self.connection.default_terms)

    @cached_property
    def values(self) -> Values:
        """The values on the sheet."""
        if self.typed is not None:
            kept = {name: self.typed.get(name, value) for name, value in self.here.items()}
            return kept | ({name: self.here[name] for name in PERSON} if self.is_other_person else {})
        if self.refused is None:
            known = mapping.shortened(self.here, self.gone.shorter if self.gone else {})
            return {**known, **postal_defaults(known)}
        typed = {name: self.refused.confirmed.get(name, value) for name, value in self.here.items()}
        if self._was_mended:
            typed |= {name: self.here[name] for name in self.messages if name in self.here}
        return typed

    @property
    def _was_mended(self) -> bool:
        """Whether the company was changed since the create was refused: then the new values are shown."""
        refused = self.refused
        return bool(refused and refused.finished_at and self.company.changed_at > refused.finished_at)

    @property
    def alike(self) -> list[str]:
        """The customers that were shown and may well be this one; the person has to confirm that none of them is."""
        return self._ids("alike")

    @property
    def seen(self) -> list[str]:
        """The customers that eAccounting itself answered while the sheet was open."""
        return self._ids("seen")

    @property
    def has_judged(self) -> bool:
        """Whether the person confirmed that none of those is this company."""
        return self.typed is not None and "none_of_these" in self.typed

    def _ids(self, name: str) -> list[str]:
        typed = self.typed.getlist(name)[:MOST_SHOWN] if self.typed is not None else []
        return [found.casefold() for found in typed if _GUID.fullmatch(found)]

    @cached_property
    def messages(self) -> dict[str, str]:
        """eAccounting's messages about the properties on the sheet."""
        return {field: words for field, words in self._told() if field in BY_PROPERTY}

    @property
    def failure(self) -> str:
        """The sentence about why the last create was refused."""
        refused = self.refused
        return sentence(refused.failure, refused.failure_parameters) if refused else ""

    @property
    def refused_now(self) -> list[str]:
        """The properties whose refused value is still on the sheet."""
        confirmed = self.refused.confirmed if self.refused else {}
        return [name for name in self.messages if name in self.values and self.values[name] == confirmed.get(name, "")]

    @cached_property
    def other_messages(self) -> list[str]:
        """eAccounting's messages about other properties, which it may name in its own way."""
        return [f"{field}: {words}" if field else words for field, words in self._told() if field not in BY_PROPERTY]

    def _told(self) -> list[tuple[str, str]]:
        problems: list[Any] = self.refused.failure_parameters.get("problems", []) if self.refused else []
        named = [problem for problem in problems if isinstance(problem, dict)]
        return [(str(problem.get("field", "")), str(problem.get("message", ""))) for problem in named]

    @cached_property
    def urgent(self) -> list[str]:
        """The properties that need attention: missing, too long or refused ones."""
        company = {name: value for name, value in self.here.items() if name in mapping.company_properties()}
        problems = sorted(mapping.problems(company), key=lambda problem: problem.kind != "missing")
        names = [problem.remote for problem in problems]
        return list(dict.fromkeys([*names, *(name for name in self.messages if name in company)]))


def create_sheet_of(company: Company, connection: Connection, gone: CustomerLink | None) -> CreateSheet:
    """Return the sheet with everything that it opens with."""
    pushes = Push.objects.select_related("terms", "contact").filter(company=company, connection=connection)
    newest = pushes.order_by("-pk").first()
    was_refused = newest and newest.kind == Kind.CREATE and newest.state == PushState.FAILED
    return CreateSheet(company=company, connection=connection, gone=gone, refused=newest if was_refused else None)


# The country's rules for values that a person types; other values are only tidied.
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
IDENTIFYING = ("Name", "CorporateIdentityNumber")  # the values that possible duplicates are searched by


class TermsChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable when run
    """Terms of payment, each with the due date of an invoice of today."""

    def label_from_instance(self, obj: TermsOfPayment) -> str:
        """Return the name and the sample due date."""
        day = due_date(invoiced=timezone.localdate(), kind=obj.kind, days=obj.days)
        if day is None:
            return str(obj)
        words = gettext("%(terms)s: an invoice dated today would be due %(day)s")
        return words % {"terms": obj, "day": date_format(day, "DATE_FORMAT")}


class CreateRequest(TypedDict):
    """What a valid sheet asks for: the arguments of `request_create` and `ask_admins`."""

    contact: Contact | None
    confirmed: Values
    terms: TermsOfPayment | None
    judged: list[str]


class CreateForm(forms.Form):
    """The values about to be sent, one input for each property; those of a contact only if one is chosen."""

    contact = forms.ModelChoiceField(
        label=_("Contact person"),
        queryset=Contact.objects.none(),
        required=False,
        empty_label=_("None"),
        error_messages={"invalid_choice": _("This person can no longer be chosen. Choose somebody else, or nobody.")},
    )
    terms = TermsChoice(
        label=_("Terms of payment"),
        queryset=TermsOfPayment.objects.none(),
        empty_label=None,
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose terms of payment."),
            "invalid_choice": _("These terms of payment can no longer be chosen for new customers. Choose others."),
        },
    )
    none_of_these = forms.BooleanField(required=False)

    def __init__(self, data: QueryDict | None = None, *, opening: CreateSheet) -> None:
        super().__init__(data)
        self.opening = opening
        self._choose_among()
        for field in FIELDS:
            if field.remote in opening.here:
                self.fields[field.remote] = self._input(field)
        self.initial = {**opening.values, "contact": opening.contact, "terms": opening.terms}

    @classmethod
    def refused(cls, opening: CreateSheet) -> "CreateForm":
        """Return the form for a refused create, with eAccounting's messages at the fields that it named."""
        data = QueryDict(mutable=True)
        data.update(opening.values)
        data["contact"] = str(opening.contact.pk) if opening.contact else ""
        data["terms"] = str(opening.terms.pk) if opening.terms else ""
        form = cls(data, opening=opening)
        for name in opening.refused_now:
            words = gettext("Visma eAccounting did not accept this: %(words)s") % {"words": opening.messages[name]}
            form.add_error(name, words)
        return form

    def _choose_among(self) -> None:
        """Set the choices of contacts and terms; there are no terms before an admin has chosen some."""
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
        """Return, as HTML, what to do about a value that is missing, too long or was changed on an earlier sheet."""
        here, shown = self.opening.here.get(field.remote, ""), self.opening.values.get(field.remote, "")
        if max(len(here), len(shown)) > field.limit:
            return format_html(
                '<span data-counts="id_{}" data-limit="{}" class="{}">{}</span> {}',
                field.remote,
                field.limit,
                "text-danger" if len(shown) > field.limit else "",
                _counted(len(shown), field.limit),
                gettext(
                    "Enter a shorter value for Visma eAccounting. It is remembered until the value in Lime Go changes."
                ),
            )
        suggested = postal_defaults(self.opening.here).get(field.remote)
        if suggested:
            return postal_default_words(field.remote, suggested, country=self.opening.here[COUNTRY])
        if field.remote == "CorporateIdentityNumber" and formats.is_placeholder(shown):
            return str(PLACEHOLDER_WARNING)
        if self.opening.refused and here != shown:
            return gettext("In Lime Go: %(value)s") % {"value": escape(here) or gettext("nothing")}
        return ""

    def clean(self) -> None:
        """Check each value by the rules of the chosen country, then its length."""
        country = self.cleaned_data.get(COUNTRY) or self.opening.here[COUNTRY]
        for name in self._properties():
            if name in self.cleaned_data:
                self._check(name, country)
        if self.opening.alike and not self.cleaned_data.get("none_of_these"):
            self.add_error("none_of_these", gettext("Confirm that none of these is this company, or link one instead."))

    def _check(self, name: str, country: str) -> None:
        check = CHECKS.get(name, _tidy)
        if is_postal_default(name, self.cleaned_data[name], values={**self.opening.here, COUNTRY: country}):
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

    def wish(self) -> CreateRequest:
        """The request of a valid form."""
        return {
            "contact": self.opening.contact,
            "confirmed": self.confirmed(),
            "terms": self.cleaned_data.get("terms"),
            "judged": self.opening.seen if self.cleaned_data["none_of_these"] else [],
        }

    def request(self, *, user: User) -> Push:
        """Record the create of a valid form. Raises a Refusal."""
        return request_create(user=user, company=self.opening.company, **self.wish())

    # --- For the template -------------------------------------------------------------------------

    @cached_property
    def urgent(self) -> list[BoundField]:
        """The fields that need attention first: missing values, then those that are too long, then refused ones."""
        return [self[name] for name in self.opening.urgent if name in self.fields]

    @cached_property
    def rest(self) -> list[BoundField]:
        """The company's other fields."""
        names = [name for name in self._properties() if name not in PERSON and name not in self.opening.urgent]
        return [self[name] for name in names]

    @cached_property
    def persons(self) -> list[BoundField]:
        """The fields of the chosen contact; empty without one."""
        return [self[name] for name in PERSON if name in self.fields]

    @property
    def marks(self) -> bool:
        """Whether fields have messages; the box of possible customers shows its own."""
        return bool(self.errors.keys() - {"none_of_these", NON_FIELD_ERRORS})

    def point_at_first(self) -> None:
        """Let the page open at the first field that needs attention."""
        names = list(self.errors) if self.is_bound else self.opening.urgent
        first = next((name for name in [*self.opening.urgent, *self.fields] if name in names), "")
        if first in self.fields:
            self.fields[first].widget.attrs["autofocus"] = True


def _tidy(value: str, _country: str) -> str:
    return formats.text(value)


def _counted(length: int, limit: int) -> str:
    """Return "n of m characters", with the number first as count.js expects it."""
    number = format_html("<strong>{}</strong>", length)
    return format_html(gettext("{length} of {limit} characters."), length=number, limit=limit)


@dataclass(frozen=True)
class CreateAnywaySheet:
    """A create that waits for a person to choose between possible duplicates."""

    push: Push

    @cached_property
    def values(self) -> Values:
        """What is written: what a sheet confirmed, else what the company holds now."""
        push = self.push
        groups = mapping.groups_for(push.contact)
        return push.confirmed or mapping.values_of(push.company, push.contact, groups=groups)

    @cached_property
    def candidates(self) -> list[PossibleDuplicate]:
        """The customers that may be the company."""
        return stopped_at(self.push, values=self.values)

    @property
    def lines(self) -> list[Line]:
        """The values with labels; blank ones are left out because they are not sent."""
        return value_lines({name: value for name, value in self.values.items() if value})

    @property
    def is_private_person(self) -> bool:
        """Whether the customer is created as a private person."""
        push = self.push
        return push.company.is_private_person if push.is_private_person is None else push.is_private_person

    @property
    def terms(self) -> TermsOfPayment | None:
        """The terms of payment that the customer gets."""
        return self.push.terms or self.push.connection.default_terms

    @cached_property
    def problems(self) -> list[str]:
        """Why these values cannot be sent."""
        if mapping.names_a_person(self.values) and self.push.contact is None:
            return [sentence("contact_gone")]
        return [value_problem(p.remote, p.kind, p.length).words for p in mapping.problems(self.values)]

    @property
    def _shown(self) -> dict[str, object]:
        judged, terms = [one.id for one in self.candidates], self.terms.pk if self.terms else None
        about = {"contact": self.push.contact_id, "private_person": self.is_private_person}
        return {**about, "judged": judged, "values": self.values, "terms": terms}

    @property
    def seen(self) -> str:
        """What is shown, for the form to carry along."""
        return Snapshot(about=self._about).signed(**self._shown)

    def was_seen(self, data: QueryDict) -> bool:
        """Whether the form was about exactly these customers and values."""
        seen = Snapshot.posted(data, about=self._about)
        return seen is not None and seen.beside == self._shown

    @property
    def _about(self) -> str:
        return f"push-{self.push.pk}"
