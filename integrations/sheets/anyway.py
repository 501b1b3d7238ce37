"""The sheet *Create anyway*: who the company could be, and what would be written as a new customer all the same."""

from dataclasses import dataclass
from functools import cached_property

from django.core import signing

from integrations import mapping
from integrations.mapping import Values
from integrations.models import Push
from integrations.models.terms import TermsOfPayment
from integrations.sheets import alike
from integrations.sheets.alike import Alike
from integrations.sheets.sides import Line, value_lines
from integrations.words.sentences import sentence, value_problem

_SALT = "integrations.sheets.anyway"


@dataclass(frozen=True)
class AnywaySheet:
    """A create that waits for a person to choose between customers there."""

    push: Push

    @cached_property
    def values(self) -> Values:
        """What is written: what a sheet confirmed, else what the company holds now."""
        push = self.push
        groups = mapping.groups_for(push.contact)
        return push.confirmed or mapping.values_of(push.company, push.contact, groups=groups)

    @cached_property
    def candidates(self) -> list[Alike]:
        """Who the company could be."""
        return alike.candidates_of(self.push, values=self.values)

    @property
    def lines(self) -> list[Line]:
        """The values, blank ones left out: these are not sent."""
        return value_lines({name: value for name, value in self.values.items() if value})

    @property
    def is_private_person(self) -> bool:
        """Whether a private person is added."""
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
        about = {"push": self.push.pk, "contact": self.push.contact_id, "private_person": self.is_private_person}
        return {**about, "judged": judged, "values": self.values, "terms": terms}

    @property
    def seal(self) -> str:
        """What is shown, as a word that the form carries along and nobody can change."""
        return signing.dumps(self._shown, salt=_SALT, compress=True)

    def was_seen(self, seal: str) -> bool:
        """Whether a form was about exactly these customers and values."""
        try:
            seen: object = signing.loads(seal, salt=_SALT)
        except signing.BadSignature:
            return False
        return seen == self._shown
