"""Everything that the company card shows about Visma eAccounting: database only, a few queries whatever the data."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Q
from django.utils.functional import cached_property
from django.utils.translation import gettext

from accounts.models import Role, User
from companies.models import Company
from integrations.domain import mapping
from integrations.domain.diff import GROUP_LABELS, Change, Row
from integrations.domain.link_diff import rows_of, stored_otherwise
from integrations.domain.mapping import postal_defaults
from integrations.messages.sentences import ValueProblem, refused_fields, sentence, value_problem, value_problems
from integrations.models import Connection, CustomerLink, Kind, Origin, Push, PushState, WaitReason
from integrations.models.push import OPEN
from integrations.panel.differences import differences_words, row_words, told_differences
from integrations.panel.states import (
    DIFFERENCES,
    LOOKS,
    POLL_SECONDS,
    TECHNICAL,
    TO_REVIEW,
    Look,
    State,
)
from integrations.services.ask_admin import admin_problem
from integrations.services.requests import current_connection, links_of


@dataclass(frozen=True)
class Panel:
    """One company's panel for one reader."""

    company: Company
    user: User
    connection: Connection | None
    link: CustomerLink | None
    push: Push | None  # the newest push
    kept_link: CustomerLink | None = None  # the link on an earlier connection, if there is none on this one

    @cached_property
    def state(self) -> State:
        """The one state to show."""
        return self._state_of_push() or self._state_of_connection() or self._state_of_link()

    def _state_of_push(self) -> State | None:
        push = self.push
        if push and push.is_open and push.wait_reason == WaitReason.CONNECTION and self._is_of_another(push):
            return State.LEFT
        if push is None or not push.is_open or push.wait_reason in (WaitReason.CONNECTION, WaitReason.TERMS):
            return None
        if push.wait_reason == WaitReason.DECISION:
            return State.DECISION
        if push.state == PushState.UNKNOWN:
            return State.CHECKING
        # Due but not yet claimed, or being sent: to a person both mean "now".
        return State.WAITING if push.wait_reason else State.SENDING

    def _is_of_another(self, push: Push) -> bool:
        """Whether the push is for an eAccounting company that is no longer connected."""
        return self.connection is not None and push.connection_id != self.connection.pk

    def _state_of_connection(self) -> State | None:
        connection = self.connection
        if connection is None or connection.state == Connection.State.DISCONNECTED:
            return State.NOT_CONNECTED
        if not connection.is_connected:
            return State.NEEDS_RECONNECT
        if connection.blocked_reason:
            return State.STOPPED
        if self.link is None and not self._terms_chosen:
            return State.TERMS
        # The connection works again: a worker is about to take the push.
        return State.WAITING if self.push and self.push.is_open else None

    @property
    def look(self) -> Look:
        """Word, colour and icon of the state."""
        return LOOKS[self.state]

    @property
    def title(self) -> str:
        """The state in a few words, for the badge."""
        if self.state == State.DECISION and not self.user.may(Role.USER):
            return gettext("A user decides")
        if self.state not in DIFFERENCES.values():
            return str(self.look.word)
        return differences_words(self.state, [row for row in self.differences if DIFFERENCES[row.change] == self.state])

    @property
    def has_failed(self) -> bool:
        """Whether the newest push failed, and the panel's primary button repeats it."""
        return self.state in (State.REFUSED, State.TECHNICAL)

    @property
    def state_template(self) -> str:
        """The template of the state."""
        name = "changed" if self.state in DIFFERENCES.values() else self.state
        return f"integrations/states/{name}.html"

    @property
    def _terms_chosen(self) -> bool:
        connection = self.connection
        terms = connection.default_terms if connection else None
        return bool(connection and connection.terms_confirmed_at and terms and terms.is_choosable)

    def _state_of_link(self) -> State:
        if self.link and self.link.broken:
            return State.LINK_BROKEN
        if self.push and self._may_be_repeated(self.push):
            return State.TECHNICAL if self.push.failure in TECHNICAL else State.REFUSED
        if self.link is None:
            return State.NOT_LINKED
        changes = {row.change for row in self.differences}
        differing = next((state for change, state in DIFFERENCES.items() if change in changes), None)
        return differing or (State.OTHERWISE if self.fields_stored_otherwise else State.UP_TO_DATE)

    def _may_be_repeated(self, push: Push) -> bool:
        """Whether the newest push failed and can still be repeated, which linking or unlinking since rules out."""
        if push.state != PushState.FAILED or push.finished_at is None:
            return False
        if push.kind == Kind.CREATE:
            return self.link is None
        if push.failure == "changed_there" and push.undoes_id is None and not self.differences:
            return False  # a person has looked since, and kept eAccounting's values
        return self.link is not None and self.link.linked_at <= push.finished_at

    @cached_property
    def _rows(self) -> list[Row]:
        link = self.link
        # Nothing is known about a customer that was never read.
        return rows_of(self.company, link, there=link.customer.answered) if link and link.customer.answered else []

    @property
    def differences(self) -> list[Row]:
        """The rows that changed on one side, or differ and were never agreed on."""
        return [row for row in self._rows if row.is_news]

    @property
    def differences_told(self) -> list[str]:
        """A sentence for each kind of change, naming its fields."""
        return told_differences(self.differences)

    @cached_property
    def fields_stored_otherwise(self) -> list[mapping.Field]:
        """The fields that eAccounting's last answer has differently from what was sent, until a person accepts it."""
        return stored_otherwise(self.link, there=self.link.customer.answered) if self.link else []

    @property
    def left_there(self) -> list[str]:
        """The fields that a person kept as eAccounting has them, although they differ."""
        kept = self.link.kept if self.link else []
        rows = [row for row in self._rows if row.change is Change.SAME]
        return [row_words(row) for row in rows if any(field.remote in kept for field in row.differing)]

    @property
    def is_to_review(self) -> bool:
        """Whether the differences have to be looked at before anything can be sent."""
        return self.state in TO_REVIEW or self.is_overtaken

    @property
    def is_overtaken(self) -> bool:
        """Whether the newest update was not sent because somebody changed the same values in eAccounting meanwhile."""
        return self.has_failed and self.push is not None and self.push.failure == "changed_there"

    @cached_property
    def problems(self) -> list[ValueProblem]:
        """What prevents creating the customer: missing or over-long values without a suggested one."""
        values = mapping.values_of(self.company, None, groups=mapping.COMPANY_GROUPS)
        problems = mapping.problems({**values, **postal_defaults(values)})
        return [value_problem(problem.remote, problem.kind, problem.length) for problem in problems]

    @property
    def failure(self) -> str:
        """The sentence about the last failure, or about the reason to wait."""
        return sentence(self.push.failure, self.push.failure_parameters) if self.push and self.push.failure else ""

    @property
    def left(self) -> str:
        """The sentence about a push to a company that was disconnected before its outcome was known."""
        return sentence("already_under_way", {"left": str(self.push.connection)}) if self.push else ""

    @property
    def failure_fields(self) -> list[ValueProblem]:
        """The fields that the failure concerns."""
        if self.push is None:
            return []
        parameters = self.push.failure_parameters
        return value_problems(parameters) if self.push.failure == "values" else refused_fields(parameters)

    @property
    def person_id(self) -> int | None:
        """The contact whose values the failure concerns, if it is about the contact person."""
        return (self.push and self.push.contact_id) or (self.link and self.link.contact_id) or None

    @property
    def blocked_sentence(self) -> str:
        """Why eAccounting refuses all calls on the connection."""
        return sentence(self.connection.blocked_reason) if self.connection else ""

    @property
    def is_create(self) -> bool:
        """Whether the newest push is a create."""
        return self.push is not None and self.push.kind == Kind.CREATE

    @property
    def has_created(self) -> bool:
        """Whether the newest push created the customer that the company is linked to."""
        is_done = self.is_create and self.push is not None and self.push.state == PushState.DONE
        return is_done and self.link is not None and self.link.origin in (Origin.CREATED, Origin.ADOPTED)

    @property
    def poll_seconds(self) -> int | None:
        """Seconds between polls while a worker can move the push; None when only a person can."""
        if self.push is None or not self.push.is_open:
            return None
        return POLL_SECONDS.get(self.state)

    @property
    def version(self) -> str:
        """A text that changes whenever the panel would show something else; a poll with the same one swaps nothing."""
        push, link = self.push, self.link
        parts: list[object] = [self.state]
        parts += [push.pk, push.state, push.wait_reason, push.next_attempt_at] if push else []
        parts += [link.pk, link.sent_at] if link else []
        return "-".join(str(part.timestamp()) if isinstance(part, datetime) else str(part) for part in parts)

    @property
    def may_change(self) -> bool:
        """Whether this reader sees buttons: a user or an admin, and the company is not archived."""
        return self.user.may(Role.USER) and self.company.archived_at is None

    @property
    def may_act_on_link(self) -> bool:
        """Whether the customer can be updated now: nothing is under way, and the connection works."""
        under_way = self.push is not None and self.push.is_open
        usable = self.connection is not None and self.connection.is_usable
        return self.may_change and usable and not under_way and not (self.link and self.link.broken)

    @property
    def asks_on(self) -> str:
        """The name of the URL of the sheet that asks an admin; blank if there is nothing to send."""
        if self.connection is None or (self.push and self.push.is_open):
            return ""
        if not admin_problem(self.connection, self.link):
            return ""
        if self.link is None:
            return "integrations:create"
        return "integrations:update" if self.differences and not self.link.broken else ""

    @property
    def repeats(self) -> bool:
        """Whether the repeat button sends exactly what a sheet confirmed; else it opens a sheet first."""
        return self.push is not None and bool(self.push.confirmed)

    @property
    def repeated_fields(self) -> list[str]:
        """The labels of what a repeated update writes; a group is written whole and named once."""
        confirmed = self.push.confirmed if self.push else {}
        fields = [field for field in mapping.FIELDS if field.remote in confirmed]
        return list(dict.fromkeys(str(GROUP_LABELS.get(field.group, field.label)) for field in fields))

    @property
    def may_cancel(self) -> bool:
        """Whether the push can still be cancelled: nothing of it was sent."""
        push = self.push
        return self.may_change and push is not None and push.state == PushState.WAITING and push.unknown_since is None

    @property
    def customer_url(self) -> str:
        """The customer's page in eAccounting, if the operator configured its address; the route is not documented."""
        form = settings.EACCOUNTING_CUSTOMER_URL
        return form.replace("{id}", str(self.link.reference)) if form and self.link else ""

    @cached_property
    def kept_in(self) -> Connection | None:
        """The eAccounting company, connected earlier, in which this company is a customer."""
        if self.kept_link is None:
            return None
        return Connection.without_tokens().get(pk=self.kept_link.connection_id)

    @property
    def is_admin(self) -> bool:
        """Whether this reader can fix the connection."""
        return self.user.may(Role.ADMIN)


def panel_of(*, company: Company, user: User) -> Panel:
    """Collect what the panel needs."""
    connection = current_connection(company.account_id)
    rows = Push.objects.select_related("requested_by", "contact").filter(company=company)
    if connection is not None:
        rows = rows.filter(Q(connection=connection) | Q(state__in=OPEN))
    # Before the links: a push that reads as done has its link by then, and one under way is polled again.
    push = rows.order_by("-pk").first()
    links = links_of(company)
    link = next((link for link in links if connection and link.connection_id == connection.pk), None)
    return Panel(
        company=company,
        user=user,
        connection=connection,
        link=link,
        push=push,
        kept_link=None if link else next(iter(links), None),
    )
