"""Faults of the API while a customer is created. Judged by the customers there, the calls, the rows and the card."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.world import TERMS
from integrations.clock import database_now
from integrations.delivery import upkeep
from integrations.models import Connection, CustomerLink, Push, PushState, WaitReason
from tests import sheets
from tests.faults.reading import UP_TO_DATE, Card, assert_one_customer
from tests.integrations.conftest import (
    CUSTOMERS,
    SWEDISH_30_DAYS,
    AddCompany,
    MovableClock,
    Run,
    call_seconds,
    forget_gateway,
    named,
    posts,
)
from tests.proxy import Proxy

LOST = "The answer was lost. We are checking whether the customer was created, so that it is not created twice."
AWAY = "Visma eAccounting cannot be reached. This is sent again automatically."
UNREADABLE = "Visma eAccounting sent an answer that Lime Go does not understand. This is sent again automatically."
FAULTY = "Visma eAccounting has a technical problem right now. This is sent again automatically."


@pytest.fixture
def wish(ready: Connection, company: Company, ulf: User) -> Push:
    """Ulf wants the company to be a customer."""
    return sheets.create(user=ulf, company=company)


# --- The answer to the POST cannot be read -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"kind": "no_answer", "when": "before"}, 2),
        ({"kind": "no_answer", "when": "after"}, 1),
        ({"kind": "reset", "when": "before"}, 2),
        ({"kind": "reset", "when": "after"}, 1),
        ({"kind": "status", "status": 500, "when": "before"}, 2),
        ({"kind": "status", "status": 502, "when": "before"}, 2),
        ({"kind": "status", "status": 503, "when": "before"}, 2),
        ({"kind": "status", "status": 500, "when": "after"}, 1),
        ({"kind": "truncated", "when": "after"}, 1),
        ({"kind": "html", "when": "after"}, 1),
        ({"kind": "html", "when": "before"}, 2),
        ({"kind": "empty", "when": "after"}, 1),
        ({"kind": "drip", "seconds": 0.1, "when": "after"}, 1),
        ({"kind": "redirect", "when": "before"}, 2),
    ],
    ids=lambda value: "-".join(str(part) for part in value.values()) if isinstance(value, dict) else "",
)
def test_a_lost_answer_is_told_and_ends_with_one_customer(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, card: Card,
    fault: dict[str, Any], sent: int,
) -> None:  # fmt: skip
    settings.EACCOUNTING_CALL_SECONDS = call_seconds(fault["kind"])
    sandbox.fault(method="POST", path=CUSTOMERS, **fault)
    run(wish)
    shown = card(ulf, wish.company)
    assert shown.startswith("Visma eAccounting Checking " + LOST + " Next check ")
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=sent)
    assert UP_TO_DATE in card(ulf, wish.company)


def test_a_customer_stored_after_our_first_look_is_found_and_told(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, card: Card
) -> None:
    """The moment of the late commit is the test's: the sandbox forgets the row, and remembers it after our look."""
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    [late] = named(sandbox)
    sandbox.world.remove("customer", "1", str(late["Id"]))
    run(wish, forward=2.1)
    assert LOST in card(ulf, wish.company)
    sandbox.world.put("customer", "1", {**late, "ChangedUtc": sandbox.world.change_timestamp()})
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=1)
    assert UP_TO_DATE in card(ulf, wish.company)


def test_found_while_it_may_still_be_doubled_the_card_says_so(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    run(wish)
    run(wish, forward=2.1)
    assert "The answer was lost, but the customer was found. We are checking that there is only one." in card(
        ulf, wish.company
    )


def test_another_name_in_the_answer_is_told_on_the_card_and_nothing_is_sent_again(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    sandbox.fault(kind="answer_other_name", method="POST", path=CUSTOMERS, text="Somebody Else AB")
    run(wish)
    assert_one_customer(sandbox, wish.company, sent=1)
    shown = card(ulf, wish.company)
    assert UP_TO_DATE not in shown
    assert "Saved differently in Visma eAccounting" in shown
    assert "Visma eAccounting saved other values than were sent: Company name." in shown
    assert "Customer Somebody Else AB" in shown
    assert "Visma eAccounting sparade andra uppgifter än de som skickades: Företagsnamn." in card(
        ulf, wish.company, language="sv"
    )
    run(wish, times=3, forward=100)
    assert posts(sandbox) == 1


# --- Nothing could be sent: it waits, says so, and ends by itself ------------------------------------------


@pytest.fixture
def elsewhere() -> Iterator[socket.socket]:
    """Another host, which counts who comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v2", "https://eaccounting.invalid/v2"], ids=["refused", "dns"])
def test_an_address_that_does_not_answer_is_told_and_waited_for(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, card: Card, url: str
) -> None:
    there, settings.EACCOUNTING_API_URL = settings.EACCOUNTING_API_URL, url
    forget_gateway()
    run(wish)
    assert f"Waiting {AWAY} Next attempt" in card(ulf, wish.company)
    settings.EACCOUNTING_API_URL = there
    forget_gateway()
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=1)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"kind": "no_answer"}, AWAY),
        ({"kind": "reset", "count": 2}, AWAY),
        ({"kind": "drip", "seconds": 0.1}, AWAY),
        ({"kind": "status", "status": 500}, FAULTY),
        ({"kind": "status", "status": 503}, FAULTY),
        ({"kind": "html"}, UNREADABLE),
        ({"kind": "truncated"}, UNREADABLE),
        ({"kind": "empty"}, UNREADABLE),
    ],
    ids=lambda value: "-".join(str(part) for part in value.values()) if isinstance(value, dict) else "",
)
def test_a_fault_before_anything_was_sent_is_told_and_waited_for(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, card: Card,
    fault: dict[str, Any], sentence: str,
) -> None:  # fmt: skip
    settings.EACCOUNTING_CALL_SECONDS = call_seconds(fault["kind"])
    sandbox.fault(method="GET", path=CUSTOMERS, **fault)
    assert run(wish).state == PushState.WAITING
    assert f"Waiting {sentence} Next attempt" in card(ulf, wish.company)
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=1)


def test_a_redirect_to_another_host_is_not_followed_and_told(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, card: Card, elsewhere: socket.socket
) -> None:
    url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/v2/customers"
    for method in ("GET", "POST"):
        sandbox.fault(kind="redirect", method=method, path=CUSTOMERS, url=url, when="before")
    run(wish)
    assert UNREADABLE in card(ulf, wish.company)
    settle(wish)
    with pytest.raises(BlockingIOError):
        elsewhere.accept()
    assert_one_customer(sandbox, wish.company, sent=2)


@pytest.mark.parametrize("trouble", ["latency", "silence", "reset", "slow bytes", "closed"])
def test_a_bad_line_to_eaccounting_is_survived(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, card: Card, trouble: str
) -> None:
    settings.EACCOUNTING_CALL_SECONDS = 2
    with Proxy.before(settings.EACCOUNTING_API_URL) as line:
        settings.EACCOUNTING_API_URL = line.url
        forget_gateway()
        if trouble == "latency":
            line.to_client.latency = 0.1
        elif trouble == "silence":
            line.to_client.silent = True
        elif trouble == "reset":
            line.to_client.end_after(10, how="reset")
        elif trouble == "slow bytes":
            line.to_client.seconds_per_byte = 60.0
        else:
            line.down()
        row = run(wish)
        if trouble == "latency":
            assert row.state == PushState.DONE
        else:
            assert AWAY in card(ulf, wish.company)
            line.heal()
            line.reset()
            if trouble == "closed":
                line.up()
            settle(wish)
        forget_gateway()
    assert_one_customer(sandbox, wish.company, sent=1)


# --- eAccounting refuses: told what, and who can mend it ----------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (2000, "Visma eAccounting did not accept a value. Correct it and send again."),
        (4000, "Visma eAccounting already has a customer with this number. Try again."),
        (4002, "Visma eAccounting did not save the customer. Its own message is shown below."),
        (4008, "Visma eAccounting says that a number has a wrong check digit. Correct it and send again."),
    ],
)
def test_a_refusal_is_told_and_not_repeated(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card, code: int, sentence: str
) -> None:
    sandbox.fault(kind="error", when="before", method="POST", path=CUSTOMERS, error_code=code, status=400)
    row = run(wish, times=3, forward=100)
    assert (row.state, posts(sandbox), named(sandbox)) == (PushState.FAILED, 1, [])
    assert f"Not sent {sentence}" in card(ulf, wish.company)


def test_a_refused_field_is_named_with_eaccountings_words_and_the_way_to_it(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card, as_user: Callable[[User], Client]
) -> None:
    problem = {"Field": "EmailAddress", "Message": "The address is not valid."}
    body = json.dumps({"ErrorCode": 2000, "DeveloperErrorMessage": "", "Errors": [problem]})
    sandbox.fault(kind="status", status=400, when="before", method="POST", path=CUSTOMERS, body=body)
    row = run(wish, times=3, forward=100)
    assert (row.state, posts(sandbox), named(sandbox)) == (PushState.FAILED, 1, [])
    assert "E-mail: The address is not valid. Correct it" in card(ulf, wish.company)
    page = as_user(ulf).get(f"/companies/{wish.company_id}/").content.decode()
    assert f'href="/companies/{wish.company_id}/edit/#id_email"' in page


def test_an_existing_customer_with_the_number_is_offered_and_none_created(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    company = add_company(registration_number="559987-1018")
    run(sheets.create(user=ulf, company=company), times=3)
    shown = card(ulf, company)
    assert "Visma eAccounting already has customers that could be this company. Nothing was created." in shown
    assert "(1001)" in shown
    assert "Link instead" in shown
    assert posts(sandbox) == 0


def test_terms_that_are_gone_are_told_and_read_again(
    wish: Push, ulf: User, anna: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    sandbox.world.remove(TERMS, "1", SWEDISH_30_DAYS)
    run(wish)
    upkeep.look_after(now=database_now())
    upkeep.look_after(now=database_now())
    assert len(sandbox.calls(path="/v2/termsofpayments")) == 1
    assert named(sandbox) == []
    gone = "The chosen terms of payment “30 days” no longer exist in Visma eAccounting."
    shown = card(ulf, wish.company)
    assert gone in shown
    assert "Ask an admin You first see what is sent automatically when the connection works again." in shown
    assert "Check the terms of payment" in card(anna, wish.company)


BLOCKS = {
    4003: "The start-up guide in Visma eAccounting is not completed. Somebody with full rights can finish it.",
    4004: "The company is not active in Visma eAccounting. Its owner can activate it with Visma.",
    4006: "A right was not granted when connecting. An admin can reconnect and grant all of them.",
    4009: "This variant of Visma eAccounting has no customers. The company's owner can change the variant with Visma.",
    4012: "The licence agreement is not accepted. Log in to Visma eAccounting and accept it.",
    4019: "The connected user may only read in Visma eAccounting. Reconnect as a user with full rights.",
}


@pytest.mark.parametrize("code", BLOCKS)
def test_a_refusal_of_the_whole_connection_is_told_with_who_can_act_and_probed_once(
    wish: Push,
    ulf: User,
    sandbox: Sandbox,
    run: Run,
    card: Card,
    add_company: AddCompany,
    clock: MovableClock,
    code: int,
) -> None:
    others = [sheets.create(user=ulf, company=add_company(name=f"Nr {n} AB", registration_number="")) for n in range(2)]
    sandbox.fault(kind="error", path="/v2/.*", error_code=code, status=403, count=None)
    for push in (wish, *others):
        run(push)
        assert f"Stopped by Visma eAccounting {BLOCKS[code]} Since" in card(ulf, push.company)
        assert "is kept. It is sent automatically as soon as the connection works." in card(ulf, push.company)
    assert len(sandbox.calls(path="/v2")) == 1
    clock.forward(16 * 60)
    for _ in range(3):
        upkeep.look_after(now=clock())
    assert len(sandbox.calls(path="/v2")) == 2
    sandbox.faults.clear()
    clock.forward(16 * 60)
    upkeep.look_after(now=clock())
    for push in (wish, *others):
        assert run(push).state == PushState.DONE
        assert_one_customer(sandbox, push.company)


def test_blocked_in_swedish(wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card) -> None:
    sandbox.fault(kind="error", path="/v2/.*", error_code=4012, status=403)
    run(wish)
    shown = card(ulf, wish.company, language="sv")
    assert "Licensavtalet är inte godkänt." in shown
    assert CustomerLink.objects.count() == 0
    assert Push.objects.get().wait_reason == WaitReason.CONNECTION


@pytest.mark.parametrize("status", [403, 404])
def test_a_look_that_something_on_the_way_refuses_is_told_and_waited_for(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, card: Card, status: int
) -> None:
    sandbox.fault(kind="status", status=status, path="/v2/customers", when="before")
    run(wish)
    shown = card(ulf, wish.company)
    assert "Waiting Something between Lime Go and Visma eAccounting blocked the call. This is sent again" in shown
    assert Connection.objects.get().is_usable
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=1)


@pytest.mark.parametrize("when", ["before", "after"], ids=["not-committed", "committed"])
@pytest.mark.parametrize("status", [403, 404])
def test_a_create_refused_by_something_on_the_way_is_looked_for(
    wish: Push, sandbox: Sandbox, run: Run, settle: Run, status: int, when: str
) -> None:
    sandbox.fault(kind="status", status=status, method="POST", path="/v2/customers", when=when)
    assert run(wish).state == PushState.UNKNOWN
    assert Connection.objects.get().is_usable
    settle(wish)
    assert_one_customer(sandbox, wish.company, sent=1 if when == "after" else 2)
