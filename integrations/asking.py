"""Ask an admin: a mail to each of them, and the wish is parked until they have mended what only they can.

A parked wish is a waiting row like any other, due to nobody: reconnecting, unblocking or choosing terms pulls it
forward (Push.pull_forward, else recheck), on the same eAccounting company only, and asks again when it has grown old.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction

from accounts.mail import request_mail
from accounts.models import User
from companies.models import Company, Contact
from integrations import mapping
from integrations.clock import database_now
from integrations.comparing import Base, Side, compare, decide
from integrations.mapping import Values
from integrations.models import Connection, CustomerLink, Event, EventKind, Kind, Push, TermsOfPayment, WaitReason
from integrations.models.chosen_terms import TERMS_PROBLEMS
from integrations.refusing import CannotSendValues, NothingToAsk, NothingToDecide
from integrations.services.adding import wish_to_create
from integrations.services.looking import link_of, locked, still_there, under_way
from integrations.services.outbox import poke_when_committed

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
    why_none: str  # without a push: "no_connection", "nothing_changed" (a customer), "values" (to be mended first)


def ask_admin(
    *,
    user: User,
    company: Company,
    contact: Contact | None = None,
    confirmed: Values | None = None,
    terms: TermsOfPayment | None = None,
) -> Asked:
    """Mail the admins what stands in the way, and park the wish to add the company, or to update its customer.

    `contact`, `confirmed` and `terms` are those of a create, as for `services.request_create`. Raises NothingToAsk,
    AlreadyUnderWay, ContactGone, Archived.
    """
    now = database_now()
    with transaction.atomic():
        company = locked(company)
        contact = still_there(contact, company=company)
        connection = _locked_connection(company)
        link = link_of(company, connection)
        code = _what_is_wrong(connection, link)
        if not code:
            raise NothingToAsk
        push = None
        if connection:
            if link:
                wish = _wish_to_update(company, link)
            else:
                wish = _wish_to_create(company, contact=contact, confirmed=confirmed, terms=terms)
            push = _park(user, company, connection, code, wish) if wish else None
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
    why_none = "" if push else "no_connection" if connection is None else "nothing_changed" if link else "values"
    spared = [admin for admin in admins if admin not in mailed]
    return Asked(mailed=mailed, spared=spared, push=push, why_none=why_none)


def _locked_connection(company: Company) -> Connection | None:
    """Return the account's connection, in whatever state; whoever mends it waits until the wish is parked."""
    # The terms are read by a query of their own: joined, they would be those of before the wait.
    rows = Connection.without_tokens().select_for_update(no_key=True)
    current = rows.filter(account_id=company.account_id, is_current=True)
    # Whoever waited for a lock finds nothing when another one became current meanwhile: so a second time.
    return current.first() or current.first()


def _what_is_wrong(connection: Connection | None, link: CustomerLink | None) -> str:
    """Return the code of what only an admin can mend, or ""."""
    if connection is None:
        return "not_connected"
    if not connection.is_connected:
        return connection.state
    if connection.blocked_reason:
        return connection.blocked_reason
    return "" if link else connection.terms_problem


def _wish_to_create(
    company: Company, *, contact: Contact | None, confirmed: Values | None, terms: TermsOfPayment | None
) -> dict[str, object] | None:
    """Return the wish to add the company as it stands now, or None when values have to be mended first."""
    try:
        return wish_to_create(company, contact=contact, confirmed=confirmed or {}, terms=terms)
    except CannotSendValues:
        return None


def _wish_to_update(company: Company, link: CustomerLink) -> dict[str, object] | None:
    """Return the wish to send what was changed here since it was last agreed on, or None when nothing was.

    Nobody sees a sheet, so nothing is sent over a value that changed in eAccounting, then or until it is sent.
    """
    here = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    here = mapping.shortened(here, link.shorter)
    rows = compare(here=here, there=link.customer.answered, base=Base(link.sent or {}, link.agreed_there))
    ours = {row.key: Side.OURS for row in rows if row.default is Side.OURS and not row.problems}
    decision = decide(rows, ours)
    if not decision.write:
        return None
    return {
        "kind": Kind.UPDATE,
        "contact": link.contact,
        "confirmed": decision.write,
        "based_on": decision.based_on,
    }


def _park(user: User, company: Company, connection: Connection, code: str, wish: dict[str, object]) -> Push:
    """Record the wish as one that waits; what waits already is theirs from now on. Raises AlreadyUnderWay."""
    waiting = Push.open_of(company)
    if waiting:
        if waiting.connection_id == connection.pk and waiting.waits_for_admin:
            waiting.renew(user=user, now=database_now())
            return waiting
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


def _tell(user: User, company: Company, connection: Connection | None, admins: list[User]) -> None:
    """Write it into the company's activity, once for one mail: who asks twice while it is being sent asks once."""
    lately = Event.objects.filter(company=company, kind=EventKind.ADMIN_ASKED, actor=user)
    if not lately.filter(at__gt=database_now() - MAIL_AGAIN_AFTER).exists():
        names = {"name": ", ".join(str(admin) for admin in admins)}
        Event.add(EventKind.ADMIN_ASKED, connection=connection, company=company, actor=user, parameters=names)


def send_now(*, user: User, push: Push) -> None:
    """A person says that what waited long for an admin is still wanted. Raises NothingToDecide."""
    with transaction.atomic():
        if not push.send_after_all(user=user, now=database_now()):
            raise NothingToDecide
        kind = EventKind.CREATE_REQUESTED if push.kind == Kind.CREATE else EventKind.UPDATE_REQUESTED
        Event.add(kind, connection=push.connection, company=push.company, actor=user)
        poke_when_committed(push)
