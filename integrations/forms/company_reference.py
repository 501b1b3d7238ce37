"""The field Company Reference of the edit page, and the answer below it: who the customer is, or why nobody knows."""

from dataclasses import dataclass

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.html import escape
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from companies.models import Company
from companies.sections import Section
from integrations.delivery import calls
from integrations.domain.duplicates import PossibleDuplicate
from integrations.domain.references import LONGEST, Kind, parse
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.exceptions import NotConnected, Refusal
from integrations.forms import customer_search
from integrations.messages.sentences import NO_ANSWER, sentence, why, why_not_linkable
from integrations.models import Connection, Origin, Push
from integrations.services.link import link_company, linked_meanwhile, unlink_company, why_not_link
from integrations.services.requests import current_connection, link_of


@dataclass(frozen=True, kw_only=True)
class ReferenceAnswer:
    """The customer of a reference, or what went wrong. A tick counts only for the customer it was given for."""

    candidate: PossibleDuplicate | None = None
    trouble: str = ""
    warning: str = ""
    name: str = ""  # name of the tick box
    ticked: str = ""  # the reference that the box was ticked for

    @classmethod
    def of(
        cls, candidate: PossibleDuplicate, *, number: str, country: str, name: str, ticked: str = ""
    ) -> "ReferenceAnswer":
        """Return the answer for a customer, and whether its registration number differs from `number`."""
        warning = ""
        if customer_search.numbers_differ(number, candidate.registration_number, country=country):
            words = gettext("The registration numbers differ: %(here)s in Lime Go, %(there)s in Visma eAccounting.")
            warning = words % {"here": number, "there": candidate.registration_number}
        return cls(candidate=candidate, warning=warning, name=name, ticked=ticked)

    @property
    def needs_tick(self) -> bool:
        """Whether a person has to confirm that it is the same company although the numbers differ."""
        return bool(self.candidate and self.warning and not why_not_linkable(self.candidate))

    @property
    def is_ticked(self) -> bool:
        """Whether the person has confirmed it for this customer."""
        return self.candidate is not None and self.ticked == self.candidate.id


def answer_to(*, company: Company, data: QueryDict, prefix: str) -> ReferenceAnswer:
    """Find the customer of the reference typed into the section with this prefix. Makes at most one call."""
    connection = current_connection(company.account_id)
    refusal = why_not_link(company)
    if refusal or connection is None:
        refusal = refusal or NotConnected()
        return ReferenceAnswer(trouble=sentence(refusal.code, refusal.parameters))
    sought = parse(data.get(f"{prefix}-reference", ""))
    if sought.kind is Kind.NOTHING:
        is_linked = link_of(company, connection) is not None
        return ReferenceAnswer(trouble=_will_unlink() if is_linked else "")
    if sought.kind is not Kind.REFERENCE:
        return ReferenceAnswer(trouble=customer_search.wrong_form())
    try:
        candidate = customer_search.who_is(connection, company, sought.value)
    except customer_search.CannotBeFound as trouble:
        return ReferenceAnswer(trouble=str(trouble))
    return ReferenceAnswer.of(
        candidate,
        number=data.get("registration_number", company.registration_number),
        country=data.get("country", str(company.country)),
        name=f"{prefix}-anyway",
    )


def _will_unlink() -> str:
    return gettext("Saving unlinks the company. Nothing is changed in Visma eAccounting.")


class ReferenceInput(forms.TextInput):
    """A text field that shows below itself who the reference is, before anything is saved."""

    template_name = "integrations/company_reference_input.html"
    company: Company | None = None
    answer: ReferenceAnswer | None = None

    def get_context(self, name: str, value: object, attrs: dict[str, object] | None) -> dict[str, object]:
        """Give the template the company and the answer."""
        context: dict[str, object] = super().get_context(name, value, attrs)
        return {**context, "company": self.company, "answer": self.answer}


class CompanyReferenceSection(Section):
    """The section with the field; if the registration numbers differ, a tick below it has to confirm the link."""

    title = _("Visma eAccounting")
    on_create = False

    # The reference that the page was opened with: a link made meanwhile is neither removed nor replaced.
    was = forms.CharField(required=False, widget=forms.HiddenInput)
    reference = forms.CharField(
        label=_("Company Reference"),
        required=False,
        max_length=LONGEST,
        help_text=_(
            "Open the customer's Edit or Statistics page in Visma eAccounting and copy what follows the last / "
            "in the address."
        ),
        widget=ReferenceInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: QueryDict | None = None, *, company: Company | None, user: User, prefix: str) -> None:
        super().__init__(data, company=company, user=user, prefix=prefix)
        self.customer: Customer | None = None
        self.connection = current_connection(company.account_id) if company else None
        self.link = link_of(company, self.connection) if company else None
        self.current = str(self.link.reference) if self.link else ""
        self.initial = {"reference": self.current, "was": self.current}
        self._lock_field(company)
        field = self.fields["reference"]
        if field.disabled:
            return
        self._draw(company=company)
        if self.link:
            field.help_text = f"{field.help_text} {escape(self._will_unlink())}"

    def _will_unlink(self) -> str:
        """Return the sentence about what clearing the field does; the answer below it only shows with JavaScript."""
        customer = self.link.customer if self.link else ""
        words = gettext("Clear the field to unlink %(customer)s. Nothing is changed in Visma eAccounting.")
        return words % {"customer": customer}

    def _draw(self, **fields: Company | ReferenceAnswer | None) -> None:
        """Give the field what it shows below itself."""
        for name, value in fields.items():
            setattr(self.fields["reference"].widget, name, value)

    def _lock_field(self, company: Company | None) -> None:
        """Make the field read-only, with the reason, while it cannot be changed; what was typed meanwhile is kept."""
        self.closed = self._why_closed(company)
        if not self.closed:
            return
        if self.add_prefix("was") in self.data and not self._is_untouched():
            return  # typed while it could be changed: clean_reference says why not now
        field = self.fields["reference"]
        field.disabled, field.help_text = True, escape(self.closed)  # it is drawn as HTML, and names a customer

    def _why_closed(self, company: Company | None) -> str:
        if self.connection is None or not self.connection.is_connected:
            return sentence("not_connected" if self.connection is None else self.connection.state)
        push = Push.open_of(company) if company else None
        if push is None:
            return ""
        if push.connection_id != self.connection.pk:
            return sentence("already_under_way", {"left": str(push.connection)})
        return gettext("Something is being sent to Visma eAccounting. Wait until it is done.")

    def _refuse_closed(self) -> None:
        """Say that this cannot be changed now, and how to save the rest of the page."""
        if not self.closed:
            return
        if self.current:
            words = gettext("This cannot be changed now. %(why)s Enter %(was)s again to save the rest.")
        else:
            words = gettext("This cannot be linked now. %(why)s Clear the field to save the rest.")
        raise ValidationError(words % {"why": self.closed, "was": self.current})

    def clean_reference(self) -> str:
        """Ask eAccounting who it is, if the reference was changed."""
        if self._is_untouched():
            return self.current
        sought = parse(self.cleaned_data["reference"])
        reference = sought.value
        if reference == self.current:
            return self.current
        self._refuse_closed()
        self._refuse_overtaken()
        if sought.kind is Kind.NOTHING or self.connection is None or self.company is None:
            return reference
        if sought.kind is not Kind.REFERENCE:
            raise ValidationError(customer_search.wrong_form())
        self._refuse_linked(self.connection, self.company, reference)
        self.customer = self._read(self.connection, reference)
        self._refuse_other_number(self.connection, self.company, self.customer)
        return reference

    def _is_untouched(self) -> bool:
        """Whether the reference is the one that the page showed, or was not sent because the field was read-only."""
        name = self.add_prefix("reference")
        return name not in self.data or self.data.get(self.add_prefix("was")) == self.data[name]

    def _refuse_overtaken(self) -> None:
        """Say what the company was linked to since the page was opened; saving again applies to that link."""
        name = self.add_prefix("was")
        if self.data.get(name, self.current) == self.current:
            return
        self.data = {**self.data, name: self.current}
        refusal = linked_meanwhile(self.link)
        raise ValidationError(sentence(refusal.code, refusal.parameters))

    def _refuse_linked(self, connection: Connection, company: Company, reference: str) -> None:
        """Name the company that this customer is linked to; needs no call."""
        row = customer_search.known_row(connection, reference)
        known = PossibleDuplicate.of_row(row, company=company) if row else None
        if known and known.elsewhere:
            raise ValidationError(why_not_linkable(known))

    def _read(self, connection: Connection, reference: str) -> Customer:
        try:
            return calls.read_customer(connection, customer_id=reference)
        except NotFound:
            raise ValidationError(customer_search.not_found(connection, reference)) from None
        except NO_ANSWER as error:
            words = gettext("The reference could not be checked, so nothing was saved. %(why)s")
            raise ValidationError(words % {"why": why(error)}) from error

    def _refuse_other_number(self, connection: Connection, company: Company, customer: Customer) -> None:
        """Ask for the tick if the customer's number differs from the company's number that is about to be saved."""
        answer = ReferenceAnswer.of(
            customer_search.answered(customer, connection=connection, company=company),
            number=self.data.get("registration_number", company.registration_number),
            country=self.data.get("country", str(company.country)),
            name=self.add_prefix("anyway"),
            ticked=self.data.get(self.add_prefix("anyway"), ""),
        )
        self._draw(answer=answer)
        if answer.needs_tick and not answer.is_ticked:
            raise ValidationError(
                gettext("The registration numbers differ. Tick “Link anyway” if it is still the same company.")
            )

    def save(self, *, company: Company) -> None:
        """Link or unlink, in the transaction that saves the company. Raises ValidationError if somebody was faster."""
        try:
            if self.customer and self.connection:
                link = link_company(
                    user=self.user,
                    company=company,
                    connection=self.connection,
                    customer=self.customer,
                    origin=Origin.PASTED,
                    linked_to=self.current,
                )
                self.told = gettext("It is linked to %(customer)s.") % {"customer": link.customer}
            elif self.link and not self.cleaned_data["reference"]:
                unlink_company(user=self.user, company=company, linked_to=self.current)
                self.told = gettext("It is unlinked. Nothing was changed in Visma eAccounting.")
        except Refusal as refusal:
            raise ValidationError({"reference": sentence(refusal.code, refusal.parameters)}) from refusal
