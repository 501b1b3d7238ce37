"""Faults that tests switch on: which requests they meet, and what they do to them."""

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Self

from dev.sandbox.identity import oauth_error
from dev.sandbox.messages import Delivery, Request, Response, redirect
from dev.sandbox.refuse import error_response
from integrations.eaccounting import jsontext

Answer = Callable[[], Response]


@dataclass(kw_only=True)
class Fault:
    """One fault. With `when` "before" the request is not carried out at all, with "after" it is."""

    kind: str
    method: str = ""
    """Empty: every method."""
    path: str = ".*"
    """A regular expression for the whole path, /v2 included."""
    when: str = "after"
    count: int | None = 1
    """How many requests it meets; None: all."""
    skip: int = 0
    """How many matching requests pass first."""
    probability: float = 1.0
    seed: int = 1
    seconds: float = 1.0
    status: int = 500
    error_code: int = 5000
    text: str = ""
    how: str = "reset"
    """For late_commit: "reset" cuts at once, "no_answer" holds until the client gives up."""
    url: str = ""
    body: str = ""
    """For status: the page; for answer_also: members of the answer's object, `"Name": 5, "Odd": NaN`."""
    retry_after: str = ""
    """For error: this Retry-After, whatever it means."""
    about: str = ""
    """For error: the field that it names, with the text as its message. For answer_also: a member to leave out."""
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind} is no kind of fault; there are {', '.join(sorted(KINDS))}")
        if self.when not in ("before", "after") or self.how not in ("reset", "no_answer"):
            raise ValueError("when is before or after, how is reset or no_answer")
        re.compile(self.path)
        self._random = random.Random(self.seed)  # noqa: S311  # repeatable, not secret

    @classmethod
    def from_json(cls, content: object) -> Self:
        """Read a fault. Raises ValueError."""
        known = {item.name for item in fields(cls) if item.init}
        if not isinstance(content, dict) or not set(content) <= known or "kind" not in content:
            raise ValueError(f"a fault is an object with kind and any of {', '.join(sorted(known))}")
        return cls(**content)

    def meets(self, request: Request) -> bool:
        """Tell whether this request is met; counts it if so."""
        if self.count == 0 or self.method not in ("", request.method) or not re.fullmatch(self.path, request.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self._random.random() >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def as_json(self) -> dict[str, object]:
        """Return what it was made of, with the counts as they are now."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def carry_out(self, answer: Answer) -> Response:
        """Return what the client gets; `answer` carries the request out."""
        return KINDS[self.kind](self, answer)


def _committed(fault: Fault, answer: Answer) -> Response | None:
    return answer() if fault.when == "after" else None


def _delay(fault: Fault, answer: Answer) -> Response:
    if fault.when == "before":
        time.sleep(fault.seconds)
        return answer()
    response = answer()
    time.sleep(fault.seconds)
    return response


def _cut(delivery: Delivery) -> Callable[[Fault, Answer], Response]:
    def carry_out(fault: Fault, answer: Answer) -> Response:
        _committed(fault, answer)
        return Response(status=0, delivery=delivery)

    return carry_out


def _late_commit(fault: Fault, answer: Answer) -> Response:
    def commit() -> None:
        time.sleep(fault.seconds)
        answer()

    delivery = Delivery.RESET if fault.how == "reset" else Delivery.HOLD
    return Response(status=0, delivery=delivery, afterwards=commit)


def _status(fault: Fault, answer: Answer) -> Response:
    _committed(fault, answer)
    body = fault.body or f"<html><body><h1>{fault.status}</h1></body></html>"
    return Response(status=fault.status, headers={"Content-Type": "text/html"}, body=body.encode())


def _truncated(fault: Fault, answer: Answer) -> Response:
    response = _committed(fault, answer) or Response(status=200, body=b'{"Id": "')
    half = response.body[: max(1, len(response.body) // 2)]
    return Response(status=response.status, headers=response.headers, body=half)


def _cut_short(fault: Fault, answer: Answer) -> Response:
    response = _committed(fault, answer) or Response(status=200, body=b'{"Id": "')
    return response.delivered(Delivery.CUT_SHORT)


def _html(fault: Fault, answer: Answer) -> Response:
    _committed(fault, answer)
    body = b"<html><body>Please log in to the network first.</body></html>"
    return Response(status=200, headers={"Content-Type": "text/html"}, body=body)


def _empty(fault: Fault, answer: Answer) -> Response:
    response = _committed(fault, answer)
    return Response(status=response.status if response else 200)


def _other_name(fault: Fault, answer: Answer) -> Response:
    response = answer()
    content = jsontext.decode(response.body)
    if isinstance(content, dict) and "Name" in content:
        content["Name"] = fault.text or "Somebody Else AB"
    return Response(status=response.status, headers=response.headers, body=jsontext.encode(content))


def _answer_also(fault: Fault, answer: Answer) -> Response:
    """Answer as always, with more members, in JSON's own letters: of two with one name a reader takes the last."""
    response = answer()
    if not 200 <= response.status < 300:
        return response
    body = response.body
    content = jsontext.decode(body)
    if fault.about and isinstance(content, dict):
        body = jsontext.encode({name: value for name, value in content.items() if name != fault.about})
    if fault.body:
        body = body[:-1] + b"," + fault.body.encode("utf-8", "surrogatepass") + b"}"
    return Response(status=response.status, headers=response.headers, body=body)


def _drip(fault: Fault, answer: Answer) -> Response:
    response = _committed(fault, answer) or Response(status=200, body=b" " * 1000)
    return Response(
        status=response.status,
        headers=response.headers,
        body=response.body,
        delivery=Delivery.DRIP,
        pause=fault.seconds,
    )


def _redirect(fault: Fault, answer: Answer) -> Response:
    _committed(fault, answer)
    return redirect(fault.url or "http://127.0.0.1:9/elsewhere")


def _error(fault: Fault, answer: Answer) -> Response:
    _committed(fault, answer)
    status = fault.status if fault.status != 500 or fault.error_code >= 5000 else 400
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
    text = fault.text or "Switched on by a test."
    problems = [(fault.about, text)] if fault.about else None
    return error_response(fault.error_code, text, status=status, problems=problems, headers=headers)


def _oauth(error: str) -> Callable[[Fault, Answer], Response]:
    def carry_out(fault: Fault, answer: Answer) -> Response:
        _committed(fault, answer)
        return oauth_error(error, status=fault.status if fault.status != 500 else 400)

    return carry_out


KINDS: dict[str, Callable[[Fault, Answer], Response]] = {
    "delay": _delay,
    "no_answer": _cut(Delivery.HOLD),
    "reset": _cut(Delivery.RESET),
    "late_commit": _late_commit,
    "status": _status,
    "truncated": _truncated,
    "cut_short": _cut_short,
    "html": _html,
    "empty": _empty,
    "answer_other_name": _other_name,
    "answer_also": _answer_also,
    "drip": _drip,
    "redirect": _redirect,
    "error": _error,
    "invalid_grant": _oauth("invalid_grant"),
    "invalid_client": _oauth("invalid_client"),
}
