"""Requests and answers of the sandbox, apart from how they travel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self
from urllib.parse import parse_qsl

from integrations.eaccounting import jsontext


class Delivery(StrEnum):
    """How an answer travels; all but ANSWER are faults."""

    ANSWER = "answer"
    HOLD = "hold"
    RESET = "reset"
    DRIP = "drip"
    CUT_SHORT = "cut_short"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, *, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Self:
        """Read a request line's target."""
        path, _, query = target.partition("?")
        return cls(
            method=method,
            path=path,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in headers.items()},
            body=body,
        )

    def form(self) -> dict[str, str]:
        """Return a form's fields."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    def json(self) -> jsontext.Json:
        """Return the JSON body. Raises ValueError."""
        return jsontext.decode(self.body)


@dataclass(frozen=True, kw_only=True)
class Response:
    """One answer; `afterwards` is run when the connection is gone."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delivery: Delivery = Delivery.ANSWER
    pause: float = 0.0
    """Seconds between two bytes of a DRIP."""
    afterwards: Callable[[], object] | None = None

    def delivered(self, delivery: Delivery) -> Self:
        """Return the same answer, travelling in another way."""
        return replace(self, delivery=delivery)


def json_response(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return JSON, in the writing of ASP.NET."""
    base = {"Content-Type": "application/json; charset=utf-8"}
    return Response(status=status, headers=base | dict(headers or {}), body=jsontext.encode(content))


def html_response(text: str, *, status: int = 200) -> Response:
    """Return a page that may load nothing but what the sandbox serves."""
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'",
        "Referrer-Policy": "no-referrer",
    }
    return Response(status=status, headers=headers, body=text.encode())


def redirect(url: str) -> Response:
    """Send a browser elsewhere."""
    return Response(status=302, headers={"Location": url})
