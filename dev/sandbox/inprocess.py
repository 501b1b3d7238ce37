"""The sandbox behind `responses`: for tests that need no socket. The same `Sandbox.handle` answers."""

import re
import threading
from collections.abc import Callable

import requests
import responses

from dev.sandbox.core import Sandbox
from dev.sandbox.messages import Delivery, Request, Response

Watch = Callable[[requests.PreparedRequest, Response], object]


def mount(*, sandbox: Sandbox, mock: responses.RequestsMock, base_url: str, watch: Watch | None = None) -> None:
    """Let the sandbox answer for every address below `base_url`; `watch` sees each request with its answer."""

    def callback(prepared: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        body = prepared.body or b""
        response = sandbox.handle(
            Request.of(
                method=str(prepared.method),
                target=prepared.path_url,
                headers=dict(prepared.headers),
                body=body.encode() if isinstance(body, str) else body,
            )
        )
        if watch:
            watch(prepared, response)
        if response.afterwards:
            threading.Thread(target=response.afterwards, daemon=True).start()
        if response.delivery in (Delivery.HOLD, Delivery.DRIP):
            raise requests.ReadTimeout
        if response.delivery in (Delivery.RESET, Delivery.CUT_SHORT):
            raise requests.exceptions.ChunkedEncodingError
        return response.status, dict(response.headers), response.body

    for method in ("GET", "POST", "PUT", "DELETE"):
        mock.add_callback(method, re.compile(re.escape(base_url) + "(/.*)?"), callback=callback, content_type=None)
