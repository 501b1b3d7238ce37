"""Which customers in eAccounting may be a company in Lime Go, why, and how to ask eAccounting for them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from companies import formats
from companies.models import Company
from companies.search import fold
from integrations.domain import mapping
from integrations.eaccounting import filters
from integrations.eaccounting.types import Customer
from integrations.models import CustomerLink, RemoteCustomer


class Reason(StrEnum):
    """Why a customer may be the company; the strongest first."""

    SAME_NUMBER = "same_number"
    SAME_NAME = "same_name"
    SIMILAR_NAME = "similar_name"
    SAME_EMAIL_DOMAIN = "same_email_domain"
    SAME_CITY = "same_city"  # counts only together with a similar name


@dataclass(frozen=True, kw_only=True)
class PossibleDuplicate:
    """A customer that may be the company: what tells it from others, and the company it is already linked to.

    Never linked automatically: a person decides, or delivery after its own look in eAccounting.
    """

    company: Company  # the company that it may be
    id: str
    name: str
    number: str
    registration_number: str
    city: str
    is_active: bool
    link: CustomerLink | None = None  # loaded together with its company
    reasons: tuple[Reason, ...] = ()
    likeness: float = 0.0  # how alike the names are, 0 to 1
    is_answered: bool = False  # eAccounting itself has just answered it

    def __str__(self) -> str:
        return f"{self.name} ({self.number})" if self.number else self.name

    @classmethod
    def of_row(
        cls, row: RemoteCustomer, *, company: Company, reasons: tuple[Reason, ...] = (), likeness: float = 0.0
    ) -> "PossibleDuplicate":
        """Make one from a row of the index; no further query if the row was loaded with `link__company`."""
        return cls(
            company=company,
            id=str(row.customer_id),
            name=row.name,
            number=row.number,
            registration_number=row.registration_number,
            city=row.city,
            is_active=row.is_active,
            link=getattr(row, "link", None),
            reasons=reasons,
            likeness=likeness,
        )

    @classmethod
    def of_answer(
        cls, customer: Customer, *, company: Company, link: CustomerLink | None, reasons: tuple[Reason, ...] = ()
    ) -> "PossibleDuplicate":
        """Make one from what eAccounting has just answered."""
        return cls(
            company=company,
            id=customer.id,
            name=customer.name,
            number=customer.number,
            registration_number=customer.registration_number,
            city=customer.city,
            is_active=customer.is_active,
            link=link,
            reasons=reasons,
            is_answered=True,
        )

    @classmethod
    def of_stored(
        cls, stored: Mapping[str, str], *, company: Company, link: CustomerLink | None, values: mapping.Values
    ) -> "PossibleDuplicate":
        """Make one from what `stored` wrote down of a customer at which a create stopped.

        Its country was not stored, and is taken to be the company's.
        """
        name, number = stored.get("name", ""), stored.get("registration_number", "")
        known = {"Name": name, "CorporateIdentityNumber": number, mapping.COUNTRY: values.get(mapping.COUNTRY, "")}
        return cls(
            company=company,
            id=stored["id"],
            name=name,
            number=stored.get("number", ""),
            registration_number=number,
            city=stored.get("city", ""),
            is_active=bool(stored.get("is_active", "yes")),
            link=link,
            reasons=tuple(in_common(values, known)),
        )

    @classmethod
    def of_values(cls, customer_id: str, values: mapping.Values, *, company: Company) -> "PossibleDuplicate":
        """Make one from what a sheet has shown of a customer that the index does not know."""
        return cls(
            company=company,
            id=customer_id,
            name=values.get("Name", ""),
            number="",
            registration_number=values.get("CorporateIdentityNumber", ""),
            city=values.get("InvoiceCity", ""),
            is_active=True,
        )

    @property
    def stored(self) -> dict[str, str]:
        """Return what a push keeps of it for the person who decides: only what tells customers apart."""
        return {
            "id": self.id,
            "number": self.number,
            "name": self.name,
            "registration_number": self.registration_number,
            "city": self.city,
            "is_active": "yes" if self.is_active else "",
        }

    @property
    def is_same(self) -> bool:
        """Whether it is so likely the company that a person has to judge it before another customer is created."""
        return Reason.SAME_NUMBER in self.reasons or Reason.SAME_NAME in self.reasons

    @property
    def linked_company(self) -> Company | None:
        """The company that is linked to it, if there is one."""
        return self.link.company if self.link else None

    @property
    def elsewhere(self) -> Company | None:
        """The other company that is linked to it, if any: then it cannot be linked to this one."""
        return self.link.company if self.link and self.link.company_id != self.company.pk else None

    @property
    def is_linked(self) -> bool:
        """Whether it is linked to this company, and the link is not broken."""
        return bool(self.link and self.link.company_id == self.company.pk and not self.link.broken)


def look_filter(values: mapping.Values, *, changed_since: datetime, by_name: bool) -> str:
    """Return the filter for possible duplicates: by number, by name, and everything changed since a moment.

    eAccounting compares numbers as stored text (facts.md, Reading lists), so every spelling that can be listed is
    asked for. A name is asked for by its longest word, since eAccounting keeps spaces as they were typed.
    """
    number, country = values["CorporateIdentityNumber"], values.get(mapping.COUNTRY, "")
    asked = [filters.eq("CorporateIdentityNumber", form) for form in formats.written_forms(number, country)]
    asked += [filters.contains("Name", word) for word in _spellings(longest_word(values["Name"])) if by_name]
    return filters.any_of(*asked, filters.changed_since(changed_since))


def longest_word(name: str) -> str:
    """Return the longest word of a name, which the fewest others have; "" for a blank name."""
    return max(formats.text(name).split(), key=len, default="")


def _spellings(word: str) -> list[str]:
    """Return the ways in which the letters of a word may be stored: composed (Å), or a letter followed by its mark."""
    forms = (unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word))
    return list(dict.fromkeys(form for form in forms if form))


def in_common(values: mapping.Values, other: Mapping[str, str]) -> list[Reason]:
    """Return the reasons why a customer may be the one with these values, the strongest first; empty: it is another.

    `other` holds the customer's name, registration number and country by their property names in eAccounting. A
    placeholder counts as no number.
    """
    number, name, country = "CorporateIdentityNumber", "Name", mapping.COUNTRY
    reasons = []
    if formats.is_same_registration_number(
        values.get(number, ""), values.get(country, ""), other.get(number, ""), other.get(country, "")
    ):
        reasons.append(Reason.SAME_NUMBER)
    if values.get(name) and formats.without_case(values[name]) == formats.without_case(other.get(name, "")):
        reasons.append(Reason.SAME_NAME)
    return reasons


# Folded words that only tell the legal form or the country, or join other words.
_FORMS = """
ab aktiebolag publ hb handelsbolag kb kommanditbolag ek for ekonomisk forening enskild firma
as asa ans da sa enk aps is ivs oy oyj ky tmi ay bv nv vof ltd limited gmbh inc filial nuf
och ja and en i sverige norge sweden norway finland danmark
"""
# Anybody can have an address at these domains.
_FREE_MAIL = """
gmail.com googlemail.com outlook.com outlook.se hotmail.com hotmail.se hotmail.no hotmail.fi live.com live.se live.no
msn.com icloud.com me.com mac.com yahoo.com yahoo.se yahoo.no mail.com gmx.com gmx.net proton.me protonmail.com
telia.com bredband.net comhem.se swipnet.se spray.se passagen.se home.se bahnhof.se tele2.se
online.no broadpark.no getmail.no frisurf.no luukku.com kolumbus.fi elisanet.fi saunalahti.fi welho.com
ziggo.nl kpnmail.nl planet.nl xs4all.nl hetnet.nl telenet.dk mail.dk jubii.dk ofir.dk
"""
_IGNORED, _OPEN_TO_ALL = frozenset(_FORMS.split()), frozenset(_FREE_MAIL.split())


def core_words(name: str) -> list[str]:
    """Return the words by which a company is known, folded: without AB, & and the like."""
    words = re.findall(r"[^\W_]+", fold(name))
    return [word for word in words if word not in _IGNORED] or words


def likeness(one: str, other: str) -> float:
    """Return from 0 to 1 how alike two names are, by the trigrams of their core words (Dice)."""
    ours, theirs = _trigrams(core_words(one)), _trigrams(core_words(other))
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours and theirs else 0.0


def _trigrams(words: Iterable[str]) -> set[str]:
    return {padded[at : at + 3] for word in words for padded in [f"  {word} "] for at in range(len(padded) - 2)}


def own_domain(email: str) -> str:
    """Return the domain of an e-mail address if it can belong to one company only, else ""."""
    domain = formats.email_key(email).rpartition("@")[2].casefold() if "@" in email else ""
    return domain if "." in domain and domain not in _OPEN_TO_ALL else ""
