"""The control: `requests.post`, and again on any error, in threads. The same faults, fewer creates."""

import threading
from collections import Counter
from dataclasses import dataclass

import requests

from benchmarks.chaos.eaccounting import TERMS_30, EAccounting
from benchmarks.chaos.world import values
from integrations.access import client_factory
from integrations.eaccounting import oauth
from integrations.services import connect

KEY = "naive"
FIRST = 900_000  # its companies have numbers of their own
THREADS = 8
TRIES = 10
SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the control left in eAccounting."""

    asked: int
    doubled: int
    missing: int


class _Loop:
    """One token for all threads; a refused one is replaced by asking a person, which costs the control nothing."""

    def __init__(self, eaccounting: EAccounting) -> None:
        self._eaccounting, self._lock = eaccounting, threading.Lock()
        self._token = self._new_token()

    def create(self, place: int) -> None:
        """Create one customer as most programs would."""
        its = values(FIRST + place)
        body = {
            "Name": its["name"],
            "CorporateIdentityNumber": its["registration_number"],
            "EmailAddress": its["email"],
            "InvoicePostalCode": its["postal_code"],
            "InvoiceCity": its["city"],
            "IsPrivatePerson": False,
            "IsActive": True,
            "TermsOfPaymentId": TERMS_30,
        }
        for _ in range(TRIES):
            try:
                answer = requests.post(
                    f"{self._eaccounting.url}/v2/customers",
                    json=body,
                    headers={"Authorization": f"Bearer {self._token}"},
                    timeout=SECONDS,
                )
                if answer.status_code == requests.codes.unauthorized:
                    self._renew()
                answer.raise_for_status()
                answer.json()
            except requests.RequestException:
                continue
            return

    def _renew(self) -> None:
        with self._lock:
            self._token = self._new_token()

    def _new_token(self) -> str:
        request = connect.begin()
        query = self._eaccounting.consent(url=request.url, company=KEY)
        config = client_factory.oauth_config()
        code = oauth.parse_callback(config=config, query=query, expected_state=request.state)
        return oauth.exchange_code(config=config, code=code, code_verifier=request.code_verifier).access_token


def run(*, eaccounting: EAccounting, count: int) -> Outcome:
    """Create so many customers and count what is there."""
    eaccounting.plant(key=KEY, customers=[])
    loop, places = _Loop(eaccounting), iter(range(count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                place = next(places, None)
            if place is None:
                return
            loop.create(place)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _counted(eaccounting, count)


def _counted(eaccounting: EAccounting, count: int) -> Outcome:
    there = Counter(str(row["CorporateIdentityNumber"]) for row in eaccounting.customers(company=KEY))
    return Outcome(asked=count, doubled=sum(1 for many in there.values() if many > 1), missing=count - len(there))
