"""What stands below the field Company Reference: who the customer is, or why that cannot be told."""

from dataclasses import dataclass

from django.http import QueryDict
from django.utils.translation import gettext

from companies.models import Company
from integrations import services
from integrations.references import Kind, parse
from integrations.sheets import finding
from integrations.sheets.finding import Candidate
from integrations.words.sentences import sentence


@dataclass(frozen=True, kw_only=True)
class ReferenceAnswer:
    """A customer or a trouble. A tick names the customer it was given for, so that it is good for no other."""

    candidate: Candidate | None = None
    trouble: str = ""
    warning: str = ""
    name: str = ""  # of the tick
    ticked: str = ""  # the reference that the tick was given for

    @classmethod
    def of(cls, candidate: Candidate, *, number: str, country: str, name: str, ticked: str = "") -> "ReferenceAnswer":
        """Say who it is, and whether its registration number is another than `number`."""
        warning = ""
        if finding.numbers_differ(number, candidate.registration_number, country=country):
            words = gettext("The registration numbers differ: %(here)s here, %(there)s in Visma eAccounting.")
            warning = words % {"here": number, "there": candidate.registration_number}
        return cls(candidate=candidate, warning=warning, name=name, ticked=ticked)

    @property
    def needs_tick(self) -> bool:
        """Whether a person has to say that it is the same company all the same."""
        return bool(self.candidate and self.warning and not self.candidate.stop)

    @property
    def is_ticked(self) -> bool:
        """Whether they said so of this customer."""
        return self.candidate is not None and self.ticked == self.candidate.reference


def answer_to(*, company: Company, data: QueryDict, prefix: str) -> ReferenceAnswer:
    """Say who the reference is that was typed into the section with this prefix. Makes at most one call."""
    connection = services.current_connection(company.account_id)
    refusal = services.why_not_link(company)
    if refusal or connection is None:
        refusal = refusal or services.NotConnected()
        return ReferenceAnswer(trouble=sentence(refusal.code, refusal.parameters))
    sought = parse(data.get(f"{prefix}-reference", ""))
    if sought.kind is Kind.NOTHING:
        is_linked = services.link_of(company, connection) is not None
        return ReferenceAnswer(trouble=_will_unlink() if is_linked else "")
    if sought.kind is not Kind.REFERENCE:
        return ReferenceAnswer(trouble=finding.wrong_form())
    try:
        candidate = finding.who_is(connection, company, sought.value)
    except finding.CannotBeFound as trouble:
        return ReferenceAnswer(trouble=str(trouble))
    return ReferenceAnswer.of(
        candidate,
        number=data.get("registration_number", company.registration_number),
        country=data.get("country", str(company.country)),
        name=f"{prefix}-anyway",
    )


def _will_unlink() -> str:
    return gettext("Saving unlinks the company. Nothing is changed in Visma eAccounting.")
