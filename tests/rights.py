"""The words in which a rights case is written: one `Case` for each URL, kept in `tests/rights_cases_<app>.py`.

Each such module holds `CASES: list[Case]`; `tests/test_rights.py` finds them by their file names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from accounts.models import Account, Role, User

LADDER = [Role.VIEWER, Role.USER, Role.ADMIN]  # each may do what those before it may; not asked of the product
LOGIN = 0  # the outcome "sent to the login page"; every other outcome is an HTTP status
Words = dict[str, object]


@dataclass(frozen=True)
class Cast:
    """Two accounts and their people. A case makes further rows of its own in `ids`, `foreign_ids` or `data`."""

    account: Account
    anna: User  # admin
    ulf: User  # user
    vera: User  # viewer
    other_account: Account
    olav: User  # admin of the other account


def nothing(_cast: Cast) -> Words:
    """No ids, or no data."""
    return {}


@dataclass(frozen=True)
class Case:
    """What happens at one URL: with the role it needs, `get` and `post`; without it, a refusal.

    `needs=None` is a page for everybody. `get` and `post` are the statuses for those who may (405: the method
    does not exist there). An allowed POST has to change rows (else the refusals would prove nothing) unless
    `changes=False`; a GET never may, unless `get_changes=True`.
    `foreign_ids` are the same URL's ids in the other account: 404. `foreign_data` posts ids of the other account
    in the form: whatever the answer, nothing changes.
    `unless` names exceptions: {("nobody", "GET"): 200}; the people are nobody, viewer, user, admin.
    """

    url: str
    needs: Role | None
    get: int = 200
    post: int = 405
    ids: Callable[[Cast], Words] = nothing
    foreign_ids: Callable[[Cast], Words] | None = None
    data: Callable[[Cast], Words] = nothing
    foreign_data: Callable[[Cast], Words] | None = None
    changes: bool = True
    get_changes: bool = False
    unless: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def may(self, user: User | None) -> bool:
        """Whether this page is open to them."""
        return self.needs is None or (user is not None and LADDER.index(user.role) >= LADDER.index(self.needs))

    def outcomes(self, user: User | None, method: str) -> set[int]:
        """List the statuses that are right for this person and method."""
        who = str(user.role) if user else "nobody"
        granted = self.get if method == "GET" else self.post
        if (who, method) in self.unless:
            return {self.unless[who, method]}
        if self.may(user):
            return {granted}
        refused = LOGIN if user is None else 403
        return {refused, 405} if granted == 405 else {refused}
