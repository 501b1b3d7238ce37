"""The index of a connection's customers: filled page by page, kept by what changed, and never misled by a lie."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from dev.sandbox.world import CUSTOMER
from integrations.access import rate_limit
from integrations.clock import database_now
from integrations.crash_points import Point
from integrations.delivery import customer_index
from integrations.delivery.calls import read_customer
from integrations.delivery.worker import deliver
from integrations.eaccounting.jsontext import ExactNumber, Json, encode
from integrations.eaccounting.types import Customer
from integrations.exceptions import OtherCompanyAnswered
from integrations.models import (
    BlockedReason,
    Connection,
    CustomerIndex,
    CustomerLink,
    Origin,
    Push,
    RemoteCustomer,
    push_queue,
)
from integrations.services import connect
from integrations.services.customer_index import IndexStage, state_of
from integrations.services.link import link_company, unlink_company
from tests import sheets
from tests.integrations.conftest import CUSTOMERS, AddCompany, confirm_terms, connect_as
from tests.integrations.threads import at_once, in_thread
from tests.integrations.workers import until

DAY = timedelta(hours=25)
Booked = list[tuple[int, datetime]]


def booked(*, later: timedelta = timedelta()) -> Booked:
    """What upkeep hands on."""
    found: Booked = []
    customer_index.look_after(now=database_now() + later, hand_on=lambda key, lease: found.append((key, lease)))
    return found


def steps(connection: Connection, *, most: int = 1000) -> int:
    """Take the steps that are due at once, as workers do; return how many."""
    for key, lease in booked():
        assert key == connection.pk
        mark: datetime | None = lease
        for number in range(1, most + 1):
            mark = customer_index.step(key, lease=mark)
            if mark is None:
                return number
        return most
    return 0


def pass_time(connection: Connection, time: timedelta) -> None:
    """Let so much time pass for the index of a connection."""
    names = ("due_at", "lease_until", "full_at", "read_at", "began_at")
    CustomerIndex.objects.filter(connection=connection).update(**{name: F(name) - time for name in names})
    Connection.objects.filter(pk=connection.pk).update(grant_doubted_at=F("grant_doubted_at") - time)
    past = {name: F(name) - time for name in ("seen_at", "unread_at")}
    RemoteCustomer.objects.filter(connection=connection).update(**past)


def state(connection: Connection) -> CustomerIndex:
    return CustomerIndex.objects.get(connection=connection)


def again(connection: Connection) -> Connection:
    """The connection as it is now."""
    return Connection.objects.get(pk=connection.pk)


def rows(connection: Connection) -> dict[str, RemoteCustomer]:
    """The index by customer number."""
    return {row.number: row for row in RemoteCustomer.objects.filter(connection=connection).order_by("pk")}


def lists(sandbox: Sandbox) -> int:
    """Count the pages that were asked for."""
    return len([call for call in sandbox.calls(method="GET", path=CUSTOMERS) if call.path == CUSTOMERS])


def grow(sandbox: Sandbox, count: int) -> None:
    """Give the company so many more customers."""
    world = sandbox.world
    example = sandbox.customers()[0]
    for number in range(count):
        key = str(uuid.UUID(int=number + 1))
        row = {**example, "Id": key, "CustomerNumber": str(50_000 + number), "Name": f"Kund {number:05} AB"}
        world.put(CUSTOMER, "1", {**row, "ChangedUtc": world.change_timestamp()})


def answer(sandbox: Sandbox, data: list[Json], *, results: int | None = None, pages: int = 1) -> None:
    """Let the next list of customers be answered so, whatever is there."""
    meta = {
        "CurrentPage": 1,
        "PageSize": 1000,
        "TotalNumberOfPages": pages,
        "TotalNumberOfResults": len(data) if results is None else results,
        "ServerTimeUtc": sandbox.world.timestamp(),
    }
    body = encode({"Meta": meta, "Data": data}).decode()
    sandbox.fault(kind="status", method="GET", path=CUSTOMERS, status=200, body=body)


def link(connection: Connection, company: Company, user: User, there: Document) -> CustomerLink:
    customer = read_customer(connection, customer_id=str(there["Id"]))
    return link_company(user=user, company=company, connection=connection, customer=customer, origin=Origin.PASTED)


# --- Filling and keeping -------------------------------------------------------------------------------------


def test_terms_come_first_and_then_every_customer(connection: Connection, anna: User, sandbox: Sandbox) -> None:
    assert booked() == []
    confirm_terms(connection, anna)
    assert steps(connection) == 2, "one page, and one look whether somebody is missing"
    there = {str(row["CustomerNumber"]): row for row in sandbox.customers()}
    here = rows(connection)
    assert here.keys() == there.keys()
    for number, row in here.items():
        assert (row.name, str(row.customer_id)) == (there[number]["Name"], there[number]["Id"])
        assert row.name_sort
        assert f" {number}" in row.search_text
        assert row.account_id == connection.account_id
    now = state(connection)
    assert (now.reading, now.page, now.failure, now.lease_until) == ("", 0, "", None)
    assert now.total == len(there)
    assert now.is_filled


def test_nothing_is_asked_again_before_its_time(ready: Connection, sandbox: Sandbox) -> None:
    steps(ready)
    calls = lists(sandbox)
    assert steps(ready) == 0
    pass_time(ready, timedelta(seconds=601))
    assert steps(ready) == 1
    assert lists(sandbox) == calls + 1


def test_many_customers_are_read_page_by_page_and_a_lost_message_costs_no_page(
    ready: Connection, sandbox: Sandbox
) -> None:
    grow(sandbox, 2100)
    assert steps(ready, most=1) == 1  # and the message for the second page is lost
    assert (state(ready).page, RemoteCustomer.objects.filter(connection=ready).count()) == (2, 1000)
    assert steps(ready) == 0, "its lease is not over"
    pass_time(ready, timedelta(seconds=customer_index.lease_seconds()))
    assert steps(ready) == 3
    assert lists(sandbox) == 3
    assert len(rows(ready)) == len(sandbox.customers())


def test_afterwards_only_what_changed_is_read_and_only_what_differs_is_written(
    ready: Connection, sandbox: Sandbox
) -> None:
    steps(ready)
    before, (first, second, *_) = rows(ready), sandbox.customers()
    sandbox.edit_customer(customer_id=str(first["Id"]), Name="Nytt namn AB", InvoiceCity="Kiruna")
    sandbox.edit_customer(customer_id=str(second["Id"]))  # its ChangedUtc moves, and nothing else
    pass_time(ready, timedelta(seconds=601))
    assert steps(ready) == 1
    after = rows(ready)
    new = after.pop(str(first["CustomerNumber"]))
    assert (new.name, new.city) == ("Nytt namn AB", "Kiruna")
    assert "kiruna" in new.search_text
    assert [row.changed_utc for row in after.values()] == [before[number].changed_utc for number in after]


def test_a_change_that_eaccounting_stored_late_is_not_missed(
    ready: Connection, sandbox: Sandbox, settings: Settings
) -> None:
    settings.EACCOUNTING_SETTLE_SECONDS = 90
    steps(ready)
    first = sandbox.customers()[0]
    late = datetime.fromisoformat(sandbox.world.timestamp()) - timedelta(seconds=60)
    written = late.isoformat().replace("+00:00", "Z")
    sandbox.world.put(CUSTOMER, "1", {**first, "Name": "Sent AB", "ChangedUtc": written})
    pass_time(ready, timedelta(seconds=601))
    steps(ready)
    assert rows(ready)[str(first["CustomerNumber"])].name == "Sent AB"


def test_a_customer_without_a_time_of_change_is_found_by_the_next_full_pass(
    ready: Connection, sandbox: Sandbox
) -> None:
    steps(ready)
    first = sandbox.customers()[0]
    sandbox.world.put(CUSTOMER, "1", {**first, "Name": "Tidlös AB", "ChangedUtc": None})
    answer(sandbox, [])  # the stand-in cannot compare nothing with a time
    pass_time(ready, timedelta(seconds=601))
    steps(ready)
    assert rows(ready)[str(first["CustomerNumber"])].name == first["Name"]
    pass_time(ready, DAY)
    steps(ready)
    assert rows(ready)[str(first["CustomerNumber"])].name == "Tidlös AB"


def test_a_page_read_before_a_delivery_stored_its_answer_does_not_overwrite_it(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User, at_point: Callable[..., None]
) -> None:
    first = sandbox.customers()[0]

    def deliver_newer() -> None:
        sandbox.edit_customer(customer_id=str(first["Id"]), Name="Nyare AB")
        link(ready, company, anna, first)

    at_point(Point.INDEX_PAGE_READ, deliver_newer)
    steps(ready)
    assert rows(ready)[str(first["CustomerNumber"])].name == "Nyare AB"
    assert len(rows(ready)) == len(sandbox.customers())


# --- Who is not there any more ---------------------------------------------------------------------------------


def test_a_removed_customer_is_found_by_a_full_pass_and_its_link_broken(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    first, second, *_ = sandbox.customers()
    link(ready, company, anna, first)
    steps(ready)
    for row in (first, second):
        sandbox.world.remove(CUSTOMER, "1", str(row["Id"]))
    pass_time(ready, timedelta(seconds=601))
    steps(ready)
    assert not RemoteCustomer.objects.exclude(gone_at=None).exists(), "changes tell nothing of removed ones"
    pass_time(ready, DAY)
    steps(ready)
    gone = RemoteCustomer.objects.exclude(gone_at=None)
    assert {str(row.customer_id) for row in gone} == {first["Id"], second["Id"]}
    assert CustomerLink.objects.get().broken == CustomerLink.Broken.DELETED
    asked = len(sandbox.calls(method="GET", path=f"{CUSTOMERS}/"))
    pass_time(ready, DAY)
    steps(ready)
    assert len(sandbox.calls(method="GET", path=f"{CUSTOMERS}/")) == asked, "who is gone is not asked for again"


def test_who_is_on_no_page_but_answers_is_there(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    first = sandbox.customers()[0]
    link(ready, company, anna, first)
    steps(ready)
    answer(sandbox, sandbox.customers()[1:])
    pass_time(ready, DAY)
    steps(ready)
    assert not RemoteCustomer.objects.exclude(gone_at=None).exists()
    assert CustomerLink.objects.get().broken == ""


@pytest.mark.parametrize("results", [1000, None])
def test_pages_that_do_not_name_all_make_nobody_a_suspect(
    ready: Connection, sandbox: Sandbox, results: int | None
) -> None:
    steps(ready)
    there = sandbox.customers()
    sandbox.forget_calls()
    answer(sandbox, there[1:] if results else [], results=results)
    pass_time(ready, DAY)
    assert steps(ready) == 1
    assert sandbox.calls(method="GET", path=f"{CUSTOMERS}/") == []
    assert state(ready).reading == ""


def test_the_index_is_complete_once_a_pass_named_all_customers(ready: Connection, sandbox: Sandbox) -> None:
    there = sandbox.customers()
    answer(sandbox, there[1:], results=len(there))
    assert steps(ready) == 1
    now = state(ready)
    report = state_of(again(ready))
    assert (now.is_filled, report.stage, report.read) == (
        False,
        IndexStage.FILLING,
        len(there) - 1,
    )
    assert steps(ready) == 0, "not at once again"
    pass_time(ready, timedelta(seconds=601))
    steps(ready)
    assert state(ready).is_filled
    assert len(rows(ready)) == len(there)


def test_a_number_of_customers_that_is_wrong_for_a_day_is_not_believed(ready: Connection, sandbox: Sandbox) -> None:
    for is_filled in (False, True):
        answer(sandbox, sandbox.customers(), results=1000)
        steps(ready)
        assert state(ready).is_filled is is_filled
        pass_time(ready, DAY)
        Connection.objects.filter(pk=ready.pk).update(connected_at=database_now() - DAY)


def test_a_company_without_customers_has_a_filled_index(ready: Connection, sandbox: Sandbox) -> None:
    answer(sandbox, [])
    steps(ready)
    assert state(ready).is_filled


def test_not_all_of_very_many_missing_ones_are_asked_for_in_one_night(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    grow(sandbox, 60)
    linked = sandbox.customers()[-1]
    steps(ready)
    link(ready, company, anna, linked)
    for number in range(60):
        sandbox.world.remove(CUSTOMER, "1", str(uuid.UUID(int=number + 1)))
    pass_time(ready, DAY)
    steps(ready)
    gone = RemoteCustomer.objects.exclude(gone_at=None)
    assert gone.count() == customer_index.MOST_LOOKED_FOR
    assert CustomerLink.objects.get().broken == CustomerLink.Broken.DELETED, "the linked one came first"
    pass_time(ready, DAY)
    steps(ready)
    assert gone.count() == 60


def test_a_customer_that_is_listed_again_is_there_again(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    first = sandbox.customers()[0]
    link(ready, company, anna, first)
    steps(ready)
    sandbox.world.remove(CUSTOMER, "1", str(first["Id"]))
    pass_time(ready, DAY)
    steps(ready)
    sandbox.world.put(CUSTOMER, "1", first)
    pass_time(ready, DAY)
    steps(ready)
    assert not RemoteCustomer.objects.exclude(gone_at=None).exists()
    assert CustomerLink.objects.get().broken == ""


def test_a_customer_wrongly_taken_for_gone_is_back_once_it_is_listed(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    first = sandbox.customers()[0]
    link(ready, company, anna, first)
    steps(ready)
    push = sheets.update_all(user=anna, company=company)
    sandbox.fault(kind="error", method="GET", path=f"{CUSTOMERS}/.*", status=404, error_code=3000)
    deliver(push.pk)
    assert CustomerLink.objects.get().broken == CustomerLink.Broken.DELETED
    assert rows(ready)[str(first["CustomerNumber"])].gone_at is not None
    pass_time(ready, DAY)
    steps(ready)
    assert CustomerLink.objects.get().broken == ""
    assert rows(ready)[str(first["CustomerNumber"])].gone_at is None


def test_a_link_follows_whether_its_customer_is_active(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    first = sandbox.customers()[0]
    link(ready, company, anna, first)
    seen = []
    for is_active in (False, True):
        sandbox.edit_customer(customer_id=str(first["Id"]), IsActive=is_active)
        pass_time(ready, timedelta(seconds=601))
        steps(ready)
        seen.append((CustomerLink.objects.get().broken, CustomerLink.objects.get().customer.is_active))
    assert seen == [(CustomerLink.Broken.INACTIVE, False), ("", True)]


# --- Lies --------------------------------------------------------------------------------------------------------


def test_rows_that_nobody_can_read_cost_the_others_nothing(ready: Connection, sandbox: Sandbox) -> None:
    good, nameless, *_ = sandbox.customers()
    odd: list[Json] = [
        good,
        {**nameless, "Name": None},
        "no object",
        None,
        {"Name": "Utan id"},
        {**good, "Id": str(uuid.uuid4()), "Name": "x" * 5000, "CustomerNumber": "9" * 99, "ChangedUtc": "i går"},
        {**good, "Id": str(uuid.uuid4()), "Name": "Nolla \0 och \ud800", "UnpaidInvoicesAmount": 1e300},
        {**good, "Id": str(uuid.uuid4()), "Name": "Förr", "ChangedUtc": "0001-01-01T00:00:00+14:00"},
    ]
    answer(sandbox, odd)
    steps(ready)
    now = state(ready)
    assert (now.reading, now.skipped, now.is_filled) == ("", 4, True)
    assert RemoteCustomer.objects.filter(connection=ready).count() == 4


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("9999999999999999.999", None),
        ("9999999999999999.991", Decimal("9999999999999999.99")),
        ("1e9999999", None),
        ("1e99999999999999999999", None),
        ("1e-9999999", Decimal(0)),
    ],
)
def test_an_amount_that_no_column_holds_costs_the_others_nothing(
    ready: Connection, sandbox: Sandbox, written: str, kept: Decimal | None
) -> None:
    first, *others = sandbox.customers()
    answer(sandbox, [{**first, "UnpaidInvoicesAmount": ExactNumber(written)}, *others])
    steps(ready)
    assert len(rows(ready)) == len(sandbox.customers())
    assert rows(ready)[str(first["CustomerNumber"])].unpaid_amount == kept


def test_texts_of_millions_of_signs_are_not_kept(ready: Connection, sandbox: Sandbox) -> None:
    first, *others = sandbox.customers()
    endless = dict.fromkeys(("Name", "InvoiceCity", "EmailAddress", "Telephone"), "a b " * 500_000)
    answer(sandbox, [{**first, **endless}, *others])
    steps(ready)
    row = rows(ready)[str(first["CustomerNumber"])]
    assert state(ready).is_filled
    assert len(row.search_text) + len(json.dumps(row.answered)) < 10_000


def test_pages_that_repeat_each_other_end_the_pass(ready: Connection, sandbox: Sandbox) -> None:
    """The page that is asked for is ignored, and there is said to be always another one."""
    for _ in range(5):
        answer(sandbox, sandbox.customers(), results=10**6, pages=10**6)
    sandbox.forget_calls()
    steps(ready)
    assert lists(sandbox) == 2
    now = state(ready)
    assert (now.reading, now.failure, now.is_filled) == ("", "", False)
    assert now.due_at is not None
    assert len(rows(ready)) == len(sandbox.customers())
    assert not RemoteCustomer.objects.exclude(gone_at=None).exists()


def test_the_same_customer_on_two_pages_is_one(ready: Connection, sandbox: Sandbox) -> None:
    good, other, *_ = sandbox.customers()
    answer(sandbox, [good, other, good], pages=2, results=3)
    answer(sandbox, [good], pages=2, results=3)
    steps(ready)
    assert RemoteCustomer.objects.filter(connection=ready).count() == 2
    assert state(ready).reading == ""


def test_a_known_customer_that_cannot_be_read_stays_as_it_was(ready: Connection, sandbox: Sandbox) -> None:
    steps(ready)
    first = sandbox.customers()[0]
    sandbox.world.put(CUSTOMER, "1", {**first, "Name": None})
    sandbox.forget_calls()
    pass_time(ready, DAY)
    steps(ready)
    row = rows(ready)[str(first["CustomerNumber"])]
    assert (row.name, row.gone_at) == (first["Name"], None)
    assert sandbox.calls(method="GET", path=f"{CUSTOMERS}/") == []


@pytest.mark.parametrize("is_listed", [True, False])
def test_values_that_nobody_could_read_anew_are_as_old_as_the_answer_they_are_from(
    ready: Connection, sandbox: Sandbox, is_listed: bool
) -> None:
    steps(ready)
    first, *others = sandbox.customers()
    nameless = {**first, "Name": None}
    sandbox.world.put(CUSTOMER, "1", nameless)
    pass_time(ready, DAY)
    before = rows(ready)[str(first["CustomerNumber"])]
    answer(sandbox, [nameless, *others] if is_listed else others)
    steps(ready)
    after = rows(ready)[str(first["CustomerNumber"])]
    assert (after.seen_at, after.gone_at) == (before.seen_at, None)
    assert after.unread_at is not None
    sandbox.world.put(CUSTOMER, "1", first)
    pass_time(ready, DAY)
    steps(ready)
    after = rows(ready)[str(first["CustomerNumber"])]
    assert after.seen_at > database_now() - timedelta(minutes=1)
    assert after.unread_at is None


def test_a_suspect_that_cannot_be_read_keeps_nobody_from_the_next_one(ready: Connection, sandbox: Sandbox) -> None:
    steps(ready)
    first, second, *others = sandbox.customers()
    sandbox.world.put(CUSTOMER, "1", {**first, "Name": None})
    sandbox.world.remove(CUSTOMER, "1", str(second["Id"]))
    answer(sandbox, others)
    pass_time(ready, DAY)
    steps(ready)
    here = rows(ready)
    assert here[str(first["CustomerNumber"])].gone_at is None
    assert here[str(second["CustomerNumber"])].gone_at is not None
    assert state(ready).reading == ""


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 400, "error_code": 2000},
        {"status": 400, "error_code": 6001},
        {"status": 403, "error_code": 1},
        {"status": 500, "error_code": 5000},
    ],
)
def test_a_suspect_that_is_always_answered_with_an_error_holds_nobody_up(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User, fault: dict[str, Json]
) -> None:
    first, second, *others = sandbox.customers()
    link(ready, company, anna, first)  # so it is the first suspect
    steps(ready)
    sandbox.world.remove(CUSTOMER, "1", str(second["Id"]))
    answer(sandbox, others)
    sandbox.fault(kind="error", method="GET", path=f"{CUSTOMERS}/{first['Id']}", count=None, **fault)
    pass_time(ready, DAY)
    steps(ready)
    pass_time(ready, timedelta(hours=1))
    steps(ready)
    here = rows(ready)
    assert here[str(first["CustomerNumber"])].gone_at is None
    assert here[str(second["CustomerNumber"])].gone_at is not None
    assert (state(ready).reading, state(ready).failure) == ("", "")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_suspect_whose_404_is_not_eaccountings_is_looked_for_in_the_list(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User, is_there: bool
) -> None:
    first, *others = sandbox.customers()
    linked = link(ready, company, anna, first)
    steps(ready)
    if not is_there:
        sandbox.world.remove(CUSTOMER, "1", str(first["Id"]))
    answer(sandbox, others)
    sandbox.fault(kind="status", status=404, method="GET", path=f"{CUSTOMERS}/{first['Id']}", count=None)
    pass_time(ready, DAY)
    steps(ready)
    pass_time(ready, timedelta(hours=1))
    steps(ready)
    linked.refresh_from_db()
    assert linked.broken == ("" if is_there else CustomerLink.Broken.DELETED)
    assert (rows(ready)[str(first["CustomerNumber"])].gone_at is None) == is_there


def test_a_server_error_that_passes_leaves_a_suspect_one(ready: Connection, sandbox: Sandbox) -> None:
    steps(ready)
    first, *others = sandbox.customers()
    sandbox.world.remove(CUSTOMER, "1", str(first["Id"]))
    answer(sandbox, others)
    sandbox.fault(kind="error", method="GET", path=f"{CUSTOMERS}/.*", status=500)
    pass_time(ready, DAY)
    steps(ready)
    assert rows(ready)[str(first["CustomerNumber"])].gone_at is None
    pass_time(ready, timedelta(hours=1))
    steps(ready)
    assert rows(ready)[str(first["CustomerNumber"])].gone_at is not None


# --- Failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "error", "status": 500}, "server_error"),
        ({"kind": "error", "status": 429, "error_code": 4010, "text": "Try again in 30 seconds."}, "rate_limited"),
        ({"kind": "reset", "count": None}, "no_answer"),
        ({"kind": "truncated"}, "answer_unreadable"),
    ],
)
def test_after_a_failure_the_pass_goes_on_where_it_was(
    ready: Connection, sandbox: Sandbox, fault: dict[str, Json], code: str
) -> None:
    grow(sandbox, 1100)
    assert steps(ready, most=1) == 1
    sandbox.fault(method="GET", path=CUSTOMERS, **fault)
    pass_time(ready, timedelta(seconds=customer_index.lease_seconds()))
    before = database_now()
    assert steps(ready) == 1
    now = state(ready)
    assert (now.page, now.failure, now.lease_until) == (2, code, None)
    assert now.due_at is not None
    assert now.due_at > before + timedelta(seconds=25)
    assert now.due_at <= database_now() + timedelta(seconds=customer_index.LONGEST_PAUSE)
    sandbox.faults.clear()
    pass_time(ready, timedelta(hours=1))
    rate_limit._redis().flushdb()  # the silence that a 429 asked for
    assert steps(ready) == 2
    assert state(ready).failure == ""
    assert len(rows(ready)) == len(sandbox.customers())


def test_a_page_that_is_refused_lets_the_pass_begin_anew(ready: Connection, sandbox: Sandbox) -> None:
    grow(sandbox, 1100)
    assert steps(ready, most=1) == 1
    sandbox.fault(kind="error", method="GET", path=CUSTOMERS, status=400, error_code=6001)
    pass_time(ready, timedelta(seconds=customer_index.lease_seconds()))
    assert steps(ready) == 1
    now = state(ready)
    assert (now.reading, now.page, now.failure) == ("", 0, "query")
    pass_time(ready, timedelta(hours=1))
    assert steps(ready) == 3
    assert len(rows(ready)) == len(sandbox.customers())


def test_a_page_that_fails_for_an_hour_lets_the_pass_begin_anew(ready: Connection, sandbox: Sandbox) -> None:
    grow(sandbox, 1100)
    assert steps(ready, most=1) == 1
    sandbox.fault(kind="error", method="GET", path=CUSTOMERS, status=500, count=None)
    pages = []
    for _ in range(3):
        pass_time(ready, timedelta(minutes=25))
        assert steps(ready) == 1
        pages.append(state(ready).page)
    assert pages == [2, 2, 0]
    sandbox.faults.clear()
    pass_time(ready, timedelta(hours=1))
    steps(ready)
    assert len(rows(ready)) == len(sandbox.customers())


def test_changes_do_not_wait_long_for_suspects_that_all_fail(ready: Connection, sandbox: Sandbox) -> None:
    steps(ready)
    first, *others = sandbox.customers()
    answer(sandbox, [first])  # and says that there is no other
    sandbox.fault(kind="error", method="GET", path=f"{CUSTOMERS}/.+", status=500, count=None)
    pass_time(ready, DAY)
    steps(ready)
    assert state(ready).reading == "missing"
    sandbox.edit_customer(customer_id=str(others[0]["Id"]), Name="Nytt namn AB")
    pass_time(ready, timedelta(hours=1))
    for _ in range(3):
        steps(ready)
        pass_time(ready, timedelta(minutes=11))
    assert rows(ready)[str(others[0]["CustomerNumber"])].name == "Nytt namn AB"


def test_one_failure_of_a_long_pass_costs_no_page(ready: Connection, sandbox: Sandbox) -> None:
    grow(sandbox, 1100)
    assert steps(ready, most=1) == 1
    sandbox.fault(kind="error", method="GET", path=CUSTOMERS, status=500)
    pass_time(ready, timedelta(hours=2))
    assert steps(ready) == 1
    assert state(ready).page == 2


def test_an_error_of_ours_gives_the_room_to_others_and_the_step_is_tried_again(
    ready: Connection, sandbox: Sandbox, at_point: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OverflowError

    at_point(Point.INDEX_PAGE_READ, fail)
    assert steps(ready) == 1
    now = state(ready)
    assert (now.failure, now.lease_until) == (customer_index.FAULT, None)
    assert "OverflowError" in caplog.text
    assert steps(ready) == 0, "not at once again"
    pass_time(ready, timedelta(seconds=customer_index.LONGEST_PAUSE))
    assert steps(ready) == 2
    assert state(ready).is_filled


@pytest.mark.parametrize("results", [-1, 2**31])
def test_a_number_of_customers_that_cannot_be_is_stored_as_far_as_it_fits(
    ready: Connection, sandbox: Sandbox, results: int
) -> None:
    answer(sandbox, sandbox.customers(), results=results)
    steps(ready)
    assert len(rows(ready)) == len(sandbox.customers())
    assert state(ready).failure == ""


def test_a_server_time_of_no_time_at_all_fails_as_an_answer_that_cannot_be_read(
    ready: Connection, sandbox: Sandbox
) -> None:
    meta = {"TotalNumberOfPages": 1, "ServerTimeUtc": "0001-01-01T00:00:00Z"}
    body = json.dumps({"Meta": meta, "Data": []})
    sandbox.fault(kind="status", method="GET", path=CUSTOMERS, status=200, body=body)
    assert steps(ready) == 1
    assert state(ready).failure == "field_missing"
    pass_time(ready, timedelta(hours=1))
    steps(ready)
    assert state(ready).is_filled


@pytest.mark.django_db(transaction=True)
def test_a_lost_connection_holds_the_index_up_until_somebody_reconnects(
    ready: Connection, sandbox: Sandbox, anna: User
) -> None:
    grow(sandbox, 1100)
    steps(ready, most=1)
    sandbox.revoke_grants()
    sandbox.expire_access_tokens()
    pass_time(ready, timedelta(hours=1))
    while steps(ready):
        pass_time(ready, timedelta(hours=1))
    assert again(ready).state == Connection.State.NEEDS_RECONNECT
    connect_as(anna)
    pass_time(ready, timedelta(hours=1))
    lists_before = lists(sandbox)
    assert steps(ready) == 2
    assert lists(sandbox) == lists_before + 1, "the first page is not read again"
    assert len(rows(ready)) == len(sandbox.customers())


def test_a_refusal_of_everything_blocks_the_connection_and_its_index(ready: Connection, sandbox: Sandbox) -> None:
    sandbox.fault(kind="error", method="GET", path=CUSTOMERS, status=403, error_code=4012)
    assert steps(ready) == 1
    assert again(ready).blocked_reason == BlockedReason.LICENCE
    pass_time(ready, DAY)
    assert booked() == []
    ready.unblock()
    assert steps(ready) == 2
    assert state(ready).is_filled


def test_another_eaccounting_company_has_an_index_of_its_own(ready: Connection, sandbox: Sandbox, anna: User) -> None:
    steps(ready)
    connect.disconnect(user=anna, connection=again(ready))
    other = connect_as(anna, company="2")
    confirm_terms(other, anna)
    assert steps(other) == 2
    theirs = {str(row.customer_id) for row in RemoteCustomer.objects.filter(connection=other)}
    assert theirs == {row["Id"] for row in sandbox.customers(company="2")}
    assert len(rows(ready)) == len(sandbox.customers())


# --- Who holds a step ------------------------------------------------------------------------------------------------


def test_a_step_is_handed_on_once(ready: Connection, sandbox: Sandbox) -> None:
    [(key, lease)] = booked()
    assert booked() == []
    assert customer_index.step(key, lease=lease) is not None
    calls = len(sandbox.calls())
    assert customer_index.step(key, lease=lease) is None, "the same message once more"
    assert len(sandbox.calls()) == calls


def test_who_was_frozen_past_the_lease_stores_nothing(
    ready: Connection, sandbox: Sandbox, at_point: Callable[..., None]
) -> None:
    def others_do_it() -> None:
        CustomerIndex.objects.update(lease_until=database_now() - timedelta(seconds=1))
        sandbox.edit_customer(customer_id=str(sandbox.customers()[0]["Id"]), Name="Nyare AB")
        steps(ready)

    at_point(Point.INDEX_PAGE_READ, others_do_it)
    assert steps(ready) == 1
    now = state(ready)
    assert (now.reading, now.lease_until) == ("", None)
    assert rows(ready)[str(sandbox.customers()[0]["CustomerNumber"])].name == "Nyare AB"


def test_no_more_than_two_connections_are_read_at_once(ready: Connection, sandbox: Sandbox, anna: User) -> None:
    others = [
        Connection.objects.create(
            account=anna.account,
            identity_kind=Connection.IdentityKind.CLAIM,
            identity=f"other {number}",
            is_current=False,
            issued_at=database_now(),
            expires_at=database_now(),
            connected_at=database_now(),
            connected_by=anna,
            terms_read_at=database_now(),
        )
        for number in range(3)
    ]
    for other in others:
        CustomerIndex.resume(other)
    assert len(booked()) == customer_index.AT_ONCE
    assert booked() == []
    assert len(booked(later=timedelta(seconds=customer_index.lease_seconds()))) == customer_index.AT_ONCE
    assert len(others) == 3


# --- Erasing -----------------------------------------------------------------------------------------------------


def test_disconnecting_keeps_the_copy_unless_an_admin_wants_it_erased(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    link(ready, company, anna, sandbox.customers()[0])
    steps(ready)
    known = len(rows(ready))
    connect.disconnect(user=anna, connection=again(ready))
    assert (booked(), len(rows(ready))) == ([], known)
    connect_as(anna)
    connect.disconnect(user=anna, connection=again(ready), erase=True)
    assert steps(ready) == 2
    assert [row.pk for row in rows(ready).values()] == [CustomerLink.objects.get().customer_id]
    now = state(ready)
    assert (now.erasing, now.lease_until, now.is_filled, booked()) == (False, None, False, [])


def test_a_page_under_way_is_not_stored_after_the_copy_was_to_be_erased(
    ready: Connection, sandbox: Sandbox, anna: User, at_point: Callable[..., None]
) -> None:
    at_point(Point.INDEX_PAGE_READ, lambda: connect.disconnect(user=anna, connection=again(ready), erase=True))
    steps(ready)
    assert rows(ready) == {}
    steps(ready)
    assert not state(ready).erasing


def test_connecting_again_ends_the_erasing_and_fills_the_index_anew(
    ready: Connection, sandbox: Sandbox, anna: User
) -> None:
    steps(ready)
    connect.disconnect(user=anna, connection=again(ready), erase=True)
    connect_as(anna)
    assert not state(ready).erasing
    assert steps(ready) == 2
    assert len(rows(ready)) == len(sandbox.customers())


def test_what_is_to_be_erased_is_erased_while_another_company_is_connected(
    ready: Connection, sandbox: Sandbox, anna: User
) -> None:
    steps(ready)
    connect.disconnect(user=anna, connection=again(ready), erase=True)
    connect_as(anna, company="2")
    with pytest.raises(OtherCompanyAnswered):
        connect_as(anna)
    assert steps(ready) == 2
    assert rows(ready) == {}
    assert not state(ready).erasing


def test_a_company_that_is_come_back_to_is_fetched_anew_and_not_erased(
    ready: Connection, sandbox: Sandbox, anna: User
) -> None:
    steps(ready)
    connect.disconnect(user=anna, connection=again(ready), erase=True)
    connect.disconnect(user=anna, connection=connect_as(anna, company="2"))
    connect_as(anna)
    assert not state(ready).erasing
    confirm_terms(again(ready), anna)
    steps(ready)
    assert len(rows(ready)) == len(sandbox.customers())


def test_erasing_goes_in_parts_and_leaves_other_connections_alone(
    ready: Connection, sandbox: Sandbox, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_index, "ERASED_AT_ONCE", 3)
    steps(ready)
    connect.disconnect(user=anna, connection=again(ready))
    other = connect_as(anna, company="2")
    confirm_terms(other, anna)
    steps(other)
    kept, erased = len(rows(ready)), len(rows(other))
    connect.disconnect(user=anna, connection=again(other), erase=True)
    assert steps(other) == -(-erased // 3) + 1
    assert (len(rows(ready)), len(rows(other))) == (kept, 0)


# --- Beside others -------------------------------------------------------------------------------------------------


def test_a_page_takes_the_same_queries_however_many_customers_it_has(ready: Connection, sandbox: Sandbox) -> None:
    counts = []
    for _ in range(3):
        grow(sandbox, 300 * (len(counts) + 1))
        pass_time(ready, DAY)
        with CaptureQueriesContext(database) as queries:
            steps(ready)
        counts.append(len(queries))
    assert counts[1] == counts[2]
    assert counts[0] < 60


def test_newer_values_leave_alone_what_a_link_agreed_on(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User
) -> None:
    first = sandbox.customers()[0]
    made = link(ready, company, anna, first)
    made.keep(here={"Name": "Här AB"}, there={"Name": str(first["Name"])})
    sandbox.edit_customer(customer_id=str(first["Id"]), Name="Nytt där AB")
    steps(ready)
    now = CustomerLink.objects.select_related("customer").get()
    assert (now.answered, now.customer.name) == ({"Name": first["Name"]}, "Nytt där AB")


@pytest.mark.django_db(transaction=True)
def test_pages_and_deliveries_can_store_the_same_customers_at_once(ready: Connection, sandbox: Sandbox) -> None:
    """Deliveries come in all orders; whatever they stored is newer than the page."""
    customers = [Customer.from_json(row) for row in sandbox.customers()]
    began = database_now()

    def page() -> None:
        for _ in range(10):
            with transaction.atomic():
                customer_index._store(ready, customers, began=began)

    def deliveries(order: int) -> None:
        for customer in customers[::order]:
            with transaction.atomic():
                newer = replace(customer, name=f"{customer.name} (ny)")
                RemoteCustomer.remember(connection=ready, customer=newer, answered={}, now=database_now())

    done = at_once([page, page, partial(deliveries, 1), partial(deliveries, -1)])
    assert done == [None] * 4
    assert {row.name for row in rows(ready).values()} == {f"{customer.name} (ny)" for customer in customers}


@pytest.mark.django_db(transaction=True)
def test_a_customer_that_a_delivery_is_just_storing_keeps_the_newer_answer(ready: Connection, sandbox: Sandbox) -> None:
    customer = Customer.from_json(sandbox.customers()[0])
    began = database_now()

    def page() -> None:
        with transaction.atomic():
            customer_index._store(ready, [customer], began=began)

    with transaction.atomic():
        newer = replace(customer, name="Nyare AB")
        RemoteCustomer.remember(connection=ready, customer=newer, answered={}, now=database_now())
        storing = in_thread(page)
        until(_somebody_waits, what="the page to wait for the delivery")
    storing.result(60)
    assert RemoteCustomer.objects.get().name == "Nyare AB"


def _somebody_waits() -> bool:
    with database.cursor() as cursor:
        cursor.execute("select exists (select from pg_locks where not granted)")
        return bool(cursor.fetchone()[0])


def test_the_links_to_customers_can_be_found_by_the_index_of_the_customers(ready: Connection) -> None:
    """It begins with the connection: without it PostgreSQL goes through all customers of everybody."""
    query = str(CustomerLink.of_customers([uuid.uuid4()], connection=ready).query)
    assert '"integrations_remotecustomer"."connection_id" =' in query
    assert '"integrations_customerlink"."connection_id" =' in query


@pytest.fixture
def page_under_way(
    ready: Connection, company: Company, anna: User, sandbox: Sandbox
) -> Iterator[tuple[Connection, Callable[[], None]]]:
    """A page that is being stored, until the function is called: somebody holds one of its customers."""
    link(ready, company, anna, sandbox.customers()[0])
    is_held, is_over = threading.Event(), threading.Event()

    def hold_a_customer() -> None:
        with transaction.atomic():
            RemoteCustomer.objects.select_for_update(no_key=True).get()
            is_held.set()
            is_over.wait(30)

    holding = in_thread(hold_a_customer)
    assert is_held.wait(10)
    storing = in_thread(lambda: steps(ready, most=1))
    until(_somebody_waits, what="the page to be in the middle of its transaction")
    with database.cursor() as cursor:
        cursor.execute("set lock_timeout = '5s'")  # who waits for the page fails, instead of hanging the test

    def go_on() -> None:
        assert _somebody_waits(), "the page is not stored yet"
        is_over.set()
        holding.result(60)
        assert storing.result(60) == 1

    yield ready, go_on
    is_over.set()
    with database.cursor() as cursor:
        cursor.execute("reset lock_timeout")
    assert (state(ready).reading, state(ready).failure) == ("missing", ""), "the page was stored"


@pytest.mark.django_db(transaction=True)
def test_a_click_does_not_wait_for_a_page_that_is_being_stored(
    page_under_way: tuple[Connection, Callable[[], None]], add_company: AddCompany, anna: User
) -> None:
    """Nor is a row passed over that waits for its turn on that connection."""
    ready, let_the_page_go_on = page_under_way
    company = add_company(name="Nytt Bygge AB", registration_number="")
    push = sheets.create(user=anna, company=company)
    with transaction.atomic():
        Connection.objects.select_for_update(no_key=True, nowait=True).get(pk=ready.pk)
    Push.objects.filter(pk=push.pk).update(next_attempt_at=database_now() - timedelta(minutes=1))
    taken = push_queue.claim_in_turn(now=database_now(), seconds=5)
    assert taken is not None
    assert taken.pk == push.pk
    let_the_page_go_on()


@pytest.mark.django_db(transaction=True)
def test_a_click_on_a_linked_customer_does_not_wait_for_its_page(
    page_under_way: tuple[Connection, Callable[[], None]], company: Company, anna: User
) -> None:
    _ready, let_the_page_go_on = page_under_way
    unlink_company(user=anna, company=company)
    let_the_page_go_on()
    assert not CustomerLink.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_on_a_page", [True, False])
def test_a_click_that_holds_the_connection_can_take_a_link_that_the_index_changes(
    ready: Connection, sandbox: Sandbox, company: Company, anna: User, is_on_a_page: bool
) -> None:
    """Neither waits for the other in a circle: the index asks nothing of the connection's row."""
    first, *others = sandbox.customers()
    linked = link(ready, company, anna, first)
    steps(ready)
    sandbox.edit_customer(customer_id=str(first["Id"]), IsActive=False)
    pass_time(ready, DAY)
    if not is_on_a_page:
        answer(sandbox, others)
        steps(ready, most=1)
        pass_time(ready, timedelta(seconds=customer_index.lease_seconds()))
    with transaction.atomic():
        Connection.objects.select_for_update(no_key=True).get(pk=ready.pk)
        in_thread(lambda: steps(ready)).result(60)
        assert CustomerLink.objects.get().broken == CustomerLink.Broken.INACTIVE
        linked.mark_broken("")
    assert state(ready).failure == ""
    assert CustomerLink.objects.get().broken == ""
