"""Every failure of the wire is one of these errors.

An error answers four questions: may I try again (`retryable`), does it concern the whole connection
(`connection_wide`), may the request have had an effect (`may_have_been_done`), and what can a person be told
(`code` and `parameters`, which hold no personal data, no bodies and no tokens). eAccounting's own text is
kept apart in `detail`, its reference for the support in `error_id` (facts.md, Errors).
"""

from collections.abc import Mapping
from dataclasses import dataclass

Parameter = str | int | None


@dataclass(frozen=True, kw_only=True)
class FieldProblem:
    """One field that eAccounting refused, in eAccounting's own words."""

    field: str
    code: str
    message: str


class EAccountingError(Exception):
    """Something went wrong between us and eAccounting; the subclasses say what."""

    kind: str | None = None

    def __init__(  # noqa: PLR0913  # one keyword for each thing an error knows
        self,
        code: str,
        *,
        parameters: Mapping[str, Parameter] | None = None,
        retryable: bool = False,
        connection_wide: bool = False,
        status: int | None = None,
        error_code: int | None = None,
        error_id: str | None = None,
        may_have_been_done: bool = False,
        detail: str = "",
    ) -> None:
        # Only `code` is positional and everything else has a default: that keeps these errors picklable.
        super().__init__(code)
        self.code = code
        self.parameters: dict[str, Parameter] = dict(parameters or {})
        self.retryable = retryable
        self.connection_wide = connection_wide
        self.status = status
        self.error_code = error_code
        self.error_id = error_id
        self.may_have_been_done = may_have_been_done
        self.detail = detail

    def __str__(self) -> str:
        """Return what a log line may hold: never a body, a token or somebody else's text."""
        known = {"status": self.status, "error_code": self.error_code, "error_id": self.error_id}
        return " ".join([self.code, *(f"{name}={value}" for name, value in known.items() if value is not None)])


class Unreachable(EAccountingError):
    """No readable answer: no connection, a time-out or a reset. `may_have_been_done` tells them apart."""


class NotSent(EAccountingError):
    """The moment for sending had passed before the first byte was written; nothing was sent."""


class ServerError(EAccountingError):
    """eAccounting failed (5xx, or error codes 5000 to 5002); the request may have been carried out."""


class Intercepted(ServerError):
    """A 403 or 404 without eAccounting's body: a proxy or filter on the way may have answered, so it proves nothing."""


class Unauthorized(EAccountingError):
    """The access token is missing, expired or revoked: refresh once, then reconnect."""


class ConnectionRevoked(EAccountingError):
    """The identity server refused the grant (`invalid_grant`), asked twice: a person must connect again."""


class GrantDoubted(EAccountingError):
    """The identity server refused the grant once; it is asked again in `retry_in` seconds, and then believed."""

    retry_in: float = 0.0


class ClientMisconfigured(EAccountingError):
    """Our own client id, secret, scope or request is refused: an operator must act."""


class NotFound(EAccountingError):
    """The customer, or something the payload refers to, does not exist (3000): eAccounting itself says so."""


class Conflict(EAccountingError):
    """A customer number is taken already (4000)."""


class UnexpectedAnswer(EAccountingError):
    """An answer that cannot be read: no JSON, a needed field missing, a redirect, or far too long."""

    def __init__(
        self,
        code: str = "unexpected_answer",
        *,
        parameters: Mapping[str, Parameter] | None = None,
        retryable: bool = True,
        status: int | None = None,
        may_have_been_done: bool = True,
    ) -> None:
        super().__init__(
            code,
            parameters=parameters,
            retryable=retryable,
            status=status,
            may_have_been_done=may_have_been_done,
        )


class RateLimited(EAccountingError):
    """Too many calls; `retry_after` is the number of seconds to be silent, 1 to 3600."""

    retry_after: int = 60


class Forbidden(EAccountingError):
    """The company, its licence or the user lacks something; `kind` says what. A new token will not help."""

    kind: str = "unknown"


class Refused(EAccountingError):
    """The request breaks a rule; `problems` names the fields when eAccounting did."""

    problems: tuple[FieldProblem, ...] = ()
