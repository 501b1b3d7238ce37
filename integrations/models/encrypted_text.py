"""A model field whose text is encrypted in the database."""

from functools import cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def cipher() -> MultiFernet:
    """Return the cipher of FIELD_ENCRYPTION_KEYS: it encrypts with the newest key and reads with all of them."""
    return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS))


def newest_cipher() -> Fernet:
    """Return the cipher of the newest key alone; what it reads needs no older key."""
    return Fernet(settings.FIELD_ENCRYPTION_KEYS[0])


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # generic in the stubs only
    """Text that is encrypted in the database.

    Reading with the wrong keys raises `cryptography.fernet.InvalidToken`; it never returns ciphertext that could be
    sent somewhere as a bearer token.
    """

    def get_prep_value(self, value: str | None) -> str | None:
        """Encrypt on the way into the database; an empty text stays empty."""
        return cipher().encrypt(value.encode()).decode() if value else value

    def from_db_value(self, value: str | None, _expression: object, _connection: BaseDatabaseWrapper) -> str | None:
        """Decrypt on the way out of the database."""
        return cipher().decrypt(value.encode()).decode() if value else value
