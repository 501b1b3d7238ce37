"""Re-encrypt every stored token with the newest key of FIELD_ENCRYPTION_KEYS, while everything else goes on.

Each row is read again under its own lock and written in its own short transaction: a refresh that happens meanwhile
wins, and an interrupted run can simply be run again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from cryptography.fernet import InvalidToken
from django.db import transaction
from django.db.models import F, QuerySet, TextField, Value
from django.db.models.functions import Cast

from integrations.access import tokens
from integrations.clock import database_now
from integrations.models import Connection
from integrations.models.encrypted_text import EncryptedTextField, cipher, newest_cipher

BATCH = 100  # rows
_FIELDS = Connection._meta.concrete_fields  # noqa: SLF001  # the documented way to the fields of a model
TOKENS = tuple(item.attname for item in _FIELDS if isinstance(item, EncryptedTextField))


class Needs(Enum):
    """Which key reads a stored text."""

    NEWEST = "newest"
    OLDER = "older"
    NONE = "none"  # none of our keys reads it


@dataclass
class Count:
    """The result of a walk over all connections."""

    rows: int = 0
    moved: int = 0
    on_older_key: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


def rotate() -> Count:
    """Re-encrypt what an older key encrypted; leave empty and unreadable texts as they are."""
    count = Count()
    for pk, stored in _stored():
        count.rows += 1
        if Needs.OLDER in map(needs, stored):
            count.moved += _move(pk)
    return count


def prove() -> Count:
    """Decrypt everything with the newest key alone; return the rows where that fails."""
    count = Count()
    for pk, stored in _stored():
        found = set(map(needs, stored))
        count.rows += 1
        if Needs.NONE in found:
            count.unreadable.append(pk)
        elif Needs.OLDER in found:
            count.on_older_key.append(pk)
    return count


def forget(pk: int) -> None:
    """Delete tokens that none of our keys reads: then the connection can be shown, and connected again."""
    with transaction.atomic():
        stored = _ciphertexts(Connection.objects.select_for_update(no_key=True)).get(pk=pk)
        if Needs.NONE not in map(needs, stored):
            return
        Connection.objects.filter(pk=pk).update(**dict.fromkeys(TOKENS, ""))
    tokens.lose(Connection.objects.get(pk=pk), code="connection_revoked", clock=database_now)


def needs(stored: str) -> Needs:
    """Return which key reads this text; an empty text counts as readable with the newest key."""
    if not stored:
        return Needs.NEWEST
    for reader, answer in ((newest_cipher(), Needs.NEWEST), (cipher(), Needs.OLDER)):
        try:
            reader.decrypt(stored.encode())
        except InvalidToken:
            continue
        return answer
    return Needs.NONE


def _stored() -> Iterator[tuple[int, tuple[str, ...]]]:
    """Walk all connections with their tokens as they are stored, a batch at a time."""
    last = 0
    while batch := list(_ciphertexts(Connection.objects.filter(pk__gt=last).order_by("pk"), "pk")[:BATCH]):
        for pk, *stored in batch:
            yield int(pk), tuple(stored)
        last = int(batch[-1][0])


def _ciphertexts(rows: QuerySet[Connection], *names: str) -> QuerySet[Connection, tuple[str, ...]]:
    """Select the tokens as text, not as the field that would decrypt them."""
    return rows.values_list(*names, *(Cast(F(name), TextField()) for name in TOKENS))


def _move(pk: int) -> bool:
    """Re-encrypt one row if it still needs it; what a refresh has written since the walk read it is left alone."""
    with transaction.atomic():
        stored = _ciphertexts(Connection.objects.select_for_update(no_key=True)).get(pk=pk)
        old = {name: text for name, text in zip(TOKENS, stored, strict=True) if needs(text) is Needs.OLDER}
        moved = {name: cipher().rotate(text.encode()).decode() for name, text in old.items()}
        written = {name: Value(text, output_field=TextField()) for name, text in moved.items()}
        return bool(written and Connection.objects.filter(pk=pk).update(**written))
