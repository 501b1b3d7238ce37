"""System checks: settings that the integration needs."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Notice

from integrations.eaccounting.transport import is_loopback

POOLER_PORT = "6432"  # where PgBouncer listens unless told otherwise
NEW_KEY = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"


def check_keys(**_: object) -> list[CheckMessage]:
    """Require a key: without one no token can be stored."""
    if settings.FIELD_ENCRYPTION_KEYS:
        return []
    hint = f"Set it in the environment or in .env; keep the old keys behind a new one. Make one: {NEW_KEY}"
    return [Error("FIELD_ENCRYPTION_KEYS is not set: tokens could not be kept.", hint=hint, id="integrations.E001")]


def check_client(**_: object) -> list[CheckMessage]:
    """Warn when the OAuth client is missing: nobody can connect then, though the CRM works."""
    missing = [name for name in ("EACCOUNTING_CLIENT_ID", "EACCOUNTING_CLIENT_SECRET") if not getattr(settings, name)]
    if not missing:
        return []
    hint = "docs/connecting.md tells where to get them."
    words = f"{' and '.join(missing)} not set: nobody can connect to Visma eAccounting."
    return [Notice(words, hint=hint, id="integrations.W001")]


def check_addresses(**_: object) -> list[CheckMessage]:
    """Require https: tokens and customers are sent there. Plain http is only for a stand-in on this machine."""
    names = ("EACCOUNTING_IDENTITY_URL", "EACCOUNTING_API_URL")
    plain = [name for name in names if _is_plain(getattr(settings, name))]
    hint = "Use an address that begins with https://."
    return [Error(f"{name} is not encrypted.", hint=hint, id="integrations.E002") for name in plain]


def _is_plain(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme != "https" and not is_loopback(host=parts.hostname or "")


def check_token_lock(**_: object) -> list[CheckMessage]:
    """The lock on tokens belongs to a PostgreSQL session (token_lock.py): it must be ours alone, and end with us."""
    database = settings.DATABASES["default"]
    hint = "Connect straight to PostgreSQL, or through a pooler in session mode; keep connections by conn_max_age."
    if database.get("OPTIONS", {}).get("pool"):
        words = "The database option 'pool' would keep locks on tokens for ever: a session that ends goes back to it."
        return [Error(words, hint=hint, id="integrations.E003")]
    if database.get("DISABLE_SERVER_SIDE_CURSORS") or str(database.get("PORT")) == POOLER_PORT:
        words = "The database looks like a pooler: one in transaction mode would let two workers renew the same token."
        return [Notice(words, hint=hint, id="integrations.W002")]
    return []
