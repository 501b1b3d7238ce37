"""The checks of Django that `make lint` runs: no model without a migration, and a clean `check --deploy`
with the settings of a production host."""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from secrets import token_urlsafe

from cryptography.fernet import Fernet

from dev.launcher.stores import postgres

PRODUCTION = {
    "DEBUG": "0",
    "BASE_URL": "https://crm.example",
    "ALLOWED_HOSTS": "crm.example",
    "REDIS_URL": "redis://redis.example:6379/0",
    "EMAIL_URL": "smtp://mail.example:25",
    "EACCOUNTING_CLIENT_ID": "client",
    "EACCOUNTING_CLIENT_SECRET": "secret",
}
COMMANDS = (["makemigrations", "--check", "--dry-run"], ["check", "--deploy", "--fail-level", "WARNING"])


def main() -> int:
    """Run the checks against a fresh database; return the exit status."""
    secrets = {"SECRET_KEY": token_urlsafe(50), "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="limego-checks-")))
        environment = {**os.environ, **PRODUCTION, **secrets}
        environment["DATABASE_URL"] = stack.enter_context(postgres(folder / "postgres", durable=False)).url
        for words in COMMANDS:
            command = [sys.executable, "-W", "error", "manage.py", *words]
            done = subprocess.run(command, env=environment, check=False)  # fixed words
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
