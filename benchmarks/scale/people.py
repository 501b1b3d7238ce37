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
from benchmarks.sheets import CREATE, Desk, Unusable
from integrations.models import Push

PAUSE = 0.02  # seconds between clicks


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
        self._desks = [_desk(self.url, tenant) for tenant in self.everybody]

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
            self._click(self._desks[place % len(self._desks)], pk)
            time.sleep(PAUSE)

    def _click(self, desk: Desk, company_id: int) -> None:
        """Open a company's create sheet, and press "Create customer in Visma"."""
        try:
            _began, took = desk.confirm(desk.open(company_id, CREATE))
        except (requests.RequestException, Unusable) as error:
            self.broken.append(repr(error))
            return
        self.took.append(took)


def _desk(url: str, tenant: Tenant) -> Desk:
    desk = Desk(url)
    desk.session.cookies.set(settings.SESSION_COOKIE_NAME, session_of(tenant.user))
    return desk


def accepted(ids: list[int]) -> list[int]:
    """Return the pushes of these companies."""
    return list(Push.objects.filter(company_id__in=ids).order_by("pk").values_list("pk", flat=True))
