"""The machine: random people, faults, crashes and clocks over the real engine and a real PostgreSQL.

A step is one thing that somebody does or that befalls somebody. Which worker is poked when, and what happens to
its calls, is drawn with it (`Fate`).
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection as database
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from integrations import tasks
from integrations.clock import database_now
from integrations.delivery.worker import deliver, deliver_next
from integrations.models import Connection, Push
from integrations.models.push import HEAD_START, OPEN
from integrations.services.requests import current_connection
from tests.integrations.threads import in_thread
from tests.machine.checks import Checks
from tests.machine.fates import CALM, FATES, Fate, killed_before_statement
from tests.machine.people import HERE, PERSON, THERE, People
from tests.machine.remote import OURS, Killed
from tests.machine.world import World

PAUSES = (0.5, 3, 21, 111, 130, 1000, 3700, 90_000)
TROUBLES = ("expired", "expired", "revoked", "disconnect", "other company", "start over", "terms", "renamed terms")
AT_ONE_MOMENT = 20  # rows that a worker may pull before time has passed: more would be a loop without end

# What nobody knows of eAccounting, both ways.
UNKNOWNS: tuple[dict[str, object], ...] = (
    {},
    {"rotate_refresh_tokens": False},
    {"rotate_refresh_tokens": False, "answer_same_refresh_token": False},
    {"reformat_on_store": True},
    {"duplicate_number_code": 2000, "unknown_id_status": 400},
    {"unknown_id_body": False},
    {"mind_case_in_eq": False, "limit_per_company": True},
)
COMPANY = st.integers(0, 3)
EDITS = st.sampled_from([(field, value) for field, values in HERE.items() for value in values])
EDITS_OF_PERSON = st.sampled_from([(field, value) for field, values in PERSON.items() for value in values])
EDITS_THERE = st.sampled_from([(field, value) for field, values in THERE.items() for value in values])
EDITS_OF_OURS = st.sampled_from([(name, value) for name, values in THERE.items() for value in values if name in OURS])
LEFT = st.sets(st.integers(0, 9), max_size=3)  # the rows that are left as they are there
AFTERWARDS = st.one_of(st.none(), EDITS_OF_OURS)
BUSY = st.one_of(
    st.tuples(st.just("edit"), EDITS),
    st.tuples(st.just("edit there"), EDITS_THERE),
    st.tuples(st.sampled_from(("archive", "restore", "add", "remove", "delete there", "type in there")), st.none()),
)


def _late_seconds() -> float:
    """How late eAccounting may still store: our deadline and the settle time after it."""
    return float(settings.EACCOUNTING_CALL_SECONDS + settings.EACCOUNTING_SETTLE_SECONDS)


def _pull_one() -> bool:
    return deliver_next(clock=database_now)


class Machine(RuleBasedStateMachine):
    """One run."""

    world: World  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.remote, self.clock = self.world.remote, self.world.clock
        self.people = People(self.world)
        self.world.begin()
        self.checks = Checks(self.people)
        self.companies = self.world.companies
        self.checks.after_step()
        self.old: list[int] = []
        self.rivals: list[Future[None]] = []

    @initialize(switches=st.sampled_from(UNKNOWNS))
    def eaccounting_behaves_in_one_way_or_another(self, switches: dict[str, object]) -> None:
        self.remote.switch(**switches)

    # --- Clicks ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.checks.free)
    @rule(which=COMPANY, with_contact=st.booleans(), fate=FATES)
    def add_as_customer(self, which: int, with_contact: bool, fate: Fate) -> None:
        self.people.click_create(self.checks.free[which % len(self.checks.free)], with_contact=with_contact)
        self._work(fate)

    @precondition(lambda self: len(self.checks.free) > 1)
    @rule(fate=FATES)
    def add_all_as_customers(self, fate: Fate) -> None:
        for company in self.checks.free:
            self.people.click_create(company, with_contact=False)
        self._work(fate)

    @precondition(lambda self: self.checks.linked)
    @rule(which=COMPANY, edits=st.lists(EDITS, max_size=2), fate=FATES)
    def edit_and_update(self, which: int, edits: list[tuple[str, str]], fate: Fate) -> None:
        company = self._linked(which)
        for edit in edits:
            self.people.edit(company, *edit)
        self.people.click_update(company)
        self._work(fate)

    @precondition(lambda self: self.checks.linked)
    @rule(which=COMPANY, edit=EDITS_OF_PERSON, fate=FATES)
    def edit_and_choose_contact(self, which: int, edit: tuple[str, str], fate: Fate) -> None:
        company = self._linked(which)
        self.people.edit_contact(company, *edit)
        self.people.choose_contact(company)
        self._work(fate)

    @precondition(lambda self: self.checks.linked)
    @rule(which=COMPANY, edit=EDITS, fates=st.tuples(FATES, FATES))
    def edit_and_update_twice(self, which: int, edit: tuple[str, str], fates: tuple[Fate, Fate]) -> None:
        company = self._linked(which)
        for fate, value in zip(fates, ("+46 8 999 00 11", "+46 8 123 45 67"), strict=True):
            self.people.edit(company, "phone", value)
            self.people.edit(company, *edit)
            self.people.click_update(company)
            self._work(fate)

    @precondition(lambda self: self.checks.linked)
    @rule(which=COMPANY, fates=st.tuples(FATES, FATES), leave=LEFT, then=AFTERWARDS)
    def two_people_in_two_tabs(
        self, which: int, fates: tuple[Fate, Fate], leave: set[int], then: tuple[str, Any] | None
    ) -> None:
        """Both open the sheet; one confirms, that is sent, perhaps somebody edits there, and the other one confirms."""
        company = self._linked(which)
        self.people.edit(company, "phone", "+46 8 999 00 11")
        self.people.open_tab(company)
        self.people.edit_and_update(company)
        self._work(fates[0])
        if then:
            self.people.edit_there(which, *then)
        self.people.confirm_tabs(company, leave=leave)
        self._work(fates[1])

    @precondition(lambda self: self.checks.linked)
    @rule(which=COMPANY, value=st.sampled_from(HERE["phone"][1:]))
    def open_a_tab(self, which: int, value: str) -> None:
        company = self._linked(which)
        self.people.edit(company, "phone", value)
        self.people.open_tab(company)

    @precondition(lambda self: self.people.tabs)
    @rule(leave=LEFT, fate=FATES)
    def confirm_a_tab(self, leave: set[int], fate: Fate) -> None:
        self.people.confirm(self.people.tabs.pop(0), leave=leave)
        self._work(fate)

    @rule(which=COMPANY, customer=st.integers(0, 3), fate=FATES)
    def link_and_update(self, which: int, customer: int, fate: Fate) -> None:
        self.people.link(self.companies[which], customer)
        self.people.click_update(self.companies[which])
        self._work(fate)

    @precondition(lambda self: self.checks.linked)
    @rule(which=COMPANY)
    def unlink(self, which: int) -> None:
        self.people.unlink(self._linked(which))

    @precondition(lambda self: self.checks.asking)
    @rule(how=st.sampled_from(("link_instead", "create_anyway", "look_again")), which=st.integers(0, 3), fate=FATES)
    def decide(self, how: str, which: int, fate: Fate) -> None:
        self.people.decide(self.checks.asking[0], how=how, which=which)
        self._work(fate)

    @precondition(lambda self: self.checks.open)
    @rule(which=COMPANY)
    def cancel(self, which: int) -> None:
        self.people.cancel(self.checks.open[which % len(self.checks.open)])

    @precondition(lambda self: self.checks.failed)
    @rule(which=COMPANY, fate=FATES)
    def try_again(self, which: int, fate: Fate) -> None:
        self.people.try_again(self.checks.failed[which % len(self.checks.failed)])
        self._work(fate)

    @rule(which=COMPANY, acts=st.lists(BUSY, min_size=1, max_size=3))
    def people_are_busy(self, which: int, acts: list[tuple[str, Any]]) -> None:
        for how, edit in acts:
            self.people.be_busy(self.companies[which], which, how=how, edit=edit)

    # --- Workers and messages ------------------------------------------------------------------------------

    @precondition(lambda self: self.checks.open)
    @rule(seconds=st.sampled_from(PAUSES), fate=FATES)
    def time_passes_and_the_sweeper_comes(self, seconds: float, fate: Fate) -> None:
        self._pass(seconds)
        tasks.sweep()
        self._work(fate)

    @precondition(lambda self: self.checks.open)
    @rule(fate=FATES)
    def what_waits_comes_due(self, fate: Fate) -> None:
        self._pass_until_due()
        tasks.sweep()
        self._work(fate)

    @precondition(lambda self: self.checks.open)
    @rule(fate=FATES)
    def and_is_swept_once_more(self, fate: Fate) -> None:
        self.what_waits_comes_due(fate)

    @precondition(lambda self: bool(self.old))
    @rule(which=st.integers(0, 9))
    def a_stale_message_comes(self, which: int) -> None:
        self._deliver(self.old[which % len(self.old)])

    @precondition(lambda self: len(self.checks.open) > 1)
    @rule()
    def two_workers_meet_an_expired_token(self) -> None:
        self._pass(3700)
        tasks.sweep()
        self._work(Fate(meanwhile=("rival", "token")))

    # --- The connection --------------------------------------------------------------------------------------

    @rule(trouble=st.sampled_from(TROUBLES))
    def trouble_with_the_connection(self, trouble: str) -> None:
        if trouble == "expired":
            self.remote.expire_access_tokens()
        elif trouble == "revoked":
            self.remote.book.harmed = True
            self.remote.revoke_grants()
        elif trouble == "disconnect":
            self.people.disconnect()
        elif trouble == "other company":
            self.people.connect("2")
        elif trouble == "start over":
            self.people.start_over("2")
        elif trouble == "renamed terms":
            self.people.rename_terms()
        else:
            self.people.reread_terms()

    @precondition(lambda self: self.checks.needs_admin)
    @rule(which=COMPANY, fate=FATES)
    def ask_an_admin(self, which: int, fate: Fate) -> None:
        self.people.ask_admin(self.companies[which])
        self._work(fate)

    @precondition(lambda self: self.checks.needs_admin)
    @rule(fate=FATES)
    def confirm_the_terms(self, fate: Fate) -> None:
        self.people.reread_terms()
        tasks.sweep()
        self._work(fate)

    @precondition(lambda self: not self.checks.usable)
    @rule(company=st.sampled_from(("1", "1", "1", "2")))
    def connect(self, company: str) -> None:
        self.people.connect(company)

    @precondition(lambda self: not self.checks.usable)
    @rule(how=st.sampled_from(("test", "beat")))
    def look_after_the_connection(self, how: str) -> None:
        if how == "test":
            self.people.test_connection()
        else:
            self.people.upkeep()

    def _linked(self, which: int) -> int:
        """Return one of the companies that are customers there."""
        return self.checks.linked[which % len(self.checks.linked)]

    # --- How ---------------------------------------------------------------------------------------------------

    def _pass(self, seconds: float) -> None:
        self.remote.store_late(self.clock.forward(seconds))
        self.world.let_silences_end(seconds)

    def _pass_until_due(self) -> None:
        """Let time pass until the next row can move, if one ever can; even one whose poke was lost."""
        moments = [
            max(due, lease or due)
            for due, lease in Push.objects.filter(state__in=OPEN).values_list("next_attempt_at", "lease_until")
            if due
        ]
        if moments:
            left = (min(moments) + HEAD_START - self.clock.now()).total_seconds()
            self._pass(max(left, 0) + 0.01)

    def _work(self, fate: Fate) -> None:
        """Carry out every message that is in the broker, the first row with this fate."""
        clicked, pulls = self.world.take_messages()
        for push_id in [] if fate.lost else clicked:
            self._deliver(push_id, fate)
            fate = CALM
        for _turn in range(AT_ONE_MOMENT if pulls and not fate.lost else 0):
            if not self._as_worker(self.remote.whose_turn(), fate, _pull_one):
                return
            fate = CALM
        assert not pulls or fate.lost, "a worker pulls without end"

    def _deliver(self, push_id: int, fate: Fate = CALM) -> None:
        self.old.append(push_id)
        self._as_worker(
            self.remote.worker(push_id),
            fate,
            lambda: [deliver(push_id, clock=database_now) for _ in range(1 + fate.twice)],
        )

    def _as_worker(self, worker: AbstractContextManager[None], fate: Fate, work: Callable[[], object]) -> object:
        self.remote.armed = list(fate.mishaps)
        if fate.meanwhile:
            action, self.remote.meanwhile_at = fate.meanwhile
            self.remote.meanwhile = partial(self._meanwhile, action)
        try:
            with worker, killed_before_statement(fate.dies_at):
                return work()
        except Killed:
            self.remote.book.harmed = self.remote.book.harmed or self._is_amid_a_refresh()
        finally:
            self.remote.armed, self.remote.meanwhile = [], None
        return True

    @staticmethod
    def _is_amid_a_refresh() -> bool:
        """Whether a worker died between sending a refresh token and storing the answer."""
        return Connection.objects.filter(refresh_intent_at__isnull=False).exists()

    def _meanwhile(self, action: str) -> None:
        """Something happens while a worker waits for an answer."""
        push_id = self.remote.push_id
        assert push_id is not None
        company_id = Push.objects.values_list("company_id", flat=True).get(pk=push_id)
        acts: dict[str, Callable[[], object]] = {
            "edit": lambda: self.people.edit(company_id, "phone", "+46 8 999 00 11"),
            "update": lambda: in_thread(lambda: self.people.click_update(company_id)).result(30),
            "newer": lambda: in_thread(lambda: self.people.edit_and_update(company_id)).result(30),
            "tab": lambda: self.people.confirm_tabs(company_id),
            "archive": lambda: self.people.archive(company_id, back=False),
            "contact": lambda: self.people.change_people(company_id, how="remove"),
            "cancel": lambda: self.people.cancel(company_id),
            "delete": lambda: self.people.delete_there(2),
            "there": lambda: self.people.edit_there(2, "Note", "Ring först."),
            "ours there": lambda: self.people.edit_there(2, "EmailAddress", "dar@kund.example"),
            "disconnect": lambda: in_thread(self.people.disconnect).result(60),
            "rival": lambda: self._rival(push_id),
            "frozen": lambda: self._frozen(push_id),
        }
        acts[action]()

    def _frozen(self, push_id: int) -> None:
        """The worker is stopped past its lease; another takes the row as far as it goes."""
        self._pass(60)
        in_thread(lambda: self._as_another_worker(push_id)).result(60)

    def _rival(self, push_id: int) -> None:
        """Another worker begins with another row: it gets as far as the lock that we hold, or to its end."""
        other = Push.objects.filter(state__in=OPEN).exclude(pk=push_id).order_by("pk").first()
        if other is None:
            return
        rival = in_thread(lambda: self._as_another_worker(other.pk))
        while not rival.done() and not self._somebody_waits_for_the_lock():
            pass
        self.rivals.append(rival)

    def _as_another_worker(self, push_id: int) -> None:
        with self.remote.worker(push_id):
            deliver(push_id, clock=database_now)

    @staticmethod
    def _somebody_waits_for_the_lock() -> bool:
        with database.cursor() as cursor:
            cursor.execute("select exists (select from pg_locks where locktype = 'advisory' and not granted)")
            return bool(cursor.fetchone()[0])

    @invariant()
    def all_is_well(self) -> None:
        for rival in self.rivals:
            rival.result(60)
        self.rivals = []
        self.checks.after_step()

    # --- The end -------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Faults are over, people do their part, time passes: everything must come to its end."""
        self.all_is_well()
        self.checks.look_at_the_cards()
        self._pass(_late_seconds() + 1)
        for company in ("2", "1"):
            connection = Connection.objects.filter(name__startswith="Fjordlys" if company == "2" else "Nordvik").get()
            if company == "1" or Push.objects.filter(connection=connection, state__in=OPEN).exists():
                self._heal(company)
                self._drain(connection)
        self.checks.at_the_end()
        self.checks.look_at_the_cards()

    def _heal(self, company: str) -> None:
        current = current_connection(self.people.user.account_id)
        assert current is not None
        if self.people.company_there() != company:
            self.people.disconnect()
        elif current.is_connected:
            return
        self.people.connect(company)

    def _drain(self, connection: Connection) -> None:
        decided: dict[int, int] = {}
        for _round in range(60):
            if not Push.objects.filter(connection=connection, state__in=OPEN).exists():
                return
            self.people.answer_everything(connection, decided)
            if Connection.objects.get(pk=connection.pk).terms_problem:
                self.people.reread_terms()
            self._pass_until_due()
            tasks.sweep()
            self._work(CALM)
            self.people.upkeep()
            if not Connection.objects.get(pk=connection.pk).is_usable:
                self._pass(1000)
                self._heal(self.people.company_there())
            self.all_is_well()
