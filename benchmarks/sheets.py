"""The product's sheets as a browser without scripts has them: opened, read, and posted as they stand."""

import time
from dataclasses import dataclass, field
from html.parser import HTMLParser

import requests

from accounts.models import User
from companies.models import Company
from integrations.domain import mapping
from integrations.models import Push
from integrations.services.create import request_create

SECONDS = 30.0
CREATE, UPDATE = "create", "update"  # as in their addresses
Fields = list[tuple[str, str]]


class _Form(HTMLParser):
    """Collects what a browser posts of the form with this address: no button, and nothing that is not chosen."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.found, self.fields = False, Fields()
        self._path, self._inside = path, False
        self._select, self._options = "", Fields()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a field along, or enter the form."""
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = has.get("action") == self._path
            self.found = self.found or self._inside
        elif not self._inside or "disabled" in has:
            return
        elif tag == "input":
            self._input(has)
        elif tag == "select":
            self._select, self._options = has.get("name", ""), []
        elif tag == "option" and ("selected" in has or not self._options):
            self._options.append((self._select, has.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        """Leave the form, or a select with what is chosen in it: what was marked, else its first."""
        if tag == "form":
            self._inside = False
        elif tag == "select" and self._inside and self._options:
            self.fields.append(self._options[-1])

    def _input(self, has: dict[str, str]) -> None:
        kind = has.get("type", "text")
        if kind in {"submit", "button", "reset"} or "name" not in has:
            return
        if kind not in {"radio", "checkbox"} or "checked" in has:
            self.fields.append((has["name"], has.get("value", "on" if kind == "checkbox" else "")))


def fields_of(page: str, *, path: str) -> Fields:
    """Return the fields of a page's form with this address. Raises ValueError when there is none."""
    form = _Form(path)
    form.feed(page)
    if not form.found:
        raise ValueError(f"there is no form for {path}")
    return form.fields


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A sheet that is open: what its button posts, and how long it took to open."""

    path: str
    fields: Fields
    seconds: float


@dataclass
class Desk:
    """Somebody who is logged in on a web server."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def open(self, company_id: int, sheet: str) -> Sheet:
        """Open a sheet as a page. Raises Unusable."""
        path = f"/companies/{company_id}/visma-eaccounting/{sheet}/"
        begin = time.monotonic()
        page = self.session.get(self.url + path, allow_redirects=False, timeout=SECONDS)
        took = time.monotonic() - begin
        if page.status_code != requests.codes.ok:
            raise Unusable(f"{path} was answered with {page.status_code}")
        return Sheet(path=path, fields=fields_of(page.text, path=path), seconds=took)

    def confirm(self, sheet: Sheet) -> tuple[float, float]:
        """Press its button; return when that began, monotonic, and how long the answer took. Raises Unusable."""
        begin = time.monotonic()
        answer = self.session.post(self.url + sheet.path, data=sheet.fields, allow_redirects=False, timeout=SECONDS)
        took = time.monotonic() - begin
        if answer.status_code != requests.codes.found:
            raise Unusable(f"confirming {sheet.path} was answered with {answer.status_code}")
        return begin, took


class Unusable(Exception):
    """A sheet did not open, or came back instead of being taken."""


def confirm_create(*, user: User, company: Company) -> Push:
    """Record what the create sheet records when it is confirmed as it stands. Raises as services.request_create."""
    values = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
    return request_create(user=user, company=company, confirmed=values)
