"""The update sheet: a linked company beside its customer as it is now, and what a person chose of both."""

from dataclasses import dataclass

from django.http import QueryDict

from accounts.models import User
from companies.models import Company
from integrations import services
from integrations.card.link_rows import here_of, rows_of, stored_otherwise
from integrations.comparing import Row
from integrations.mapping import Values
from integrations.models import Connection, CustomerLink, Push
from integrations.sheets.sides_form import Seen, SidesForm, seen_in
from integrations.sheets.stop import Stop
from integrations.sheets.there import There, known_there, read_there


@dataclass(frozen=True)
class UpdateSheet:
    """A company in use with its customer; the connection may be one that an admin has to mend first."""

    company: Company
    link: CustomerLink
    connection: Connection

    @classmethod
    def of(cls, company: Company) -> "UpdateSheet":
        """Return the sheet of a company. Raises the Refusal that says why there is nothing to update."""
        connection = services.current_connection(company.account_id)
        if connection is None:
            raise services.NotConnected
        link = services.link_of(company, connection)
        if link is None:
            raise services.NotLinked if connection.is_connected else services.NotConnected(connection.state)
        if company.archived_at is not None:
            raise services.Archived
        return cls(company, link, connection)

    @property
    def stop(self) -> Stop | None:
        """What only an admin can mend."""
        return Stop.of(self.connection, self.link)

    def rows(self, there: Values) -> list[Row]:
        """Return both sides, row by row."""
        return rows_of(self.company, self.link, there=there)

    def opened(self) -> tuple[SidesForm, There]:
        """Return the form as it opens, and what it shows: the customer as it is now, or was. Raises CustomerGone."""
        there = known_there(self.link) if self.stop else read_there(self.connection, self.link)
        return self._form(Seen(here={}, there=there.values, read_at=there.read_at)), there

    def posted(self, data: QueryDict) -> SidesForm | None:
        """Return the form that was posted; None when it showed something else than what stands here now."""
        seen = seen_in(data, about=str(self.link.reference))
        if seen is None or seen.here != here_of(self.company, self.link):
            return None
        return self._form(seen, data)

    def _form(self, seen: Seen, data: QueryDict | None = None) -> SidesForm:
        again = [field.remote for field in stored_otherwise(self.link, there=seen.there)]
        rows, about = self.rows(seen.there), str(self.link.reference)
        return SidesForm(data, rows=rows, about=about, again=again, read_at=seen.read_at)

    def settle(self, *, user: User, form: SidesForm) -> Push | None:
        """Record what a valid form chose; None: nothing is to be written. Raises a Refusal."""
        reference = str(self.link.reference)
        return services.settle_differences(
            user=user, company=self.company, customer_id=reference, decision=form.decision()
        )
