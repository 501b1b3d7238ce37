"""The update sheet: a linked company compared with its customer as it is now, and what a person chose."""

from dataclasses import dataclass, replace

from django.http import QueryDict

from accounts.models import User
from companies.models import Company
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.diff import Row
from integrations.domain.link_diff import local_values, rows_of, stored_otherwise
from integrations.domain.mapping import Values
from integrations.exceptions import Archived, CustomerGone, NotConnected, NotLinked
from integrations.forms.diff import DiffForm
from integrations.forms.snapshot import Snapshot
from integrations.messages.ask_admin import Stop
from integrations.messages.sentences import NO_ANSWER, why
from integrations.models import Connection, CustomerLink, Push
from integrations.services.requests import current_connection, link_of
from integrations.services.update import check_remote, request_update


@dataclass(frozen=True)
class UpdateSheet:
    """A company with its customer; the connection may be one that an admin has to fix first."""

    company: Company
    link: CustomerLink
    connection: Connection

    @classmethod
    def of(cls, company: Company) -> "UpdateSheet":
        """Return the sheet of a company. Raises the Refusal that says why nothing can be updated."""
        connection = current_connection(company.account_id)
        if connection is None:
            raise NotConnected
        link = link_of(company, connection)
        if link is None:
            raise NotLinked if connection.is_connected else NotConnected(connection.state)
        if company.archived_at is not None:
            raise Archived
        return cls(company, link, connection)

    @property
    def stop(self) -> Stop | None:
        """What only an admin can fix."""
        return Stop.of(self.connection, self.link)

    def rows(self, there: Values) -> list[Row]:
        """Return the rows with both sides."""
        return rows_of(self.company, self.link, there=there)

    def opened(self) -> tuple[DiffForm, Snapshot]:
        """Return the form as it opens: with the customer as it is now, or as last read. Raises CustomerGone."""
        there = known_remote(self.link) if self.stop else read_remote(self.connection, self.link)
        return self._form(there), there

    def posted(self, data: QueryDict) -> DiffForm | None:
        """Return the posted form; None if the company's values have changed since it was shown."""
        seen = Snapshot.posted(data, about=str(self.link.reference))
        if seen is None or seen.local != local_values(self.company, self.link):
            return None
        return self._form(seen, data)

    def _form(self, seen: Snapshot, data: QueryDict | None = None) -> DiffForm:
        again = [field.remote for field in stored_otherwise(self.link, there=seen.remote)]
        rows, about = self.rows(seen.remote), str(self.link.reference)
        return DiffForm(data, rows=rows, about=about, again=again, read_at=seen.read_at)

    def settle(self, *, user: User, form: DiffForm) -> Push | None:
        """Record what a valid form chose; None: nothing is to be written. Raises a Refusal."""
        reference = str(self.link.reference)
        return request_update(user=user, company=self.company, customer_id=reference, decision=form.decision())


def read_remote(connection: Connection, link: CustomerLink) -> Snapshot:
    """Ask eAccounting for a linked customer (at most 4 s); without an answer return what it answered last, and why.

    Raises CustomerGone when the customer was deleted or made inactive there.
    """
    began = database_now()
    try:
        customer = check_remote(link=link, connection=connection)
    except NO_ANSWER as error:
        return replace(known_remote(link), why_not_now=why(error))
    if customer is None or not customer.is_active:
        raise CustomerGone("customer_inactive" if customer else "customer_deleted")
    return Snapshot(about=about_link(link), remote=mapping.owned(customer.raw), read_at=began)


def known_remote(link: CustomerLink) -> Snapshot:
    """Return what a linked customer answered last."""
    known = {field.remote: link.customer.answered.get(field.remote, "") for field in mapping.FIELDS}
    return Snapshot(about=about_link(link), remote=known, read_at=link.customer.seen_at)


def about_link(link: CustomerLink) -> str:
    """Return what a snapshot of a linked customer is about: the link, so that it is good for no later one."""
    return f"link-{link.pk}"
