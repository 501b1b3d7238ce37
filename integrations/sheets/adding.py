"""What the create sheet opens with: today's values of the company, or those of a sending that was refused."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from companies.models import Company, Contact
from integrations import mapping
from integrations.mapping import BY_PROPERTY, FIELDS, Group, Values
from integrations.models import Connection, CustomerLink, Kind, Push, PushState, TermsOfPayment
from integrations.sheets.stop import Stop
from integrations.stand_ins import stand_ins
from integrations.words.sentences import sentence

MOST_SHOWN = 100  # customers with one registration number
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
PERSON = [field.remote for field in FIELDS if field.group == Group.CONTACT]


@dataclass(frozen=True)
class Opening:
    """A company that can be added, and what stands on the sheet at first."""

    company: Company
    connection: Connection
    gone: CustomerLink | None  # a customer that is gone there, in whose place the new one comes
    refused: Push | None  # the create before this one, when it was refused
    typed: QueryDict | None = None  # what stands on the sheet by now

    @cached_property
    def stop(self) -> Stop | None:
        """What only an admin can mend before the company can be added."""
        return Stop.of(self.connection, None)

    @cached_property
    def here(self) -> Values:
        """What the company holds in Lime Go, with the chosen person's values when one is chosen."""
        return self.values_with(self.contact)

    def values_with(self, contact: Contact | None) -> Values:
        """Return the company's values with those of a person."""
        return mapping.values_of(self.company, contact, groups=mapping.groups_for(contact))

    def people(self) -> "QuerySet[Contact]":
        """Those who can be the contact person."""
        return self.company.contacts.filter(left_at=None).order_by("pk")

    @cached_property
    def contact(self) -> Contact | None:
        """The person who is chosen; at first the one of the refused sending, else the only one there is."""
        people = list(self.people())
        if self.typed is not None:
            return next((person for person in people if str(person.pk) == self.typed.get("contact")), None)
        if self.refused:
            return next((person for person in people if person.pk == self.refused.contact_id), None)
        return people[0] if len(people) == 1 else None

    @property
    def is_other_person(self) -> bool:
        """Whether somebody else was chosen than the one whose values the page shows: never Bo with Anna's mobile."""
        return bool(self.typed is not None and self.contact and self.typed.get("whose") != str(self.contact.pk))

    @cached_property
    def terms(self) -> TermsOfPayment | None:
        """The terms that are chosen; at first those of the refused sending, else the default."""
        typed = self.typed.get("terms", "") if self.typed else ""
        chosen = typed or str(self.refused.terms_id if self.refused else "")
        offered = self.connection.offered_terms()
        # Compared as texts: what was typed may be no number, or one of thousands of digits.
        return next((terms for terms in offered if str(terms.pk) == chosen), self.connection.default_terms)

    @cached_property
    def values(self) -> Values:
        """The values that stand on the sheet."""
        if self.typed is not None:
            kept = {name: self.typed.get(name, value) for name, value in self.here.items()}
            return kept | ({name: self.here[name] for name in PERSON} if self.is_other_person else {})
        if self.refused is None:
            known = mapping.shortened(self.here, self.gone.shorter if self.gone else {})
            return {**known, **stand_ins(known)}
        typed = {name: self.refused.confirmed.get(name, value) for name, value in self.here.items()}
        if self._was_mended:
            typed |= {name: self.here[name] for name in self.messages if name in self.here}
        return typed

    @property
    def _was_mended(self) -> bool:
        """Whether somebody changed the company since: then what was refused is taken from it anew."""
        refused = self.refused
        return bool(refused and refused.finished_at and self.company.changed_at > refused.finished_at)

    @property
    def alike(self) -> list[str]:
        """The customers that were shown and may well be this one: the person has to say that none of them is."""
        return self._ids("alike")

    @property
    def seen(self) -> list[str]:
        """Those that eAccounting itself answered while the sheet was open."""
        return self._ids("seen")

    @property
    def has_judged(self) -> bool:
        """Whether the person said that none of those is this company."""
        return self.typed is not None and "none_of_these" in self.typed

    def _ids(self, name: str) -> list[str]:
        typed = self.typed.getlist(name)[:MOST_SHOWN] if self.typed is not None else []
        return [found.casefold() for found in typed if _GUID.fullmatch(found)]

    @cached_property
    def messages(self) -> dict[str, str]:
        """What eAccounting said about properties that stand on the sheet."""
        return {field: words for field, words in self._told() if field in BY_PROPERTY}

    @property
    def failure(self) -> str:
        """What became of the sending that was refused."""
        refused = self.refused
        return sentence(refused.failure, refused.failure_parameters) if refused else ""

    @property
    def refused_now(self) -> list[str]:
        """The properties that still stand as they were refused."""
        confirmed = self.refused.confirmed if self.refused else {}
        return [name for name in self.messages if name in self.values and self.values[name] == confirmed.get(name, "")]

    @cached_property
    def other_messages(self) -> list[str]:
        """What it said about others, which it may name in its own way."""
        return [f"{field}: {words}" if field else words for field, words in self._told() if field not in BY_PROPERTY]

    def _told(self) -> list[tuple[str, str]]:
        problems: list[Any] = self.refused.failure_parameters.get("problems", []) if self.refused else []
        named = [problem for problem in problems if isinstance(problem, dict)]
        return [(str(problem.get("field", "")), str(problem.get("message", ""))) for problem in named]

    @cached_property
    def urgent(self) -> list[str]:
        """The company's properties that somebody has to look at: missing ones, over-long ones, refused ones."""
        company = {name: value for name, value in self.here.items() if name in mapping.company_properties()}
        problems = sorted(mapping.problems(company), key=lambda problem: problem.kind != "missing")
        names = [problem.remote for problem in problems]
        return list(dict.fromkeys([*names, *(name for name in self.messages if name in company)]))


def opening_of(company: Company, connection: Connection, gone: CustomerLink | None) -> Opening:
    """Collect what the sheet opens with."""
    pushes = Push.objects.select_related("terms", "contact").filter(company=company, connection=connection)
    newest = pushes.order_by("-pk").first()
    was_refused = newest and newest.kind == Kind.CREATE and newest.state == PushState.FAILED
    return Opening(company=company, connection=connection, gone=gone, refused=newest if was_refused else None)
