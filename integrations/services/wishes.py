"""Updating the customer of a company, and repeating what failed: each wish is one row of the outbox."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from accounts.models import User
from companies.models import Company, Contact
from integrations import mapping
from integrations.clock import database_now
from integrations.comparing import Decision
from integrations.mapping import BY_PROPERTY, Group, Values
from integrations.models import CustomerLink, Event, EventKind, Kind, Push, PushState
from integrations.refusing import (
    CannotSendValues,
    ContactChosen,
    NothingToDecide,
    NotLinked,
)
from integrations.services.adding import request_create
from integrations.services.looking import connected, link_of, locked, refuse_under_way, still_there, under_way
from integrations.services.outbox import poke_when_committed, record, refuse_problems

NO_CHANGES = Decision({}, {}, {}, {})


def request_update(*, user: User, company: Company, groups: list[str] | None = None) -> Push:
    """Record the wish to update the customer with the company's data and its chosen contact person.

    The newest wish wins: it replaces one that waits, and follows one that is being sent. Raises
    NotConnected, NotLinked, AlreadyUnderWay (a create), CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, link = _linked(company)
        groups = groups if groups is not None else mapping.groups_for(link.contact)
        push = _update_today(user, company, link, groups=groups)
        Event.add(EventKind.UPDATE_REQUESTED, connection=link.connection, company=company, actor=user)
    return push


def _update_today(user: User, company: Company, link: CustomerLink, *, groups: list[str]) -> Push:
    values = mapping.shortened(mapping.values_of(company, link.contact, groups=groups), link.shorter)
    _refuse_too_long(values)
    return _update(user, company, link, groups=groups)


def _linked(company: Company) -> tuple[Company, CustomerLink]:
    """Lock the company; return it with its link on the working connection. Raises as request_update."""
    company = locked(company)
    connection = connected(company)
    link = link_of(company, connection)
    if link is None:
        raise NotLinked
    link.connection = connection
    return company, link


def _refuse_too_long(values: Values) -> None:
    """An update may lack what the customer there has; what is over its limit is refused at once."""
    problems = [
        problem for problem in mapping.problems(values) if problem.kind == "too_long" or problem.remote == "Name"
    ]
    if problems:
        raise CannotSendValues(problems)


def _update(
    user: User,
    company: Company,
    link: CustomerLink,
    *,
    groups: list[str],
    decision: Decision = NO_CHANGES,
    undoes: Push | None = None,
) -> Push:
    confirmed, based_on = decision.write or None, decision.based_on or None
    whole = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    wish = {
        "groups": groups,
        "contact": link.contact,
        "confirmed": confirmed,
        "based_on": based_on,
        # What was there before is no shorter form of what stands here.
        "shorter": {} if undoes else mapping.shorter_forms(whole, decision.write),
        "undoes": undoes,
    }
    push = Push.open_of(company)
    if push is None:
        return record(user, company, link.connection, kind=Kind.UPDATE, **wish)
    if push.kind != Kind.UPDATE or push.connection_id != link.connection_id:
        raise under_way(push)
    now, joined = database_now(), _joined(push, wish, groups, decision)
    if push.replace_wish(joined, user=user, now=now):
        poke_when_committed(push)
    elif not push.ask_again(joined, user=user, now=now):
        return record(user, company, link.connection, kind=Kind.UPDATE, **wish)
    return push


def _joined(push: Push, wish: Mapping[str, Any], groups: list[str], decision: Decision) -> dict[str, Any]:
    """Return the newer wish with what of the older one it says nothing about."""
    covered = {*decision.covers, *decision.write, *decision.kept_here}
    covered |= {name for name, field in BY_PROPERTY.items() if field.group in groups}
    beside = {name: value for name, value in (push.confirmed or {}).items() if name not in covered}
    based_on = {name: value for name, value in (push.based_on or {}).items() if name in beside}
    overtaken = {BY_PROPERTY[name].group for name in covered}
    return {
        **wish,
        "groups": sorted({*groups, *(group for group in push.groups if group not in overtaken)}),
        "confirmed": {**beside, **decision.write} or None,
        "based_on": {**based_on, **decision.based_on} or None,
        "shorter": {**{name: push.shorter[name] for name in push.shorter if name in beside}, **wish["shorter"]},
        "undoes": wish["undoes"] or (push.undoes if beside and not decision.write else None),
    }


def settle_differences(
    *, user: User, company: Company, customer_id: str, decision: Decision, undoes: Push | None = None
) -> Push | None:
    """Do what a person chose on a sheet about this customer: write some values there, keep others as they are there.

    Return the push, or None when nothing is to be written. `undoes`: the push whose former values they are. Raises as
    request_update, and NotLinked when the company is linked to another customer by now.
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
    if decision.kept_here:
        link.keep(here=decision.kept_here, there=decision.kept_there)
        kept = {"fields": sorted(decision.kept_here)}
        Event.add(EventKind.KEPT, connection=link.connection, company=company, actor=user, parameters=kept)
    push = _write(user, company, link, decision, undoes=undoes)
    if push is None:
        return None
    asked = EventKind.UNDO_REQUESTED if undoes else EventKind.UPDATE_REQUESTED
    fields = {"fields": sorted(decision.write)}
    Event.add(asked, connection=link.connection, company=company, actor=user, parameters=fields)
    return push


def _write(
    user: User, company: Company, link: CustomerLink, decision: Decision, *, undoes: Push | None = None
) -> Push | None:
    """Record the wish to write what was confirmed, if there is anything to write.

    Who keeps everything as it is there is told when an older wish is still about to change it.
    """
    if not decision.write:
        refuse_under_way(company)
        return None
    refuse_problems(decision.write)
    return _update(user, company, link, groups=[], decision=decision, undoes=undoes)


def choose_contact(
    *,
    user: User,
    company: Company,
    contact: Contact | None,
    decision: Decision | None = None,
    seen: CustomerLink | None = None,
) -> Push | None:
    """Make a person the contact person of the customer, or nobody, and send the contact group only.

    `decision`: what a person saw of it and confirmed; for nobody it is needed, or what stands there stays.
    `seen`: the link as they saw it, with the contact person of then. Raises NotConnected, NotLinked, ContactGone,
    ContactChosen, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, link = _linked(company)
        contact = still_there(contact, company=company)
        if seen and link.contact_id != seen.contact_id:
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
        if decision:
            return _write(user, company, link, decision)
        return _update_today(user, company, link, groups=[Group.CONTACT]) if contact else None


def try_again(*, user: User, push: Push) -> Push:
    """Repeat a failed wish: what was confirmed as it was, the rest with today's data. Raises what the wish raises."""
    if push.state != PushState.FAILED:
        raise NothingToDecide
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
        decision = Decision(push.confirmed or {}, push.based_on or {}, {}, {})
        again = _update(user, company, link, groups=push.groups, decision=decision, undoes=push.undoes)
        Event.add(EventKind.UPDATE_REQUESTED, connection=link.connection, company=company, actor=user)
    return again
