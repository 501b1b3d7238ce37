"""Which constraint an IntegrityError is about: only the expected one may be taken for an answer."""

from django.db import IntegrityError


def breaks(error: IntegrityError, constraint: str) -> bool:
    """Tell whether this error is about the constraint with this name."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) == constraint
