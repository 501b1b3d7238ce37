"""People who are logged in on the web host and click."""

import threading
import time
from dataclasses import dataclass, field
from importlib import import_module

import requests
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from accounts.models import User
from benchmarks.chaos.world import Tenant
from companies.models import Company
from integrations import mapping
from integrations.models import Push
from integrations.services import current_connection

SECONDS = 10.0
PAUSE = 0.02  # seconds between clicks
TOKEN = "a" * 32  # against forged requests; cookie and form hold the same one


def session_of(user: User) -> str:
    """Log a user in, and return the session's key for the cookie."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


@dataclass
class People:
    """One person an account, all on one web server."""

    url: str
    everybody: list[Tenant]
    broken: list[str] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Log everybody in."""
        self._keys = [session_of(tenant.user) for tenant in self.everybody]

    @property
    def clicked(self) -> int:
        """How many clicks were answered so far."""
        return len(self.took)

    def begin(self, *, ids: list[int]) -> threading.Thread:
        """Click on these companies, which belong to the accounts in turn, in a thread."""
        thread = threading.Thread(target=self._click_all, args=(ids,), daemon=True)
        thread.start()
        return thread

    def _click_all(self, ids: list[int]) -> None:
        for place, pk in enumerate(ids):
            self._click(self._keys[place % len(self._keys)], pk)
            time.sleep(PAUSE)

    def _click(self, key: str, company_id: int) -> None:
        """Press "Create customer in Visma" on a company's sheet."""
        cookies = {settings.SESSION_COOKIE_NAME: key, settings.CSRF_COOKIE_NAME: TOKEN}
        url = f"{self.url}/companies/{company_id}/visma-eaccounting/add/"
        form = {"csrfmiddlewaretoken": TOKEN, **_sheet(company_id)}
        began = time.monotonic()
        try:
            answer = requests.post(url, data=form, cookies=cookies, allow_redirects=False, timeout=SECONDS)
        except requests.RequestException as error:
            self.broken.append(repr(error))
            return
        self.took.append(time.monotonic() - began)
        if answer.status_code != requests.codes.found:
            self.broken.append(f"a click was answered with {answer.status_code}")


def _sheet(company_id: int) -> dict[str, object]:
    """What stands on the create sheet: the company's own values, nobody as its contact person, the default terms."""
    company = Company.objects.get(pk=company_id)
    connection = current_connection(company.account_id)
    values = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
    return {**values, "contact": "", "terms": connection.default_terms_id if connection else ""}


def accepted(ids: list[int]) -> list[int]:
    """Return the pushes of these companies."""
    return list(Push.objects.filter(company_id__in=ids).order_by("pk").values_list("pk", flat=True))
