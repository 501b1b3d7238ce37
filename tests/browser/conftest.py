"""A real browser for the tests of pages: fixtures that every browser test uses."""

import os
from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from dev.browser import chromium
from tests.browser.eaccounting import SETTLED, connected, demo, eaccounting, sandbox_server, workers

__all__ = ["connected", "demo", "eaccounting", "sandbox_server", "workers"]  # fixtures of every module here

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
QUIET = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LogIn = Callable[[Page, User], None]


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """Start the machine's own Chromium; root may only do so without its sandbox."""
    path = chromium()
    if path is None:
        pytest.fail("There is no Chromium: python -m dev.browser says how to get one.")
    return {"executable_path": path, "args": [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]}


@pytest.fixture(scope="session")
def live_server() -> Iterator[LiveServer]:
    """Our own server; static files come from WhiteNoise under their hashed names, as in production."""
    server = LiveServer("localhost", start=False)
    server.thread.static_handler = lambda application: application
    server.start()
    yield server
    server.stop()


@pytest.fixture
def base_url(live_server: LiveServer) -> str:
    """Let `page.goto("/login/")` mean this test's server."""
    return live_server.url


@pytest.fixture
def browser_context_args(base_url: str) -> dict[str, object]:
    """A desk's screen, in English."""
    return {"base_url": base_url, "viewport": DESK, "locale": "en-GB", "reduced_motion": "reduce"}


@pytest.fixture
def phone(browser: Browser, browser_context_args: dict[str, object]) -> Iterator[Page]:
    """A page as wide as a small phone."""
    context = browser.new_context(**{**browser_context_args, "viewport": PHONE})
    context.set_default_timeout(SETTLED)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session", autouse=True)
def patient_with_pages() -> None:
    """How quick a page is, is nothing that these tests tell."""
    expect.set_options(timeout=SETTLED)


@pytest.fixture
def context(context: BrowserContext) -> BrowserContext:
    """The desk's browser, as patient."""
    context.set_default_timeout(SETTLED)
    return context


@pytest.fixture
def log_in(base_url: str) -> LogIn:
    """Return `log_in(page, user)`: from now on the page's browser belongs to this user."""

    def log_in(page: Page, user: User) -> None:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": base_url}])

    return log_in


def assert_accessible(page: Page) -> None:
    """axe finds nothing wrong with the page, and nothing on it is wider than the screen."""
    found = Axe().run(page).response["violations"]
    lines = [f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]]
    assert not lines, "\n".join(lines)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "The page scrolls sideways."


def assert_no_blocked_script(page: Page, act: Callable[[], object]) -> None:
    """Nothing that `act` loads breaks the Content-Security-Policy or throws."""
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    act()
    expect(page.locator("body")).to_be_visible()
    assert not problems, problems
