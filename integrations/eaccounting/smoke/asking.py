"""How questions are asked: raw statuses, the shared budget, and one failing question that stops no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from integrations.eaccounting import jsontext
from integrations.eaccounting.client import Endpoint
from integrations.eaccounting.errors import EAccountingError, RateLimited
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.refusals import error_for, read_error_body
from integrations.eaccounting.transport import Answer, Http

Document = dict[str, Json]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What one question brought to light."""

    answer: str
    evidence: Mapping[str, Json] = field(default_factory=dict)
    switches: Mapping[str, Json] = field(default_factory=dict)
    """How the sandbox has to be switched to behave like this company (sandbox/switches.py)."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A question with what became of it."""

    key: str
    question: str
    is_answered: bool
    found: Found

    def as_json(self) -> Document:
        """Return it for the file."""
        return {
            "key": self.key,
            "question": self.question,
            "is_answered": self.is_answered,
            "answer": self.found.answer,
            "evidence": dict(self.found.evidence),
            "switches": dict(self.found.switches),
        }


class Untold(Exception):
    """This company cannot answer the question; the text says what it lacks."""


@dataclass(kw_only=True)
class Asker:
    """Sends requests to one eAccounting company.

    `book` waits for a slot of the shared budget; `limited` is told of a 429, with the seconds to be silent.
    """

    http: Http
    token: str = field(repr=False)
    book: Callable[[Endpoint], None]
    limited: Callable[[Endpoint, int], None]
    deadline: float
    retry_after: list[str] = field(default_factory=list)
    """What each 429 said in its header; empty texts for those without."""

    def ask(
        self,
        method: str,
        endpoint: Endpoint,
        *,
        customer_id: str = "",
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Json] | None = None,
    ) -> Answer:
        """Return an answer whatever its status, but for 401 and 429. Raises EAccountingError."""
        self.book(endpoint)
        answer = self.http.request(
            method,
            endpoint.replace("{id}", customer_id),
            deadline=self.deadline,
            authorization=f"Bearer {self.token}",
            params=params,
            json=json,
            fresh=method != "GET",
        )
        if answer.status not in (401, 429):
            return answer
        error = error_for(answer=answer)
        if isinstance(error, RateLimited):
            self.retry_after.append(answer.headers.get("Retry-After") or "")
            self.limited(endpoint, error.retry_after)
        raise error

    def listed(self, endpoint: Endpoint, **params: str) -> tuple[Document, list[Document]]:
        """Return Meta and Data of one page; `page=2` becomes `$page=2`. Raises EAccountingError for a refusal."""
        answer = self.ask("GET", endpoint, params={f"${name}": value for name, value in params.items()})
        if answer.status != 200:
            raise error_for(answer=answer)
        content = document(answer)
        meta, rows = content.get("Meta"), content.get("Data")
        return meta if isinstance(meta, dict) else {}, [row for row in _listed(rows) if isinstance(row, dict)]

    def filtered(self, filter_text: str) -> tuple[Answer, list[Document]]:
        """Return the answer to a customer filter, and what it found if it was understood."""
        answer = self.ask("GET", Endpoint.CUSTOMERS, params={"$filter": filter_text, "$pagesize": "50"})
        rows = document(answer).get("Data") if answer.status == 200 else None
        return answer, [row for row in _listed(rows) if isinstance(row, dict)]

    def customer(self, customer_id: str) -> Document:
        """Return one customer as it is answered. Raises EAccountingError."""
        answer = self.ask("GET", Endpoint.CUSTOMER, customer_id=customer_id)
        if answer.status != 200:
            raise error_for(answer=answer)
        return document(answer)


@dataclass(frozen=True)
class Question:
    """One thing to find out. `find` raises Untold or EAccountingError when it cannot."""

    key: str
    sentence: str
    find: Callable[[Asker], Found]

    def put(self, asker: Asker) -> Finding:
        """Ask it; whatever goes wrong is the finding."""
        try:
            return self._finding(self.find(asker))
        except Untold as reason:
            return self._finding(Found(answer=f"Cannot be told here: {reason}"), is_answered=False)
        except EAccountingError as error:
            evidence = {"status": error.status, "error_code": error.error_code}
            found = Found(answer=f"Not answered: {error}", evidence=evidence)
            return self._finding(found, is_answered=False)
        except Exception as error:  # noqa: BLE001  # one broken question must not cost the other answers
            return self._finding(Found(answer=f"Not answered: {type(error).__name__}"), is_answered=False)

    def _finding(self, found: Found, *, is_answered: bool = True) -> Finding:
        return Finding(key=self.key, question=self.sentence, is_answered=is_answered, found=found)


def document(answer: Answer) -> Document:
    """Return the JSON object of an answer, or an empty one."""
    try:
        content = jsontext.decode(answer.body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def status(answer: Answer) -> dict[str, Json]:
    """Return status and ErrorCode, for the evidence."""
    refusal = read_error_body(body=answer.body) if answer.status >= 400 else None
    fields: list[Json] = [problem.field for problem in refusal.problems] if refusal else []
    return {"status": answer.status, "error_code": refusal.error_code if refusal else None, "fields": fields}


def said(answer: Answer) -> str:
    """Return the same as words: "400, ErrorCode 2000 (InvoiceCity)"."""
    known = status(answer)
    code = f", ErrorCode {known['error_code']}" if known["error_code"] is not None else ""
    fields = known["fields"]
    named = f" ({', '.join(map(str, fields))})" if isinstance(fields, list) and fields else ""
    return f"{answer.status}{code}{named}"


def _listed(rows: Json) -> list[Json]:
    return rows if isinstance(rows, list) else []
