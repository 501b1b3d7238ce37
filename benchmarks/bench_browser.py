"""A signed-in person who clicks, and the bare calls that every click is compared with."""

import re
import time
from dataclasses import dataclass

import requests

from benchmarks.bench_rows import PASSWORD, Tenant
from companies.models import Company
from integrations import mapping
from integrations.duplicates import duplicate_filter
from integrations.models import Connection

SECONDS = 30.0


class Browser:
    """One login on one web server."""

    def __init__(self, url: str, tenant: Tenant) -> None:
        self._url, self._session = url, requests.Session()
        self._session.trust_env = False
        login = f"{url}/login/"
        page = self._session.get(login, timeout=SECONDS)
        form = {"username": tenant.user.email, "password": PASSWORD, "csrfmiddlewaretoken": _token(page.text)}
        answer = self._session.post(login, data=form, timeout=SECONDS, allow_redirects=False)
        if answer.status_code != 302:
            raise RuntimeError(f"the login was answered with {answer.status_code}")
        self._csrf = _token(self._session.get(f"{url}/settings/", timeout=SECONDS).text)

    def click(self, company: Company, button: str = "add") -> tuple[float, float]:
        """Press a button of the card's panel; return when that began, monotonic, and how long the answer took."""
        begin = time.monotonic()
        answer = self._session.post(
            f"{self._url}/companies/{company.pk}/visma-eaccounting/{button}/",
            data={"csrfmiddlewaretoken": self._csrf},
            allow_redirects=False,
            timeout=SECONDS,
        )
        took = time.monotonic() - begin
        if answer.status_code != 302:
            raise RuntimeError(f"a click was answered with {answer.status_code}")
        return begin, took


def _token(page: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    if found is None:
        raise RuntimeError("the page holds no form")
    return found.group(1)


@dataclass(frozen=True, kw_only=True)
class Bare:
    """The same calls by `requests`, as a script would make them: no row, no lease, no limit, no second look."""

    api: str
    headers: dict[str, str]
    terms_id: str

    @classmethod
    def of(cls, tenant: Tenant, api: str) -> "Bare":
        """Take over the tenant's token and terms."""
        row = Connection.objects.select_related("default_terms").get(pk=tenant.connection.pk)
        terms = str(row.default_terms.remote_id) if row.default_terms else ""
        return cls(api=api, headers={"Authorization": f"Bearer {row.access_token}"}, terms_id=terms)

    def payload(self, company: Company) -> dict[str, object]:
        """What is sent for a company."""
        values = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
        return {**mapping.create_payload(values, is_private_person=False, terms_id=self.terms_id)}

    def create(self, company: Company, payload: dict[str, object]) -> float:
        """Look, then create; return how long both took."""
        values = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
        query = {"$filter": duplicate_filter(values), "$orderby": "Id", "$pagesize": "1000"}
        begin = time.monotonic()
        self._done(requests.get(f"{self.api}/customers", params=query, headers=self.headers, timeout=SECONDS))
        self._done(requests.post(f"{self.api}/customers", json=payload, headers=self.headers, timeout=SECONDS))
        return time.monotonic() - begin

    def update(self, customer_id: str, phone: str) -> float:
        """Read a customer and write it back with another phone number; return how long both took."""
        url, begin = f"{self.api}/customers/{customer_id}", time.monotonic()
        found = self._done(requests.get(url, headers=self.headers, timeout=SECONDS))
        self._done(requests.put(url, json=found | {"Telephone": phone}, headers=self.headers, timeout=SECONDS))
        return time.monotonic() - begin

    @staticmethod
    def _done(answer: requests.Response) -> dict[str, object]:
        answer.raise_for_status()
        content: dict[str, object] = answer.json()
        return content
