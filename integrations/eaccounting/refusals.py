"""What an answer that is no success means: one table, closed by default.

The HTTP status of most error codes is not documented, so the ErrorCode decides, and the status counts only when there
is no readable code (facts.md, Errors). An unknown code means Refused, with eAccounting's own text.
"""

import email.utils
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from integrations.eaccounting import jsontext
from integrations.eaccounting.errors import (
    Conflict,
    EAccountingError,
    FieldProblem,
    Forbidden,
    Intercepted,
    NotFound,
    RateLimited,
    Refused,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
)
from integrations.eaccounting.transport import Answer
from integrations.eaccounting.types import storable

DEFAULT_SILENCE, LEAST_SILENCE, MOST_SILENCE = 60, 1, 3600
LONGEST_TEXT = 500


@dataclass(frozen=True)
class Rule:
    """What one error code, or one status without a code, means."""

    error: type[EAccountingError]
    code: str
    retryable: bool = False
    connection_wide: bool = False


def _forbidden(kind: str) -> Rule:
    return Rule(Forbidden, kind, connection_wide=True)


BY_ERROR_CODE: dict[int, Rule] = {
    2000: Rule(Refused, "validation"),
    3000: Rule(NotFound, "not_found"),
    4000: Rule(Conflict, "conflict"),
    4001: Rule(Refused, "cannot_be_deleted"),
    4002: Rule(Refused, "cannot_be_saved"),
    4003: _forbidden("startup_guide"),
    4004: _forbidden("company_inactive"),
    4005: Rule(Unauthorized, "unauthorized"),
    4006: _forbidden("scope"),
    4007: _forbidden("permission"),
    4008: Rule(Refused, "control_digit"),
    4009: _forbidden("product_variant"),
    4010: Rule(RateLimited, "rate_limited", retryable=True),
    4011: _forbidden("user"),
    4012: _forbidden("licence"),
    4019: _forbidden("read_only_user"),
    4025: Rule(Refused, "vat_number"),
    4034: _forbidden("sandbox_client"),
    4035: Rule(Refused, "force_bookkeep_vat"),
    4100: Rule(Refused, "external_check", retryable=True),
    5000: Rule(ServerError, "server_error", retryable=True),
    5001: Rule(ServerError, "server_error", retryable=True),
    5002: Rule(ServerError, "server_error", retryable=True),
    6000: Rule(Refused, "query"),
    6001: Rule(Refused, "query"),
}
NO_MODULE = _forbidden("module")

BY_STATUS: dict[int, Rule] = {
    401: BY_ERROR_CODE[4005],
    # With eAccounting's body, but without a code.
    403: Rule(Forbidden, "unknown"),
    404: BY_ERROR_CODE[3000],
    408: Rule(ServerError, "server_error", retryable=True),
    409: BY_ERROR_CODE[4000],
    429: BY_ERROR_CODE[4010],
}
# These two mean the same whatever the body says.
STATUS_BEFORE_UNKNOWN_CODE = frozenset({401, 429})
REFUSED = Rule(Refused, "refused")
# Statuses that a proxy on the way to eAccounting may answer too, with a body of its own.
INTERCEPTED, STATUS_OF_OTHERS = Rule(Intercepted, "intercepted", retryable=True), frozenset({403, 404})


@dataclass(frozen=True, kw_only=True)
class ErrorBody:
    """The error body, as far as it could be read (CommonExtendedBadRequest)."""

    is_theirs: bool = False
    """Whether it looks like eAccounting's at all."""
    error_code: int | None = None
    error_id: str | None = None
    text: str = ""
    problems: tuple[FieldProblem, ...] = ()


def error_for(*, answer: Answer) -> EAccountingError:
    """Return the error that an answer without success means; the caller raises it."""
    if answer.status < 400:
        code = "redirected" if 300 <= answer.status < 400 else "unexpected_answer"
        return UnexpectedAnswer(code, status=answer.status)
    body = read_error_body(body=answer.body)
    rule = _rule(answer.status, body)
    error = rule.error(
        f"forbidden_{rule.code}" if rule.error is Forbidden else rule.code,
        retryable=rule.retryable,
        connection_wide=rule.connection_wide,
        status=answer.status,
        error_code=body.error_code,
        error_id=body.error_id,
        may_have_been_done=answer.status >= 500 or answer.status == 408 or issubclass(rule.error, ServerError),
        detail=body.text,
    )
    return _with_particulars(error, rule, body, answer)


def read_error_body(*, body: bytes) -> ErrorBody:
    """Read an error body; whatever is missing or odd in it is left out."""
    try:
        content = jsontext.decode(body)
    except ValueError:
        return ErrorBody()
    if not isinstance(content, dict):
        return ErrorBody()
    told = content.get("ErrorCode")
    code = told if isinstance(told, int) and not isinstance(told, bool) else None
    error_id, text = _reference(content.get("ErrorId")), _text(content.get("DeveloperErrorMessage"))
    found = content.get("Errors")
    return ErrorBody(
        is_theirs=code is not None or error_id is not None or bool(text),
        error_code=code,
        error_id=error_id,
        text=text,
        problems=tuple(_problem(item) for item in found if isinstance(item, dict)) if isinstance(found, list) else (),
    )


def is_number_taken(error: EAccountingError) -> bool:
    """Tell whether a customer was refused for its number: 4000, or a field rule that names it (facts.md, Unknown)."""
    named = isinstance(error, Refused) and any(problem.field == "CustomerNumber" for problem in error.problems)
    return isinstance(error, Conflict) or named


def silence(*, header: str | None, text: str, now: datetime | None = None) -> int:
    """Return for how many seconds to stop calling a rate-limited endpoint, 1 to 3600.

    The header may hold seconds or an HTTP date; the text says "Try again in 55 seconds". `now` is the server's own
    clock if it sent its time: ours may be wrong.
    """
    seconds = _seconds_of_header(header or "", now or datetime.now(UTC))
    if seconds is None:
        told = re.search(r"again in (\d{1,9}) second", text, re.IGNORECASE)
        seconds = int(told.group(1)) if told else DEFAULT_SILENCE
    return max(LEAST_SILENCE, min(MOST_SILENCE, seconds))


def _rule(status: int, body: ErrorBody) -> Rule:
    code = body.error_code
    if code == 4002 and "module" in body.text.lower():
        return NO_MODULE
    if code in BY_ERROR_CODE:
        return BY_ERROR_CODE[code]
    if status >= 500:
        return BY_ERROR_CODE[5000]
    if status in STATUS_OF_OTHERS and not body.is_theirs:
        return INTERCEPTED
    if code is None or status in STATUS_BEFORE_UNKNOWN_CODE:
        return BY_STATUS.get(status, REFUSED)
    return REFUSED


def _with_particulars(error: EAccountingError, rule: Rule, body: ErrorBody, answer: Answer) -> EAccountingError:
    if isinstance(error, Refused):
        error.problems = body.problems
    if isinstance(error, Forbidden):
        error.kind = rule.code
        error.parameters = {"kind": rule.code}
    if isinstance(error, RateLimited):
        header, now = answer.headers.get("Retry-After"), _date(answer.headers.get("Date", ""))
        error.retry_after = silence(header=header, text=body.text, now=now)
        error.parameters = {"retry_after": error.retry_after}
    return error


def _seconds_of_header(header: str, now: datetime) -> int | None:
    if re.fullmatch(r"\s*-?\d{1,12}(\.\d*)?\s*", header):
        return int(float(header))
    when = _date(header)
    return round((when - now).total_seconds()) if when else None


def _date(header: str) -> datetime | None:
    try:
        when = email.utils.parsedate_to_datetime(header)
    except (ValueError, IndexError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _text(value: object) -> str:
    return storable(value).strip()[:LONGEST_TEXT] if isinstance(value, str) else ""


def _reference(value: object) -> str | None:
    try:
        return str(UUID(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _problem(item: dict[str, jsontext.Json]) -> FieldProblem:
    code = item.get("ErrorCode")
    return FieldProblem(
        field=_text(item.get("Field") or item.get("Key")),
        code=str(code) if isinstance(code, (int, str)) else "",
        message=_text(item.get("Message")),
    )
