"""Is the database away? One answer for all code that waits for it or tells a person."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, Error, IntegrityError, InterfaceError, InternalError, OperationalError, connection

log = logging.getLogger(__name__)

PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds
Result = TypeVar("Result")
# PostgreSQL ended the session because its transaction was idle (25P03) or took too long (25P04, PostgreSQL 17 and
# newer): psycopg and Django class these as internal errors, unlike every other end of a session.
_ENDED_IN_TRANSACTION = frozenset({"25P03", "25P04"})


def database_is_away(error: BaseException | None) -> bool:
    """Tell whether an error means that the database could not be asked now, and nothing about the query itself.

    Then the same query may work on a new session. Other internal errors are bugs of ours, such as going on in a
    transaction that has failed (25P02). (https://www.postgresql.org/docs/current/errcodes-appendix.html)
    """
    if isinstance(error, InternalError):
        return sqlstate_of(error) in _ENDED_IN_TRANSACTION
    return isinstance(error, (OperationalError, InterfaceError))


def once_it_is_back(work: Callable[[], Result], *, what: str) -> Result:
    """Do `work`, outside a transaction; repeat it after a pause while the database is away. Return its result.

    `what`: for the log, what is not stored or done yet. Raises the last error if the database stays away.
    """
    for pause in PAUSES:
        try:
            return work()
        except Error as error:
            if not database_is_away(error):
                raise
            log.warning("the database is away (%s): %s", type(error).__name__, what)
            connection.close()
            time.sleep(pause)
    return work()


def sqlstate_of(error: DatabaseError) -> str:
    """Return PostgreSQL's code of an error, or "" for an error of the driver itself."""
    return getattr(error.__cause__, "sqlstate", None) or ""


def breaks(error: IntegrityError, constraint: str) -> bool:
    """Tell whether this error is about the constraint with this name."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) == constraint
