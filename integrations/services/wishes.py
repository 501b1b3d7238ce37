"""Updating the customer of a company, and repeating what failed: each wish is one row of the outbox."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from companies.models import Company, Contact
from integrations import mapping
from integrations.clock import database_now
from integrations.comparing import Decision
from integrations.models import CustomerLink, Event, EventKind, Kind, Push, PushState
from integrations.models.push import WISH_PARTS
from integrations.refusing import ContactChosen, NothingConfirmed, NothingToDecide, NotLinked
from integrations.services.adding import request_create
from integrations.services.looking import connected, link_of, locked, still_there, under_way
from integrations.services.outbox import poke_when_committed, record, refuse_problems


def _linked(company: Company) -> tuple[Company, CustomerLink]:
    """Lock the company; return it with its link on the working connection. Raises NotConnected, NotLinked, Archived."""
    company = locked(company)
    connection = connected(company)
    link = link_of(company, connection)
    if link is None:
        raise NotLinked
    link.connection = connection
    return company, link


def _send(user: User, company: Company, link: CustomerLink, decision: Decision, *, undoes: Push | None = None) -> Push:
    """Record what is to be written; the newest sheet wins.

    About what it showed it replaces a wish that waits, and follows one that is being sent. Raises AlreadyUnderWay for
    what is neither, and when what it leaves as it is there is being sent already.
    """
    wish = _wish(company, link, decision, undoes)
    push = _older(company, link, decision)
    if push:
        joined = {**_joined(push, wish, decision), "requested_by": user}
        if push.replace_wish(joined, now=database_now()):
            poke_when_committed(push)
            return push
        if push.ask_again(joined, names=decision.write):
            return push
    return record(user, company, link.connection, kind=Kind.UPDATE, **wish)


def _leave(user: User, company: Company, link: CustomerLink, decision: Decision) -> None:
    """Take out of an older wish what stays as it is there; without anything left it is cancelled, and that is told.

    Raises AlreadyUnderWay as `_send`, and when a worker is just beginning with all that is left.
    """
    push = _older(company, link, decision)
    if push is None or not push.is_unsent:
        return
    rest = _beside(push, decision)
    if rest["confirmed"]:
        push.reduce_wish(rest)
    elif push.cancel(now=database_now()):
        Event.add(EventKind.CANCELLED, connection=push.connection, company=push.company, actor=user)
    else:
        raise under_way(push)


def _older(company: Company, link: CustomerLink, decision: Decision) -> Push | None:
    """Return the update that is under way and can still follow this decision. Raises AlreadyUnderWay."""
    push = Push.open_of(company)
    if push is None:
        return None
    if push.kind != Kind.UPDATE or push.connection_id != link.connection_id:
        raise under_way(push)
    if not push.is_unsent and _leaves_wished(push, decision, country=str(company.country)):
        raise under_way(push)
    return push


def _leaves_wished(push: Push, decision: Decision, *, country: str) -> bool:
    """Whether the person saw what this push is about to change, and left it as it is there."""
    left = {name: value for name, value in decision.shown.items() if name not in decision.write}
    return bool(mapping.unequal(push.confirmed, left, country=country))


def _wish(company: Company, link: CustomerLink, decision: Decision, undoes: Push | None) -> dict[str, Any]:
    """Return the columns of an update that say what is wanted."""
    whole = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    return {
        "contact": link.contact,
        "confirmed": decision.write,
        "based_on": decision.based_on,
        "read_at": decision.read_at,
        # What was there before is no shorter form of what stands here.
        "shorter": {} if undoes else mapping.shorter_forms(whole, decision.write),
        "undoes": undoes,
    }


def _beside(push: Push, decision: Decision) -> dict[str, dict[str, Any]]:
    """Return of an older wish what the newer sheet did not show."""
    shown = {*decision.shown, *decision.write}
    return {
        part: {name: value for name, value in getattr(push, part).items() if name not in shown} for part in WISH_PARTS
    }


def _joined(push: Push, wish: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    """Return the newer wish, with what of the older one stays beside it."""
    beside = _beside(push, decision)
    joined = {**wish, **{part: {**beside[part], **wish[part]} for part in WISH_PARTS}}
    if beside["confirmed"]:
        # The earlier look: what we wrote between the two is ours for both.
        joined["read_at"] = min((at for at in (push.read_at, decision.read_at) if at), default=None)
    return joined


def settle_differences(
    *, user: User, company: Company, customer_id: str, decision: Decision, undoes: Push | None = None
) -> Push | None:
    """Do what a person chose on a sheet about this customer: write some values there, keep others as they are there.

    Return the push, or None when nothing is to be written. `undoes`: the push whose former values they are. Raises
    NotConnected, NotLinked (also when the company is linked to another customer by now), AlreadyUnderWay,
    CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, link = _linked(company)
        if str(link.reference) != customer_id:
            raise NotLinked
        return settle(user, company, link, decision, undoes=undoes)


def settle(
    user: User, company: Company, link: CustomerLink, decision: Decision, *, undoes: Push | None = None
) -> Push | None:
    """Record a decision; the company is locked. Raises CannotSendValues, AlreadyUnderWay."""
    push: Push | None = None
    if decision.write:
        refuse_problems(decision.write)
        push = _send(user, company, link, decision, undoes=undoes)
    else:
        _leave(user, company, link, decision)
    if decision.kept_here:
        link.keep(here=decision.kept_here, there=decision.kept_there)
        kept = {"fields": sorted(decision.kept_here)}
        Event.add(EventKind.KEPT, connection=link.connection, company=company, actor=user, parameters=kept)
    if push:
        asked = EventKind.UNDO_REQUESTED if undoes else EventKind.UPDATE_REQUESTED
        fields = {"fields": sorted(decision.write)}
        Event.add(asked, connection=link.connection, company=company, actor=user, parameters=fields)
    return push


def choose_contact(
    *, user: User, company: Company, contact: Contact | None, decision: Decision, seen: CustomerLink
) -> Push:
    """Make a person the contact person of the customer, or nobody, and send the contact group only.

    `decision`: what was seen of it and confirmed. `seen`: the link as it was seen, with the contact person of then.
    Raises NotConnected, NotLinked, ContactGone, ContactChosen, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, link = _linked(company)
        contact = still_there(contact, company=company)
        if link.contact_id != seen.contact_id:
            raise ContactChosen(str(link.contact or ""))
        link.choose_contact(contact)
        Event.add(
            EventKind.CONTACT_CHOSEN,
            connection=link.connection,
            company=company,
            actor=user,
            parameters={"name": str(contact) if contact else ""},
        )
        # The choice is what the activity tells; that it is sent goes without saying.
        refuse_problems(decision.write)
        return _send(user, company, link, decision)


def try_again(*, user: User, push: Push) -> Push:
    """Repeat a failed wish exactly as it was confirmed. Raises NothingConfirmed, and what the wish raises."""
    if push.state != PushState.FAILED:
        raise NothingToDecide
    if not push.confirmed:
        raise NothingConfirmed
    if push.kind == Kind.CREATE:
        is_same = push.connection.is_current
        return request_create(
            user=user,
            company=push.company,
            contact=push.contact,
            confirmed=push.confirmed,
            terms=push.terms if is_same else None,
            judged=push.seen_ids if is_same and push.create_anyway else (),
        )
    with transaction.atomic():
        company, link = _linked(push.company)
        # What was confirmed was confirmed about the customer of then.
        if push.connection_id != link.connection_id or (push.finished_at and link.linked_at > push.finished_at):
            raise NothingToDecide
        decision = Decision(push.confirmed, push.based_on, {}, {}, read_at=push.read_at)
        again = _send(user, company, link, decision, undoes=push.undoes)
        Event.add(EventKind.UPDATE_REQUESTED, connection=link.connection, company=company, actor=user)
    return again
