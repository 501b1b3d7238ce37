"""What eAccounting answers to too many calls. Asked only when told to, of an endpoint that the product never calls.

The limit is counted per endpoint (facts.md, Rate limit), so nobody else's work is held up by it.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from integrations.eaccounting.client import Endpoint
from integrations.eaccounting.errors import RateLimited
from integrations.eaccounting.refusals import error_for
from integrations.eaccounting.smoke.asking import Asker, Found, Question, Untold, said, status
from integrations.eaccounting.transport import Answer

IDLE = "/currencies"
SIDE_BY_SIDE = 8
MOST_CALLS, LONGEST = 700, 75.0  # the documented limit is 600 a minute; seconds


def limit(asker: Asker) -> Found:
    """Call until it refuses, then ask another endpoint."""
    ends = time.monotonic() + LONGEST
    accepted, refusal = 0, None
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        while refusal is None and accepted < MOST_CALLS and time.monotonic() < ends:
            answers = list(pool.map(lambda _: _call(asker), range(SIDE_BY_SIDE)))
            accepted += sum(answer.status < 300 for answer in answers)
            refusal = next((answer for answer in answers if answer.status >= 300), None)
    error = error_for(answer=refusal) if refusal else None
    if refusal is None or not isinstance(error, RateLimited):
        raise Untold(f"{accepted} calls were accepted" + (f", then {said(refusal)}" if refusal else ""))
    asker.retry_after.append(refusal.headers.get("Retry-After") or "")
    others = asker.ask("GET", Endpoint.COMPANY_SETTINGS).status == 200
    words = f"{said(refusal)} after {accepted} calls, for {error.retry_after} s; "
    words += f"other endpoints {'go on' if others else 'are silent too'}"
    evidence = {**status(refusal), "accepted": accepted, "seconds": error.retry_after, "others_go_on": others}
    return Found(answer=words, evidence=evidence)


def _call(asker: Asker) -> Answer:
    return asker.http.request("GET", IDLE, deadline=asker.deadline, authorization=f"Bearer {asker.token}")


QUESTIONS = (Question("limit", "What answers a call too many?", limit),)
