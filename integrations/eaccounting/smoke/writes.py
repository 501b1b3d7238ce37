"""Questions that need a customer of their own: one is created, changed and taken away again.

All of them go by one name, so that a run that was cut off is tidied up by the next one, and by a person.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from integrations.eaccounting.client import Endpoint
from integrations.eaccounting.filters import eq
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.refusals import error_for, is_number_taken
from integrations.eaccounting.smoke.asking import Asker, Document, Found, Question, Untold, document, said, status
from integrations.eaccounting.transport import Answer
from integrations.eaccounting.types import READ_ONLY_PROPERTIES, flag, moment, text

NAME = "LIME GO TEST – delete me"
# Made up: no firm has these numbers, and the telephone numbers are kept free for films.
WRITTEN: Mapping[str, Json] = {
    "Name": NAME,
    "IsPrivatePerson": False,
    "IsActive": True,
    "InvoicePostalCode": "111 22",
    "InvoiceCity": "Stockholm",
    "CorporateIdentityNumber": "559400-0019",
    "Telephone": "08-465 004 50",
    "MobilePhone": "+46 70-174 06 50",
    "WwwAddress": "https://limego.example",
}
LOOK = f"Open the customer {NAME!r} in eAccounting and paste the address of its page here (Enter: not now): "
NUMBERS = ("CorporateIdentityNumber", "Telephone", "MobilePhone")
NOT_THERE = frozenset({400, 404, 410})


@dataclass(kw_only=True)
class TestCustomer:
    """The customer of this run; `made` holds the ids of all that was created, also of what should have been refused."""

    asker: Asker
    terms_id: str
    id: str = ""
    person: Callable[[str], str] | None = None
    """Asks whoever runs this; None when nobody is there to look."""
    made: set[str] = field(default_factory=set)
    sent: Document = field(default_factory=dict)

    __test__ = False  # its name makes pytest think of a test

    def post(self, **changes: Json) -> Answer:
        """Try to create a customer like the first one, with some properties changed.

        Raises EAccountingError for a fault there, which is no answer.
        """
        self.sent = {**WRITTEN, "TermsOfPaymentId": self.terms_id, **changes}
        answer = self.asker.ask("POST", Endpoint.CUSTOMERS, json=self.sent)
        if answer.status >= 500:
            raise error_for(answer=answer)
        if created := text(document(answer), "Id") if answer.status < 300 else "":
            self.made.add(created.lower())
        return answer

    def read(self) -> Document:
        """Return it as it is stored now. Raises Untold before it was created."""
        if not self.id:
            raise Untold("the test customer could not be created")
        return self.asker.customer(self.id)

    def next_number(self) -> Json:
        """Return the number that eAccounting would give next."""
        return document(self.asker.ask("GET", Endpoint.COMPANY_SETTINGS)).get("NextCustomerNumber")

    def put(self, *, without: frozenset[str] = READ_ONLY_PROPERTIES, **changes: Json) -> Answer:
        """Write it back as it is, but for some properties."""
        body = {name: value for name, value in self.read().items() if name not in without}
        return self.asker.ask("PUT", Endpoint.CUSTOMER, customer_id=self.id, json={**body, **changes})


Find = Callable[[TestCustomer], Found]


def create(customer: TestCustomer) -> Found:
    """Create it, and compare what was stored with what was sent."""
    answer = customer.post()
    if answer.status >= 300:
        raise error_for(answer=answer)
    customer.id = text(document(answer), "Id")
    stored = customer.read()
    other = {name: stored.get(name) for name, value in customer.sent.items() if stored.get(name) != value}
    other.pop("TermsOfPaymentId", None)  # a GUID may come back in another case
    rewritten = [name for name in NUMBERS if name in other]
    words = f"stored otherwise: {', '.join(other)}" if other else "stored as sent"
    switches = {"reformat_on_store": bool(rewritten)}
    return Found(answer=f"{said(answer)}; {words}", evidence={**status(answer), "stored": other}, switches=switches)


def duplicate_number(customer: TestCustomer) -> Found:
    """Create another one with its number."""
    answer = customer.post(CustomerNumber=text(customer.read(), "CustomerNumber"))
    known, switches = status(answer), dict[str, Json](accept_duplicate_numbers=answer.status < 300)
    if answer.status < 300:
        return Found(answer=f"It is accepted: {said(answer)}", evidence=known, switches=switches)
    switches |= {"duplicate_number_status": answer.status}
    switches |= {"duplicate_number_code": known["error_code"]} if known["error_code"] is not None else {}
    return Found(answer=said(answer), evidence=known, switches=switches)


def own_number(customer: TestCustomer) -> Found:
    """Rehearse what numbers of our own would rely on: stored as sent, found by it, refused a second time."""
    number = f"LIMEGO-{uuid4().hex[:8].upper()}"
    series = customer.next_number()
    first = customer.post(CustomerNumber=number)
    moved = customer.next_number() != series
    if first.status >= 300:
        return Found(answer=f"No: letters are refused, {said(first)}", evidence={**status(first), "safe": False})
    stored = text(document(first), "CustomerNumber") == number
    found = any(row.get("CustomerNumber") == number for row in customer.asker.filtered(eq("CustomerNumber", number))[1])
    again = customer.post(CustomerNumber=number)
    refused = again.status >= 300 and is_number_taken(error_for(answer=again))
    facts = {"stored as sent": stored, "found by it": found, "refused a second time": refused}
    words = "; ".join(f"{'' if holds else 'NOT '}{name}" for name, holds in facts.items())
    words += f"; the series of eAccounting {'moves' if moved else 'stays'}"
    safe = all(facts.values())
    evidence = {**status(again), **facts, "safe": safe, "series_moved": moved}
    return Found(answer=f"{'Yes' if safe else 'No'}: {words}", evidence=evidence)


def customer_page(customer: TestCustomer) -> Found:
    """No document tells the address: a person opens the test customer and copies it."""
    if customer.person is None:
        raise Untold("a person has to look; run it with --write and without --yes")
    customer.read()
    address = customer.person(LOOK).strip()
    if customer.id.lower() not in address.lower():
        raise Untold("no address that holds the customer's id was given")
    template = re.sub(re.escape(customer.id), "{id}", address, flags=re.IGNORECASE)
    return Found(answer=f"EACCOUNTING_CUSTOMER_URL={template}", evidence={"template": template})


def empty_text(customer: TestCustomer) -> Found:
    """Create one with empty texts where something is required."""
    answer = customer.post(InvoicePostalCode="", InvoiceCity="")
    return _accepted(answer, "accept_empty_strings")


def unknown_property(customer: TestCustomer) -> Found:
    """Create one with a property that does not exist."""
    answer = customer.post(NoSuchProperty="x")
    return _accepted(answer, "accept_unknown_on_create")


def vat_country(customer: TestCustomer) -> Found:
    """Create one with a VAT number and no country; the number itself is made up and may be what is refused."""
    answer = customer.post(VatNumber="SE559400001901")
    known = status(answer)
    if answer.status < 300:
        return Found(answer="No: it is accepted", evidence=known, switches={"check_vat_country": False})
    if "InvoiceCountryCode" in str(known["fields"]):
        return Found(answer=f"Yes: {said(answer)}", evidence=known, switches={"check_vat_country": True})
    raise Untold(f"something else is refused first: {said(answer)}")


def number_change(customer: TestCustomer) -> Found:
    """Give it another number."""
    wanted = f"{text(customer.read(), 'CustomerNumber')[:14]}-T"
    answer = customer.put(CustomerNumber=wanted)
    changed = text(customer.read(), "CustomerNumber") == wanted
    words = "Yes" if changed else "No, the old one stays"
    return Found(answer=f"{words}: {said(answer)}", evidence=status(answer), switches={"allow_number_change": changed})


def private_person(customer: TestCustomer) -> Found:
    """Make a company a private person, and look again."""
    answer = customer.put(IsPrivatePerson=True)
    changed = flag(customer.read(), "IsPrivatePerson", default=False)
    if changed:
        customer.put(IsPrivatePerson=False)
    words = "Yes" if changed else "No, it stays a company"
    switches = {"allow_private_person_change": changed}
    return Found(answer=f"{words}: {said(answer)}", evidence={**status(answer), "changed": changed}, switches=switches)


def left_out(customer: TestCustomer) -> Found:
    """Write it without its web address, and look again."""
    answer = customer.put(without=READ_ONLY_PROPERTIES | {"WwwAddress"})
    if answer.status >= 300:
        return Found(answer=f"It is refused: {said(answer)}", evidence=status(answer))
    stored = customer.read().get("WwwAddress")
    words = "It is kept" if stored else f"It becomes {'null' if stored is None else 'an empty text'}"
    return Found(answer=words, evidence={**status(answer), "kept": bool(stored)})


def read_only(customer: TestCustomer) -> Found:
    """Write it back with everything that was answered."""
    answer = customer.put(without=frozenset())
    refused = answer.status >= 300
    words = "They are refused" if refused else "They are accepted"
    switches = {"refuse_read_only_on_replace": refused}
    return Found(answer=f"{words}: {said(answer)}", evidence=status(answer), switches=switches)


def changed_utc_moves(customer: TestCustomer) -> Found:
    """Write it back unchanged, then with a change."""
    before = moment(customer.read(), "ChangedUtc")
    same = _time_after(customer, customer.put())
    other = _time_after(customer, customer.put(InvoiceCity="Uppsala"))
    evidence = {"by_unchanged_put": same != before, "by_change": other != same}
    words = [f"{'moves' if evidence[key] else 'stays'} with {name}" for key, name in _PUTS.items()]
    return Found(answer="; ".join(words), evidence=dict(evidence))


_PUTS = {"by_unchanged_put": "an unchanged PUT", "by_change": "a change"}


def _time_after(customer: TestCustomer, answer: Answer) -> datetime | None:
    if answer.status >= 300:
        raise error_for(answer=answer)
    return moment(customer.read(), "ChangedUtc")


def delete(customer: TestCustomer) -> Found:
    """Delete it; ask for it once more."""
    if not customer.id:
        raise Untold("the test customer could not be created")
    answer = customer.asker.ask("DELETE", Endpoint.CUSTOMER, customer_id=customer.id)
    if answer.status >= 300:
        raise error_for(answer=answer)
    after = customer.asker.ask("GET", Endpoint.CUSTOMER, customer_id=customer.id)
    return Found(
        answer=f"{said(answer)}; afterwards {said(after)}", evidence={**status(answer), "after": status(after)}
    )


def tidy_up(customer: TestCustomer) -> list[str]:
    """Take away every test customer there is, those of runs that were cut off too; return sentences on what is left."""
    _, rows = customer.asker.filtered(eq("Name", NAME))
    # A filter may find more than it was asked for; nothing but ours may go.
    there = {text(row, "Id").lower() for row in rows if row.get("Name") == NAME}
    return [words for known in sorted(there | customer.made) if (words := _taken_away(customer, known))]


def _taken_away(customer: TestCustomer, customer_id: str) -> str:
    """Delete one test customer, or make it inactive; return a sentence when it is still there."""
    there = customer.asker.ask("GET", Endpoint.CUSTOMER, customer_id=customer_id)
    if there.status in NOT_THERE:
        return ""
    answer = customer.asker.ask("DELETE", Endpoint.CUSTOMER, customer_id=customer_id)
    if answer.status < 300:
        return ""
    customer.id = customer_id
    inactive = customer.put(IsActive=False).status < 300
    state = "was made inactive instead" if inactive else "is still active: please delete it by hand"
    return f"A test customer could not be deleted ({said(answer)}); it {state}."


def _accepted(answer: Answer, switch: str) -> Found:
    accepted = answer.status < 300
    words = "It is accepted" if accepted else "It is refused"
    return Found(answer=f"{words}: {said(answer)}", evidence=status(answer), switches={switch: accepted})


QUESTIONS: tuple[tuple[str, str, Find], ...] = (
    ("create", "What does a create answer, and are numbers and phones stored as sent?", create),
    ("duplicate_number", "What does a customer number in use answer?", duplicate_number),
    ("own_number", "Can customers be created with numbers of our own, each once?", own_number),
    ("customer_page", "What is the address of a customer's page?", customer_page),
    ("empty_text", "Is empty text taken where a text is required?", empty_text),
    ("unknown_property", "Is an unknown property taken by a POST?", unknown_property),
    ("vat_country", "Is InvoiceCountryCode enforced beside VatNumber?", vat_country),
    ("number_change", "Can a PUT change the number?", number_change),
    ("private_person", "Can a PUT change IsPrivatePerson?", private_person),
    ("left_out", "What becomes of a property that a PUT leaves out?", left_out),
    ("read_only", "What becomes of read-only properties in a PUT?", read_only),
    ("changed_utc_moves", "When does ChangedUtc move?", changed_utc_moves),
    ("delete", "What does a delete answer?", delete),
)


def questions(customer: TestCustomer) -> tuple[Question, ...]:
    """Return the questions about one test customer, in their order: the first one creates it."""
    return tuple(Question(key, sentence, _bound(find, customer)) for key, sentence, find in QUESTIONS)


def _bound(find: Find, customer: TestCustomer) -> Callable[[Asker], Found]:
    return lambda _asker: find(customer)
