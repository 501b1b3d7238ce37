"""docs/eaccounting/openapi.yaml as a judge of both sides, by openapi-core."""

import copy
import functools
from dataclasses import dataclass, field

import requests
from openapi_core import OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_core.exceptions import OpenAPIError

from dev.sandbox.contract import document
from dev.sandbox.core import Sandbox
from dev.sandbox.messages import Delivery, Response

API_URL = "https://eaccountingapi.vismaonline.com/v2"
IDENTITY_URL = "https://identity.vismaonline.com"


@functools.cache
def judge() -> OpenAPI:
    spec = copy.deepcopy(document())
    # openapi-core cannot judge "oauth2"; as a bearer token it sees at least that there is one.
    spec["components"]["securitySchemes"]["vismaOAuth"] = {"type": "http", "scheme": "bearer"}
    return OpenAPI.from_dict(spec)


@dataclass(kw_only=True)
class Contract:
    """Collects what breaks the contract; `requests_may_be_wrong` for those that are so on purpose."""

    sandbox: Sandbox
    violations: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    requests_may_be_wrong: bool = False

    def watch(self, prepared: requests.PreparedRequest, response: Response) -> None:
        self.seen.append(f"{prepared.method} {prepared.path_url}")
        request = RequestsOpenAPIRequest(prepared)
        if not self.requests_may_be_wrong:
            self._check("request", lambda: judge().validate_request(request))
        if response.delivery is Delivery.ANSWER:
            answer = RequestsOpenAPIResponse(_as_requests(response))
            self._check("answer", lambda: judge().validate_response(request, answer))

    def _check(self, what: str, validate: object) -> None:
        try:
            validate()  # type: ignore[operator]
        except OpenAPIError as problem:
            causes = getattr(problem.__cause__, "schema_errors", problem.__cause__)
            self.violations.append(f"{what} of {self.seen[-1]}: {problem!r} {causes!r}")


def _as_requests(response: Response) -> requests.Response:
    answer = requests.Response()
    answer.status_code = response.status
    answer.headers.update(response.headers)
    answer._content = response.body
    return answer
