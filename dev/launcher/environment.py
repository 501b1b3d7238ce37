"""The environment of `make run`: what was given, and what is made up once and kept."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

from cryptography.fernet import Fernet
from environs import Env, EnvError

from dev.launcher.stores import write_private

SANDBOX_PORT = "SANDBOX_PORT"
PASSWORD = "lime-go-demo"  # noqa: S105  # of dev/demo, whose module needs Django
# Looked up in .env as well: what is not given is made up below. The settings read the others there themselves.
DECIDED_HERE = (
    "DATABASE_URL",
    "REDIS_URL",
    "EMAIL_URL",
    "BASE_URL",
    "ALLOWED_HOSTS",
    "SECRET_KEY",
    "FIELD_ENCRYPTION_KEYS",
    "EACCOUNTING_CLIENT_ID",
    "EACCOUNTING_API_URL",
)
# Clicked in this order; the browser tests do it too.
FIRST_PATH = (
    "Settings > Integrations > Visma eAccounting > Connect to Visma eAccounting > Allow",
    "Terms of payment > Save",
    "Companies > Brovakten Säkerhet AB > + Add as customer in Visma eAccounting > Create customer in Visma eAccounting",
)
MAIL_FOLDER = "mail"
MAILS_KEPT = f"file:///.data/{MAIL_FOLDER}"  # as the settings read it: beside manage.py
# On macOS a process that was forked is killed when it is the first to use certain frameworks, as libpq's Kerberos does
# (psycopg/psycopg issue 1136); workers of gunicorn and Celery are forked.
FORKING_ON_MACOS = {"OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", "PGGSSENCMODE": "disable"}
LOGINS = (
    ("admin", "anna@nordvik.example"),
    ("user", "ulf@nordvik.example"),
    ("viewer", "vera@nordvik.example"),
    ("admin of a second account", "olav@fjordlys.example"),
)


@dataclass(frozen=True)
class LocalEnvironment:
    """Where the product runs on this machine and what its processes are told."""

    variables: dict[str, str]
    port: int
    sandbox_port: int
    data: Path
    has_sandbox: bool

    @property
    def sandbox_url(self) -> str:
        """The stand-in's address: its consent page, its API and its customer pages."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    def sandbox_command(self) -> list[str]:
        """How the stand-in is started."""
        command = [sys.executable, "-m", "dev.sandbox", "--port", str(self.sandbox_port)]
        redirect_uri = f"{self.variables['BASE_URL']}/integrations/visma-eaccounting/callback/"
        return [*command, "--data", str(self.data / "sandbox"), "--redirect-uri", redirect_uri]

    def announcement(self) -> str:
        """The block that tells a person where everything is, and what to click first."""
        path = "\n".join(f"    {number}. {clicks}" for number, clicks in enumerate(FIRST_PATH, start=1))
        logins = "\n".join(f"    {email:<24} {role}" for role, email in LOGINS)
        api = f"{self.sandbox_url} (a sandbox)" if self.has_sandbox else self.variables.get("EACCOUNTING_API_URL", "")
        places = {
            "Visma eAccounting": api or "the real one",
            "Mails": f"{self.data / MAIL_FOLDER}, one file each" if self._keeps_mails else "sent by EMAIL_URL",
            "Logs": f"{self.data / 'log'}",
            "Data": f"{self.data} (delete it to begin anew)",
        }
        return (
            f"\n  Lime Go is running: {self.variables['BASE_URL']}\n\n"
            f"  Log in with the password {PASSWORD}:\n{logins}\n\n"
            f"  The first path, as {LOGINS[0][1]}:\n{path}\n\n"
            + "".join(f"  {name + ':':<19} {place}\n" for name, place in places.items())
            + "  Stop it with Ctrl-C.\n\n"
        )

    @property
    def _keeps_mails(self) -> bool:
        return self.variables.get("EMAIL_URL") == MAILS_KEPT


def _kept_secrets(file: Path) -> dict[str, str]:
    """Return the keys of this checkout, made at the first start."""
    if not file.exists():
        secrets = {"SECRET_KEY": token_urlsafe(50), "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
        secrets["EACCOUNTING_CLIENT_SECRET"] = token_urlsafe(24)
        write_private(file, json.dumps(secrets))
    kept: dict[str, str] = json.loads(file.read_text())
    return kept


def _port(env: Env, name: str, default: int) -> int:
    given: str = env.str(name, "") or str(default)
    if not given.isdecimal() or not 1 <= int(given) <= 65535:
        raise EnvError(f"{name} must be a number from 1 to 65535, not {given}.")
    return int(given)


def read_environment(*, root: Path, data: Path) -> LocalEnvironment:
    """Merge the environment, `.env` and the kept secrets; the environment wins. Raises EnvError."""
    env = Env()
    try:
        env.read_env(str(root / ".env"), recurse=False)
    except UnicodeDecodeError as error:
        raise EnvError(f"{root / '.env'} is not a text file in UTF-8. Save it as one.") from error
    port = _port(env, "PORT", 8000)
    sandbox_port = _port(env, SANDBOX_PORT, port + 1)
    if sandbox_port == port:
        raise EnvError(f"PORT and {SANDBOX_PORT} are both {port}. Give one of them another number.")
    variables = dict(os.environ) | {name: env.str(name, "") for name in DECIDED_HERE}
    # A blank one is not given: a copy of .env.example holds some.
    variables = {name: value for name, value in variables.items() if value}
    secrets = _kept_secrets(data / "secrets.json")
    has_sandbox = not variables.get("EACCOUNTING_CLIENT_ID")
    variables.setdefault("BASE_URL", f"http://localhost:{port}")
    variables.setdefault("ALLOWED_HOSTS", "localhost,127.0.0.1")
    variables.setdefault("EMAIL_URL", MAILS_KEPT)
    if sys.platform == "darwin":
        variables = FORKING_ON_MACOS | variables
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS"):
        variables.setdefault(name, secrets[name])
    if has_sandbox:
        url = f"http://127.0.0.1:{sandbox_port}"
        variables |= {
            "EACCOUNTING_CLIENT_ID": "lime-go",
            "EACCOUNTING_CLIENT_SECRET": secrets["EACCOUNTING_CLIENT_SECRET"],
            "EACCOUNTING_IDENTITY_URL": url,
            "EACCOUNTING_API_URL": f"{url}/v2",
            "EACCOUNTING_CUSTOMER_URL": f"{url}/customers/edit/{{id}}",
        }
    return LocalEnvironment(
        variables=variables, port=port, sandbox_port=sandbox_port, data=data, has_sandbox=has_sandbox
    )
