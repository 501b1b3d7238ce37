"""Faults while a customer is updated: no field, no person's edit and no newer wish is lost. Judged as a create."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from companies.models import Company
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.clock import database_now
from integrations.delivery.calls import read_customer
from integrations.delivery.worker import deliver
from integrations.domain.mapping import BY_PROPERTY
from integrations.models import Connection, CustomerLink, Origin, Push, PushState, WaitReason, push_queue
from integrations.services.link import link_company
from integrations.services.requests import recheck_push
from integrations.services.try_again import repeat_push
from tests import sheets
from tests.faults.reading import UP_TO_DATE, Card
from tests.holding import committed_late, held
from tests.integrations.conftest import AddCompany, MovableClock, Run, call_seconds, forget_gateway, posts, puts
from tests.integrations.threads import in_thread
from tests.integrations.workers import until
from tests.proxy import Proxy

BJORK = "1001"  # the sandbox's customer with everything: notes, labels, a delivery address
LOST = "The answer was lost. We are checking whether the information was saved. Next check"
AWAY = "Visma eAccounting cannot be reached. This is sent again automatically."


def there(sandbox: Sandbox) -> Document:
    return next(row for row in sandbox.customers() if row["CustomerNumber"] == BJORK)


def foreign(row: Document) -> Document:
    """What is not ours to write and does not move by itself."""
    return {name: value for name, value in row.items() if name not in BY_PROPERTY and name != "ChangedUtc"}


@pytest.fixture
def linked(ready: Connection, company: Company, ulf: User, sandbox: Sandbox) -> CustomerLink:
    """The company is linked to a customer that differs in nearly everything."""
    customer = read_customer(ready, customer_id=str(there(sandbox)["Id"]))
    link = link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    sandbox.forget_calls()
    return link


@pytest.fixture
def wish(linked: CustomerLink, company: Company, ulf: User) -> Push:
    return sheets.update_all(user=ulf, company=company)


def edit(company: Company, **values: str) -> None:
    company.save_changes(now=timezone.now(), values=values)


@pytest.mark.parametrize("when", ["before", "after"], ids=["not-committed", "committed"])
@pytest.mark.parametrize("kind", ["no_answer", "reset", "truncated", "status"])
def test_a_lost_answer_to_the_put_is_told_and_settles_with_everything_kept(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, card: Card, kind: str, when: str
) -> None:
    settings.EACCOUNTING_CALL_SECONDS = call_seconds(kind)
    before = there(sandbox)
    sandbox.fault(method="PUT", kind=kind, when=when)
    run(wish)
    assert f"Checking {LOST}" in card(ulf, wish.company)
    assert settle(wish).state == PushState.DONE
    assert (there(sandbox)["Name"], foreign(there(sandbox))) == (wish.company.name, foreign(before))
    assert puts(sandbox) == (2 if when == "before" else 1)
    assert UP_TO_DATE in card(ulf, wish.company)


@pytest.mark.parametrize("trouble", ["silence", "reset", "slow bytes", "closed"])
def test_a_bad_line_to_eaccounting_is_survived(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, settings: Settings, card: Card, trouble: str
) -> None:
    settings.EACCOUNTING_CALL_SECONDS = 2
    before = there(sandbox)
    with Proxy.before(settings.EACCOUNTING_API_URL) as line:
        settings.EACCOUNTING_API_URL = line.url
        forget_gateway()
        line.to_client.silent = trouble == "silence"
        line.to_client.seconds_per_byte = 60.0 if trouble == "slow bytes" else 0.0
        if trouble == "reset":
            line.to_client.end_after(10, how="reset")
        if trouble == "closed":
            line.down()
        run(wish)
        assert f"Waiting {AWAY}" in card(ulf, wish.company)
        line.heal()
        line.reset()
        if trouble == "closed":
            line.up()
        assert settle(wish).state == PushState.DONE
        forget_gateway()
    assert (there(sandbox)["Name"], foreign(there(sandbox))) == (wish.company.name, foreign(before))
    assert puts(sandbox) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["reset", "no_answer"])
def test_a_put_stored_after_we_read_again_reverts_nobodys_value(
    wish: Push, company: Company, ulf: User, sandbox: Sandbox, settle: Run, settings: Settings, how: str
) -> None:
    settings.EACCOUNTING_CALL_SECONDS = call_seconds(how)
    with committed_late(sandbox, method="PUT", how=how):
        deliver(wish.pk)
        Push.objects.update(next_attempt_at=database_now())
        deliver(wish.pk)  # our reading again, long before the commit
        edit(company, city="Uppsala")
        sheets.update_all(user=ulf, company=company)
        deliver(wish.pk)
        assert puts(sandbox) == 1
    until(lambda: there(sandbox)["Name"] == company.name, what="the late commit")
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), Note="By a person")
    settle(wish)
    settle(Push.objects.latest("pk"))
    assert (there(sandbox)["InvoiceCity"], there(sandbox)["Note"]) == ("Uppsala", "By a person")
    assert puts(sandbox) == 2


def delivered() -> bool:
    """Do what worker and sweeper do; return whether nothing is open any more."""
    for push in push_queue.due(now=database_now()):
        deliver(push.pk)
    return not Push.objects.filter(state__in=(PushState.WAITING, PushState.SENDING, PushState.UNKNOWN)).exists()


@pytest.mark.django_db(transaction=True)
def test_three_edits_within_a_second_are_two_puts_at_most_and_the_last_value_wins(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, card: Card
) -> None:
    workers = []
    with held(sandbox, method="PUT", path=".*") as request:
        for city in ("Uppsala", "Västerås", "Örebro"):
            edit(company, city=city)
            push = sheets.update_all(user=ulf, company=company)
            workers.append(in_thread(lambda push=push: deliver(push.pk)))
            if city == "Uppsala":
                request.wait_for()
    for worker in workers:
        worker.result(60)
    until(delivered, what="the end")
    assert there(sandbox)["InvoiceCity"] == "Örebro"
    assert puts(sandbox) <= 2
    assert UP_TO_DATE in card(ulf, company)


def test_the_task_of_an_older_edit_after_the_newer_one_changes_nothing(
    wish: Push, company: Company, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    run(wish)
    edit(company, city="Örebro")
    newer = sheets.update_all(user=ulf, company=company)
    assert newer.pk != wish.pk
    run(newer)
    calls = len(sandbox.calls())
    run(wish, times=2)
    assert len(sandbox.calls()) == calls
    assert there(sandbox)["InvoiceCity"] == "Örebro"
    assert UP_TO_DATE in card(ulf, company)


def test_killed_between_reading_and_writing_the_card_waits_and_it_is_done_again(
    wish: Push, ulf: User, sandbox: Sandbox, clock: MovableClock, settle: Run, card: Card
) -> None:
    before = there(sandbox)
    claimed = push_queue.claim(wish.pk, now=clock(), seconds=5)
    assert claimed is not None
    claimed.begin_sending(payload=None, values={"Name": "x"}, fingerprint="", send_by=clock(), lease_until=clock())
    assert "Sending The information is being updated in Visma eAccounting." in card(ulf, wish.company)
    assert settle(wish).state == PushState.DONE
    assert (there(sandbox)["Name"], foreign(there(sandbox)), puts(sandbox)) == (wish.company.name, foreign(before), 1)


def test_an_update_that_kills_three_workers_after_sending_waits_for_a_person(
    wish: Push, ulf: User, sandbox: Sandbox, clock: MovableClock, run: Run, settle: Run, card: Card
) -> None:
    Push.objects.update(crashes=2)
    claimed = push_queue.claim(wish.pk, now=clock(), seconds=1)
    assert claimed is not None
    claimed.begin_sending(values={"Name": "x"}, send_by=clock(), lease_until=clock())
    run(wish, times=3, forward=100)
    shown = card(ulf, wish.company)
    assert "Your decision Sending stopped three times before it was done. Nothing is lost." in shown
    assert "Choose Check again to find out whether the information was saved. Check again" in shown
    assert puts(sandbox) == 0
    recheck_push(push=wish)
    assert settle(wish).state == PushState.DONE
    assert (there(sandbox)["Name"], puts(sandbox)) == (wish.company.name, 1)


def test_a_persons_edit_and_an_unknown_field_before_our_reading_are_kept(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    news = {"Note": "By a person", "LoyaltyTier": {"Level": 3}}
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), **news)
    run(wish)
    assert {name: there(sandbox)[name] for name in news} == news
    assert UP_TO_DATE in card(ulf, wish.company)


def test_a_customer_deleted_there_is_told_and_never_made_anew(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    sandbox.world.remove("customer", "1", str(there(sandbox)["Id"]))
    count = len(sandbox.customers())
    assert run(wish, times=3, forward=100).state == PushState.FAILED
    shown = card(ulf, wish.company)
    assert "Link broken The customer was deleted in Visma eAccounting. Find the customer again, add the" in shown
    assert (posts(sandbox), puts(sandbox), len(sandbox.customers())) == (0, 0, count)


@pytest.mark.parametrize("status", [403, 404])
def test_what_something_on_the_way_refuses_is_told_and_waited_for(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, card: Card, status: int
) -> None:
    sandbox.fault(kind="status", status=status, path="/v2/customers.*", when="before", count=2)
    run(wish)
    shown = card(ulf, wish.company)
    assert "Waiting Something between Lime Go and Visma eAccounting blocked the call. This is sent again" in shown
    assert Connection.objects.get().is_usable
    settle(wish)
    assert UP_TO_DATE in card(ulf, wish.company)


def test_a_customer_deleted_there_without_a_word_is_looked_for_in_the_list_and_told(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    sandbox.switch(unknown_id_body=False)
    sandbox.world.remove("customer", "1", str(there(sandbox)["Id"]))
    run(wish)
    assert "Link broken The customer was deleted in Visma eAccounting." in card(ulf, wish.company)
    assert (posts(sandbox), puts(sandbox)) == (0, 0)


def test_terms_of_the_customer_that_are_gone_there_are_told_and_the_link_stays(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    terms = str(there(sandbox)["TermsOfPaymentId"])
    row = sandbox.world.row("terms", "1", terms)
    assert row is not None
    sandbox.world.remove("terms", "1", terms)
    assert run(wish).state == PushState.FAILED
    shown = card(ulf, wish.company)
    assert (
        "Something that the customer refers to no longer exists in Visma eAccounting, most likely its terms of payment."
        in shown
    )
    assert "Create again" not in shown
    assert "Link broken" not in shown
    sandbox.world.put("terms", "1", row)
    again = repeat_push(user=ulf, push=Push.objects.get(pk=wish.pk))
    assert run(again).state == PushState.DONE
    assert UP_TO_DATE in card(ulf, wish.company)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (4025, "Visma eAccounting does not accept the customer's VAT number, which is kept there. Correct it there"),
        (
            4035,
            "Visma eAccounting does not accept the customer's VAT settings, which are kept there. Correct them there",
        ),
        (2000, "Visma eAccounting did not accept a value. Correct it and send again."),
    ],
)
def test_a_refused_update_is_told(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, card: Card, code: int, sentence: str
) -> None:
    before = there(sandbox)
    sandbox.fault(kind="error", when="before", method="PUT", error_code=code, status=400)
    assert run(wish, times=2, forward=100).state == PushState.FAILED
    assert sentence in card(ulf, wish.company)
    assert (there(sandbox), puts(sandbox)) == (before, 1)


def test_a_check_elsewhere_that_is_away_is_told_and_waited_for(
    wish: Push, ulf: User, sandbox: Sandbox, run: Run, settle: Run, card: Card
) -> None:
    sandbox.fault(kind="error", when="before", method="PUT", error_code=4100, status=400)
    assert run(wish).wait_reason == WaitReason.RETRY
    assert "A service that Visma eAccounting checks values with is not available right now." in card(ulf, wish.company)
    assert settle(wish).state == PushState.DONE


def test_what_is_missing_there_and_here_is_named(
    ready: Connection, add_company: AddCompany, ulf: User, sandbox: Sandbox, run: Run, card: Card
) -> None:
    company = add_company(address_line1="", postal_code="", city="")
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), InvoicePostalCode=None, TermsOfPaymentId=None)
    customer = read_customer(ready, customer_id=str(there(sandbox)["Id"]))
    link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    run(sheets.update_all(user=ulf, company=company))
    assert "Nothing was sent, because values are missing or too long. Postal code is missing." in card(ulf, company)
    edit(company, postal_code="111 22", city="Stockholm")
    run(sheets.update_all(user=ulf, company=company))
    assert "The customer has no terms of payment in Visma eAccounting. Choose terms of payment there" in card(
        ulf, company
    )
    assert puts(sandbox) == 0
