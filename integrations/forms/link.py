"""The sheet that links a company to a customer: which values to keep, and a tick if the registration numbers differ."""

from dataclasses import dataclass, replace
from datetime import datetime

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from companies.models import Company
from integrations.clock import database_now
from integrations.delivery import calls
from integrations.domain import mapping
from integrations.domain.diff import Decision, Row, compare
from integrations.domain.duplicates import PossibleDuplicate
from integrations.domain.mapping import COUNTRY, Values
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.exceptions import NotConnected
from integrations.forms import customer_search
from integrations.forms.diff import UPDATE, DiffForm
from integrations.forms.snapshot import Snapshot
from integrations.messages import sentences
from integrations.messages.ask_admin import Stop
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Origin, RemoteCustomer
from integrations.services.link import link_company, link_possible_duplicate, linked_meanwhile, undecided, why_not_link
from integrations.services.requests import current_connection, link_of

REGISTRATION_NUMBER = "CorporateIdentityNumber"
LINK_ONLY = "only"


def _counted(count: int) -> str:
    words = ngettext("Link and update %(count)d field", "Link and update %(count)d fields", count)
    return words % {"count": count}


WORDING = replace(UPDATE, submit=_("Link and update the chosen fields"), counted=_counted)


class LinkForm(DiffForm):
    """Both sides of a link that is about to be made, and "Link anyway" if the registration numbers differ.

    `linked_to`: id of the customer whose link would be replaced, blank for none; the page carries it along.
    """

    def __init__(
        self, data: QueryDict | None = None, *, rows: list[Row], about: str, read_at: datetime | None, linked_to: str
    ) -> None:
        super().__init__(data, rows=rows, about=about, wording=WORDING, read_at=read_at, linked_to=linked_to)
        self.numbers_differ = _numbers_differ(rows)
        if self.numbers_differ:
            self.fields["anyway"] = forms.BooleanField(
                label=_("Link anyway"),
                error_messages={
                    "required": _("The registration numbers differ. Tick this if it is still the same company.")
                },
            )

    @property
    def is_link_only(self) -> bool:
        """Whether *Link only* was pressed: nothing is decided about the values."""
        return self.data.get("do") == LINK_ONLY

    def is_confirmed(self) -> bool:
        """Whether what was pressed may be done; choices that do not count now are not checked."""
        return "anyway" not in self.errors if self.is_link_only else self.is_valid()

    def chosen(self) -> Decision | None:
        """Return what to write and what to keep; None: nothing was decided."""
        return None if self.is_link_only else self.decision()

    @property
    def warning(self) -> str:
        """What a person has to know before they tick."""
        if not self.numbers_differ:
            return ""
        words = gettext("The registration numbers differ: %(here)s in Lime Go, %(there)s in Visma eAccounting.")
        return words % {"here": self.numbers_differ[0], "there": self.numbers_differ[1]}


def _numbers_differ(rows: list[Row]) -> tuple[str, str] | None:
    here = {name: value for row in rows for name, value in row.here.items()}
    there = {name: value for row in rows for name, value in row.there.items()}
    numbers = here.get(REGISTRATION_NUMBER, ""), there.get(REGISTRATION_NUMBER, "")
    return numbers if customer_search.numbers_differ(*numbers, country=here.get(COUNTRY, "")) else None


@dataclass(frozen=True, kw_only=True)
class LinkSheet:
    """One customer compared with one company. Without a form nothing can be linked, and `stop` says why."""

    company: Company
    connection: Connection | None = None
    candidate: PossibleDuplicate | None = None
    customer: Customer | None = None  # as eAccounting has just answered it
    form: LinkForm | None = None
    linked_to: str = ""  # id of the customer that the company is linked to now
    stop: str = ""
    notice: str = ""  # what a person has to know before going on
    stopped_by: Stop | None = None  # what an admin has to fix before the choice can be carried out
    seen_at: datetime | None = None  # when the shown values were read, unless it was just now

    @property
    def is_confirmed(self) -> bool:
        """Whether the posted form is complete, and about the values that eAccounting has now."""
        form = self.form
        return bool(self.customer and form and form.is_bound and not self.notice and form.is_confirmed())

    def link(self, *, user: User, origin: Origin, decision: Decision | None) -> CustomerLink:
        """Link the company; a create that waits for this decision ends. Raises a Refusal."""
        if self.connection is None or self.customer is None:
            raise NotConnected
        push = undecided(self.company, self.connection)
        if push:
            return link_possible_duplicate(
                user=user, push=push, customer=self.customer, decision=decision, linked_to=self.linked_to
            )
        return link_company(
            user=user,
            company=self.company,
            connection=self.connection,
            customer=self.customer,
            origin=origin,
            decision=decision,
            linked_to=self.linked_to,
        )


def open_sheet(*, company: Company, customer_id: str, data: QueryDict | None) -> LinkSheet:
    """Read the customer once and compare it with the company; `data` is what a person posted."""
    connection = current_connection(company.account_id)
    refusal = why_not_link(company)
    if connection and data is not None and isinstance(refusal, NotConnected):
        return _kept(company, connection, customer_id, refusal, data)
    if refusal or connection is None:
        refusal = refusal or NotConnected()
        return LinkSheet(company=company, stop=sentence(refusal.code, refusal.parameters))
    began = database_now()
    try:
        customer = calls.read_customer(connection, customer_id=customer_id)
    except NotFound:
        return LinkSheet(
            company=company, connection=connection, stop=customer_search.not_found(connection, customer_id)
        )
    except sentences.NO_ANSWER as error:
        row = customer_search.known_row(connection, customer_id)
        return _from_index(company, connection, row, sentences.why(error), data)
    candidate = customer_search.answered(customer, connection=connection, company=company)
    stop = sentences.why_not_linkable(candidate)
    if stop:
        return LinkSheet(company=company, connection=connection, candidate=candidate, stop=stop)
    rows = _rows(company, mapping.owned(customer.raw))
    former = link_of(company, connection)
    linked_to = str(former.reference) if former else ""
    notice = _overtaken(Snapshot.posted(data, about=customer_id), rows, former) if data is not None else ""
    return LinkSheet(
        company=company,
        connection=connection,
        candidate=candidate,
        customer=customer,
        form=LinkForm(None if notice else data, rows=rows, about=customer_id, read_at=began, linked_to=linked_to),
        linked_to=linked_to,
        notice=notice,
    )


def _kept(
    company: Company, connection: Connection, customer_id: str, refusal: NotConnected, data: QueryDict
) -> LinkSheet:
    """Return the sheet as the person saw and filled it in, until the connection is fixed."""
    row, seen = customer_search.known_row(connection, customer_id), Snapshot.posted(data, about=customer_id)
    if seen is None:
        return LinkSheet(company=company, stop=sentence(refusal.code))
    known = (
        PossibleDuplicate.of_row(row, company=company)
        if row
        else PossibleDuplicate.of_values(customer_id, seen.remote, company=company)
    )
    rows = compare(here=seen.local, there=seen.remote)
    return LinkSheet(
        company=company,
        connection=connection,
        candidate=known,
        form=LinkForm(data, rows=rows, about=customer_id, read_at=seen.read_at, linked_to=seen.beside["linked_to"]),
        stopped_by=Stop.by(refusal),
    )


def _from_index(
    company: Company,
    connection: Connection,
    row: RemoteCustomer | None,
    why: str,
    data: QueryDict | None,
) -> LinkSheet:
    """Return the sheet with the index's values while eAccounting does not answer; linking reads them again."""
    if row is None:
        return LinkSheet(company=company, connection=connection, stop=why)
    candidate = PossibleDuplicate.of_row(row, company=company)
    stop = sentences.why_not_linkable(candidate)
    rows = _rows(company, row.answered)
    former = link_of(company, connection)
    linked_to = str(former.reference) if former else ""
    return LinkSheet(
        company=company,
        connection=connection,
        candidate=candidate,
        form=None if stop else LinkForm(data, rows=rows, about=candidate.id, read_at=row.seen_at, linked_to=linked_to),
        stop=stop,
        notice=gettext("Nothing was linked. %(why)s") % {"why": why} if data else why,
        seen_at=row.seen_at,
    )


def _rows(company: Company, there: Values) -> list[Row]:
    return compare(here=mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS), there=there)


def _overtaken(seen: Snapshot | None, rows: list[Row], former: CustomerLink | None) -> str:
    """Return the sentence about what changed after the page was opened; blank if nothing did."""
    if seen and seen.beside["linked_to"] != (str(former.reference) if former else ""):
        refusal = linked_meanwhile(former)
        return sentence(refusal.code, refusal.parameters)
    here = {name: value for row in rows for name, value in row.here.items()}
    there = {name: value for row in rows for name, value in row.there.items()}
    if seen and (seen.local, seen.remote) == (here, there):
        return ""
    return gettext("Somebody changed this after you opened it, so nothing was linked. Check it again.")
