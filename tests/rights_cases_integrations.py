"""Who may do what at the addresses of the integration. eAccounting does not answer here: nothing can be sent."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from accounts.models import Account, Role, User
from companies.models import Company, Contact
from integrations.domain import mapping
from integrations.domain.link_diff import rows_of
from integrations.forms.create import CreateAnywaySheet
from integrations.forms.diff import DiffForm
from integrations.forms.snapshot import Snapshot
from integrations.forms.terms import TermsForm
from integrations.forms.update import about_link
from integrations.models import (
    Connection,
    CustomerLink,
    Kind,
    Origin,
    Push,
    PushState,
    RemoteCustomer,
    TermsOfPayment,
    WaitReason,
)
from integrations.models.push import ASKED_LONG_AGO
from tests.rights import Case, Cast, Words
from tests.sheets import confirmed

NOW = datetime.now(UTC)
Make = Callable[[Account], Words]
COMPANY = {"name": "Björk & Son Måleri AB", "country": "SE", "postal_code": "903 26", "city": "Umeå"}

CONFIRMED = {"Name": COMPANY["name"], "InvoicePostalCode": "903 26", "InvoiceCity": "Umeå"}


def _admin(account: Account) -> User:
    return account.users.get(role=Role.ADMIN)


def _connection(account: Account) -> Connection:
    """A working connection with chosen terms of payment."""
    admin = _admin(account)
    connection = Connection.objects.create(
        account=account,
        identity_kind=Connection.IdentityKind.choices[0][0],
        identity=str(account.pk),
        access_token="token",
        issued_at=NOW,
        expires_at=NOW + timedelta(hours=1),
        connected_by=admin,
        connected_at=NOW,
    )
    connection.choose_terms(terms=_terms(connection), user=admin, now=NOW)
    return connection


def _terms(connection: Connection) -> TermsOfPayment:
    return TermsOfPayment.objects.create(
        account=connection.account,
        connection=connection,
        remote_id=uuid4(),
        name="30 dagar",
        for_sales=True,
        seen_at=NOW,
    )


def _company(account: Account) -> Company:
    company = Company.add(account=account, now=NOW, values=COMPANY)
    company.add_contact(now=NOW, values={"first_name": "Åsa", "last_name": "Ek"})
    return company


def _connected(account: Account) -> Words:
    """A company that can be added."""
    _connection(account)
    return {"company_id": _company(account).pk}


def _somebody(account: Account) -> Words:
    """A company that can be linked, and a customer's reference."""
    return {**_connected(account), "customer_id": uuid4()}


def _linked(account: Account) -> Words:
    """A company that is a customer."""
    connection, company = _connection(account), _company(account)
    customer = RemoteCustomer.objects.create(
        account=account, connection=connection, customer_id=uuid4(), name="Björk", seen_at=NOW
    )
    CustomerLink.objects.create(
        account=account, connection=connection, company=company, customer=customer, origin=Origin.PASTED, linked_at=NOW
    )
    return {"company_id": company.pk}


def _push(account: Account, **state: object) -> Words:
    """A company with a wish in this state."""
    connection, company = _connection(account), _company(account)
    Push.objects.create(
        account=account, connection=connection, company=company, kind=Kind.CREATE, requested_by=_admin(account), **state
    )
    return {"company_id": company.pk}


def _deciding(account: Account) -> Words:
    candidate = {"id": str(uuid4()), "name": "Björk", "number": "7"}
    return _push(account, wait_reason=WaitReason.DECISION, candidates=[candidate])


def _waiting(account: Account) -> Words:
    return _push(account, wait_reason=WaitReason.RETRY)


def _waiting_for_terms(account: Account) -> Words:
    words = _push(account, wait_reason=WaitReason.TERMS)
    Connection.objects.filter(account=account).update(terms_confirmed_at=None)
    return words


def _asked_long_ago(account: Account) -> Words:
    return _push(account, wait_reason=WaitReason.DECISION, failure=ASKED_LONG_AGO, confirmed=CONFIRMED)


def _judged(cast: Cast) -> Words:
    """What the sheet *Create anyway* posts when a person says that none of the candidates is the company."""
    push = Push.objects.select_related("company", "contact", "connection").filter(account=cast.account).first()
    return {"seen": CreateAnywaySheet(push).seen, "none_of_these": "on"} if push else {}


def _link_seen(cast: Cast) -> Words:
    link = CustomerLink.objects.select_related("customer").filter(account=cast.account).first()
    return {"linked_to": str(link.reference)} if link else {}


def _lost(account: Account) -> Words:
    return _push(account, state=PushState.UNKNOWN, wait_reason=WaitReason.DECISION, unknown_since=NOW)


def _failed(account: Account) -> Words:
    return _push(account, state=PushState.FAILED, finished_at=NOW, failure="refused", confirmed=CONFIRMED)


def _only_connected(cast: Cast) -> Words:
    """Both accounts are connected; the address has no ids."""
    _connection(cast.account)
    _connection(cast.other_account)
    return {}


def _mark(cast: Cast) -> Words:
    return {"mark": Connection.objects.get(account=cast.account).mark}


def _foreign_mark(cast: Cast) -> Words:
    return {"mark": Connection.objects.get(account=cast.other_account).mark}


def _person(_cast: Cast) -> Words:
    contact = Contact.objects.order_by("-pk").first()
    return {"contact": contact.pk} if contact else {}


def _chosen_sides(_cast: Cast) -> Words:
    """What the update sheet posts when every value of ours is chosen."""
    link = CustomerLink.objects.select_related("company", "customer", "contact").order_by("-pk").first()
    if link is None:
        return {}
    form = DiffForm(rows=rows_of(link.company, link, there={}), about=str(link.reference))
    return {"seen": form["seen"].value(), **{choice.row.key: "ours" for choice in form.choices}}


def _foreign_person(cast: Cast) -> Words:
    _company(cast.other_account)
    return _person(cast)


def _seen(account: Account, **beside: object) -> Words:
    """What a sheet showed of the account's customer, in the form that it carries along."""
    link = CustomerLink.objects.filter(account=account).first()
    return {"seen": Snapshot(about=about_link(link), read_at=NOW).signed(**beside)} if link else {}


def _seen_person(cast: Cast) -> Words:
    """A person of the account's company, seen beside what is there."""
    company = Company.objects.filter(account=cast.account).first()
    if company is None:  # tried with a company of the other account
        return {}
    contact = company.contacts.get()
    written = mapping.values_of(company, contact, groups=[mapping.Group.CONTACT])
    return {"contact": contact.pk, **_seen(cast.account, who=str(contact.pk), written=written)}


def _foreign_seen_person(cast: Cast) -> Words:
    foreign = _foreign_person(cast)
    return {**foreign, **_seen(cast.account, who=str(foreign["contact"]), written={})}


def _updated(account: Account) -> Words:
    """A company whose customer was updated."""
    words = _linked(account)
    push = Push.objects.create(
        account=account,
        connection=Connection.objects.get(account=account),
        company_id=words["company_id"],
        kind=Kind.UPDATE,
        state=PushState.DONE,
        requested_by=_admin(account),
        before={"Telephone": "1"},
        values={"Telephone": "2"},
        finished_at=NOW,
    )
    return {**words, "push_id": push.pk}


def _put_back(cast: Cast) -> Words:
    push = Push.objects.filter(account=cast.account).first()
    return {"Telephone": "ours", **_seen(cast.account, push=push.pk)} if push else {}


def _create(cast: Cast) -> Words:
    """What stands on the create sheet of the company that was made last."""
    company = Company.objects.order_by("-pk").first()
    return confirmed(company, contact=company.contacts.first()) if company else {}


def _create_with_foreign_person(cast: Cast) -> Words:
    company = Company.objects.order_by("-pk").first()
    return {**(confirmed(company) if company else {}), **_foreign_person(cast)}


def _other_terms(cast: Cast) -> Words:
    return _terms_of(Connection.objects.get(account=cast.account))


def _foreign_terms(cast: Cast) -> Words:
    return _terms_of(Connection.objects.get(account=cast.other_account))


def _terms_of(connection: Connection) -> Words:
    return {"terms": _terms(connection).pk, "mark": TermsForm(connection=connection).list_mark}


def _card(url: str, make: Make, *, get: int = 405, post: int = 302, **more: object) -> Case:
    """One address below a company, tried with a company of either account."""
    words = {"needs": Role.USER, **more}
    return Case(
        url,
        get=get,
        post=post,
        ids=lambda cast: make(cast.account),
        foreign_ids=lambda cast: make(cast.other_account),
        **words,  # type: ignore[arg-type]  # the fields of Case
    )


CASES = [
    Case("integrations:list", needs=Role.ADMIN, ids=_only_connected),
    Case("integrations:connection", needs=Role.ADMIN, ids=_only_connected),
    # What is begun here stands in the session until eAccounting sends the browser back.
    Case("integrations:connect", needs=Role.ADMIN, get=405, post=302, changes=False),
    Case("integrations:callback", needs=Role.ADMIN, get=302, ids=_only_connected),
    Case("integrations:test", needs=Role.ADMIN, get=405, post=302, ids=_only_connected, changes=False),
    Case(
        "integrations:choose-terms",
        needs=Role.ADMIN,
        get=405,
        post=302,
        ids=_only_connected,
        data=_other_terms,
        foreign_data=_foreign_terms,
    ),
    Case("integrations:reload-terms", needs=Role.ADMIN, get=405, post=302, ids=_only_connected, changes=False),
    Case("integrations:other-terms", needs=Role.ADMIN, ids=_only_connected),
    Case(
        "integrations:disconnect",
        needs=Role.ADMIN,
        post=302,
        ids=_only_connected,
        data=_mark,
        foreign_data=_foreign_mark,
    ),
    _card("integrations:panel", _linked, get=286, post=405, needs=Role.VIEWER),
    _card("integrations:create", _connected, get=200, data=_create, foreign_data=_create_with_foreign_person),
    # eAccounting is asked who the company could be, and does not answer here.
    _card("integrations:create-possible-duplicates", _connected, get=200, post=405),
    _card("integrations:update", _linked, get=200, data=_chosen_sides),
    # eAccounting does not answer here: nothing new is known.
    _card("integrations:check", _linked, changes=False),
    _card("integrations:contact-person", _linked, get=200, data=_seen_person, foreign_data=_foreign_seen_person),
    _card("integrations:undo", _updated, get=200, data=_put_back),
    _card("integrations:create-anyway", _deciding, get=200, data=_judged),
    _card("integrations:link", _connected, get=200, post=405),
    _card("integrations:company-reference", _connected, get=200, post=405),
    # eAccounting is asked who it is before anything is linked, and does not answer here.
    _card("integrations:link-customer", _somebody, get=200, post=200, changes=False),
    _card("integrations:look-again", _lost),
    _card("integrations:cancel", _waiting),
    _card("integrations:try-again", _failed),
    # Nothing is to be sent for it: where something is, the sheet is shown first.
    _card("integrations:ask-admin", _waiting_for_terms),
    _card("integrations:send-now", _asked_long_ago),
    _card("integrations:unlink", _linked, get=200, data=_link_seen),
]
