"""`manage.py eaccounting_smoke` against the sandbox, with its switches both ways: the answers differ as they must."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings as DjangoSettings

from accounts.models import User
from dev.sandbox.core import Sandbox
from dev.sandbox.server import SandboxServer
from dev.sandbox.switches import Switches
from dev.sandbox.world import COMPANY, CUSTOMER, INVOICE, Settings
from integrations.access import client_factory, rate_limit
from integrations.clock import database_now
from integrations.eaccounting import oauth
from integrations.eaccounting.jsontext import Json
from integrations.eaccounting.smoke import limits
from integrations.eaccounting.smoke.reads import LAST
from integrations.eaccounting.smoke.reads import QUESTIONS as READS
from integrations.eaccounting.smoke.writes import NAME
from integrations.eaccounting.smoke.writes import QUESTIONS as WRITES
from integrations.management.commands import eaccounting_smoke
from integrations.models import Connection
from integrations.services import connect
from tests.eaccounting.conftest import consent

TOKENS = ["rotation", "scope", "access_token"]
Report = dict[str, Json]
Smoke = Callable[..., Report]


def forget_gateway() -> None:
    """The gateway reads the settings once a process."""
    if client_factory.http.cache_info().currsize:
        client_factory.http().close()
    client_factory.http.cache_clear()
    client_factory.oauth_config.cache_clear()


@pytest.fixture
def sandbox(settings: DjangoSettings) -> Iterator[Sandbox]:
    redirect_uri = f"{settings.BASE_URL}{client_factory.CALLBACK_PATH}"
    client = {"client_id": settings.EACCOUNTING_CLIENT_ID, "client_secret": settings.EACCOUNTING_CLIENT_SECRET}
    with SandboxServer(settings=Settings(**client, redirect_uris=(redirect_uri,), rate_limit=100_000)) as server:
        settings.EACCOUNTING_API_URL, settings.EACCOUNTING_IDENTITY_URL = server.api_url, server.identity_url
        settings.EACCOUNTING_RATE_LIMIT = 600_000
        rate_limit._redis().flushdb()
        forget_gateway()
        yield server.sandbox
        forget_gateway()


@pytest.fixture
def connection(sandbox: Sandbox, anna: User) -> Connection:
    config = client_factory.oauth_config()
    request = oauth.authorization_request(config=config)
    query = consent(sandbox, request.url)
    code = oauth.parse_callback(config=config, query=query, expected_state=request.state)
    return connect.complete(
        user=anna,
        account=anna.account,
        code=code,
        code_verifier=request.code_verifier,
        started=connect.started_from(None),
    )


@pytest.fixture
def smoke(connection: Connection, sandbox: Sandbox, tmp_path: Path) -> Smoke:
    """Run the command; return its file with the findings by key, and what it said."""

    def run(*options: str, **switches: object) -> Report:
        sandbox.switch(**switches)
        said, file = StringIO(), tmp_path / "smoke.json"
        call_command(
            "eaccounting_smoke", "--account", str(connection.account_id), "--json", str(file), *options, stdout=said
        )
        report = json.loads(file.read_text(encoding="utf-8"))
        answers = {finding["key"]: finding for finding in report["findings"]}
        return {**report, "findings": answers, "said": said.getvalue(), "text": file.read_text(encoding="utf-8")}

    return run


def writes(sandbox: Sandbox) -> list[str]:
    return [call.method for call in sandbox.calls(path="/v2") if call.method != "GET"]


def test_by_default_it_only_reads_and_answers_everything_it_can(smoke: Smoke, sandbox: Sandbox) -> None:
    before = sandbox.customers()
    report = smoke()
    assert writes(sandbox) == []
    assert sandbox.customers() == before
    assert list(report["findings"]) == TOKENS + [one.key for one in (*READS, *LAST)]
    untold = [key for key, one in report["findings"].items() if not one["is_answered"]]
    assert untold == ["activation", "retry_after"]
    for one in report["findings"].values():
        assert f"{one['question']}" in report["said"]
        assert one["answer"] in report["said"]


def test_what_the_sandbox_answers_to_reads(smoke: Smoke) -> None:
    found = smoke()["findings"]
    assert found["sort_by_id"]["answer"] == "Accepted, in the order of their text, 0 doubled between two pages"
    assert "1000: pages of 1000; 1001: 400, ErrorCode 6001" in found["page_size"]["answer"]
    assert "not given: pages of 50" in found["page_size"]["answer"]
    assert found["registration_number"]["answer"] == "Only with hyphen; stored with hyphen"
    assert found["changed_utc"]["answer"] == "Whole seconds 200; with fractions 200, and they count"
    assert found["joined_filters"]["answer"] == "or: works; and: works; parentheses: works"
    refused = "refused, 400, ErrorCode 6000"
    assert found["filter_functions"]["answer"] == f"contains: works; startswith: {refused}; in: {refused}"
    assert found["letter_case"]["answer"] == "eq: counts; contains: does not count"
    assert found["bad_filter"]["evidence"]["bad date"]["error_code"] == 6001
    assert found["receivables"]["answer"] == "Yes"
    assert found["scope"]["answer"] == "ea:api ea:sales offline_access"
    assert "customer_id" in found["access_token"]["evidence"]["claims"]
    assert found["access_token"]["evidence"]["lifetime_seconds"] == 3600


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("unknown_id_status", [404, 400]),
        ("unknown_id_body", [True, False]),
        ("rotate_refresh_tokens", [True, False]),
        ("opaque_access_tokens", [False, True]),
        ("know_startswith_and_in", [False, True]),
        ("mind_case_in_eq", [True, False]),
        ("filter_receivables", [True, False]),
    ],
)
def test_a_switch_is_seen_by_reading(smoke: Smoke, name: str, values: list[Json]) -> None:
    assert [smoke(**{name: value})["switches"][name] for value in values] == values


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("duplicate_number_status", [400, 409]),
        ("duplicate_number_code", [4000, 2000]),
        ("accept_duplicate_numbers", [False, True]),
        ("accept_empty_strings", [False, True]),
        ("accept_unknown_on_create", [False, True]),
        ("refuse_read_only_on_replace", [False, True]),
        ("allow_number_change", [True, False]),
        ("allow_private_person_change", [True, False]),
        ("reformat_on_store", [False, True]),
        ("check_vat_country", [True, False]),
    ],
)
def test_a_switch_is_seen_by_writing_and_nothing_is_left_behind(
    smoke: Smoke, sandbox: Sandbox, name: str, values: list[Json]
) -> None:
    before = sandbox.customers()
    assert [smoke("--write", "--yes", **{name: value})["switches"][name] for value in values] == values
    assert sandbox.customers() == before


def touch_an_invoice(sandbox: Sandbox) -> None:
    """Change an invoice, so that its time is far from its customer's."""
    invoice = sandbox.world.rows(INVOICE, "1")[0]
    later = f"{database_now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    sandbox.world.put(INVOICE, "1", {**invoice, "ModifiedUtc": later})


def test_every_switch_of_the_sandbox_has_a_question_or_a_reason(smoke: Smoke, sandbox: Sandbox) -> None:
    touch_an_invoice(sandbox)
    report = smoke("--write", "--yes")
    # Told in other tests here: by provoking a 429, and by a company without the module.
    elsewhere = {"retry_after_header", "need_api_module"}
    # Never told: whether an unchanged refresh token is answered again, and how calls are counted, make no
    # difference to us; to find out how they are counted would take two companies and many minutes.
    untold = {"answer_same_refresh_token", "limit_per_company", "limit_window_slides"}
    assert set(report["switches"]) == {*Switches.__dataclass_fields__} - untold - elsewhere
    assert report["switches"].items() <= {name: getattr(Switches(), name) for name in report["switches"]}.items()


@pytest.mark.parametrize("header", [False, True])
def test_a_call_too_many_is_made_on_purpose_only_of_an_idle_endpoint(
    smoke: Smoke, sandbox: Sandbox, header: bool
) -> None:
    smoke()
    assert not sandbox.calls(path="/v2/currencies")
    sandbox.set_up(rate_limit=60)
    report = smoke("--limit", retry_after_header=header)
    assert report["switches"]["retry_after_header"] is header
    told = report["findings"]["limit"]
    assert told["answer"].startswith("429, ErrorCode 4010 after 60 calls, for ")
    assert told["answer"].endswith("other endpoints go on")
    assert report["findings"]["retry_after"]["is_answered"]
    assert not rate_limit._redis().keys("eaccounting:silent:*")  # nobody else's work waits for it


def test_a_limit_that_is_not_met_is_not_told(smoke: Smoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CALLS", 24)
    assert smoke("--limit")["findings"]["limit"]["answer"] == "Cannot be told here: 24 calls were accepted"


def without_module(sandbox: Sandbox) -> None:
    company = sandbox.world.company("1")
    assert company
    sandbox.world.store.put(COMPANY, "1", {**company, "ActivatedModules": ["sie"]})


def test_a_company_without_the_module_that_answers_tells_that_it_is_not_needed(smoke: Smoke, sandbox: Sandbox) -> None:
    without_module(sandbox)
    report = smoke(need_api_module=False)
    assert report["findings"]["activation"]["answer"] == "No: it answers without it"
    assert report["switches"]["need_api_module"] is False


def test_a_company_that_is_refused_for_want_of_the_module_tells_that_it_is_needed(
    smoke: Smoke, sandbox: Sandbox, tmp_path: Path, connection: Connection
) -> None:
    without_module(sandbox)
    with pytest.raises(CommandError, match="forbidden_module"):
        smoke()
    report = json.loads((tmp_path / "smoke.json").read_text(encoding="utf-8"))
    assert report["switches"] == {"need_api_module": True}
    assert [finding["key"] for finding in report["findings"]] == ["activation"]
    connection.refresh_from_db()
    assert connection.blocked_reason == "module"


@pytest.mark.parametrize("moves", [False, True])
def test_whether_an_invoice_moves_its_customer_is_seen(smoke: Smoke, sandbox: Sandbox, moves: bool) -> None:
    touch_an_invoice(sandbox)
    assert smoke(invoice_moves_customer=moves)["switches"]["invoice_moves_customer"] is moves


# --- Numbers of our own ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("switches", "safe", "words"),
    [
        ({}, True, "Yes: stored as sent; found by it; refused a second time; the series of eAccounting stays"),
        ({"duplicate_number_status": 409}, True, "Yes: "),
        ({"duplicate_number_code": 2000}, True, "Yes: "),
        ({"accept_duplicate_numbers": True}, False, "No: stored as sent; found by it; NOT refused a second time"),
    ],
)
def test_whether_numbers_of_our_own_would_be_safe_is_told(
    smoke: Smoke, switches: dict[str, Json], safe: bool, words: str
) -> None:
    told = smoke("--write", "--yes", **switches)["findings"]["own_number"]
    assert told["answer"].startswith(words)
    assert told["evidence"]["safe"] is safe


def test_a_number_with_letters_that_is_refused_is_not_safe(smoke: Smoke, sandbox: Sandbox) -> None:
    sandbox.fault(kind="error", error_code=2000, status=400, method="POST", path="/v2/customers", when="before", skip=2)
    report = smoke("--write", "--yes")
    assert report["findings"]["own_number"]["answer"] == "No: letters are refused, 400, ErrorCode 2000"


@pytest.mark.parametrize(
    ("paste", "answer"),
    [
        ("https://eaccounting.example/#/customer/{id}/edit", "EACCOUNTING_CUSTOMER_URL=https://eaccounting.example/#/customer/{id}/edit"),
        ("", "Cannot be told here: no address that holds the customer's id was given"),
    ],
)  # fmt: skip
def test_a_person_is_asked_for_the_address_of_the_customers_page(
    smoke: Smoke, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, paste: str, answer: str
) -> None:
    def person(words: str) -> str:
        if not words.startswith("Open the customer"):
            return "y"
        [customer] = [row for row in sandbox.customers() if row["CustomerNumber"] == "1013"]
        return paste.replace("{id}", str(customer["Id"]).upper())

    monkeypatch.setattr("builtins.input", person)
    assert smoke("--write")["findings"]["customer_page"]["answer"] == answer


def test_what_the_sandbox_answers_to_writes(smoke: Smoke) -> None:
    found = smoke("--write", "--yes")["findings"]
    assert list(found) == TOKENS + [one.key for one in READS] + [key for key, *_ in WRITES] + [LAST[0].key]
    assert found["create"]["answer"] == "201; stored as sent"
    assert found["duplicate_number"]["answer"] == "400, ErrorCode 4000"
    assert found["empty_text"]["answer"].startswith("It is refused: 400, ErrorCode 2000 (Invoice")
    assert found["private_person"]["answer"] == "Yes: 200"
    assert found["left_out"]["answer"] == "It becomes null"
    assert found["changed_utc_moves"]["answer"] == "moves with an unchanged PUT; moves with a change"
    assert found["delete"]["answer"] == "200; afterwards 404, ErrorCode 3000"


def test_it_asks_before_it_writes(connection: Connection, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("builtins.input", lambda words: asked.append(words) or "")
    sandbox.forget_calls()
    with pytest.raises(CommandError, match="Nothing was asked"):
        call_command("eaccounting_smoke", "--account", str(connection.account_id), "--write", stdout=StringIO())
    assert NAME in asked[0]
    assert writes(sandbox) == []
    monkeypatch.setattr("builtins.input", lambda words: "y")
    call_command("eaccounting_smoke", "--account", str(connection.account_id), "--write", stdout=StringIO())
    assert "POST" in writes(sandbox)


def test_a_failing_question_stops_no_other(smoke: Smoke, sandbox: Sandbox) -> None:
    sandbox.fault(kind="status", status=503, method="GET", path="/v2/customerledgeritems")
    found = smoke()["findings"]
    assert not found["receivables"]["is_answered"]
    assert found["receivables"]["answer"] == "Not answered: server_error status=503"
    assert found["invoice_moves_customer"]["is_answered"]


@pytest.mark.parametrize("header", [False, True])
def test_a_429_that_happens_is_looked_at_and_silences_the_endpoint(
    header: bool, smoke: Smoke, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eaccounting_smoke, "PATIENCE", 0.1)
    sandbox.set_up(rate_limit=8)
    report = smoke(retry_after_header=header)
    assert report["switches"]["retry_after_header"] is header
    # The first call too many is the last one: whoever comes next finds the endpoint silenced.
    assert [call.status for call in sandbox.calls(path="/v2/customers")].count(429) == 1
    assert rate_limit._redis().keys("eaccounting:silent:*:/customers")
    assert report["findings"]["receivables"]["is_answered"]


def test_a_customer_that_cannot_be_deleted_is_made_inactive_and_it_says_so(smoke: Smoke, sandbox: Sandbox) -> None:
    sandbox.fault(
        kind="error", error_code=4001, status=400, method="DELETE", path="/v2/customers/.*", when="before", count=2
    )
    with pytest.raises(CommandError, match="it was made inactive instead"):
        smoke("--write", "--yes")
    left = [row for row in sandbox.customers() if row["Name"] == NAME]
    assert [row["IsActive"] for row in left] == [False]


def test_what_a_run_that_was_cut_off_left_behind_is_taken_away(smoke: Smoke, sandbox: Sandbox) -> None:
    before = len(sandbox.customers())
    sandbox.seed({"companies": {"1": {"customers": [{"Name": NAME}, {"Name": f"{NAME} not"}]}}})
    smoke("--write", "--yes")
    names = [row["Name"] for row in sandbox.customers()]
    assert (len(names), names.count(NAME)) == (before + 1, 0)


def test_neither_tokens_nor_customers_are_told(smoke: Smoke, sandbox: Sandbox, connection: Connection) -> None:
    first = Connection.objects.get(pk=connection.pk)
    told = smoke("--write", "--yes")
    second = Connection.objects.get(pk=connection.pk)
    secrets = [first.access_token, first.refresh_token, second.access_token, second.refresh_token]
    assert second.access_token != first.access_token
    known = [str(row[name]) for row in sandbox.customers() for name in ("Name", "EmailAddress") if row[name]]
    assert not [word for word in (*secrets, *known) if word in told["text"] or word in told["said"]]


def test_the_forced_refresh_leaves_a_healthy_connection(smoke: Smoke, connection: Connection) -> None:
    smoke()
    smoke()
    again = Connection.objects.get(pk=connection.pk)
    assert again.is_connected
    assert (again.refused_at, again.refresh_intent_at) == (None, None)
    assert again.expires_at > database_now()


def test_an_invoice_that_moves_its_customer_is_seen(smoke: Smoke, sandbox: Sandbox) -> None:
    invoice = sandbox.world.rows(INVOICE, "1")[0]
    later = f"{database_now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    sandbox.world.put(INVOICE, "1", {**invoice, "ModifiedUtc": later})
    assert smoke()["findings"]["invoice_moves_customer"]["answer"].startswith("No")
    customer = next(row for row in sandbox.world.rows(CUSTOMER, "1") if row["Id"] == invoice["CustomerId"])
    sandbox.world.put(CUSTOMER, "1", {**customer, "ChangedUtc": later})
    assert smoke()["findings"]["invoice_moves_customer"]["answer"].startswith("Probably")


def test_an_account_without_a_connection_is_told_what_to_do(anna: User) -> None:
    with pytest.raises(CommandError, match="not connected"):
        call_command("eaccounting_smoke", "--account", str(anna.account_id))


@pytest.mark.django_db(transaction=True)
def test_a_lost_grant_is_one_sentence(connection: Connection, sandbox: Sandbox) -> None:
    sandbox.revoke_grants()
    for told in ("grant_doubted", "connection_revoked"):
        with pytest.raises(CommandError, match=f"does not answer on this connection: {told}"):
            call_command("eaccounting_smoke", "--account", str(connection.account_id))
        Connection.objects.update(grant_doubted_at=timezone.now() - timedelta(minutes=1))


def test_a_folder_that_is_not_there_is_refused_before_anything_is_asked(
    connection: Connection, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.forget_calls()
    file = tmp_path / "nowhere" / "smoke.json"
    with pytest.raises(CommandError, match="There is no folder"):
        call_command("eaccounting_smoke", "--account", str(connection.account_id), "--json", str(file))
    assert not sandbox.calls()
