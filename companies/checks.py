"""System check of the database: does it know the letters of Nordic names?"""

from collections.abc import Sequence

from django.core.checks import CheckMessage, Error
from django.db import connections

BLIND = ("C", "POSIX")  # values of LC_CTYPE that know only A to Z


def check_letters(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse a database that does not treat Å, Ä and Ö as letters: searches would silently miss companies.

    Only LC_CTYPE is checked. A database with PostgreSQL's builtin provider knows the letters in lower() but, with
    LC_CTYPE=C, still drops them in trigrams (findings/pg_trgm_under_the_builtin_provider.sh).
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
