"""The calls of one worker on one connection: a token, the budget, the client."""

from dataclasses import dataclass, field

from django.conf import settings

from integrations import limiter, tokens
from integrations.clock import Clock
from integrations.crashpoints import Point, reach
from integrations.eaccounting.client import Client, Endpoint
from integrations.gateway import http
from integrations.models import Connection, Push

LEASE_SLACK = 5.0  # seconds a lease outlives the deadline of the call it covers


@dataclass
class Calls:
    """What a delivery needs to call eAccounting. `open` comes first: it gets the token."""

    connection: Connection
    clock: Clock
    patience: float = limiter.PATIENCE  # seconds to wait for a slot, or for another's refresh
    ahead: float = limiter.CLICK_AHEAD  # seconds that a slot may be booked ahead
    endpoint: Endpoint = Endpoint.COMPANY_SETTINGS  # of the last booked call: a 429 silences it
    access: tokens.Access | None = field(default=None, init=False)

    def open(self, push: Push) -> None:
        """Get a valid token for a push, which is kept meanwhile. Raises NotConnected, LostLease, or of a refresh."""

        def keep() -> None:
            push.keep(now=self.clock(), seconds=self.token_seconds + LEASE_SLACK)

        reach(Point.TOKEN_WANTED)
        self.access = tokens.access(self.connection.pk, clock=self.clock, patience=self.patience, before_refresh=keep)

    def open_within(self, *, seconds: float) -> None:
        """As `open`, for a person who waits."""
        self.access = tokens.access_within(self.connection.pk, clock=self.clock, seconds=seconds)

    def book(self, endpoint: Endpoint) -> None:
        """Book one call and wait for its time. Raises BudgetError."""
        self.endpoint = endpoint
        limiter.book(endpoint, connection_id=self.connection.pk, ahead=self.ahead, patience=self.patience)

    @property
    def token(self) -> str:
        """The token in use. Raises NotConnected before `open`."""
        if self.access is None:
            raise tokens.NotConnected("not_open")
        return self.access.token

    @property
    def generation(self) -> int:
        """The generation of the connection that the token belongs to."""
        return self.access.generation if self.access else -1

    def booking(self) -> Client:
        """A client that books each of its calls by itself: for reads of any number of pages."""
        return Client(http=http(), access_token=self.token, before_call=self.book)

    def booked(self) -> Client:
        """A client whose calls were booked beforehand, so that nothing delays them."""
        return Client(http=http(), access_token=self.token)

    def answered(self) -> None:
        """Note that eAccounting answered: the token is good, and what waited out a silence is due now."""
        now, refused = self.clock(), self.access is not None and self.access.was_refused
        if not refused and not self.connection.is_worth_noting(now=now):
            return
        if self.connection.succeeded(now=now):
            Push.pull_forward(connection=self.connection, now=now)
        self.connection.last_ok_at = now

    def replace_refused_token(self) -> None:
        """After a 401: get another token. Raises ConnectionRevoked when that will not help."""
        reach(Point.TOKEN_REFUSED)
        tokens.replace_refused(self.connection.pk, refused=self.token, clock=self.clock, patience=self.patience)

    @property
    def token_seconds(self) -> float:
        """The longest that `open` or `replace_refused_token` take: another's refresh, then our own."""
        return self.patience + settings.EACCOUNTING_TOKEN_SECONDS
