"""Questions that only read. Customers are looked at to build them; nothing of a customer is reported."""

import re
from datetime import datetime, timedelta
from uuid import uuid4

from integrations.eaccounting.client import Endpoint
from integrations.eaccounting.filters import eq
from integrations.eaccounting.refusals import read_error_body
from integrations.eaccounting.smoke.asking import (
    Asker,
    Document,
    Finding,
    Found,
    Question,
    Untold,
    document,
    said,
    status,
)
from integrations.eaccounting.transport import Answer
from integrations.eaccounting.types import moment, text

PAGE = 20
MODULE = "api_standard"
NEARLY = timedelta(seconds=5)


def sort_by_id(asker: Asker) -> Found:
    """We order lists by Id: rows must not be skipped or doubled between pages."""
    meta, rows = asker.listed(Endpoint.CUSTOMERS, orderby="Id asc", pagesize=str(PAGE))
    if not rows:
        raise Untold("it has no customers")
    ids = [text(row, "Id").lower() for row in rows]
    if isinstance(total := meta.get("TotalNumberOfPages"), int) and total > 1:
        _, more = asker.listed(Endpoint.CUSTOMERS, orderby="Id asc", pagesize=str(PAGE), page="2")
        ids += [text(row, "Id").lower() for row in more]
    order = "in the order of their text" if ids == sorted(ids) else "in another order than that of their text"
    doubled = len(ids) - len(set(ids))
    evidence = {"rows": len(ids), "doubled": doubled, "in_text_order": ids == sorted(ids)}
    return Found(answer=f"Accepted, {order}, {doubled} doubled between two pages", evidence=evidence)


def page_size(asker: Asker) -> Found:
    """Ask for nothing, the documented most, and more."""
    answers = {size: _page_size(asker, size) for size in ("", "1000", "1001", "5000")}
    words = [f"{size or 'not given'}: {answer}" for size, answer in answers.items()]
    return Found(answer="; ".join(words), evidence=dict(answers))


def _page_size(asker: Asker, size: str) -> str:
    answer = asker.ask("GET", Endpoint.CUSTOMERS, params={"$pagesize": size} if size else None)
    if answer.status != 200:
        return said(answer)
    meta = document(answer).get("Meta")
    return f"pages of {meta.get('PageSize')}" if isinstance(meta, dict) else "no Meta"


def registration_number(asker: Asker) -> Found:
    """Take a customer's number and look for it in both forms."""
    stored = next((number for row in _customers(asker) if _digits(number := _number(row))), "")
    if not stored:
        raise Untold("no customer on the first page has a Swedish registration number")
    digits = _digits(stored)
    forms = {"with hyphen": f"{digits[:-4]}-{digits[-4:]}", "without hyphen": digits}
    found = {name: _finds(asker, eq("CorporateIdentityNumber", form), stored) for name, form in forms.items()}
    kept = "with hyphen" if "-" in stored else "without hyphen"
    both = all(found.values())
    words = "Both forms find it" if both else f"Only {', '.join(name for name in found if found[name]) or 'neither'}"
    return Found(answer=f"{words}; stored {kept}", evidence={**found, "stored": kept})


def _number(row: Document) -> str:
    return text(row, "CorporateIdentityNumber")


def _digits(number: str) -> str:
    return number.replace("-", "") if re.fullmatch(r"\d{6,8}-?\d{4}", number) else ""


def _finds(asker: Asker, filter_text: str, stored: str) -> bool:
    _, rows = asker.filtered(filter_text)
    return any(_number(row) == stored for row in rows)


def changed_utc(asker: Asker) -> Found:
    """Ask in whole seconds and in fractions, and whether the fractions count."""
    row = next((row for row in _customers(asker) if moment(row, "ChangedUtc")), None)
    at = moment(row, "ChangedUtc") if row else None
    if row is None or at is None:
        raise Untold("no customer on the first page has a ChangedUtc")
    exact, seconds = f"{at:%Y-%m-%dT%H:%M:%S.%f}Z", f"{at:%Y-%m-%dT%H:%M:%S}Z"
    whole, _ = asker.filtered(f"ChangedUtc ge {seconds} and ChangedUtc le {_second_after(at)}")
    from_exact, there = asker.filtered(f"{_this(row)} and ChangedUtc ge {exact}")
    _, behind = asker.filtered(f"{_this(row)} and ChangedUtc gt {exact}")
    fractions = f"with fractions {said(from_exact)}"
    if from_exact.status == 200:
        counted = bool(there) and not behind
        fractions += ", and they count" if counted else ", but they do not count exactly"
    evidence: Document = {"whole_seconds": status(whole), "fractions": status(from_exact), "found": len(there)}
    return Found(answer=f"Whole seconds {said(whole)}; {fractions}", evidence=evidence)


def _second_after(at: datetime) -> str:
    return f"{at + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}Z"


def _this(row: Document) -> str:
    return f"Id eq {text(row, 'Id')}"


def joined(asker: Asker) -> Found:
    """`or`, `and`, and both with parentheses."""
    first, other = eq("Name", _a_name(asker)), eq("Name", _nobody())
    forms = {
        "or": f"{first} or {other}",
        "and": f"{first} and {first}",
        "parentheses": f"({other} or {first}) and ({other} or {first})",
    }
    answers = {name: asker.filtered(form) for name, form in forms.items()}
    words = [f"{name}: {_understood(answer, rows)}" for name, (answer, rows) in answers.items()]
    return Found(answer="; ".join(words), evidence={name: status(answer) for name, (answer, _) in answers.items()})


def functions(asker: Asker) -> Found:
    """`contains` is used by us; `startswith` and `in` were never seen anywhere."""
    name = _a_name(asker)
    quoted = "'" + name.replace("'", "''") + "'"
    forms = {
        "contains": f"contains(Name,{quoted})",
        "startswith": f"startswith(Name,{quoted})",
        "in": f"Name in ({quoted},'{_nobody()}')",
    }
    answers = {form: asker.filtered(filter_text) for form, filter_text in forms.items()}
    words = [f"{form}: {_understood(answer, rows)}" for form, (answer, rows) in answers.items()]
    evidence = {form: status(answer) for form, (answer, _) in answers.items()}
    known = {answers[form][0].status == 200 for form in ("startswith", "in")}
    switches: Document = {"know_startswith_and_in": known.pop()} if len(known) == 1 else {}
    return Found(answer="; ".join(words), evidence=evidence, switches=switches)


def letter_case(asker: Asker) -> Found:
    """Look for a name in the other case."""
    swapped = _a_name(asker).swapcase().replace("'", "''")
    answers = {"eq": asker.filtered(f"Name eq '{swapped}'"), "contains": asker.filtered(f"contains(Name,'{swapped}')")}
    refused = [said(answer) for answer, _ in answers.values() if answer.status != 200]
    if refused:
        raise Untold(f"the filter is refused: {', '.join(refused)}")
    minds = {name: not rows for name, (_, rows) in answers.items()}
    words = [f"{name}: {'counts' if minds[name] else 'does not count'}" for name in minds]
    return Found(answer="; ".join(words), evidence=dict(minds), switches={"mind_case_in_eq": minds["eq"]})


def unknown_id(asker: Asker) -> Found:
    """Ask for a customer that cannot exist."""
    answer = asker.ask("GET", Endpoint.CUSTOMER, customer_id=str(uuid4()))
    has_body = read_error_body(body=answer.body).is_theirs
    words = said(answer) if has_body else f"{said(answer)}, without a body of eAccounting's"
    switches: Document = {"unknown_id_status": answer.status, "unknown_id_body": has_body}
    return Found(answer=words, evidence=status(answer), switches=switches)


def bad_filter(asker: Asker) -> Found:
    """Three ways to be wrong: grammar, property, date."""
    wrong = {"grammar": "Name eq", "unknown property": "NoSuchProperty eq 'x'", "bad date": "ChangedUtc ge yesterday"}
    answers = {name: asker.filtered(filter_text)[0] for name, filter_text in wrong.items()}
    words = [f"{name}: {said(answer)}" for name, answer in answers.items()]
    return Found(answer="; ".join(words), evidence={name: status(answer) for name, answer in answers.items()})


def receivables(asker: Asker) -> Found:
    """Filter receivables by customer."""
    _, rows = asker.listed(Endpoint.LEDGER_ITEMS, pagesize=str(PAGE))
    known = next((text(row, "CustomerId") for row in rows if text(row, "CustomerId")), str(uuid4()))
    params = {"$filter": f"CustomerId eq {known}", "$pagesize": str(PAGE)}
    answer = asker.ask("GET", Endpoint.LEDGER_ITEMS, params=params)
    works = answer.status == 200
    words = "Yes" if works else f"No: {said(answer)}"
    return Found(answer=words, evidence=status(answer), switches={"filter_receivables": works})


def invoice_moves_customer(asker: Asker) -> Found:
    """Compare the newest invoice's time with its customer's."""
    _, rows = asker.listed(Endpoint.INVOICES, pagesize="1000")
    dated = [(at, text(row, "CustomerId")) for row in rows if (at := moment(row, "ModifiedUtc"))]
    if not dated:
        raise Untold("there is no invoice with a ModifiedUtc")
    at, customer_id = max(dated)
    changed = moment(asker.customer(customer_id), "ChangedUtc")
    if changed is None or changed > at + NEARLY:
        raise Untold("the customer of the newest invoice was changed later for another reason")
    moved = changed >= at - NEARLY
    answer = "Probably: both have the same time" if moved else "No: the customer's time is older than the invoice's"
    return Found(answer=answer, evidence={"moved": moved}, switches={"invoice_moves_customer": moved})


def activation(asker: Asker) -> Found:
    """It answers, so what it lacks is not needed. A company that refuses for want of the module never gets here."""
    answer = asker.ask("GET", Endpoint.COMPANY_SETTINGS)
    modules = document(answer).get("ActivatedModules") if answer.status == 200 else None
    if not isinstance(modules, list):
        raise Untold("the company settings name no modules")
    if MODULE in modules:
        raise Untold(f"{MODULE} is activated here; ask a company where it is not")
    answered = "No: it answers without it"
    return Found(answer=answered, evidence={"modules": modules}, switches={"need_api_module": False})


def module_is_needed() -> Finding:
    """Return what a refusal of everything for want of the module tells."""
    words = "Yes: without it everything is refused"
    found = Found(answer=words, evidence={"error_code": 4002}, switches={"need_api_module": True})
    return Finding(key=ACTIVATION.key, question=ACTIVATION.sentence, is_answered=True, found=found)


def retry_after(asker: Asker) -> Found:
    """Only looked at when it happened; never provoked."""
    if not asker.retry_after:
        raise Untold("no call was refused for its number, and none is provoked")
    seen = any(asker.retry_after)
    evidence: Document = {"headers": [*asker.retry_after]}
    answer = f"Yes: {asker.retry_after[-1]!r}" if seen else "No header came with a 429"
    return Found(answer=answer, evidence=evidence, switches={"retry_after_header": seen})


def _customers(asker: Asker) -> list[Document]:
    return asker.listed(Endpoint.CUSTOMERS, pagesize="200")[1]


def _a_name(asker: Asker) -> str:
    """Return the name of a customer that looks different in the other case."""
    names = (text(row, "Name") for row in _customers(asker))
    name = next((name for name in names if name.swapcase() != name), "")
    if not name:
        raise Untold("it has no customers")
    return name


def _nobody() -> str:
    return f"nobody {uuid4()}"


def _understood(answer: Answer, rows: list[Document]) -> str:
    if answer.status != 200:
        return f"refused, {said(answer)}"
    return "works" if rows else "accepted, but finds nothing"


ACTIVATION = Question("activation", "Does the module api_standard have to be activated?", activation)
QUESTIONS = (
    ACTIVATION,
    Question("sort_by_id", "Can customers be sorted by Id?", sort_by_id),
    Question("page_size", "How large may a page be?", page_size),
    Question("registration_number", "Does a filter find a registration number in either form?", registration_number),
    Question("changed_utc", "Which times does a filter on ChangedUtc take?", changed_utc),
    Question("joined_filters", "Does a filter know or, and, parentheses?", joined),
    Question("filter_functions", "Does a filter know contains, startswith, in?", functions),
    Question("letter_case", "Does the case of letters count in a filter?", letter_case),
    Question("unknown_id", "What does an unknown id answer?", unknown_id),
    Question("bad_filter", "What does a wrong filter answer?", bad_filter),
    Question("receivables", "Can receivables be filtered by CustomerId?", receivables),
    Question("invoice_moves_customer", "Does a changed invoice move ChangedUtc?", invoice_moves_customer),
)
LAST = (Question("retry_after", "Does a 429 carry Retry-After?", retry_after),)
