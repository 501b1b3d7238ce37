"""Forms of the integration: the reference on the edit page, the contact person."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from companies.models import Company, Contact
from companies.sections import Section
from integrations import services
from integrations.delivery import live
from integrations.eaccounting.errors import EAccountingError, NotFound
from integrations.eaccounting.types import Customer
from integrations.models import Connection, CustomerLink, Origin, Push
from integrations.references import NotAReference, parse_reference
from integrations.sentences import sentence
from integrations.tokens import NotConnected


class CompanyReferenceSection(Section):
    """The section Visma eAccounting of the company's edit page: link, relink or unlink by reference."""

    title = _("Visma eAccounting")
    on_create = False

    reference = forms.CharField(
        label=_("Company Reference"),
        required=False,
        max_length=2000,
        help_text=_(
            "Open the customer's Edit or Statistics page in Visma eAccounting and copy what follows the last / "
            "in the address."
        ),
    )

    def __init__(self, data: QueryDict | None = None, *, company: Company | None, user: User, prefix: str) -> None:
        super().__init__(data, company=company, user=user, prefix=prefix)
        self.customer: Customer | None = None
        self.connection = services.current_connection(company.account_id) if company else None
        self.link = services.link_of(company, self.connection) if company else None
        self.initial = {"reference": str(self.link.reference) if self.link else ""}
        self._lock_field(company)

    def _lock_field(self, company: Company | None) -> None:
        """Make the field read-only, with the reason, while it cannot be changed."""
        field = self.fields["reference"]
        if self.connection is None or not self.connection.is_connected:
            field.disabled = True
            field.help_text = sentence("not_connected" if self.connection is None else self.connection.state)
        elif company and (push := Push.open_of(company)):
            field.disabled = True
            is_left = push.connection_id != self.connection.pk
            waits = _("Something is being sent to Visma eAccounting. Wait until it is done.")
            field.help_text = sentence("already_under_way", {"left": str(push.connection)}) if is_left else waits

    def clean_reference(self) -> str:
        """Ask eAccounting who it is, only when the reference was changed."""
        text: str = self.cleaned_data["reference"].strip()
        if not text or self.connection is None:
            return text
        try:
            reference = parse_reference(text)
        except NotAReference:
            raise ValidationError(
                gettext("That is not a Visma reference. It looks like 38fe43cc-c843-48e0-9efe-fa7b262a8191.")
            ) from None
        if self.link and str(self.link.reference) == reference:
            return reference
        self._refuse_linked(reference)
        self.customer = self._read(self.connection, reference)
        return reference

    def _refuse_linked(self, reference: str) -> None:
        """Name the company that has this customer already; no call is needed for that."""
        links = CustomerLink.objects.select_related("company").filter(connection=self.connection)
        other = links.filter(customer__customer_id=reference).first()
        if other:
            raise ValidationError(sentence("linked_elsewhere", {"name": other.company.name}))

    def _read(self, connection: Connection, reference: str) -> Customer:
        try:
            return live.read_customer(connection, customer_id=reference)
        except NotFound:
            words = gettext("There is no customer with that reference in %(company)s.") % {"company": connection}
            raise ValidationError(words) from None
        except (live.TooBusy, NotConnected, EAccountingError) as error:
            words = gettext("The reference could not be checked, so nothing was saved. %(why)s")
            raise ValidationError(words % {"why": _reason_now(error)}) from error

    def save(self, *, company: Company) -> None:
        """Link or unlink in the transaction that saves the company. Raises ValidationError for a lost race."""
        try:
            if self.customer and self.connection:
                services.link(
                    user=self.user,
                    company=company,
                    connection=self.connection,
                    customer=self.customer,
                    origin=Origin.PASTED,
                )
            elif self.link and not self.cleaned_data["reference"]:
                services.unlink(user=self.user, company=company)
        except services.Refusal as refusal:
            raise ValidationError({"reference": sentence(refusal.code, refusal.parameters)}) from refusal


def _reason_now(error: Exception) -> str:
    """Say why a live read failed; nothing repeats it by itself."""
    code = str(getattr(error, "code", "too_busy"))
    if isinstance(error, EAccountingError) and error.retryable:
        return gettext("Visma eAccounting does not answer just now. Try again in a moment.")
    return sentence(code)


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
