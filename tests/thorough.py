"""What `make test` leaves to `make test-all`: the other cases of a test of which one case shows the promise already."""

from collections.abc import Iterable

import pytest


def mostly_thorough(values: Iterable[object], *, but: object) -> list[object]:
    """Return values to parametrize with: all but one of them are only for `make test-all`."""
    return [value if value == but else pytest.param(value, marks=pytest.mark.thorough) for value in values]
