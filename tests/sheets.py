"""What a person does on a sheet: it is opened, read, filled in and confirmed, by the code that the views use.

Nothing here knows what a sheet confirms: each function posts what a browser would, to the form that the view would
make of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

from accounts.models import User
from companies.models import Company, Contact
from integrations.domain import mapping
from integrations.domain.diff import Row, Side, decide
from integrations.domain.link_diff import rows_of
from integrations.forms.contact_person import NOBODY, ContactSheet
from integrations.forms.create import CreateForm, create_sheet_of
from integrations.forms.update import UpdateSheet
from integrations.models import Push, TermsOfPayment
from integrations.services.create import check_create
from integrations.services.requests import current_connection, link_of


class NotTaken(Exception):
    """The sheet stays open and says what has to be mended first."""


def confirmed(
    company: Company, *, contact: Contact | None = None, terms: TermsOfPayment | None = None, **typed: object
) -> dict[str, object]:
    """Return what a browser posts from the create sheet: the company's and the person's values, but for what was typed.

    Without a choice the terms are the default ones.
    """
    connection = current_connection(company.account_id)
    default = connection.default_terms_id if connection else ""
    who = contact.pk if contact else ""
    values = mapping.values_of(company, contact, groups=mapping.groups_for(contact))
    return {**values, "contact": who, "whose": who, "terms": terms.pk if terms else default or "", **typed}


def seen_by_asking(company: Company, *, contact: Contact | None = None) -> dict[str, Any]:
    """Return what `ask_admin` takes of the sheet on which an admin is asked: all of it left as it opens."""
    connection = current_connection(company.account_id)
    link = link_of(company, connection)
    if link is None:
        values = mapping.values_of(company, contact, groups=mapping.groups_for(contact))
        return {"confirmed": values if connection else None, "contact": contact}
    rows = rows_of(company, link, there=link.customer.answered)
    ours = {row.key: Side.OURS for row in rows if row.default is Side.OURS and not row.problems}
    return {"decision": decide(rows, ours), "customer_id": str(link.reference)}


def create(
    *,
    user: User,
    company: Company,
    contact: Contact | None = None,
    terms: TermsOfPayment | None = None,
    **typed: object,
) -> Push:
    """Open the create sheet, choose, type, and confirm it. Raises the Refusal that the card would show, NotTaken."""
    company = Company.objects.get(pk=company.pk)
    opening = create_sheet_of(company, *check_create(company=company))
    data = _posted(confirmed(company, contact=contact, terms=terms, **typed))
    form = CreateForm(data, opening=replace(opening, typed=data))
    if not form.is_valid():
        raise NotTaken(form.errors)
    return form.request(user=user)


@dataclass(frozen=True)
class UpdatePage:
    """The update sheet of a company as it stands in one tab."""

    company_id: int
    seen: str
    rows: tuple[Row, ...]  # those that differ
    shown: frozenset[str]  # all properties, those of equal rows too
    suggested: Mapping[str, str]

    @property
    def possible(self) -> dict[str, Side]:
        """Ours wherever there is something here to write, else theirs."""
        ours = {row.key for row in self.rows if not row.is_blank_here and not row.problems}
        return {row.key: Side.OURS if row.key in ours else Side.THEIRS for row in self.rows}

    def confirm(self, *, user: User, **sides: Side) -> Push | None:
        """Choose these sides, by the rows' keys, beside those that the sheet suggests, and confirm.

        Raises Refusal, NotTaken.

        Return the push that is to write it, None when nothing is to be written.
        """
        company = Company.objects.get(pk=self.company_id)
        sheet = UpdateSheet.of(company)
        form = sheet.posted(_posted({"seen": self.seen, **self.suggested, **sides}))
        if form is None:
            raise NotTaken("what the sheet shows is not so any more")
        if not form.is_valid():
            raise NotTaken(form.errors)
        return sheet.settle(user=user, form=form)

    def confirm_all(self, *, user: User) -> Push | None:
        """Write everything that stands here."""
        return self.confirm(user=user, **self.possible)


def update_page(company: Company) -> UpdatePage:
    """Open the update sheet in a tab. Raises the Refusal that the card would show."""
    sheet = UpdateSheet.of(Company.objects.get(pk=company.pk))
    form, there = sheet.opened()
    rows = tuple(choice.row for choice in (*form.choices, *form.settled))
    suggested = {row.key: str(form[row.key].value() or "") for row in rows}
    shown = frozenset(name for row in sheet.rows(there.remote) for name in row.here)
    return UpdatePage(company.pk, str(form.initial["seen"]), rows, shown, suggested)


def update(*, user: User, company: Company, **sides: Side) -> Push | None:
    """Open the update sheet, choose, and confirm it. Raises and returns as `UpdatePage`."""
    return update_page(company).confirm(user=user, **sides)


def update_all(*, user: User, company: Company) -> Push:
    """Open the update sheet and write everything that stands here, of which something differs."""
    push = update_page(company).confirm_all(user=user)
    assert push is not None, "nothing differs"
    return push


def choose_contact(*, user: User, company: Company, contact: Contact | None) -> Push:
    """Choose the contact person on the sheet, or nobody, see what it writes, and confirm. Raises NotTaken, Refusal."""
    company, who = Company.objects.get(pk=company.pk), str(contact.pk) if contact else NOBODY
    looked = ContactSheet.of(company, _posted({"contact": who, "look": ""}))
    sheet = ContactSheet.of(company, _posted({"contact": who, "seen": looked.seen}))
    push = sheet.choose(user=user) if sheet.is_confirmed() else None
    if push is None:
        raise NotTaken(sheet.news)
    return push


def _posted(values: Mapping[str, object]) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in values.items():
        data[name] = str(value)
    return data
