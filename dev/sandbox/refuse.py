"""Refusals of the sandboxed API, in eAccounting's form (CommonExtendedBadRequest)."""

import uuid

from dev.sandbox.messages import Response, json_response

STATUS = {4005: 401, 4006: 403, 4007: 403, 4010: 429, 5000: 500, 5001: 500, 5002: 500}


class Refusal(Exception):
    """Ends a request with an error answer."""

    def __init__(
        self,
        error_code: int,
        text: str,
        *,
        status: int | None = None,
        problems: list[tuple[str, str]] | None = None,
        headers: dict[str, str] | None = None,
        has_body: bool = True,
    ) -> None:
        super().__init__(text)
        self.error_code, self.text = error_code, text
        self.status = status or STATUS.get(error_code, 400)
        self.problems, self.headers, self.has_body = problems, headers, has_body

    def response(self) -> Response:
        """Return the answer."""
        if not self.has_body:
            return Response(status=self.status)
        return error_response(
            self.error_code, self.text, status=self.status, problems=self.problems, headers=self.headers
        )


def error_response(
    error_code: int,
    text: str,
    *,
    status: int,
    problems: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an error body."""
    errors = [{"Field": field, "ErrorCode": None, "Message": message, "Key": None} for field, message in problems or []]
    content = {
        "ErrorCode": error_code,
        "DeveloperErrorMessage": text,
        "ErrorId": str(uuid.uuid4()),
        "Errors": errors or None,
    }
    return json_response(content, status=status, headers=headers)


def validation(problems: list[tuple[str, str]]) -> Refusal:
    """Return the refusal of a body that breaks field rules."""
    return Refusal(2000, " ".join(message for _, message in problems)[:1000], problems=problems)
