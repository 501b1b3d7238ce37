"""What must hold after every step, and what must have come true at the end."""

from django.template.loader import render_to_string
from django.test import RequestFactory

from companies.models import Company
from integrations.domain import mapping
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Kind, Origin, Push, PushState, WaitReason
from integrations.models.push import OPEN
from integrations.panel.badges import panels_of
from integrations.panel.panel import panel_of
from tests.machine.people import UNHELPFUL, People

_CONNECTIONS = """
select id, name, is_current, state, blocked_reason, default_terms_id, terms_confirmed_at, terms_were
from integrations_connection
"""
_LINKS = """
select link.*, remote.customer_id as there from integrations_customerlink link
join integrations_remotecustomer remote on remote.id = link.customer_id order by link.company_id
"""
_drawn: set[object] = set()  # the cards that were drawn in this process, by what makes them look as they do
ENDED = (PushState.DONE, PushState.FAILED, PushState.CANCELLED)


class Checks:
    """Holds what the steps before have shown, so that nothing goes backwards."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._remote = people.world.remote
        self._before: dict[int, Push] = {}
        # What the rules go by, as of the last step: ids of companies.
        self.open: list[int] = []
        self.asking: list[int] = []
        self.failed: list[int] = []
        self.linked: list[int] = []
        self.free: list[int] = []  # neither customers there nor under way
        self.usable = True
        self.needs_admin = False

    def after_step(self) -> None:
        """Check everything that always holds."""
        assert not self._remote.book.wrongs, self._remote.book.wrongs
        # By hand, as often as this is: to put these together anew takes longer than to ask them.
        pushes = list(Push.objects.raw("select * from integrations_push order by id"))
        connections = {row.pk: row for row in Connection.objects.raw(_CONNECTIONS)}
        links = list(CustomerLink.objects.raw(_LINKS))
        self._one_open_each(pushes)
        for push in pushes:
            self._goes_forward(push)
            self._sane(push, connections[push.connection_id])
            self._says_why(push)
        self._links(links)
        for link in links:
            for push in pushes:
                if (push.company_id, push.connection_id) == (link.company_id, link.connection_id):
                    self._overtaken_by_somebody(push, str(link.there))
        self._connections(connections)
        self._forget_failed(pushes)
        self._before = {push.pk: push for push in pushes}
        self._remember(pushes, connections, links)

    def _forget_failed(self, pushes: list[Push]) -> None:
        """What a person was told not to have been sent need not arrive, unless a later push carries it."""
        for push in pushes:
            before = self._before.get(push.pk)
            if push.state == PushState.FAILED and (before is None or before.is_open):
                later = {
                    name
                    for one in pushes
                    if one.pk > push.pk and one.company_id == push.company_id
                    for name in one.confirmed
                }
                for name in push.confirmed.keys() - later:
                    self._people.wished.get(push.company_id, {}).pop(name, None)

    def _remember(self, pushes: list[Push], connections: dict[int, Connection], links: list[CustomerLink]) -> None:
        current = next(row for row in connections.values() if row.is_current)
        newest = {push.company_id: push for push in pushes if push.connection_id == current.pk}
        self.usable = current.is_usable
        self.needs_admin = not self.usable or bool(current.terms_problem)
        self.open = [push.company_id for push in pushes if push.is_open]
        self.asking = [push.company_id for push in pushes if push.is_open and push.wait_reason == WaitReason.DECISION]
        self.failed = [company for company, push in newest.items() if push.state == PushState.FAILED]
        self.linked = [link.company_id for link in links if link.connection_id == current.pk]
        taken = {*self.linked, *self.open}
        self.free = [company for company in self._people.world.companies if company not in taken]

    def _one_open_each(self, pushes: list[Push]) -> None:
        companies = [push.company_id for push in pushes if push.is_open]
        assert len(companies) == len(set(companies)), "two open pushes of one company"

    def _goes_forward(self, push: Push) -> None:
        before = self._before.get(push.pk)
        if before is None:
            return
        assert push.fence >= before.fence, f"the fence of {push} fell"
        if not before.is_open:
            assert push.state == before.state, f"{before} became {push}"
        if before.state == PushState.UNKNOWN and push.kind == Kind.CREATE:
            # Bytes have left: it may end as found, be proven absent, or be decided, but never simply be given up.
            assert push.state != PushState.CANCELLED, f"{push} was cancelled although its bytes had left"

    def _sane(self, push: Push, connection: Connection) -> None:
        if push.state in ENDED:
            assert push.lease_until is None, f"{push} has ended and is held"
            assert push.finished_at is not None, f"{push} has ended at no time"
        if push.state == PushState.SENDING:
            assert push.lease_until is not None, f"{push} is being sent by nobody"
            assert push.send_by is not None
        if push.is_open and push.lease_until is None and push.next_attempt_at is None:
            waits_for_a_person = push.wait_reason == WaitReason.DECISION
            waits_for_connection = push.wait_reason == WaitReason.CONNECTION and not connection.is_usable
            waits_for_terms = push.wait_reason == WaitReason.TERMS and bool(connection.terms_problem)
            waits_for_an_admin = waits_for_connection or waits_for_terms
            assert waits_for_a_person or waits_for_an_admin, f"nobody will ever move {push} ({push.wait_reason})"
        made = self._remote.book.made(push.pk)
        if push.state == PushState.CANCELLED or (push.state == PushState.FAILED and push.failure != "linked_elsewhere"):
            assert not made, f"{push} ({push.failure}) ended although it made {made}"

    def _says_why(self, push: Push) -> None:
        if push.failure:
            words = sentence(push.failure, {"name": "", **push.failure_parameters})
            assert words, f"no sentence for {push.failure}"
            assert not words.startswith(UNHELPFUL), f"no sentence for {push.failure}"
        if push.state == PushState.FAILED or (push.is_open and push.wait_reason == WaitReason.RETRY):
            assert push.failure or push.unknown_since or push.attempts == 0 or self._is_proven_absent(push), str(push)

    @staticmethod
    def _is_proven_absent(push: Push) -> bool:
        return push.state == PushState.WAITING and push.payload is None

    def _overtaken_by_somebody(self, push: Push, customer_id: str) -> None:
        """What is told to be somebody's change was made by somebody: our own write is none."""
        if push.kind == Kind.UPDATE and push.failure == "changed_there":
            edited = {name for customer, name in self._remote.book.edited if customer == customer_id}
            fields = {*push.failure_parameters["fields"]}
            assert fields & edited, f"{push}: nobody has changed {sorted(fields)} there"

    def _links(self, links: list[CustomerLink]) -> None:
        for link in links:
            if link.origin == Origin.CREATED:
                makers = self._remote.book.pushes_of(str(link.there))
                owners = set(Push.objects.filter(pk__in=makers).values_list("company_id", flat=True))
                assert owners == {link.company_id}, f"{link} says created, but it was made by {makers}"

    def _connections(self, connections: dict[int, Connection]) -> None:
        current = [row for row in connections.values() if row.is_current]
        assert len(current) == 1
        for row in connections.values():
            if row.state == Connection.State.NEEDS_RECONNECT:
                assert self._remote.book.harmed, "a connection was lost although nobody had harmed its grant"
            if row.blocked_reason:
                words = sentence(row.blocked_reason)
                assert words, row.blocked_reason
                assert not words.startswith(UNHELPFUL), row.blocked_reason

    # --- What people see ---------------------------------------------------------------------------------

    def look_at_the_cards(self) -> None:
        """Look at each company's card: it can be drawn, and asks again while a worker can move something."""
        companies = list(Company.objects.filter(pk__in=self._people.world.companies).order_by("pk"))
        for company_id, shown in panels_of(companies=companies, user=self._people.user).items():
            push, link = shown.push, shown.link
            looks = (
                shown.state,
                push and (push.kind, push.state, push.wait_reason, push.failure),
                link and link.broken,
            )
            if looks not in _drawn:  # drawing costs more than all the other checks, and equal ones look the same
                card = panel_of(company=next(c for c in companies if c.pk == company_id), user=self._people.user)
                request = RequestFactory().get("/")
                request.user = card.user
                assert card.title in render_to_string("integrations/panel_answer.html", {"panel": card}, request)
                _drawn.add(looks)
            moves = shown.push and shown.push.is_open and shown.push.next_attempt_at
            if moves and shown.connection and shown.connection.is_usable:
                assert shown.poll_seconds, f"nobody would see what becomes of {shown.push}: {shown.state}"

    # --- The end -----------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        """Check that everything has come to its end, and that the newest wish has won."""
        left = [f"{push} {push.wait_reason} {push.failure}" for push in Push.objects.filter(state__in=OPEN)]
        assert not left, f"never ended: {left}"
        assert not self._people.world.tokens_in_clear()
        newest = {push.company_id: push for push in Push.objects.order_by("pk")}
        for push in newest.values():
            link = self._link_of(push)
            if push.kind == Kind.CREATE and push.state == PushState.DONE:
                assert link or push.company_id in self._people.unlinked, f"{push} is done and linked to nothing"
            if link and push.kind == Kind.UPDATE and push.state == PushState.DONE:
                self._newest_values_arrived(push, link)

    @staticmethod
    def _link_of(push: Push) -> CustomerLink | None:
        rows = CustomerLink.objects.select_related("customer", "contact")
        return rows.filter(company_id=push.company_id, connection_id=push.connection_id).first()

    def _newest_values_arrived(self, push: Push, link: CustomerLink) -> None:
        wished = self._people.wished.get(push.company_id, {})
        there = self._remote.row(str(link.reference))
        if not wished or there is None:
            return
        lacking = mapping.differences(wished, mapping.owned(there))
        assert not lacking, f"{push} is done, but {lacking} never arrived"
