"""What the sheet *who it is* knows: a customer as eAccounting has it now, beside a company, and what stops a link."""

from dataclasses import dataclass
from datetime import datetime

from django.http import QueryDict
from django.utils.translation import gettext

from accounts.models import User
from companies.models import Company
from integrations import mapping, services
from integrations.clock import database_now
from integrations.comparing import Decision, Row, compare
from integrations.delivery import live
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.mapping import Values
from integrations.models import Connection, CustomerLink, Origin, RemoteCustomer
from integrations.sheets import finding
from integrations.sheets.finding import Candidate
from integrations.sheets.link_form import LinkForm
from integrations.sheets.sides_form import Seen, seen_in
from integrations.sheets.stop import Stop
from integrations.words import no_answer
from integrations.words.sentences import sentence


@dataclass(frozen=True, kw_only=True)
class LinkSheet:
    """One customer beside one company. Without a form nothing can be linked, and `stop` says why."""

    company: Company
    connection: Connection | None = None
    candidate: Candidate | None = None
    customer: Customer | None = None  # as eAccounting has just answered it
    form: LinkForm | None = None
    linked_to: str = ""  # the id of the customer that the company is linked to now
    stop: str = ""
    notice: str = ""  # what a person has to know before going on
    stopped_by: Stop | None = None  # what an admin has to mend before what was chosen can be done
    seen_at: datetime | None = None  # when the values were read that are shown, unless it was just now

    @property
    def is_confirmed(self) -> bool:
        """Whether what was posted is about what stands in eAccounting now, and complete."""
        form = self.form
        return bool(self.customer and form and form.is_bound and not self.notice and form.is_confirmed())

    def link(self, *, user: User, origin: Origin, decision: Decision | None) -> CustomerLink:
        """Link the company; a wish to add it that waits for this decision ends. Raises Refusal."""
        if self.connection is None or self.customer is None:
            raise services.NotConnected
        push = services.undecided(self.company, self.connection)
        if push:
            return services.link_instead(
                user=user, push=push, customer=self.customer, decision=decision, linked_to=self.linked_to
            )
        return services.link(
            user=user,
            company=self.company,
            connection=self.connection,
            customer=self.customer,
            origin=origin,
            decision=decision,
            linked_to=self.linked_to,
        )


def open_sheet(*, company: Company, customer_id: str, data: QueryDict | None) -> LinkSheet:
    """Read the customer once, and set it beside the company; `data` is what a person posted."""
    connection = services.current_connection(company.account_id)
    refusal = services.why_not_link(company)
    if connection and data is not None and isinstance(refusal, services.NotConnected):
        return _kept(company, connection, customer_id, refusal, data)
    if refusal or connection is None:
        refusal = refusal or services.NotConnected()
        return LinkSheet(company=company, stop=sentence(refusal.code, refusal.parameters))
    began = database_now()
    try:
        customer = live.read_customer(connection, customer_id=customer_id)
    except NotFound:
        return LinkSheet(company=company, connection=connection, stop=finding.not_found(connection, customer_id))
    except no_answer.NO_ANSWER as error:
        row = finding.known_row(connection, customer_id)
        return _from_index(company, connection, row, no_answer.why(error), data)
    candidate = Candidate.of_answer(customer, connection=connection, company=company)
    if candidate.stop:
        return LinkSheet(company=company, connection=connection, candidate=candidate, stop=candidate.stop)
    rows = _rows(company, mapping.owned(customer.raw))
    former = services.link_of(company, connection)
    linked_to = str(former.reference) if former else ""
    notice = _overtaken(seen_in(data, about=customer_id), rows, former) if data is not None else ""
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
    company: Company, connection: Connection, customer_id: str, refusal: services.NotConnected, data: QueryDict
) -> LinkSheet:
    """Show what the person saw and chose, until the connection is mended."""
    row, seen = finding.known_row(connection, customer_id), seen_in(data, about=customer_id)
    if seen is None:
        return LinkSheet(company=company, stop=sentence(refusal.code))
    known = Candidate.of_row(row, company=company) if row else Candidate.of_values(customer_id, seen.there)
    rows = compare(here=seen.here, there=seen.there)
    return LinkSheet(
        company=company,
        connection=connection,
        candidate=known,
        form=LinkForm(data, rows=rows, about=customer_id, read_at=seen.read_at, linked_to=seen.linked_to),
        stopped_by=Stop.by(refusal),
    )


def _from_index(
    company: Company,
    connection: Connection,
    row: RemoteCustomer | None,
    why: str,
    data: QueryDict | None,
) -> LinkSheet:
    """Show what the index knows while eAccounting does not answer; linking reads again."""
    if row is None:
        return LinkSheet(company=company, connection=connection, stop=why)
    candidate = Candidate.of_row(row, company=company)
    rows = _rows(company, row.answered)
    former = services.link_of(company, connection)
    linked_to = str(former.reference) if former else ""
    return LinkSheet(
        company=company,
        connection=connection,
        candidate=candidate,
        form=None
        if candidate.stop
        else LinkForm(data, rows=rows, about=candidate.reference, read_at=row.seen_at, linked_to=linked_to),
        stop=candidate.stop,
        notice=gettext("Nothing was linked. %(why)s") % {"why": why} if data else why,
        seen_at=row.seen_at,
    )


def _rows(company: Company, there: Values) -> list[Row]:
    return compare(here=mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS), there=there)


def _overtaken(seen: Seen | None, rows: list[Row], former: CustomerLink | None) -> str:
    """Say what became another after the page was opened; blank: the person saw what is so now."""
    if seen and seen.linked_to != (str(former.reference) if former else ""):
        refusal = services.linked_meanwhile(former)
        return sentence(refusal.code, refusal.parameters)
    here = {name: value for row in rows for name, value in row.here.items()}
    there = {name: value for row in rows for name, value in row.there.items()}
    if seen and (seen.here, seen.there) == (here, there):
        return ""
    return gettext("Somebody changed this after you opened it, so nothing was linked. Look at it again.")
