"""Adding a company as a customer, and updating the customer: each wish is one row of the outbox."""

from collections.abc import Collection, Mapping

from django.db import transaction

from accounts.models import User
from companies.models import Company, Contact
from integrations import mapping, tasks
from integrations.clock import database_now
from integrations.comparing import Decision
from integrations.mapping import BY_PROPERTY, Group, Values
from integrations.models import Connection, CustomerLink, Event, EventKind, Kind, Push, PushState, TermsOfPayment
from integrations.refusing import (
    AlreadyLinked,
    CannotSendValues,
    NothingToDecide,
    NotLinked,
    TermsNotAllowed,
    TermsNotConfirmed,
)
from integrations.services.looking import connected, forget, link_of, locked, refuse_under_way, under_way

NO_CHANGES = Decision({}, {}, {}, {})


def request_create(
    *,
    user: User,
    company: Company,
    contact: Contact | None = None,
    confirmed: Values | None = None,
    terms: TermsOfPayment | None = None,
    judged: Collection[str] = (),
) -> Push:
    """Record the wish to add the company as a customer, in place of one that is gone there.

    `confirmed`: the exact values that a person saw, blanks included, and `terms` those they chose; without them the
    company's values and the default terms of the moment of sending. `judged`: ids of the customers that they saw and
    said not to be this company; only about others will they be asked. Raises NotConnected, TermsNotConfirmed,
    TermsNotAllowed, AlreadyLinked, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, connection, gone = _creatable(company, terms)
        wish = wish_to_create(company, contact=contact, confirmed=confirmed, terms=terms, judged=judged)
        if gone:
            forget(gone, company=company, connection=connection, user=user)
        push = _record(user, company, connection, **wish)
        asked = EventKind.CREATE_ANYWAY if judged else EventKind.CREATE_REQUESTED
        Event.add(asked, connection=connection, company=company, actor=user)
    return push


def wish_to_create(
    company: Company,
    *,
    contact: Contact | None,
    confirmed: Values | None,
    terms: TermsOfPayment | None,
    judged: Collection[str] = (),
) -> dict[str, object]:
    """Return the columns of a create that say what is wanted. Raises CannotSendValues."""
    here = mapping.values_of(company, contact, groups=mapping.groups_for(contact))
    if confirmed is not None:
        confirmed = {**here, **_in_form(confirmed, company)}
    _refuse_problems(here if confirmed is None else confirmed)
    return {
        "kind": Kind.CREATE,
        "contact": contact,
        "terms": terms,
        "confirmed": confirmed,
        "shorter": _shorter(here, confirmed or {}),
        "create_anyway": bool(judged),
        "seen_ids": sorted(judged),
    }


def check_create(*, company: Company) -> tuple[Connection, CustomerLink | None]:
    """Tell, before a person fills in a sheet, that the company can be added now: to which connection.

    Also the link to a customer that is gone there, which the create would replace. Raises as request_create, except
    about values.
    """
    with transaction.atomic():
        _company, connection, gone = _creatable(company, None)
    return connection, gone


def _creatable(company: Company, terms: TermsOfPayment | None) -> tuple[Company, Connection, CustomerLink | None]:
    company = locked(company)
    connection = connected(company)
    link = link_of(company, connection)
    if link and not link.broken:
        raise AlreadyLinked
    refuse_under_way(company)
    _refuse_terms(connection, terms)
    return company, connection, link


def _refuse_terms(connection: Connection, chosen: TermsOfPayment | None) -> None:
    if connection.terms_problem:
        raise TermsNotConfirmed(connection.terms_problem, **connection.terms_particulars)
    if chosen is None or chosen == connection.default_terms:
        return
    if chosen.connection_id != connection.pk or not (chosen.is_choosable and chosen.offered):
        raise TermsNotAllowed


def _in_form(values: Values, company: Company) -> Values:
    return mapping.normal_values(values, country=str(company.country))


def _refuse_problems(values: Values) -> None:
    problems = mapping.problems(values)
    if problems:
        raise CannotSendValues(problems)


def _shorter(here: Values, confirmed: Values) -> dict[str, dict[str, str]]:
    """Return what was given a shorter form because eAccounting would refuse the whole value."""
    too_long = {problem.remote for problem in mapping.problems(here) if problem.kind == "too_long"}
    return {name: {"here": here[name], "there": confirmed[name]} for name in too_long & confirmed.keys()}


def _record(user: User, company: Company, connection: Connection, **wish: object) -> Push:
    """Write the wish into the outbox and poke a worker once it is committed."""
    now = database_now()
    push = Push.objects.create(
        account_id=company.account_id,
        connection=connection,
        company=company,
        requested_by=user,
        requested_at=now,
        next_attempt_at=now,
        **wish,
    )
    poke_when_committed(push)
    return push


def poke_when_committed(push: Push) -> None:
    """Tell a worker. The wish is recorded by then, so nothing that goes wrong here may fail the click."""
    transaction.on_commit(lambda: tasks.poke(push.pk), robust=True)


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
        "shorter": {} if undoes else _shorter(whole, decision.write),
        "undoes": undoes,
    }
    push = Push.open_of(company)
    if push is None:
        return _record(user, company, link.connection, kind=Kind.UPDATE, **wish)
    if push.kind != Kind.UPDATE or push.connection_id != link.connection_id:
        raise under_way(push)
    now, joined = database_now(), _joined(push, wish, groups)
    if push.replace_wish(joined, user=user, now=now):
        poke_when_committed(push)
    elif not push.ask_again(joined, user=user, now=now):
        return _record(user, company, link.connection, kind=Kind.UPDATE, **wish)
    return push


def _joined(push: Push, wish: Mapping[str, object], groups: list[str]) -> dict[str, object]:
    """Return the newer wish with what the older one carries beside it; values confirmed anew replace the older ones."""
    if wish["confirmed"] is None and push.confirmed:
        beside = {n: value for n, value in push.confirmed.items() if BY_PROPERTY[n].group not in groups}
        older = {"based_on": push.based_on, "shorter": push.shorter, "undoes": push.undoes}
        wish = {**wish, **older, "confirmed": beside or None}
    return {**wish, "groups": sorted({*push.groups, *groups})}


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
    """Record the wish to write what was confirmed, if there is anything to write."""
    if not decision.write:
        return None
    _refuse_problems(decision.write)
    return _update(user, company, link, groups=[], decision=decision, undoes=undoes)


def choose_contact(
    *, user: User, company: Company, contact: Contact | None, decision: Decision | None = None
) -> Push | None:
    """Make a person the contact person of the customer, or nobody, and send the contact group only.

    `decision`: what a person saw of it and confirmed; for nobody it is needed, or what stands there stays. Raises
    NotConnected, NotLinked, AlreadyUnderWay, CannotSendValues, Archived.
    """
    with transaction.atomic():
        company, link = _linked(company)
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
        return request_create(
            user=user,
            company=push.company,
            contact=push.contact,
            confirmed=push.confirmed,
            terms=push.terms,
            judged=push.seen_ids if push.create_anyway else (),
        )
    with transaction.atomic():
        company, link = _linked(push.company)
        decision = Decision(push.confirmed or {}, push.based_on or {}, {}, {})
        again = _update(user, company, link, groups=push.groups, decision=decision, undoes=push.undoes)
        Event.add(EventKind.UPDATE_REQUESTED, connection=link.connection, company=company, actor=user)
    return again
