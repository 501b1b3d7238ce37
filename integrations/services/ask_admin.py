"""Ask an admin: e-mail the admins, and park what a sheet confirmed until they have fixed what only they can fix.

A parked push waits like any other, but is due to nobody. Reconnecting, unblocking or choosing terms makes it due
(push_queue.pull_forward, else recheck), only for the same eAccounting company. After seven days a person has to
confirm it again.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from accounts.mail import request_mail
from accounts.models import User
from companies.models import Company, Contact
from integrations.clock import database_now
from integrations.domain import mapping
from integrations.domain.diff import Decision
from integrations.domain.mapping import Values
from integrations.exceptions import AlreadyLinked, NothingToAsk, NothingToDecide, NotLinked
from integrations.models import (
    Connection,
    CustomerLink,
    Event,
    EventKind,
    Kind,
    Push,
    TermsOfPayment,
    WaitReason,
)
from integrations.models.connection import TERMS_PROBLEMS
from integrations.services.create import create_columns
from integrations.services.outbox import refuse_problems, wake_when_committed
from integrations.services.preconditions import link_of, lock_company, remove_link, still_present, under_way

# Each is a mail of its own (templates/mail/).
_MAILS = {
    "not_connected": "ask-admin-connect",
    Connection.State.DISCONNECTED: "ask-admin-connect",
    Connection.State.NEEDS_RECONNECT: "ask-admin-reconnect",
    **dict.fromkeys(TERMS_PROBLEMS, "ask-admin-terms"),
}
_MAIL_ABOUT_A_STOP = "ask-admin-stopped"
# An admin who got a mail may have fixed it since, and it may have broken again.
MAIL_AGAIN_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """Who was asked, and whether the push is parked."""

    mailed: list[User]  # the admins to whom a mail goes
    spared: list[User]  # the admins who got one less than MAIL_AGAIN_AFTER ago
    push: Push | None
    is_connected: bool = True  # whether there is an eAccounting company at all that something could wait for


def ask_admins(
    *,
    user: User,
    company: Company,
    confirmed: Values | None = None,
    contact: Contact | None = None,
    terms: TermsOfPayment | None = None,
    judged: Collection[str] = (),
    decision: Decision | None = None,
    customer_id: str = "",
) -> Asked:
    """E-mail the admins what has to be fixed, and park what a person confirmed until they have fixed it.

    `confirmed`, `contact`, `terms`, `judged`: from the create sheet, as for `request_create`. `decision`,
    `customer_id`: from the update sheet, as for `request_update`. Without either nothing new is parked, and a push
    that already waits for an admin becomes the request of the person who asks now. Raises NothingToAsk,
    AlreadyUnderWay, AlreadyLinked, NotLinked, CannotSendValues, ContactGone, Archived.
    """
    now = database_now()
    with transaction.atomic():
        company = lock_company(company)
        contact = still_present(contact, company=company)
        connection = _locked_connection(company)
        link = link_of(company, connection)
        code = admin_problem(connection, link)
        if not code:
            raise NothingToAsk
        push = None
        if connection and confirmed is not None:
            wish = create_columns(company, contact=contact, confirmed=confirmed, terms=terms, judged=judged)
            _give_way(link, company, connection, user)
            push = _park(user, company, connection, code, wish)
        elif connection and decision:
            push = _park_update(user, company, connection, code, _still(link, customer_id), decision)
        elif waiting := Push.open_of(company):
            push = _renewed(user, waiting, connection)
        admins = list(User.objects.working_admins().filter(account_id=company.account_id).order_by("pk"))
        context = {"who": str(user), "company": company.name, "company_id": company.pk, "code": code}
        if connection:
            context |= {"connection": str(connection), "particulars": connection.terms_particulars}
        cause = _MAILS.get(code, _MAIL_ABOUT_A_STOP)
        mailed = [
            admin
            for admin in admins
            if request_mail(user=admin, cause=cause, now=now, context=context, again_after=MAIL_AGAIN_AFTER)
        ]
        if mailed:
            _tell(user, company, connection, mailed)
    spared = [admin for admin in admins if admin not in mailed]
    return Asked(mailed=mailed, spared=spared, push=push, is_connected=connection is not None)


def _locked_connection(company: Company) -> Connection | None:
    """Return the account's connection, locked, whatever its state: an admin's fix waits until the push is parked."""
    # The terms are read in a query of their own: a join would return them as they were before we waited for the lock.
    rows = Connection.without_tokens().select_for_update(no_key=True)
    current = rows.filter(account_id=company.account_id, is_current=True)
    # If another connection became current while we waited for the lock, the query finds nothing: so try once more.
    return current.first() or current.first()


def admin_problem(connection: Connection | None, link: CustomerLink | None) -> str:
    """Return the code of what only an admin can fix before a company is created or updated, or ""."""
    if connection is None:
        return "not_connected"
    if not connection.is_connected:
        return connection.state
    if connection.blocked_reason:
        return connection.blocked_reason
    return "" if link and not link.broken else connection.terms_problem


def _give_way(link: CustomerLink | None, company: Company, connection: Connection, user: User) -> None:
    """Remove the link to a customer that is gone, as creating does. Raises AlreadyLinked for any other customer."""
    if link and not link.broken:
        raise AlreadyLinked
    if link:
        remove_link(link, company=company, connection=connection, user=user)


def _still(link: CustomerLink | None, customer_id: str) -> CustomerLink:
    """Return the link if it is still the one that the person saw. Raises NotLinked."""
    if link is None or str(link.reference) != customer_id:
        raise NotLinked
    return link


def _park_update(
    user: User, company: Company, connection: Connection, code: str, link: CustomerLink, decision: Decision
) -> Push | None:
    """Park what the person chose to write, if anything. Choices to keep eAccounting's value are not recorded yet."""
    if not decision.write:
        return None
    refuse_problems(decision.write)
    whole = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    wish: dict[str, object] = {
        "kind": Kind.UPDATE,
        "contact": link.contact,
        "confirmed": decision.write,
        "based_on": decision.based_on,
        "shorter": mapping.shorter_forms(whole, decision.write),
        "read_at": decision.read_at,
    }
    return _park(user, company, connection, code, wish)


def _park(user: User, company: Company, connection: Connection, code: str, wish: dict[str, object]) -> Push:
    """Record the request as a parked push; the same request twice is one push. Raises AlreadyUnderWay."""
    waiting = Push.open_of(company)
    if waiting and (waiting.kind, waiting.confirmed) == (wish["kind"], wish["confirmed"]):
        return _renewed(user, waiting, connection)
    if waiting:
        raise under_way(waiting)
    return Push.objects.create(
        account_id=company.account_id,
        connection=connection,
        company=company,
        requested_by=user,
        requested_at=database_now(),
        wait_reason=WaitReason.TERMS if code in TERMS_PROBLEMS else WaitReason.CONNECTION,
        next_attempt_at=None,
        **wish,
    )


def _renewed(user: User, waiting: Push, connection: Connection | None) -> Push:
    """Make a push that already waits for an admin this person's request. Raises AlreadyUnderWay for any other push."""
    if connection is None or waiting.connection_id != connection.pk or not waiting.waits_for_admin:
        raise under_way(waiting)
    waiting.renew_request(user=user, now=database_now())
    return waiting


def _tell(user: User, company: Company, connection: Connection | None, admins: list[User]) -> None:
    """Write the question into the company's activity, once per mail: asking again meanwhile adds nothing."""
    lately = Event.objects.filter(company=company, kind=EventKind.ADMIN_ASKED, actor=user)
    if not lately.filter(at__gt=database_now() - MAIL_AGAIN_AFTER).exists():
        names = {"name": ", ".join(str(admin) for admin in admins)}
        Event.add(EventKind.ADMIN_ASKED, connection=connection, company=company, actor=user, parameters=names)


def send_parked_push(*, user: User, push: Push) -> None:
    """Send a parked push that had grown old, exactly as it was confirmed. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.confirmed or not push.send_after_all(user=user, now=database_now()):
            raise NothingToDecide
        kind = EventKind.CREATE_REQUESTED if push.kind == Kind.CREATE else EventKind.UPDATE_REQUESTED
        Event.add(kind, connection=push.connection, company=push.company, actor=user)
        wake_when_committed(push)
