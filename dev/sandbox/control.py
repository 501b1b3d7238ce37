"""What tests and demos steer the sandbox by: JSON to /_sandbox/…, answered with JSON."""

from collections.abc import Callable, Mapping

from dev.sandbox.messages import Request, Response, json_response
from integrations.eaccounting.jsontext import Json

Action = Callable[[dict[str, Json]], object]


class Control:
    """Runs actions by method and name, such as ("POST", "faults")."""

    def __init__(self, actions: Mapping[tuple[str, str], Action]) -> None:
        self._actions = actions

    def handle(self, request: Request) -> Response:
        """Answer one request; what is wrong with it is said in the answer."""
        action = self._actions.get((request.method, request.path.removeprefix("/_sandbox/")))
        if action is None:
            return json_response({"error": "no such control"}, status=404)
        try:
            result = action(_object(request))
        except (ValueError, TypeError) as problem:
            return json_response({"error": str(problem)}, status=400)
        return json_response(result if isinstance(result, dict) else {"done": True})


def _object(request: Request) -> dict[str, Json]:
    content = request.json() if request.body else {}
    if not isinstance(content, dict):
        raise TypeError("the body is to be an object")
    return content
