"""The table from error code to error, and what stands beside it."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from integrations.eaccounting import errors
from integrations.eaccounting.refusals import BY_ERROR_CODE, error_for, silence
from integrations.eaccounting.transport import Answer

ERROR_ID = "3fa7da17-eeb2-48f6-997d-0be158f4cba4"


def refused(
    code: object = None,
    *,
    status: int = 400,
    text: object = "Some text",
    headers: dict[str, str] | None = None,
    **more: object,
) -> errors.EAccountingError:
    body = {"ErrorCode": code, "DeveloperErrorMessage": text, "ErrorId": ERROR_ID, **more}
    return error_for(answer=Answer(status=status, headers=headers or {}, body=json.dumps(body).encode()))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2000, errors.Refused),
        (3000, errors.NotFound),
        (4000, errors.Conflict),
        (4001, errors.Refused),
        (4002, errors.Refused),
        (4005, errors.Unauthorized),
        (4008, errors.Refused),
        (4010, errors.RateLimited),
        (4025, errors.Refused),
        (4035, errors.Refused),
        (4100, errors.Refused),
        (5000, errors.ServerError),
        (5001, errors.ServerError),
        (5002, errors.ServerError),
        (6000, errors.Refused),
        (6001, errors.Refused),
    ],
)
@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_the_error_code_decides_not_the_status(code: int, kind: type, status: int) -> None:
    error = refused(code, status=status)
    assert type(error) is kind
    assert (error.error_code, error.status, error.error_id) == (code, status, ERROR_ID)
    assert error.detail == "Some text"
    assert not error.connection_wide


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (4003, "startup_guide"),
        (4004, "company_inactive"),
        (4006, "scope"),
        (4007, "permission"),
        (4009, "product_variant"),
        (4011, "user"),
        (4012, "licence"),
        (4019, "read_only_user"),
        (4034, "sandbox_client"),
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_refusals_of_the_whole_connection(code: int, kind: str, status: int) -> None:
    error = refused(code, status=status)
    assert isinstance(error, errors.Forbidden)
    assert (error.kind, error.parameters, error.connection_wide) == (kind, {"kind": kind}, True)
    assert not error.retryable
    assert not error.may_have_been_done


def test_every_code_of_the_table_is_tested() -> None:
    tested = {2000, 3000, *range(4000, 4013), 4019, 4025, 4034, 4035, 4100, 5000, 5001, 5002, 6000, 6001}
    assert set(BY_ERROR_CODE) == tested


def test_4002_is_two_errors() -> None:
    module = refused(4002, text="ForbiddenRequestException - No access to module: api_standard")
    assert isinstance(module, errors.Forbidden)
    assert (module.kind, module.connection_wide) == ("module", True)
    other = refused(4002, text="CanNotBeCreatedOrUpdated - Iban is not allowed.")
    assert type(other) is errors.Refused
    assert not other.connection_wide


@pytest.mark.parametrize("code", [4010, 4100, 5000, 5001, 5002])
def test_what_may_be_tried_again(code: int) -> None:
    assert refused(code).retryable


@pytest.mark.parametrize("code", [2000, 3000, 4000, 4001, 4002, 4003, 4005, 4008, 4025, 4035, 6000, 6001])
def test_what_may_not_be_tried_again(code: int) -> None:
    assert not refused(code).retryable


@pytest.mark.parametrize(
    ("status", "kind", "may_have_been_done"),
    [
        (302, errors.UnexpectedAnswer, True),
        (400, errors.Refused, False),
        (401, errors.Unauthorized, False),
        (403, errors.Intercepted, True),
        (404, errors.Intercepted, True),
        (408, errors.ServerError, True),
        (409, errors.Conflict, False),
        (413, errors.Refused, False),
        (429, errors.RateLimited, False),
        (500, errors.ServerError, True),
        (502, errors.ServerError, True),
        (503, errors.ServerError, True),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"ErrorCode": "many"}', b'{"ErrorCode": true}', b'"x"'])
def test_without_a_code_the_status_decides(status: int, kind: type, may_have_been_done: bool, body: bytes) -> None:
    error = error_for(answer=Answer(status=status, headers={}, body=body))
    assert type(error) is kind
    assert error.may_have_been_done is may_have_been_done
    assert error.error_code is None
    assert not error.connection_wide


@pytest.mark.parametrize(
    "body",
    [
        {"DeveloperErrorMessage": "ForbiddenRequestException"},
        {"ErrorId": ERROR_ID, "ErrorCode": None},
        {"ErrorCode": "many", "DeveloperErrorMessage": "Some text"},
    ],
)
def test_a_body_of_eaccountings_without_a_code_is_believed(body: dict[str, object]) -> None:
    def told(status: int) -> errors.EAccountingError:
        return error_for(answer=Answer(status=status, headers={}, body=json.dumps(body).encode()))

    assert type(told(404)) is errors.NotFound
    forbidden = told(403)
    assert isinstance(forbidden, errors.Forbidden)
    assert (forbidden.kind, forbidden.connection_wide, forbidden.retryable) == ("unknown", False, False)


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    "body", [b"", b"<h1>Forbidden</h1>", b'{"message": "Forbidden"}', b'{"ErrorCode": null, "ErrorId": "none"}']
)
def test_a_403_or_404_in_somebody_elses_words_is_an_outage(status: int, body: bytes) -> None:
    error = error_for(answer=Answer(status=status, headers={}, body=body))
    assert isinstance(error, errors.ServerError)
    assert (error.code, error.retryable, error.may_have_been_done) == ("intercepted", True, True)
    assert not error.connection_wide


def test_an_unknown_code_is_refused_with_its_text() -> None:
    error = refused(4999, status=404, text="Something new")
    assert type(error) is errors.Refused
    assert (error.detail, error.retryable, error.connection_wide) == ("Something new", False, False)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, errors.Unauthorized), (429, errors.RateLimited), (500, errors.ServerError)]
)
def test_some_statuses_are_plain_even_with_an_unknown_code(status: int, kind: type) -> None:
    assert type(refused(4999, status=status)) is kind


def test_a_refusal_in_a_5xx_may_have_been_done() -> None:
    assert refused(4000, status=500).may_have_been_done
    assert refused(5000, status=400).may_have_been_done
    assert not refused(2000).may_have_been_done


def test_fields_are_named() -> None:
    error = refused(
        2000,
        Errors=[
            {"Field": "InvoiceCity", "ErrorCode": None, "Message": "Needed.", "Key": None},
            {"Field": None, "ErrorCode": 17, "Message": None, "Key": "Name"},
            "odd",
        ],
    )
    assert isinstance(error, errors.Refused)
    assert error.problems == (
        errors.FieldProblem(field="InvoiceCity", code="", message="Needed."),
        errors.FieldProblem(field="Name", code="17", message=""),
    )


def test_long_texts_are_cut_and_odd_ones_left_out() -> None:
    assert len(refused(2000, text="x" * 5000).detail) == 500
    assert refused(2000, text=["x"]).detail == ""
    assert refused(2000, ErrorId="nonsense").error_id is None
    assert refused(2000, Errors={"a": 1}).problems == ()


def test_the_log_line_holds_no_text_of_others() -> None:
    assert (
        str(refused(2000, text="Anna Berg is not valid"))
        == f"validation status=400 error_code=2000 error_id={ERROR_ID}"
    )


NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
QUOTA = "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 55 seconds."


@pytest.mark.parametrize(
    ("header", "text", "seconds"),
    [
        ("7", QUOTA, 7),
        ("7.9", QUOTA, 7),
        ("0", QUOTA, 1),
        ("-1", QUOTA, 1),
        ("99999", QUOTA, 3600),
        ("abc", QUOTA, 55),
        ("", QUOTA, 55),
        (None, QUOTA, 55),
        (None, "try again in 99999 seconds", 3600),
        (None, "Try again in 1 second", 1),
        (None, "Too many", 60),
        ("abc", "", 60),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), QUOTA, 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), QUOTA, 1),
        ("Mon, 23 Nov 2026 12:00:00 -0000", QUOTA, 3600),
    ],
)
def test_how_long_to_be_silent(header: str | None, text: str, seconds: int) -> None:
    assert silence(header=header, text=text, now=NOW) == seconds


def test_a_rate_limit_says_how_long() -> None:
    error = refused(4010, status=429, text=QUOTA)
    assert isinstance(error, errors.RateLimited)
    assert (error.retry_after, error.parameters) == (55, {"retry_after": 55})
    assert refused(4010, status=429, text=QUOTA, headers={"Retry-After": "9"}).parameters == {"retry_after": 9}


def test_a_date_is_counted_from_the_servers_clock_not_from_ours() -> None:
    told = {"Retry-After": "Sun, 03 May 2009 12:00:30 GMT", "Date": "Sun, 03 May 2009 12:00:00 GMT"}
    assert refused(4010, status=429, text=QUOTA, headers=told).parameters == {"retry_after": 30}
    nonsense = {**told, "Date": "yesterday"}
    assert refused(4010, status=429, text=QUOTA, headers=nonsense).parameters == {"retry_after": 1}
