"""What an update overwrote can be put back, and nothing else is touched by it. Judged by the customer at the end."""

from dataclasses import replace

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.core import Sandbox
from dev.sandbox.store import Document
from integrations.delivery import calls
from integrations.domain import mapping, previous_values
from integrations.domain.diff import Decision
from integrations.domain.previous_values import Standing
from integrations.exceptions import AlreadyUnderWay, Archived, ContactGone, CustomerGone, NotUndoable
from integrations.forms.snapshot import Snapshot
from integrations.forms.update import about_link, read_remote
from integrations.models import Connection, CustomerLink, Event, EventKind, Kind, Origin, Push, PushState
from integrations.services.link import link_company, unlink_company
from integrations.services.undo import request_undo
from integrations.services.update import request_update
from tests import sheets
from tests.integrations.conftest import MAY, Run

BJORK = "1001"
CONTACT = ("ContactPersonName", "ContactPersonEmail", "ContactPersonPhone", "ContactPersonMobile")


def customer_there(sandbox: Sandbox) -> Document:
    return next(row for row in sandbox.customers() if row["CustomerNumber"] == BJORK)


def edit_there(sandbox: Sandbox, **values: str) -> None:
    sandbox.edit_customer(customer_id=str(customer_there(sandbox)["Id"]), **values)


@pytest.fixture
def before(ready: Connection, sandbox: Sandbox) -> mapping.Values:
    """What is ours of the customer, before anything is sent."""
    return mapping.owned(customer_there(sandbox))


@pytest.fixture
def link(ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox) -> CustomerLink:
    """The company is linked to a customer that differs in nearly everything; Åsa is chosen."""
    customer = calls.read_customer(ready, customer_id=str(customer_there(sandbox)["Id"]))
    made = link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    made.choose_contact(contact)
    return made


@pytest.fixture
def done(before: mapping.Values, link: CustomerLink, company: Company, ulf: User, run: Run) -> Push:
    """Everything of ours was written there."""
    push = run(sheets.update_all(user=ulf, company=company))
    assert push.state == PushState.DONE
    return push


def formers(push: Push, sandbox: Sandbox) -> list[previous_values.Former]:
    return previous_values.formers_of(push, mapping.owned(customer_there(sandbox)))


def put_back(push: Push, sandbox: Sandbox, user: User, *keys: str) -> Push:
    decision = previous_values.decide(formers(push, sandbox), keys)
    undo = request_undo(user=user, push=push, decision=decision)
    assert undo is not None
    return undo


def suggested(push: Push, sandbox: Sandbox) -> list[str]:
    return [former.key for former in formers(push, sandbox) if former.is_suggested]


def changed(values: mapping.Values, sandbox: Sandbox) -> list[str]:
    """Return what is there now otherwise than in `values`, however it is written."""
    return mapping.differences(values, mapping.owned(customer_there(sandbox)))


def test_what_is_suggested_puts_everything_back_and_can_itself_be_undone(
    done: Push, before: mapping.Values, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    updated = mapping.owned(customer_there(sandbox))
    undone = run(put_back(done, sandbox, ulf, *suggested(done, sandbox)))
    assert (undone.state, undone.undoes) == (PushState.DONE, done)
    assert not changed(before, sandbox)
    assert {former.standing for former in formers(done, sandbox)} == {Standing.AS_BEFORE}
    run(put_back(undone, sandbox, ulf, *suggested(undone, sandbox)))
    assert not changed(updated, sandbox)
    assert [event.actor for event in Event.objects.filter(kind=EventKind.UNDO_REQUESTED)] == [ulf, ulf]


def test_what_somebody_changed_since_is_put_back_only_when_it_is_chosen(
    done: Push, before: mapping.Values, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    edit_there(sandbox, EmailAddress="annan@bjork.example")
    standing = {former.key: former.standing for former in formers(done, sandbox)}
    assert standing["EmailAddress"] is Standing.CHANGED_SINCE
    run(put_back(done, sandbox, ulf, *suggested(done, sandbox)))
    assert changed(before, sandbox) == ["EmailAddress"]
    assert customer_there(sandbox)["EmailAddress"] == "annan@bjork.example"
    run(put_back(done, sandbox, ulf, "EmailAddress"))
    assert not changed(before, sandbox)


def test_a_group_is_put_back_whole(done: Push, before: mapping.Values, sandbox: Sandbox, ulf: User, run: Run) -> None:
    run(put_back(done, sandbox, ulf, "contact"))
    assert not set(CONTACT) & {*changed(before, sandbox)}
    assert customer_there(sandbox)["EmailAddress"] == "info@alvstrand.example"


def test_a_group_of_which_one_value_was_overwritten_is_known_whole(
    done: Push, contact: Contact, company: Company, link: CustomerLink, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    was = mapping.owned(customer_there(sandbox))
    contact.save_changes(now=timezone.now(), values={"mobile": ""})
    written = mapping.values_of(company, contact, groups=["contact"])
    push = run(sheets.choose_contact(user=ulf, company=company, contact=contact))
    assert push.before["ContactPersonMobile"] == was["ContactPersonMobile"]
    [former] = formers(push, sandbox)
    assert former.row.here == {name: was[name] for name in CONTACT}
    assert former.sent == written


def test_what_changes_between_looking_and_sending_is_not_overwritten(
    done: Push, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    undo = put_back(done, sandbox, ulf, "Name", "EmailAddress")
    edit_there(sandbox, Name="Björk i Umeå AB")
    failed = run(undo)
    assert (failed.state, failed.failure) == (PushState.FAILED, "changed_there")
    assert failed.failure_parameters == {"fields": ["Name"]}
    assert customer_there(sandbox)["Name"] == "Björk i Umeå AB"


def test_an_undo_neither_joins_nor_replaces_what_is_under_way(
    done: Push, company: Company, sandbox: Sandbox, ulf: User
) -> None:
    company.save_changes(now=timezone.now(), values={"city": "Uppsala"})
    sheets.update_all(user=ulf, company=company)
    with pytest.raises(AlreadyUnderWay):
        put_back(done, sandbox, ulf, "Name")


def test_an_update_of_an_earlier_link_is_not_undone(
    done: Push, company: Company, ready: Connection, sandbox: Sandbox, ulf: User
) -> None:
    customer = calls.read_customer(ready, customer_id=str(customer_there(sandbox)["Id"]))
    unlink_company(user=ulf, company=company)
    with pytest.raises(NotUndoable):
        put_back(done, sandbox, ulf, "Name")
    link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    with pytest.raises(NotUndoable):
        put_back(done, sandbox, ulf, "Name")


@pytest.mark.parametrize("broken", list(CustomerLink.Broken))
def test_nothing_is_put_back_at_a_customer_that_is_gone(
    done: Push, company: Company, sandbox: Sandbox, ulf: User, broken: CustomerLink.Broken
) -> None:
    CustomerLink.objects.get(company=company).mark_broken(broken)
    with pytest.raises(CustomerGone) as refused:
        put_back(done, sandbox, ulf, "Name")
    assert refused.value.code == f"customer_{broken}"
    assert Push.objects.count() == 1


def test_linking_the_same_customer_again_forgets_nothing(
    done: Push, company: Company, contact: Contact, ready: Connection, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    before = CustomerLink.objects.get(company=company)
    before.choose_contact(contact)
    customer = calls.read_customer(ready, customer_id=str(customer_there(sandbox)["Id"]))
    link_company(user=ulf, company=company, connection=ready, customer=customer, origin=Origin.PASTED)
    after = CustomerLink.objects.get(company=company)
    assert (after.contact, after.sent, after.answered) == (contact, before.sent, before.answered)
    assert run(put_back(done, sandbox, ulf, "Name")).state == PushState.DONE


def test_a_person_of_ours_who_was_erased_is_not_brought_back(
    link: CustomerLink, company: Company, contact: Contact, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    push = sheets.choose_contact(user=ulf, company=company, contact=contact)
    assert push is not None
    run(push)
    other = company.add_contact(now=timezone.now(), values={"first_name": "Bo", "last_name": "Ek"})
    push = sheets.choose_contact(user=ulf, company=company, contact=other)
    assert push is not None
    replaced = run(push)
    name = str(contact)
    contact.remove(now=timezone.now())
    with pytest.raises(ContactGone):
        put_back(replaced, sandbox, ulf, "contact")
    assert customer_there(sandbox)["ContactPersonName"] == "Bo Ek" != name


def test_a_person_whom_only_eaccounting_knew_is_brought_back(
    link: CustomerLink, company: Company, contact: Contact, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    before = customer_there(sandbox)["ContactPersonName"]
    push = sheets.choose_contact(user=ulf, company=company, contact=contact)
    assert push is not None
    replaced = run(push)
    contact.remove(now=timezone.now())
    undo = put_back(replaced, sandbox, ulf, "contact")
    assert run(undo).state == PushState.DONE
    assert customer_there(sandbox)["ContactPersonName"] == before != ""


def test_an_archived_company_gets_nothing_back(done: Push, company: Company, sandbox: Sandbox, ulf: User) -> None:
    company.archive(now=timezone.now())
    with pytest.raises(Archived):
        put_back(done, sandbox, ulf, "Name")


def test_what_was_blank_there_is_emptied_again(
    link: CustomerLink, company: Company, sandbox: Sandbox, ulf: User, run: Run
) -> None:
    edit_there(sandbox, WwwAddress="")
    done = run(sheets.update_all(user=ulf, company=company))
    assert "WwwAddress" in suggested(done, sandbox)
    run(put_back(done, sandbox, ulf, "WwwAddress"))
    assert not customer_there(sandbox)["WwwAddress"]


def test_what_eaccounting_would_not_take_cannot_be_put_back() -> None:
    push = _update(before={"InvoiceCity": "", "Telephone": "1"}, values=_sent(InvoiceCity="Umeå"))
    address, phone = previous_values.formers_of(push, _sent(InvoiceCity="Umeå"))[::-1]
    assert [problem.remote for problem in address.problems] == ["InvoiceCity"]
    assert not address.may_be_put_back
    assert phone.is_suggested
    assert previous_values.decide([address, phone], ["address", "Telephone"]).write == {"Telephone": "1"}


def _update(**values: mapping.Values) -> Push:
    return Push(**{"kind": Kind.UPDATE, "requested_at": MAY, "confirmed": {}, **values})


def _sent(**values: str) -> mapping.Values:
    return {"Telephone": "2", "InvoicePostalCode": "903 26", "InvoiceCountryCode": "SE", **values}


few = st.sampled_from(["", "Anna", "Bo", "Åsa"])
slots = st.fixed_dictionaries(dict.fromkeys((*CONTACT, "Name", "WwwAddress"), few))


@given(before=slots, sent=slots, now=slots)
def test_what_is_suggested_loses_nothing_that_was_written_since(
    before: mapping.Values, sent: mapping.Values, now: mapping.Values
) -> None:
    overwritten = {name: before[name] for name in mapping.differences(sent, before)}
    push = _update(before=overwritten, values={name: sent[name] for name in overwritten}, confirmed=sent)
    found = previous_values.formers_of(push, now)
    decision = previous_values.decide(found, [former.key for former in found if former.is_suggested])
    after = {**now, **decision.write}
    for name in mapping.differences(now, sent):
        assert after[name] == now[name], "written since"
    for name in set(now) - overwritten.keys():
        assert after[name] == now[name], "never overwritten"
    assert decision.based_on == {name: now[name] for name in decision.write}


def test_what_a_try_without_an_answer_overwrote_can_be_put_back_with_the_rest(
    link: CustomerLink, company: Company, sandbox: Sandbox, ulf: User, run: Run, settle: Run, before: mapping.Values
) -> None:
    push = sheets.update_all(user=ulf, company=company)
    sandbox.fault(method="PUT", kind="reset", when="after")
    assert run(push).state == PushState.UNKNOWN
    done = settle(push)
    assert done.state == PushState.DONE
    assert done.before is not None
    assert {name: before[name] for name in done.before} == done.before
    assert "Name" in done.before
    assert done.values.keys() == done.before.keys()
    run(put_back(done, sandbox, ulf, "Name"))
    assert customer_there(sandbox)["Name"] == before["Name"]


def test_a_former_name_is_not_taken_for_a_shorter_form_of_todays(
    link: CustomerLink, company: Company, sandbox: Sandbox, ulf: User, run: Run, before: mapping.Values
) -> None:
    company.save_changes(now=timezone.now(), values={"name": "Älvstrands Snickeri och Fönsterhantverk i Stockholm AB"})
    short = Decision({"Name": "Älvstrands Snickeri AB"}, {"Name": before["Name"]}, {}, {})
    reference = str(link.reference)
    done = request_update(user=ulf, company=company, customer_id=reference, decision=short)
    assert done is not None
    undone = run(put_back(run(done), sandbox, ulf, "Name"))
    assert (undone.state, customer_there(sandbox)["Name"]) == (PushState.DONE, before["Name"])
    link.refresh_from_db()
    assert link.shorter["Name"]["there"] == "Älvstrands Snickeri AB"


# --- What a sheet shows ---------------------------------------------------------------------------


def test_a_sheet_knows_again_what_it_showed_of_this_customer_only(link: CustomerLink, ready: Connection) -> None:
    there = read_remote(ready, link)
    assert (there.remote["ContactPersonName"], there.why_not_now) == ("Eva Björk", "")
    about = about_link(link)
    shown = Snapshot.posted({"seen": there.signed(push=7)}, about=about)
    assert shown == replace(there, beside={"push": 7})
    assert Snapshot.posted({"seen": there.signed()[:-1]}, about=about) is None
    assert Snapshot.posted({"seen": replace(there, about="link-0").signed()}, about=about) is None


@pytest.mark.parametrize("status", [500, 503, 403])
def test_without_an_answer_a_sheet_shows_what_was_read_last_and_why(
    link: CustomerLink, ready: Connection, sandbox: Sandbox, status: int
) -> None:
    sandbox.fault(kind="status", status=status, when="before", path="/v2/customers/.*", count=9)
    there = read_remote(ready, CustomerLink.objects.select_related("customer").get())
    assert there.remote["ContactPersonName"] == "Eva Björk"
    assert there.read_at is not None
    assert there.why_not_now.endswith(".")
    assert Snapshot.posted({"seen": there.signed()}, about=about_link(link)) == there


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_customer_that_is_gone_there_breaks_the_link(
    link: CustomerLink, ready: Connection, sandbox: Sandbox, is_deleted: bool
) -> None:
    reference = str(link.reference)
    if is_deleted:
        sandbox.world.remove("customer", "1", reference)
    else:
        sandbox.edit_customer(customer_id=reference, IsActive=False)
    with pytest.raises(CustomerGone) as gone:
        read_remote(ready, CustomerLink.objects.select_related("customer").get())
    assert gone.value.code == ("customer_deleted" if is_deleted else "customer_inactive")
    assert CustomerLink.objects.get().broken == ("deleted" if is_deleted else "inactive")
