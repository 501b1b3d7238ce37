"""What was confirmed on a sheet is what is sent, and nothing is written over what changed there meanwhile."""

import pytest
from django.utils import timezone

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.delivery import calls
from integrations.domain import diff, mapping
from integrations.domain.diff import Base, Decision, Side
from integrations.exceptions import CannotSendValues, NothingToDecide, NotLinked, TermsNotAllowed
from integrations.models import Connection, CustomerLink, Event, EventKind, Origin, Push, PushState, TermsOfPayment
from integrations.services.create import request_create
from integrations.services.link import link_company
from integrations.services.try_again import repeat_push
from integrations.services.update import request_update
from tests import sheets
from tests.integrations.conftest import Run, named, posts, puts

BJORK = "1001"
LONG = "Mälarstrand Fastighetsförvaltning och Fastighetsutveckling i Västerås AB"
PHONE = "+46 8 555 00 11"
SHORT = "Mälarstrand Fastigheter i Västerås AB"


def there(sandbox: Sandbox) -> Document:
    return next(row for row in sandbox.customers() if row["CustomerNumber"] == BJORK)


def edit_there(sandbox: Sandbox, **values: str) -> None:
    sandbox.edit_customer(customer_id=str(there(sandbox)["Id"]), **values)


@pytest.fixture
def linked(ready: Connection, company: Company, ulf: User, sandbox: Sandbox) -> CustomerLink:
    """The company is linked to a customer that differs in nearly everything; nothing was sent."""
    company.save_changes(now=timezone.now(), values={"phone": PHONE})
    customer = calls.read_customer(ready, customer_id=str(there(sandbox)["Id"]))
    made = link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    sandbox.forget_calls()
    return made


def rows_now(company: Company, sandbox: Sandbox) -> list[diff.Row]:
    link = CustomerLink.objects.select_related("customer", "contact").get(company=company)
    here = mapping.values_of(Company.objects.get(pk=company.pk), link.contact, groups=mapping.groups_for(link.contact))
    base = Base(link.sent, link.answered)
    return diff.compare(here=mapping.shortened(here, link.shorter), there=mapping.owned(there(sandbox)), base=base)


def changes(company: Company, sandbox: Sandbox) -> dict[str, str]:
    return {row.key: row.change.value for row in rows_now(company, sandbox) if row.change is not diff.Change.SAME}


def decide(company: Company, sandbox: Sandbox, **choices: Side) -> Decision:
    return diff.decide(rows_now(company, sandbox), choices)


def settle(company: Company, user: User, **choices: Side) -> Push | None:
    """Open the sheet, choose these sides, and eAccounting's of all the rest."""
    page = sheets.update_page(company)
    return page.confirm(user=user, **{**dict.fromkeys(page.suggested, Side.THEIRS), **choices})


# --- Adding ------------------------------------------------------------------------------------------


def test_a_customer_is_created_as_confirmed_though_the_company_changed(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company, Telephone="08-555 11 22", WwwAddress="")
    company.save_changes(now=timezone.now(), values={"phone": "+46 8 999 99 99", "city": "Solna"})
    assert run(push).state == PushState.DONE
    [created] = named(sandbox)
    assert (created["Telephone"], created["InvoiceCity"]) == ("+46 8 555 11 22", "Stockholm")
    assert created["WwwAddress"] is None
    # What was typed was for this sending, and is decided; what was changed here since is not.
    assert changes_of_link(company) == {"Telephone": "here", "address": "here"}


def changes_of_link(company: Company) -> dict[str, str]:
    """What the card would tell: compared with what eAccounting last answered."""
    link = CustomerLink.objects.select_related("customer").get(company=company)
    here = mapping.values_of(Company.objects.get(pk=company.pk), None, groups=mapping.COMPANY_GROUPS)
    rows = diff.compare(
        here=mapping.shortened(here, link.shorter),
        there=link.customer.answered,
        base=Base(link.sent, link.answered),
    )
    return {row.key: row.change.value for row in rows if row.is_news}


def test_the_card_tells_what_was_changed_here_since(ready: Connection, company: Company, ulf: User, run: Run) -> None:
    run(sheets.create(user=ulf, company=company, Telephone="08-555 11 22"))
    assert changes_of_link(company) == {}  # what was typed was for this sending, and is decided
    company.save_changes(now=timezone.now(), values={"city": "Solna"})
    assert changes_of_link(company) == {"address": "here"}


def test_a_shorter_name_is_sent_and_remembered_until_the_name_changes(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    company.save_changes(now=timezone.now(), values={"name": LONG})
    with pytest.raises(CannotSendValues):
        request_create(user=ulf, company=company, confirmed={})
    assert run(sheets.create(user=ulf, company=company, Name=SHORT)).state == PushState.DONE
    assert len(named(sandbox, SHORT)) == 1
    assert changes_of_link(company) == {}
    company.save_changes(now=timezone.now(), values={"phone": "+46 8 999 99 99"})
    assert run(sheets.update_all(user=ulf, company=company)).state == PushState.DONE
    assert named(sandbox, SHORT)[0]["Telephone"] == "+46 8 999 99 99"
    company.save_changes(now=timezone.now(), values={"name": f"{LONG} (publ)"})
    assert changes_of_link(company) == {"Name": "here"}


def test_a_company_that_was_confirmed_is_not_sent_as_a_private_person(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company, Telephone="")
    company.save_changes(now=timezone.now(), values={"is_private_person": True})
    run(push)
    assert named(sandbox)[0]["IsPrivatePerson"] is False


def test_a_confirmed_value_over_its_limit_is_refused(ready: Connection, company: Company, ulf: User) -> None:
    with pytest.raises(CannotSendValues) as refused:
        request_create(user=ulf, company=company, confirmed={"InvoiceCity": "x" * 51, "InvoicePostalCode": ""})
    found = {(remote, kind) for remote, kind, _length in refused.value.parameters["problems"]}
    assert found == {("InvoiceCity", "too_long"), ("InvoicePostalCode", "missing")}


def test_a_create_with_a_person_who_was_erased_since_is_not_sent(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.create(user=ulf, company=company, contact=contact, Telephone="")
    contact.remove(now=timezone.now())
    ended = run(push)
    assert (ended.state, ended.failure) == (PushState.FAILED, "contact_gone")
    assert posts(sandbox) == 0


def other_terms(connection: Connection) -> TermsOfPayment:
    return TermsOfPayment.objects.get(connection=connection, name_english="20 days")


def test_a_customer_gets_the_terms_that_were_confirmed_though_the_default_changed(
    ready: Connection, company: Company, anna: User, sandbox: Sandbox, run: Run
) -> None:
    default = ready.default_terms
    assert default is not None
    push = sheets.create(user=anna, company=company, terms=default)
    TermsOfPayment.objects.filter(pk=default.pk).update(offered=True)
    ready.choose_terms(terms=other_terms(ready), user=anna, now=timezone.now())
    run(push)
    assert named(sandbox)[0]["TermsOfPaymentId"] == str(default.remote_id)


def test_terms_that_no_admin_allowed_are_refused(ready: Connection, company: Company, ulf: User) -> None:
    with pytest.raises(TermsNotAllowed):
        request_create(user=ulf, company=company, confirmed={}, terms=other_terms(ready))


def test_offered_terms_are_sent(ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run) -> None:
    TermsOfPayment.objects.filter(pk=other_terms(ready).pk).update(offered=True)
    run(sheets.create(user=ulf, company=company, terms=other_terms(ready)))
    assert named(sandbox)[0]["TermsOfPaymentId"] == str(other_terms(ready).remote_id)


# --- Updating ----------------------------------------------------------------------------------------


def test_only_what_was_chosen_is_written_and_the_rest_is_agreed_on(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    before = there(sandbox)
    assert set(changes(company, sandbox).values()) == {"differs"}
    push = settle(company, ulf, Telephone=Side.OURS, Name=Side.THEIRS, EmailAddress=Side.THEIRS)
    assert push is not None
    assert run(push).state == PushState.DONE
    now = there(sandbox)
    assert now["Telephone"] == PHONE
    assert {name for name in before if before[name] != now[name]} == {"Telephone", "ChangedUtc"}
    assert not {"Name", "EmailAddress", "Telephone"} & changes(company, sandbox).keys()


def test_a_blank_that_was_chosen_clears_there(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    company.save_changes(now=timezone.now(), values={"phone": ""})
    push = settle(company, ulf, Telephone=Side.OURS)
    assert push is not None
    run(push)
    assert there(sandbox)["Telephone"] is None


def test_what_changed_there_after_it_was_confirmed_is_not_overwritten(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = settle(company, ulf, Telephone=Side.OURS, EmailAddress=Side.OURS)
    assert push is not None
    edit_there(sandbox, Telephone="08-777 77 77", Note="Edited by a person")
    ended = run(push)
    assert (ended.state, ended.failure) == (PushState.FAILED, "changed_there")
    assert ended.failure_parameters == {"fields": ["Telephone"]}
    assert there(sandbox)["Telephone"] == "08-777 77 77"
    assert puts(sandbox) == 0


def test_another_field_that_changed_there_stands_in_nobodys_way(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = settle(company, ulf, Telephone=Side.OURS)
    assert push is not None
    edit_there(sandbox, EmailAddress="ny@bjorkmaleri.example")
    assert run(push).state == PushState.DONE
    assert there(sandbox)["EmailAddress"] == "ny@bjorkmaleri.example"


def test_both_sides_changed_is_told_and_each_choice_ends_it(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    run(sheets.update_all(user=ulf, company=company))
    company.save_changes(now=timezone.now(), values={"phone": "+46 8 111 11 11", "email": "ny@alvstrand.example"})
    edit_there(sandbox, Telephone="08-222 22 22", WwwAddress="https://other.example")
    assert changes(company, sandbox) == {"Telephone": "both", "EmailAddress": "here", "WwwAddress": "there"}
    push = settle(company, ulf, Telephone=Side.THEIRS, EmailAddress=Side.OURS, WwwAddress=Side.THEIRS)
    assert push is not None
    run(push)
    now = there(sandbox)
    assert (now["Telephone"], now["WwwAddress"]) == ("08-222 22 22", "https://other.example")
    assert now["EmailAddress"] == "ny@alvstrand.example"
    assert changes(company, sandbox) == {}


def test_keeping_everything_sends_nothing(linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox) -> None:
    assert settle(company, ulf) is None
    assert changes(company, sandbox) == {}
    assert not Push.objects.exists()
    assert Event.objects.filter(company=company, kind=EventKind.KEPT, actor=ulf).count() == 1


def test_what_an_update_overwrote_can_be_put_back(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    before = there(sandbox)
    done = run(sheets.update_all(user=ulf, company=company))
    assert done.before["Telephone"] == before["Telephone"]
    now = mapping.owned(there(sandbox))
    undo = request_update(
        user=ulf,
        company=company,
        customer_id=str(linked.reference),
        decision=Decision(done.before, {name: now[name] for name in done.before}, {}, {}),
        undoes=done,
    )
    assert undo is not None
    undone = run(undo)
    assert (undone.state, undone.undoes) == (PushState.DONE, done)
    assert mapping.owned(there(sandbox)) == mapping.owned(before)
    assert changes_of_link(company) == {}  # decided, until one of the sides moves


def test_a_lost_answer_to_a_confirmed_update_ends_with_it(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run, settle_push: Run
) -> None:
    push = settle(company, ulf, Telephone=Side.OURS)
    assert push is not None
    sandbox.fault(method="PUT", kind="reset", when="after")
    assert run(push).state == PushState.UNKNOWN
    ended = settle_push(push)
    assert (ended.state, ended.before) == (PushState.DONE, {"Telephone": "08-123 45 67"})
    assert puts(sandbox) == 1


@pytest.fixture
def settle_push(settle: Run) -> Run:
    """Another name: the function above settles differences."""
    return settle


def test_a_newer_choice_replaces_one_that_waits(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    first = settle(company, ulf, Telephone=Side.OURS, Name=Side.OURS)
    second = settle(company, ulf, Telephone=Side.OURS)
    assert first == second
    assert second is not None
    run(second)
    now = there(sandbox)
    assert (now["Telephone"], now["Name"]) == (PHONE, "Björk & Son Måleri AB")


def test_a_contact_chosen_while_a_choice_waits_goes_with_it(
    linked: CustomerLink, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    settle(company, ulf, Telephone=Side.OURS)
    run(sheets.choose_contact(user=ulf, company=company, contact=contact))
    now = there(sandbox)
    assert (now["Telephone"], now["ContactPersonName"]) == (PHONE, "Åsa Öberg")
    assert now["Name"] == "Björk & Son Måleri AB"


def test_a_sheet_about_the_person_leaves_what_waits_of_the_company(
    linked: CustomerLink, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    settle(company, ulf, Telephone=Side.OURS)
    run(sheets.choose_contact(user=ulf, company=company, contact=contact))
    now = there(sandbox)
    assert (now["Telephone"], now["ContactPersonName"]) == (PHONE, "Åsa Öberg")
    assert Push.objects.count() == 1


def test_a_sheet_about_the_company_leaves_that_nobody_is_to_be_its_person(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    sheets.choose_contact(user=ulf, company=company, contact=None)
    push = settle(company, ulf, Telephone=Side.OURS)
    assert push is not None
    run(push)
    now = there(sandbox)
    assert (now["Telephone"], now["ContactPersonName"]) == (PHONE, None)


def test_who_keeps_everything_takes_an_older_wish_back_that_would_change_it(
    linked: CustomerLink, company: Company, ulf: User, anna: User, sandbox: Sandbox, run: Run
) -> None:
    push = settle(company, ulf, Telephone=Side.OURS)
    assert push is not None
    before = there(sandbox)
    assert settle(company, anna) is None
    assert run(push).state == PushState.CANCELLED
    assert there(sandbox) == before
    assert Event.objects.get(kind=EventKind.CANCELLED).actor == anna


def test_what_was_confirmed_about_one_customer_is_not_repeated_on_another(
    linked: CustomerLink, company: Company, ulf: User, ready: Connection, sandbox: Sandbox, run: Run
) -> None:
    push = settle(company, ulf, Telephone=Side.OURS)
    assert push is not None
    edit_there(sandbox, Telephone="08-777 77 77")
    failed = run(push)
    other = next(row for row in sandbox.customers() if row["CustomerNumber"] == "1002")
    customer = calls.read_customer(ready, customer_id=str(other["Id"]))
    link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    with pytest.raises(NothingToDecide):
        repeat_push(user=ulf, push=failed)
    assert not Push.objects.exclude(pk=push.pk).exists()


def test_a_decision_about_another_customer_is_refused(
    linked: CustomerLink, company: Company, ulf: User, sandbox: Sandbox
) -> None:
    decision = decide(company, sandbox, Telephone=Side.OURS)
    other = str(next(row["Id"] for row in sandbox.customers() if row["CustomerNumber"] == "1002"))
    with pytest.raises(NotLinked):
        request_update(user=ulf, company=company, customer_id=other, decision=decision)
    assert not Push.objects.exists()


def test_linking_and_writing_is_one_step(
    ready: Connection, company: Company, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    company.save_changes(now=timezone.now(), values={"phone": PHONE})
    customer = calls.read_customer(ready, customer_id=str(there(sandbox)["Id"]))
    here = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
    rows = diff.compare(here=here, there=mapping.owned(customer.raw))
    choices = {row.key: Side.THEIRS for row in rows} | {"Telephone": Side.OURS}
    decision = diff.decide(rows, choices)
    link_company(
        user=ulf, company=company, connection=ready, customer=customer, origin=Origin.MATCHED, decision=decision
    )
    assert run(Push.objects.get()).state == PushState.DONE
    assert there(sandbox)["Telephone"] == PHONE
    assert changes(company, sandbox) == {}
    assert posts(sandbox) == 0


def test_a_person_who_was_erased_after_being_confirmed_is_not_sent(
    linked: CustomerLink, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = sheets.choose_contact(user=ulf, company=company, contact=contact)
    contact.remove(now=timezone.now())
    push = run(push)
    assert (push.state, push.failure, puts(sandbox)) == (PushState.FAILED, "contact_gone", 0)
