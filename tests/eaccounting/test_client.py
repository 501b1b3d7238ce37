"""The client against the sandbox behind a real socket."""

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest

from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from integrations.eaccounting import filters
from integrations.eaccounting.client import Client, Endpoint
from integrations.eaccounting.errors import (
    EAccountingError,
    Forbidden,
    NotSent,
    RateLimited,
    ServerError,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.transport import Http
from integrations.eaccounting.types import READ_ONLY_PROPERTIES, CustomerSlice
from tests.eaccounting.payloads import payload
from tests.eaccounting.raw_server import RawServer, answer, says


def test_all_pages_are_read_and_the_first_ones_time_is_kept(client: Client, sandbox: Sandbox) -> None:
    sandbox.seed({"companies": {"1": {"customers": [{"Name": f"No {n}"} for n in range(30)]}}})
    sandbox.forget_calls()
    page = client.list_customers(page_size=10, deadline=60)
    assert len({customer.id for customer in page.customers}) == 42
    assert len(sandbox.calls(path="/v2/customers")) == 5
    assert abs(page.server_time.timestamp() - sandbox.world.now()) < 5


def test_one_failing_page_fails_all(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="status", status=503, method="GET", path="/v2/customers", skip=1)
    with pytest.raises(ServerError):
        client.list_customers(page_size=5, deadline=60)


def test_a_list_that_changes_while_it_is_read_is_read_again(client: Client, sandbox: Sandbox) -> None:
    """A row that is deleted moves the others up, and one of them would be missed."""
    ids = sorted(customer.id for customer in client.list_customers(deadline=60).customers)
    deleted = False

    def between_pages(_: Endpoint) -> None:
        nonlocal deleted
        if not deleted and sandbox.calls(method="GET", path="/v2/customers"):
            deleted = True
            sandbox.world.remove("customer", "1", ids[0])

    sandbox.forget_calls()
    client._before_call = between_pages
    page = client.list_customers(page_size=5, deadline=60)
    assert sorted(customer.id for customer in page.customers) == ids[1:]


def test_a_list_that_never_stands_still_is_given_up(client: Client, sandbox: Sandbox) -> None:
    client._before_call = lambda _: sandbox.seed({"companies": {"1": {"customers": [{"Name": "New"}]}}})
    with pytest.raises(UnexpectedAnswer) as caught:
        client.list_customers(page_size=5, deadline=60)
    assert caught.value.code == "list_changed_while_reading"
    assert caught.value.retryable
    assert not caught.value.may_have_been_done


def test_one_page_of_the_customers_is_one_call_and_says_whether_it_is_the_last(
    client: Client, sandbox: Sandbox
) -> None:
    key = str(sandbox.customers()[0]["Id"])
    for number in range(1000):
        row = {**sandbox.customers()[0], "Id": str(uuid.UUID(int=number + 1)), "CustomerNumber": f"x{number}"}
        sandbox.world.put("customer", "1", row)
    sandbox.forget_calls()
    first, second = (client.customer_page(page=page, deadline=10) for page in (1, 2))
    assert (len(first.customers), first.is_last, first.results) == (1000, False, len(sandbox.customers()))
    assert (len(second.customers), second.is_last) == (len(sandbox.customers()) - 1000, True)
    assert not {one.id for one in first.customers} & {one.id for one in second.customers}
    assert len(sandbox.calls()) == 2
    assert abs(first.server_time.timestamp() - sandbox.world.now()) < 15
    found = client.customer_page(page=1, filter=filters.eq("Id", uuid.UUID(key)), deadline=10)
    assert [one.id for one in found.customers] == [key]


def test_a_page_behind_the_last_one_is_the_end(client: Client) -> None:
    page = client.customer_page(page=7, deadline=60)
    assert (page.customers, page.is_last) == ((), True)


def test_rows_that_are_no_customers_are_counted_with_the_ids_that_can_be_read() -> None:
    key = str(uuid.UUID(int=5))
    rows: list[Json] = [{"Id": key, "Name": None}, {"Name": "Utan id"}, "x", None, 7, {"Id": "x", "Name": "y"}]
    good: Json = {"Id": str(uuid.UUID(int=6)), "Name": "Bra AB", "ChangedUtc": "9999-12-31T23:59:59-14:00"}
    now = datetime.now(UTC)
    page = CustomerSlice.from_rows([*rows, good], is_last=True, results=None, server_time=now)
    assert [(one.name, one.changed_utc) for one in page.customers] == [("Bra AB", None)]
    assert (page.unread, page.unread_ids) == (6, (key,))


def test_the_deadline_is_for_all_pages(client: Client, sandbox: Sandbox) -> None:
    """Each page would come in time, and all of them would not."""
    sandbox.fault(kind="delay", seconds=0.6, path="/v2/customers", count=None)
    with pytest.raises(EAccountingError) as caught:
        client.list_customers(page_size=2, deadline=1.0)
    assert isinstance(caught.value, Unreachable | NotSent)
    assert len(sandbox.calls(path="/v2/customers")) <= 2


def test_every_call_is_announced(server: SandboxServer, client: Client) -> None:
    announced: list[Endpoint] = []
    client._before_call = announced.append
    customer = client.list_customers(page_size=6, deadline=60).customers[0]
    client.get_customer(customer_id=customer.id.upper(), deadline=60)
    client.list_terms_of_payment(deadline=60)
    client.get_company_settings(deadline=60)
    created = client.create_customer(payload=payload(), deadline=60)
    client.replace_customer(customer_id=created.id, payload=payload(), deadline=60)
    assert announced == [
        Endpoint.CUSTOMERS,
        Endpoint.CUSTOMERS,
        Endpoint.CUSTOMER,
        Endpoint.TERMS_OF_PAYMENT,
        Endpoint.COMPANY_SETTINGS,
        Endpoint.CUSTOMERS,
        Endpoint.CUSTOMER,
    ]


def test_what_is_read_can_be_written_back_unchanged(client: Client, sandbox: Sandbox) -> None:
    before = next(row for row in sandbox.customers() if row["CustomerNumber"] == "1001")
    customer = client.get_customer(customer_id=str(before["Id"]), deadline=60)
    echo = {name: value for name, value in customer.raw.items() if name not in READ_ONLY_PROPERTIES}
    client.replace_customer(customer_id=customer.id, payload=echo, deadline=60)
    after = next(row for row in sandbox.customers() if row["CustomerNumber"] == "1001")
    assert before | {"ChangedUtc": None} == after | {"ChangedUtc": None}
    assert after["CreditRating"] == {"Class": "A", "Score": 0.725, "Limit": 12345678901234567890}
    assert not any(call.remarks for call in sandbox.calls())


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_answer_about_another_customer_is_not_believed(client: Client, sandbox: Sandbox, method: str) -> None:
    asked, other = (str(row["Id"]) for row in sandbox.customers()[:2])
    sandbox.fault(kind="status", status=200, path=f"/v2/customers/{asked}", body=f'{{"Id": "{other}", "Name": "B"}}')
    call = partial(client.replace_customer, payload=payload()) if method == "PUT" else client.get_customer
    with pytest.raises(UnexpectedAnswer, match="answer_unreadable") as caught:
        call(customer_id=asked, deadline=60)
    assert caught.value.may_have_been_done == (method == "PUT")


def test_an_id_that_is_none_is_refused_before_a_call(client: Client) -> None:
    with pytest.raises(ValueError, match="badly formed"):
        client.get_customer(customer_id="../companysettings", deadline=60)


def test_past_send_by_nothing_is_created(client: Client, sandbox: Sandbox) -> None:
    with pytest.raises(NotSent):
        client.create_customer(payload=payload(), deadline=60, send_by=time.monotonic() - 0.01)
    assert sandbox.calls(method="POST", path="/v2/customers") == []


def test_an_expired_token_is_unauthorized(client: Client, sandbox: Sandbox) -> None:
    sandbox.expire_access_tokens()
    with pytest.raises(Unauthorized):
        client.get_company_settings(deadline=60)


def test_the_rate_limit_says_how_long_to_wait(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_up(rate_limit=3)
    for _ in range(3):
        client.get_company_settings(deadline=60)
    with pytest.raises(RateLimited) as caught:
        client.get_company_settings(deadline=60)
    assert 1 <= caught.value.retry_after <= 60
    assert len(client.list_terms_of_payment(deadline=60)) == 8


def test_a_missing_module_names_itself(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="error", error_code=4002, text="ForbiddenRequestException - No access to module: api_standard")
    with pytest.raises(Forbidden) as caught:
        client.get_company_settings(deadline=60)
    assert caught.value.kind == "module"


@pytest.mark.parametrize("kind", ["html", "empty", "truncated"])
def test_an_unreadable_success_may_have_been_done(client: Client, sandbox: Sandbox, kind: str) -> None:
    sandbox.fault(kind=kind, method="POST", path="/v2/customers")
    with pytest.raises(UnexpectedAnswer) as caught:
        client.create_customer(payload=payload(Name="Lost AB"), deadline=60)
    assert caught.value.may_have_been_done
    assert [row["Name"] for row in sandbox.customers()].count("Lost AB") == 1


def test_a_redirect_is_not_followed_with_the_token(client: Client, sandbox: Sandbox) -> None:
    with RawServer(says(answer())) as other:
        sandbox.fault(kind="redirect", url=other.url + "/v2/customers", path="/v2/customers")
        with pytest.raises(UnexpectedAnswer) as caught:
            client.create_customer(payload=payload(), deadline=60)
        time.sleep(0.05)
    assert caught.value.code == "redirected"
    assert other.requests == []


@pytest.mark.parametrize(
    "body",
    [
        {"Data": []},
        {"Meta": {}, "Data": []},
        {"Meta": {"TotalNumberOfPages": 1, "ServerTimeUtc": "2026-01-01T00:00:00Z"}, "Data": None},
        [],
        {"Meta": {"TotalNumberOfPages": 1, "ServerTimeUtc": "2026-01-01T00:00:00Z"}, "Data": [{"Name": "no id"}]},
    ],
)
def test_a_list_without_what_is_needed_is_unexpected(body: object) -> None:
    with RawServer(says(answer(json.dumps(body).encode()))) as server:
        client = Client(http=Http(base_url=server.url, user_agent="t"), access_token="t")
        with pytest.raises(UnexpectedAnswer):
            client.list_customers(deadline=60)


def test_a_company_sees_only_its_own(client_for: Callable[..., Client]) -> None:
    swedish, norwegian = client_for("1"), client_for("2")
    assert norwegian.get_company_settings(deadline=60).country_code == "NO"
    customer = swedish.list_customers(deadline=60).customers[0]
    with pytest.raises(EAccountingError) as caught:
        norwegian.get_customer(customer_id=customer.id, deadline=60)
    assert caught.value.error_code == 3000
