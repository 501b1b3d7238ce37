"""The stand-in as the harness sees it: faults, people's edits, what is there in the end."""

import http.client
import random
import threading
import time
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from integrations.eaccounting import jsontext
from integrations.eaccounting.jsontext import Json

Record = dict[str, Json]
SHEETS = "(sheets)"  # in the user agent of the process that opens sheets, which is this one
COMPANY_REGISTRATION = "556677-8899"
TERMS_30, TERMS_10 = "8f9a8f7b-5ea9-44c6-9725-9b8a1addb036", "8f9a8f7b-5ea9-44c6-9725-9b8a1addb010"
CUSTOMERS, CUSTOMER = r"/v2/customers", r"/v2/customers/[0-9a-f-]{36}"
# How late a create is committed whose connection was cut: within call + settle, which the promise covers.
LATE = 1.7

# kind, when, probability and the rest: a third of all creates meets one of these.
CREATE_FAULTS: tuple[Record, ...] = (
    {"kind": "reset", "when": "before", "probability": 0.03},
    {"kind": "reset", "when": "after", "probability": 0.04},
    {"kind": "late_commit", "seconds": 0.4, "probability": 0.03},
    {"kind": "late_commit", "seconds": LATE, "probability": 0.03},
    {"kind": "late_commit", "seconds": LATE, "how": "no_answer", "probability": 0.01},
    {"kind": "no_answer", "when": "before", "probability": 0.015},
    {"kind": "no_answer", "when": "after", "probability": 0.015},
    {"kind": "status", "status": 500, "when": "before", "probability": 0.02},
    {"kind": "status", "status": 500, "when": "after", "probability": 0.04},
    {"kind": "status", "status": 503, "when": "after", "probability": 0.01},
    {"kind": "truncated", "when": "after", "probability": 0.03},
    {"kind": "cut_short", "when": "after", "probability": 0.015},
    {"kind": "html", "when": "after", "probability": 0.01},
    {"kind": "empty", "when": "after", "probability": 0.01},
    {"kind": "delay", "when": "after", "seconds": 0.3, "probability": 0.02},
    {"kind": "answer_other_name", "probability": 0.005},
)
READ_FAULTS: tuple[Record, ...] = (
    {"kind": "reset", "when": "before", "probability": 0.01},
    {"kind": "status", "status": 502, "when": "before", "probability": 0.01},
    {"kind": "truncated", "when": "after", "probability": 0.005},
    {"kind": "html", "when": "after", "probability": 0.005},
    {"kind": "no_answer", "when": "before", "probability": 0.003},
)
WRITE_FAULTS: tuple[Record, ...] = (
    {"kind": "reset", "when": "before", "probability": 0.03},
    {"kind": "reset", "when": "after", "probability": 0.03},
    {"kind": "late_commit", "seconds": LATE, "probability": 0.01},
    {"kind": "no_answer", "when": "after", "probability": 0.01},
    {"kind": "status", "status": 500, "when": "before", "probability": 0.02},
    {"kind": "status", "status": 500, "when": "after", "probability": 0.02},
    {"kind": "truncated", "when": "after", "probability": 0.02},
)
TOKEN_FAULTS: tuple[Record, ...] = (
    {"kind": "reset", "when": "before", "probability": 0.02},
    {"kind": "status", "status": 500, "when": "before", "probability": 0.02},
    {"kind": "delay", "when": "before", "seconds": 0.4, "probability": 0.05},
)
TOO_MANY: Record = {"kind": "error", "error_code": 4010, "status": 429, "when": "before"}


@dataclass(frozen=True, kw_only=True)
class EAccounting:
    """A client of the stand-in's controls; one connection a call, any number of threads."""

    url: str

    def ask(self, method: str, path: str, content: object = None) -> Record:
        """Make one control call and return its answer."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            connection.request(method, path, body=jsontext.encode(content) if content is not None else None)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        decoded = jsontext.decode(body) if body else {}
        if answer.status >= 400 or not isinstance(decoded, dict):
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {body[:300]!r}")
        return decoded

    def consent(self, *, url: str, company: str) -> dict[str, str]:
        """Allow access as a person does on the consent page; return the query of the way back."""
        parts = urlsplit(url)
        browser = http.client.HTTPConnection(parts.netloc, timeout=30)
        body = urlencode({"company": company, "decision": "allow"})
        browser.request("POST", f"{parts.path}?{parts.query}", body=body)
        answer = browser.getresponse()
        answer.read()
        browser.close()
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    def plant(self, *, key: str, customers: list[Record]) -> None:
        """Add a company with two terms of payment, and customers that are there already."""
        number = f"a1c0ffee-0001-4001-9001-{abs(hash_of(key)):012d}"
        settings = {
            "Name": f"Chaos {key} AB",
            "CorporateIdentityNumber": COMPANY_REGISTRATION,
            "CountryCode": "SE",
            "CurrencyCode": "SEK",
            "CompanyIdentifier": number,
            "VismaOnlineId": number,
            "CompanyStatus": 1,
            "ProductVariant": 5,
            "TermsOfPaymentId": TERMS_30,
            "ActivatedModules": ["api_standard"],
            "NextCustomerNumber": 1,
        }
        terms = [
            {"Id": TERMS_30, "Name": "30 dagar", "NameEnglish": "30 days", "NumberOfDays": 30},
            {"Id": TERMS_10, "Name": "10 dagar", "NameEnglish": "10 days", "NumberOfDays": 10},
        ]
        rest = {"TermsOfPaymentTypeId": 0, "AvailableForSales": True}
        content = {"settings": settings, "terms": [{**one, **rest} for one in terms], "customers": customers}
        self.ask("POST", "/_sandbox/seed", {"companies": {key: content}})

    def switch_on(self, *, faults: tuple[Record, ...], method: str, path: str, seed: int) -> None:
        """Let these faults meet requests until they are switched off."""
        for place, fault in enumerate(faults):
            rest: Record = {"method": method, "path": path, "count": None, "seed": seed * 1000 + place}
            self.ask("POST", "/_sandbox/faults", {**fault, **rest})

    def switch_off(self) -> None:
        """End all faults."""
        self.ask("DELETE", "/_sandbox/faults")

    def say_too_many(self, *, path: str) -> None:
        """Answer the next call of this endpoint with 429; only the text tells for how long."""
        text = "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 1 seconds."
        self.ask("POST", "/_sandbox/faults", {**TOO_MANY, "path": path, "count": 1, "text": text})

    def expire_tokens(self) -> float:
        """Let all access tokens be over before their time; return when."""
        self.ask("POST", "/_sandbox/clock", {"expire_access_tokens": True})
        return time.monotonic()

    def edit(self, *, company: str, customer: str, values: Record) -> tuple[float, float]:
        """Edit as a person there; return between which moments it was committed."""
        done = self.ask("POST", "/_chaos/edit", {"company": company, "customer": customer, "values": values})
        return number(done["begun"]), number(done["ended"])

    def customers(self, *, company: str) -> list[Record]:
        """Return every customer of a company."""
        return records(self.ask("GET", "/_chaos/customers", {"company": company})["customers"])

    def record(self) -> dict[str, list[Record]]:
        """Return what the observer noted."""
        return {name: records(rows) for name, rows in self.ask("GET", "/_chaos/record").items()}


def hash_of(key: str) -> int:
    """Return a number for a short key, the same in every process."""
    return int.from_bytes(key.encode(), "big") % 10**12


def number(value: Json) -> float:
    """Return a number of an answer. Raises TypeError."""
    if not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def records(value: Json) -> list[Record]:
    """Return the objects of a list. Raises TypeError."""
    if not isinstance(value, list):
        raise TypeError("a list is needed")
    return [item for item in value if isinstance(item, dict)]


class Chance:
    """A seeded source of randomness for several threads."""

    def __init__(self, seed: int) -> None:
        self._random, self._lock = random.Random(seed), threading.Lock()  # noqa: S311  # repeatable

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        with self._lock:
            return self._random.uniform(low, high)

    def below(self, end: int) -> int:
        """Return a whole number from 0 and below `end`."""
        with self._lock:
            return self._random.randrange(end)
