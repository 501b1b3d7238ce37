"""The sandbox as a process meets it: sockets, faults, control, pages, and what it keeps."""

import http.client
import json
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from dev.sandbox.core import Sandbox
from dev.sandbox.messages import Request, Response
from dev.sandbox.seed import demo
from dev.sandbox.server import SandboxServer
from integrations.eaccounting import oauth
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import (
    ClientMisconfigured,
    ConnectionRevoked,
    EAccountingError,
    ServerError,
    UnexpectedAnswer,
    Unreachable,
)
from integrations.eaccounting.oauth import OAuthConfig
from tests.eaccounting.conftest import config_for, connect
from tests.eaccounting.contract import Contract
from tests.eaccounting.payloads import payload
from tests.holding import committed_late
from tests.integrations.workers import until

pytestmark = pytest.mark.thorough  # the stand-in, and nothing of the product

Steer = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def steer(server: SandboxServer) -> Steer:
    """Speak to /_sandbox/ over HTTP, as a test in another process would."""

    def send(method: str, name: str, body: object = None) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        connection.request(method, f"/_sandbox/{name}", body=None if body is None else json.dumps(body))
        response = connection.getresponse()
        status, content = response.status, json.loads(response.read())
        connection.close()
        return status, content

    return send


def named(sandbox: Sandbox, name: str) -> int:
    return [row["Name"] for row in sandbox.customers()].count(name)


def create(client: Client, *, deadline: float = 2.0) -> EAccountingError:
    with pytest.raises(EAccountingError) as caught:
        client.create_customer(payload=payload(Name="Faulted AB"), deadline=deadline)
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "no_answer"}, Unreachable),
        ({"kind": "reset"}, Unreachable),
        ({"kind": "cut_short"}, Unreachable),
        ({"kind": "drip", "seconds": 0.1}, Unreachable),
        ({"kind": "status", "status": 500}, ServerError),
        ({"kind": "status", "status": 502}, ServerError),
        ({"kind": "status", "status": 503}, ServerError),
        ({"kind": "error", "error_code": 5001}, ServerError),
        ({"kind": "truncated"}, UnexpectedAnswer),
        ({"kind": "html"}, UnexpectedAnswer),
        ({"kind": "empty"}, UnexpectedAnswer),
        ({"kind": "redirect"}, UnexpectedAnswer),
    ],
    ids=lambda value: str(value.get("status", value["kind"])) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_faults_before_and_after_the_commit(
    client: Client, sandbox: Sandbox, steer: Steer, fault: dict[str, object], kind: type, when: str
) -> None:
    assert steer("POST", "faults", {**fault, "when": when, "method": "POST", "path": "/v2/customers"})[0] == 200
    error = create(client)
    assert type(error) is kind
    assert error.may_have_been_done
    assert named(sandbox, "Faulted AB") == (1 if when == "after" else 0)
    assert client.create_customer(payload=payload(), deadline=60).number


@pytest.mark.parametrize("how", ["reset", "no_answer"])
def test_a_commit_that_comes_after_the_connection_was_cut(client: Client, sandbox: Sandbox, how: str) -> None:
    sandbox.fault(kind="late_commit", how=how, seconds=0.8, method="POST")
    error = create(client, deadline=0.5)
    assert isinstance(error, Unreachable)
    until(lambda: named(sandbox, "Faulted AB") == 1, what="the late commit")


def test_a_reset_cuts_before_the_late_commit(client: Client, sandbox: Sandbox) -> None:
    with committed_late(sandbox, method="POST", how="reset"):
        error = create(client, deadline=60)
        assert (type(error), error.parameters) == (Unreachable, {"reason": "cut"})
        assert named(sandbox, "Faulted AB") == 0
    until(lambda: named(sandbox, "Faulted AB") == 1, what="the late commit")


@pytest.mark.parametrize(("when", "seen"), [("before", 0), ("after", 1)])
def test_a_delay_lies_before_or_after_the_commit(client: Client, sandbox: Sandbox, when: str, seen: int) -> None:
    sandbox.fault(kind="delay", seconds=2.0, when=when, method="POST", path="/v2/customers")
    thread = threading.Thread(target=lambda: client.create_customer(payload=payload(Name="Slow AB"), deadline=60))
    thread.start()
    until(lambda: sandbox.faults[0].count == 0, what="the request to arrive")
    if seen:
        until(lambda: named(sandbox, "Slow AB") == 1, what="the commit")
    assert (named(sandbox, "Slow AB"), thread.is_alive()) == (seen, True)
    thread.join()
    assert named(sandbox, "Slow AB") == 1


def test_an_answer_with_another_name(client: Client, sandbox: Sandbox) -> None:
    sandbox.fault(kind="answer_other_name", method="POST", path="/v2/customers")
    assert client.create_customer(payload=payload(), deadline=60).name == "Somebody Else AB"


@pytest.mark.parametrize(
    ("kind", "error"), [("invalid_grant", ConnectionRevoked), ("invalid_client", ClientMisconfigured)]
)
def test_the_token_endpoint_can_refuse(
    sandbox: Sandbox, config: OAuthConfig, kind: str, error: type[Exception]
) -> None:
    tokens = connect(sandbox, config)
    sandbox.fault(kind=kind, path="/connect/token", when="before")
    with pytest.raises(error):
        oauth.refresh(config=config, refresh_token=str(tokens.refresh_token))
    assert oauth.refresh(config=config, refresh_token=str(tokens.refresh_token)).access_token


def test_an_answer_lost_after_rotation(server: SandboxServer, sandbox: Sandbox) -> None:
    config = config_for(server.identity_url, timeout=1.0)
    tokens = connect(sandbox, config)
    sandbox.fault(kind="no_answer", path="/connect/token")
    with pytest.raises(Unreachable) as caught:
        oauth.refresh(config=config, refresh_token=str(tokens.refresh_token))
    assert caught.value.may_have_been_done
    with pytest.raises(ConnectionRevoked):
        oauth.refresh(config=config, refresh_token=str(tokens.refresh_token))


def test_faults_are_counted_skipped_and_repeatable(sandbox: Sandbox) -> None:
    def statuses(**fault: object) -> list[int]:
        sandbox.faults.clear()
        sandbox.fault(kind="status", status=503, path="/v2/.*", **fault)
        request = Request.of(method="GET", target="/v2/customers", headers={}, body=b"")
        return [sandbox.handle(request).status for _ in range(20)]

    assert statuses(count=2) == [503, 503] + [401] * 18
    assert statuses(count=1, skip=3)[2:5] == [401, 503, 401]
    assert statuses(count=None, method="POST") == [401] * 20
    some = statuses(count=None, probability=0.5, seed=7)
    assert 0 < some.count(503) < 20
    assert some == statuses(count=None, probability=0.5, seed=7)


def test_faults_over_http(steer: Steer) -> None:
    assert steer("POST", "faults", {"kind": "reset", "count": 3})[0] == 200
    faults = steer("GET", "faults")[1]["faults"]
    assert isinstance(faults, list)
    assert (faults[0]["kind"], faults[0]["count"]) == ("reset", 3)
    steer("DELETE", "faults")
    assert steer("GET", "faults")[1] == {"faults": []}


@pytest.mark.parametrize(
    ("method", "name", "body", "status"),
    [
        ("POST", "faults", {"kind": "unknown"}, 400),
        ("POST", "faults", {"kind": "reset", "sometimes": 1}, 400),
        ("POST", "faults", {"kind": "reset", "when": "never"}, 400),
        ("POST", "faults", [], 400),
        ("POST", "switches", {"unknown": True}, 400),
        ("POST", "seed", {"companies": {"1": []}}, 400),
        ("POST", "seed", {"companies": {"1": {"customers": {}}}}, 400),
        ("POST", "seed", {}, 400),
        ("POST", "clock", {"seconds": "many"}, 400),
        ("GET", "unknown", None, 404),
    ],
)
def test_control_says_what_is_wrong(steer: Steer, method: str, name: str, body: object, status: int) -> None:
    answered, content = steer(method, name, body)
    assert answered == status
    assert content["error"]


def test_control(steer: Steer, sandbox: Sandbox, config: OAuthConfig, client: Client) -> None:
    assert steer("GET", "ready")[1] == {"ready": True}
    client.get_company_settings(deadline=60)
    calls = steer("GET", "calls")[1]["calls"]
    assert isinstance(calls, list)
    assert [(call["method"], call["path"], call["status"]) for call in calls] == [
        ("POST", "/connect/authorize", 302),
        ("POST", "/connect/token", 200),
        ("GET", "/v2/companysettings", 200),
    ]
    assert "Bearer" not in json.dumps(calls)
    steer("DELETE", "calls")
    assert steer("GET", "calls")[1] == {"calls": []}
    steer("POST", "switches", {"unknown_id_status": 400})
    assert steer("GET", "switches")[1]["unknown_id_status"] == 400
    assert steer("POST", "clock", {"seconds": 60, "expire_access_tokens": True})[1]["expired"] == 1
    assert steer("POST", "revoke", {"company": "2"})[1] == {"revoked": 0}
    assert steer("POST", "revoke")[1] == {"revoked": 1}
    steer("POST", "seed", {"companies": {"1": {"customers": [{"Name": "Seeded AB"}]}}})
    assert named(sandbox, "Seeded AB") == 1
    steer("POST", "reset")
    assert (named(sandbox, "Seeded AB"), len(sandbox.customers())) == (0, 12)
    assert steer("GET", "switches")[1]["unknown_id_status"] == 404


@pytest.mark.parametrize(
    "headers",
    [{"Host": "rebound.example"}, {"Host": "[nonsense"}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}],
)
def test_a_web_page_in_a_browser_of_this_machine_cannot_steer(server: SandboxServer, headers: dict[str, str]) -> None:
    server.sandbox.edit_customer(customer_id=str(server.sandbox.customers()[0]["Id"]), Name="Kept AB")
    for given, status in ((headers, 403), ({}, 200)):
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rsplit(":", 1)[1]), timeout=60)
        connection.request("POST", "/_sandbox/reset", headers=given)
        assert connection.getresponse().status == status
        connection.close()
        assert (named(server.sandbox, "Kept AB") == 1) is (status == 403)


def test_everything_is_kept_in_its_folder(tmp_path: Path) -> None:
    with SandboxServer(data=tmp_path) as server:
        config = config_for(server.identity_url)
        tokens = connect(server.sandbox, config)
        server.sandbox.seed({"companies": {"1": {"customers": [{"Name": "Kept AB"}]}}})
        before = server.sandbox.customers()
    with SandboxServer(data=tmp_path) as server:
        assert server.sandbox.customers() == before
        again = oauth.refresh(config=config_for(server.identity_url), refresh_token=str(tokens.refresh_token))
        assert again.access_token
    with SandboxServer(data=tmp_path) as server, pytest.raises(ConnectionRevoked):
        oauth.refresh(config=config_for(server.identity_url), refresh_token=str(tokens.refresh_token))


def test_a_stopped_sandbox_answers_nobody(client: Client, server: SandboxServer) -> None:
    client.get_company_settings(deadline=60)
    server._server.hang_up()
    server._server.shutdown()
    with pytest.raises(Unreachable):
        client.create_customer(payload=payload(), deadline=2)


def test_seeded_ids_are_the_same_in_every_sandbox() -> None:
    first, second = Sandbox(), Sandbox()
    assert [row["Id"] for row in first.customers()] == [row["Id"] for row in second.customers()]
    assert demo()["companies"]
    first.close()
    second.close()


def test_a_person_edits_a_customer_directly(sandbox: Sandbox) -> None:
    before = sandbox.customers()[0]
    sandbox.edit_customer(customer_id=str(before["Id"]), Note="Changed by a person")
    after = sandbox.customers()[0]
    assert after["Note"] == "Changed by a person"
    assert str(after["ChangedUtc"]) > str(before["ChangedUtc"])
    assert after["Name"] == before["Name"]


def page(sandbox: Sandbox, target: str, form: dict[str, str] | None = None) -> Response:
    method, body = ("GET", b"") if form is None else ("POST", urlencode(form).encode())
    return sandbox.handle(Request.of(method=method, target=target, headers={}, body=body))


def test_pages_show_companies_customers_and_everything_stored(sandbox: Sandbox) -> None:
    customer = sandbox.customers()[0]
    edit = f"/company/1/customers/edit/{customer['Id']}"
    assert "Nordvik Bygg AB" in page(sandbox, "/").body.decode()
    assert f'href="{edit}"' in page(sandbox, "/company/1/customers").body.decode()
    for target in (edit, f"/company/1/customers/statistics/{customer['Id']}"):
        shown = page(sandbox, target).body.decode()
        for text in ("Björk &amp; Son Måleri AB", "PreferredReminderChannel", "Letter", "12345678901234567890"):
            assert text in shown
    assert page(sandbox, "/_sandbox/style.css").headers["Content-Type"].startswith("text/css")


def test_a_deep_link_needs_no_company(sandbox: Sandbox) -> None:
    for company in ("1", "2"):
        key = sandbox.customers(company=company)[0]["Id"]
        for what in ("edit", "statistics"):
            found = page(sandbox, f"/customers/{what}/{key}")
            assert found.headers["Location"] == f"/company/{company}/customers/{what}/{key}"


@pytest.mark.parametrize(
    "target",
    [
        "/nothing",
        "/company/9/customers",
        "/customers/edit/8f8534d8-9a35-5762-9e8a-000000000000",
        "/company/1/customers/edit/8f8534d8-9a35-5762-9e8a-000000000000",
    ],
)
def test_pages_that_are_not_there(sandbox: Sandbox, target: str) -> None:
    assert page(sandbox, target).status == 404


def test_a_person_edits_deactivates_and_deletes_on_the_page(sandbox: Sandbox) -> None:
    customer = sandbox.customers()[5]
    target = f"/company/1/customers/edit/{customer['Id']}"
    saved = page(sandbox, target, {"do": "save", "Name": '<b>"Bold"</b> AB', "Note": "Hello", "Telephone": ""})
    assert saved.headers["Location"] == target + "?saved"
    after = sandbox.customers()[5]
    assert (after["Name"], after["Note"], after["Telephone"], after["IsActive"]) == (
        '<b>"Bold"</b> AB',
        "Hello",
        None,
        False,
    )
    assert after["EmailAddress"] == customer["EmailAddress"]
    shown = page(sandbox, target + "?saved").body.decode()
    assert "<b>" not in shown
    assert "was saved" in shown
    refused = page(sandbox, target, {"do": "save", "Name": ""})
    assert refused.status == 400
    assert 'role="alert"' in refused.body.decode()
    assert page(sandbox, target, {"do": "delete"}).headers["Location"] == "/company/1/customers"
    assert len(sandbox.customers()) == 11


def test_faults_without_a_socket(contract: Contract, contract_client: Client) -> None:
    contract.sandbox.fault(kind="no_answer", method="POST", path="/v2/customers")
    contract.sandbox.fault(kind="reset", method="POST", path="/v2/customers")
    contract.sandbox.fault(kind="late_commit", seconds=0.1, method="POST", path="/v2/customers")
    for _ in range(3):
        error = create(contract_client, deadline=60)
        assert isinstance(error, Unreachable)
        assert error.may_have_been_done
    until(lambda: named(contract.sandbox, "Faulted AB") == 3, what="the late commit")
