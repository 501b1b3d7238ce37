"""Starts what the tests need before Django's settings are read; loaded by `-p tests.services`.

With DATABASE_URL and REDIS_URL given, those are used. Workers of pytest-xdist inherit the environment
of the process that started them, so the stores are started once.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from dev.launcher.environment import FORKING_ON_MACOS
from dev.launcher.stores import postgres, valkey

_running = ExitStack()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start the stores and set the environment of a production-like process."""
    if "LIMEGO_TEST_SERVICES" in os.environ:
        _use_own_redis_database()
        return
    folder = Path(_running.enter_context(tempfile.TemporaryDirectory(prefix="limego-tests-")))
    if "DATABASE_URL" not in os.environ:
        os.environ["DATABASE_URL"] = _running.enter_context(postgres(folder / "postgres", durable=False)).url
    if "REDIS_URL" not in os.environ:
        os.environ["REDIS_URL"] = _running.enter_context(valkey(folder / "valkey", durable=False)).url
    os.environ |= {
        "LIMEGO_TEST_SERVICES": "started",
        "SECRET_KEY": "a key for tests only, long enough for every check of Django",
        "DEBUG": "0",
        "BASE_URL": "http://testserver",
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "EMAIL_URL": "memory:",
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "EACCOUNTING_CLIENT_ID": "test-client",
        "EACCOUNTING_CLIENT_SECRET": "test-secret",
        "EACCOUNTING_IDENTITY_URL": "http://127.0.0.1:9",  # closed; a test that needs eAccounting starts the sandbox
        "EACCOUNTING_API_URL": "http://127.0.0.1:9/v2",
        # Nothing but a fault that a test switched on may end a call, however busy the machine is. What tests a time-out
        # shortens it; worker processes have times of their own (integrations/workers.py).
        "EACCOUNTING_SETTLE_SECONDS": "1",
        "EACCOUNTING_CONNECT_SECONDS": "10",
        "EACCOUNTING_CALL_SECONDS": "10",
        "EACCOUNTING_LIVE_READ_SECONDS": "10",
        "EACCOUNTING_TOKEN_SECONDS": "10",
        "EACCOUNTING_ASK_AGAIN_SECONDS": "1",
        "EACCOUNTING_SEND_BY_SECONDS": "10",
        "STATIC_ROOT": str(folder / "static"),
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",  # Playwright's loop runs in the thread of the tests
    }
    if sys.platform == "darwin":
        os.environ |= FORKING_ON_MACOS
    command = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
    subprocess.run(command, check=True)  # fixed words


def _use_own_redis_database() -> None:
    """Keep the budget and the messages of pytest-xdist's workers apart, as their databases are."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker.isdecimal():
        server = os.environ["REDIS_URL"].rsplit("/", 1)[0]
        os.environ["REDIS_URL"] = f"{server}/{int(worker) + 1}"


def pytest_unconfigure() -> None:
    """Stop what this process started."""
    _running.close()
