"""What the sandbox remembers: documents in memory, each change written through to SQLite at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.eaccounting import jsontext
from integrations.eaccounting.jsontext import Json

Document = dict[str, Json]


class Store:
    """Documents by kind and key. Survives kill -9 of the process; not made for a power cut."""

    def __init__(self, folder: Path | None) -> None:
        self._kinds: dict[str, dict[str, Document]] = {}
        target: Path | str = ":memory:"
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / "eaccounting-sandbox.sqlite3"
        self._keeps = folder is not None
        self._database = sqlite3.connect(target, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS document (kind TEXT, key TEXT, body BLOB, PRIMARY KEY (kind, key))"
        )
        for kind, key, body in self._database.execute("SELECT kind, key, body FROM document ORDER BY rowid"):
            content = jsontext.decode(body)
            if isinstance(content, dict):
                self._kinds.setdefault(kind, {})[key] = content

    def all(self, kind: str) -> dict[str, Document]:
        """Return the documents of a kind by key, in the order of their making; not to be changed."""
        return self._kinds.setdefault(kind, {})

    def get(self, kind: str, key: str) -> Document | None:
        """Return one document, or None; not to be changed."""
        return self.all(kind).get(key)

    def put(self, kind: str, key: str, document: Document) -> None:
        """Store one document."""
        self.all(kind)[key] = document
        if self._keeps:
            self._database.execute(
                "INSERT INTO document VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
                (kind, key, jsontext.encode(document)),
            )

    def remove(self, kind: str, key: str) -> None:
        """Forget one document, if it exists."""
        if self.all(kind).pop(key, None) is not None and self._keeps:
            self._database.execute("DELETE FROM document WHERE kind = ? AND key = ?", (kind, key))

    def clear(self) -> None:
        """Forget everything."""
        self._kinds.clear()
        self._database.execute("DELETE FROM document")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what happens inside all together: a kill leaves all of it or nothing."""
        self._database.execute("BEGIN")
        try:
            yield
        finally:
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._database.close()
