"""What nobody has measured at eAccounting (facts.md, Unknown): the engine holds whichever way it turns out to be.

Each switch of the sandbox is one unknown. `manage.py eaccounting_smoke` finds out (test_eaccounting_smoke.py).
"""

import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from dev.sandbox.switches import Switches
from dev.sandbox.world import COMPANY, INVOICE
from integrations.clock import database_now
from integrations.delivery import calls
from integrations.eaccounting.errors import Intercepted, NotFound
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Push, PushState, WaitReason
from tests import sheets
from tests.integrations.conftest import (
    CUSTOMERS,
    SWEDISH_30_DAYS,
    AddCompany,
    Run,
    confirm_terms,
    connect_as,
    named,
    posts,
)

FACTS = Path(django_settings.BASE_DIR) / "docs" / "eaccounting" / "facts.md"
NOWHERE = "38fe43cc-c843-48e0-9efe-fa7b262a8191"
DEFAULT = Switches()
OTHER_WAY: dict[str, Any] = {
    "duplicate_number_status": 409,
    "duplicate_number_code": 2000,
    "unknown_id_status": 400,
    **{item.name: not item.default for item in fields(Switches) if item.type is bool},
}
ROADS = ["", *OTHER_WAY]  # the switch that is turned; blank: the default way of all


def test_every_switch_is_tried_both_ways_and_stands_in_the_facts() -> None:
    names = {item.name for item in fields(Switches)}
    assert set(OTHER_WAY) == names
    assert all(getattr(DEFAULT, name) != value for name, value in OTHER_WAY.items())
    table = FACTS.read_text(encoding="utf-8").split("## Unknown")[1]
    assert set(re.findall(r"`(\w+)` = ", table)) == names


def test_every_unknown_of_the_facts_names_its_question_and_the_smoke_command_asks_it() -> None:
    table = FACTS.read_text(encoding="utf-8").split("## Unknown")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| question")]
    asked = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[2])}
    folder = Path(django_settings.BASE_DIR) / "integrations" / "eaccounting" / "smoke"
    source = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    known = set(re.findall(r'(?:Question\(\s*|^    \()"(\w+)"', source, flags=re.MULTILINE))
    assert asked <= known
    assert all(re.findall(r"`(\w+)`|(never)", row.split("|")[2]) for row in rows)


@pytest.mark.parametrize("switch", ROADS)
def test_the_whole_road_holds_whichever_way_it_is(
    sandbox: Sandbox, anna: User, add_company: AddCompany, run: Run, settle: Run, switch: str
) -> None:
    """Connect, create with a lost answer, refresh, update beside a person's edit, paste, and find it deleted."""
    sandbox.switch(**({switch: OTHER_WAY[switch]} if switch else {}))
    connection = connect_as(anna)
    confirm_terms(connection, anna)
    company = add_company()
    _create_with_a_lost_answer(sandbox, anna, company, run, settle)
    _update_beside_a_persons_edit(sandbox, anna, company, settle)
    # Nobody knows a number to look for in the list: without eAccounting's words nothing is told.
    with pytest.raises(Intercepted if switch == "unknown_id_body" else NotFound):
        calls.read_customer(connection, customer_id=NOWHERE)
    [customer] = named(sandbox)
    company.save_changes(now=timezone.now(), values={"city": "Umeå"})
    push = sheets.update_all(user=anna, company=company)
    sandbox.world.remove("customer", "1", str(customer["Id"]))
    push = settle(push)
    assert (push.state, push.failure) == (PushState.FAILED, "customer_deleted")
    assert named(sandbox) == []  # told, never created again


def _create_with_a_lost_answer(sandbox: Sandbox, anna: User, company: Company, run: Run, settle: Run) -> None:
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="after")
    wish = sheets.create(user=anna, company=company)
    assert run(wish).state == PushState.UNKNOWN
    assert settle(wish).state == PushState.DONE
    [customer] = named(sandbox)
    assert customer["TermsOfPaymentId"] == SWEDISH_30_DAYS
    assert str(CustomerLink.objects.get(company=company).reference) == customer["Id"]
    assert posts(sandbox) == 1


def _update_beside_a_persons_edit(sandbox: Sandbox, anna: User, company: Company, settle: Run) -> None:
    [customer] = named(sandbox)
    sandbox.edit_customer(customer_id=str(customer["Id"]), Note="Ring före nio", IsPrivatePerson=True)
    sandbox.expire_access_tokens()
    company.save_changes(now=timezone.now(), values={"phone": "+46 8 765 43 21"})
    assert settle(sheets.update_all(user=anna, company=company)).state == PushState.DONE
    [after] = named(sandbox)
    kept = ("Note", "TermsOfPaymentId", "CustomerNumber", "IsActive")
    assert [after[name] for name in kept] == ["Ring före nio", *(customer[name] for name in kept[1:])]
    assert after["Telephone"] in ("+46 8 765 43 21", "+4687654321")
    assert after["IsPrivatePerson"] is True or not sandbox.world.switches.allow_private_person_change
    assert Connection.objects.get().is_connected


# --- Where the way makes a difference ----------------------------------------------------------------------


@pytest.mark.parametrize("minds", [True, False])
def test_a_name_in_other_letters_is_found_whether_eaccounting_minds_them_or_not(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, minds: bool
) -> None:
    sandbox.switch(mind_case_in_eq=minds)
    company = add_company(name="HAVSVIK KONSULT AB", registration_number="")
    push = run(sheets.create(user=ulf, company=company))
    assert push.wait_reason == WaitReason.DECISION
    assert posts(sandbox) == 0


@pytest.mark.parametrize("needed", [True, False])
def test_a_company_without_the_module_lets_everything_wait_where_it_is_needed(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle: Run, needed: bool
) -> None:
    there = sandbox.world.company("1") or {}
    sandbox.world.store.put(COMPANY, "1", {**there, "ActivatedModules": []})
    sandbox.switch(need_api_module=needed)
    push = run(sheets.create(user=ulf, company=company))
    if needed:
        assert (push.wait_reason, push.failure, posts(sandbox)) == (WaitReason.CONNECTION, "forbidden_module", 0)
        assert "Apps and extensions" in sentence(push.failure)
    else:
        assert push.state == PushState.DONE


@pytest.mark.parametrize("moves", [True, False])
def test_an_invoice_while_the_outcome_is_unknown_lets_a_person_judge(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle: Run, moves: bool
) -> None:
    """An old customer with our e-mail address, under another number: the look before did not show it."""
    sandbox.switch(invoice_moves_customer=moves)
    invoice = sandbox.world.rows(INVOICE, "1")[0]
    _make_near(sandbox, str(invoice["CustomerId"]))
    sandbox.fault(kind="reset", method="POST", path=CUSTOMERS, when="before")
    wish = sheets.create(user=ulf, company=company)
    run(wish)
    later = f"{database_now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    sandbox.world.put(INVOICE, "1", {**invoice, "ModifiedUtc": later})
    push = settle(wish)
    assert (push.wait_reason == WaitReason.DECISION) is moves
    assert len(named(sandbox)) == (0 if moves else 1)


def _make_near(sandbox: Sandbox, customer_id: str) -> Document:
    """Give a customer of long ago the company's e-mail address."""
    row = sandbox.world.row("customer", "1", customer_id)
    assert row is not None
    row = {**row, "EmailAddress": "info@alvstrand.example", "ChangedUtc": "2026-01-02T03:04:05.000000Z"}
    sandbox.world.put("customer", "1", row)
    return row


@pytest.mark.parametrize("taken", [False, True])
def test_an_empty_text_is_filled_from_here_whether_or_not_it_could_be_sent_back(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, settle: Run, taken: bool
) -> None:
    sandbox.switch(accept_empty_strings=taken)
    assert settle(sheets.create(user=ulf, company=company)).state == PushState.DONE
    [customer] = named(sandbox)
    sandbox.world.put("customer", "1", {**customer, "InvoiceCity": ""})
    assert settle(sheets.update_all(user=ulf, company=company)).state == PushState.DONE
    assert named(sandbox)[0]["InvoiceCity"] == "Stockholm"


@pytest.mark.parametrize("header", [False, True])
def test_a_call_too_many_waits_as_long_as_told_with_and_without_the_header(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run, header: bool
) -> None:
    sandbox.switch(retry_after_header=header)
    sandbox.set_up(rate_limit=1)
    wish = sheets.create(user=ulf, company=company)
    before = database_now()
    run(wish)  # the look is the one call that is free
    sandbox.set_up(rate_limit=1_000_000)
    push = Push.objects.get(pk=wish.pk)
    assert (push.state, push.wait_reason, push.failure) == (PushState.WAITING, WaitReason.BUDGET, "rate_limited")
    assert push.next_attempt_at is not None
    assert before < push.next_attempt_at <= database_now() + timedelta(seconds=60)
    assert named(sandbox) == []
