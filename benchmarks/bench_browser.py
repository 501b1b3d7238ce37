"""A signed-in person who clicks, and the bare calls that every click is compared with."""

import re
import time
from dataclasses import dataclass

import requests

from benchmarks.bench_rows import PASSWORD, Tenant
from benchmarks.sheets import SECONDS, Desk
from companies.models import Company
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.duplicates import look_filter
from integrations.models import Connection


def log_in(url: str, tenant: Tenant) -> Desk:
    """Log the tenant's admin in on a web server, by its page. Raises RuntimeError."""
    desk = Desk(url)
    desk.session.trust_env = False
    page = desk.session.get(f"{url}/login/", timeout=SECONDS)
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    form = {"username": tenant.user.email, "password": PASSWORD, "csrfmiddlewaretoken": found[1] if found else ""}
    answer = desk.session.post(f"{url}/login/", data=form, timeout=SECONDS, allow_redirects=False)
    if answer.status_code != requests.codes.found:
        raise RuntimeError(f"the login was answered with {answer.status_code}")
    return desk


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
        query = {
            "$filter": look_filter(values, changed_since=database_now(), by_name=True),
            "$orderby": "Id",
            "$pagesize": "1000",
        }
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
