"""Ask an admin: a mail to each of them, and what a sheet confirmed is parked until they have mended what only they can.

A parked request is a waiting row like any other, due to nobody: reconnecting, unblocking or choosing terms pulls it
forward (push_queue.pull_forward, else recheck), on the same eAccounting company only, and asks again when it has
grown old.
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
# An admin who got a mail may have mended it since, and it may have broken again.
MAIL_AGAIN_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Asked:
    """Who was asked, and what became of the wish."""

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
    """Mail the admins what stands in the way, and park what a person confirmed until they have acted.

    `confirmed`, `contact`, `terms`, `judged`: of the create sheet, as for `services.request_create`; `decision`,
    `customer_id`: of the update sheet, as for `services.settle_differences`. Without either nothing new is parked, and
    what waits for an admin already is theirs who asks last. Raises NothingToAsk, AlreadyUnderWay, AlreadyLinked,
    NotLinked, CannotSendValues, ContactGone, Archived.
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
    """Return the account's connection, in whatever state; whoever mends it waits until the wish is parked."""
    # The terms are read by a query of their own: joined, they would be those of before the wait.
    rows = Connection.without_tokens().select_for_update(no_key=True)
    current = rows.filter(account_id=company.account_id, is_current=True)
    # Whoever waited for a lock finds nothing when another one became current meanwhile: so a second time.
    return current.first() or current.first()


def admin_problem(connection: Connection | None, link: CustomerLink | None) -> str:
    """Return the code of what only an admin can mend before a company is added or updated, or ""."""
    if connection is None:
        return "not_connected"
    if not connection.is_connected:
        return connection.state
    if connection.blocked_reason:
        return connection.blocked_reason
    return "" if link and not link.broken else connection.terms_problem


def _give_way(link: CustomerLink | None, company: Company, connection: Connection, user: User) -> None:
    """Forget a customer that is gone there, as adding the company does. Raises AlreadyLinked for any other."""
    if link and not link.broken:
        raise AlreadyLinked
    if link:
        remove_link(link, company=company, connection=connection, user=user)


def _still(link: CustomerLink | None, customer_id: str) -> CustomerLink:
    """Return the link that the person saw. Raises NotLinked."""
    if link is None or str(link.reference) != customer_id:
        raise NotLinked
    return link


def _park_update(
    user: User, company: Company, connection: Connection, code: str, link: CustomerLink, decision: Decision
) -> Push | None:
    """Park what the person chose to write, if it is anything; who asks has decided nothing about the rest."""
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
    """Record the wish as one that waits; the same one twice is one. Raises AlreadyUnderWay."""
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
    """Make what waits for an admin already this person's wish. Raises AlreadyUnderWay for what waits for others."""
    if connection is None or waiting.connection_id != connection.pk or not waiting.waits_for_admin:
        raise under_way(waiting)
    waiting.renew_request(user=user, now=database_now())
    return waiting


def _tell(user: User, company: Company, connection: Connection | None, admins: list[User]) -> None:
    """Write it into the company's activity, once for one mail: who asks twice while it is being sent asks once."""
    lately = Event.objects.filter(company=company, kind=EventKind.ADMIN_ASKED, actor=user)
    if not lately.filter(at__gt=database_now() - MAIL_AGAIN_AFTER).exists():
        names = {"name": ", ".join(str(admin) for admin in admins)}
        Event.add(EventKind.ADMIN_ASKED, connection=connection, company=company, actor=user, parameters=names)


def send_parked_push(*, user: User, push: Push) -> None:
    """A person says that what waited long for an admin is still wanted, as it was confirmed. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.confirmed or not push.send_after_all(user=user, now=database_now()):
            raise NothingToDecide
        kind = EventKind.CREATE_REQUESTED if push.kind == Kind.CREATE else EventKind.UPDATE_REQUESTED
        Event.add(kind, connection=push.connection, company=push.company, actor=user)
        wake_when_committed(push)
