"""System checks of the database: whether it knows the letters that Nordic names are written with."""

from collections.abc import Sequence

from django.core.checks import CheckMessage, Error
from django.db import connections

BLIND = ("C", "POSIX")  # as LC_CTYPE: they know A to Z


def check_letters(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse a database that does not take Å, Ä and Ö for letters: searching would miss companies in silence.

    Asked is LC_CTYPE alone. A database of PostgreSQL's builtin provider knows the letters in lower() and, with
    LC_CTYPE=C, drops them in trigrams all the same (findings/pg_trgm_under_the_builtin_provider.sh).
    """
    return [
        Error(
            f"The database has LC_CTYPE={kind}, so that searching and comparing names would drop å, ä and ö.",
            hint="Make it anew: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'.",
            id="companies.E001",
        )
        for kind in (_letters(alias) for alias in databases or ())
        if kind in BLIND
    ]


def _letters(alias: str) -> str:
    with connections[alias].cursor() as cursor:
        cursor.execute("select datctype from pg_database where datname = current_database()")
        return str(cursor.fetchone()[0])
