"""What may befall one delivery: mishaps of its calls, the death of its worker, and what people do meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection as database
from hypothesis import strategies as st

from tests.machine.remote import FAULTS, FAULTS_OF_TOKENS, Killed, Mishap

# Where a mishap makes sense; the rest would be the same as another.
READ = ("unreachable", "lost", "500", "503", "html", "401", "403", "404", "429", "licence", "module")
READ += ("killed_before", "killed_after")
WRITE = (
    *sorted(FAULTS),
    "unreachable",
    "late",
    "killed_before",
    "killed_after",
    "killed_late",
    "lost_done",
    "late",
    "killed_late",
)
TOKEN = ("unreachable", "lost", "lost_done", "500", "500_done", "429", "html_done", *FAULTS_OF_TOKENS)
TOKEN += ("killed_before", "killed_after")


@dataclass(frozen=True)
class Fate:
    """What befalls one delivery."""

    mishaps: tuple[Mishap, ...] = ()
    dies_at: int | None = None  # the number of the database statement before which the worker is killed
    meanwhile: tuple[str, str] | None = None  # what a person does while a call of this kind is under way
    twice: bool = False  # the message is there twice
    lost: bool = False  # the broker is wiped before anybody reads the message


CALM = Fate()


def _mishap(where: str, kinds: tuple[str, ...]) -> st.SearchStrategy[Mishap]:
    late = st.sampled_from((0.2, 0.6, 0.99)).map(lambda part: part * 105)
    return st.builds(Mishap, kind=st.sampled_from(kinds), where=st.just(where), seconds=late)


MISHAPS = st.one_of(_mishap("write", WRITE), _mishap("write", WRITE), _mishap("read", READ), _mishap("token", TOKEN))
MEANWHILE = (
    *("edit", "update", "newer", "newer", "tab", "archive", "contact", "cancel"),
    *("delete", "there", "ours there", "disconnect", "rival", "frozen"),
)
FATES = st.one_of(
    st.just(Fate()),
    st.just(Fate()),
    st.just(Fate(lost=True)),
    st.builds(Fate, mishaps=st.lists(MISHAPS, min_size=1, max_size=2).map(tuple)),
    st.builds(Fate, dies_at=st.integers(1, 45)),
    st.builds(
        Fate, meanwhile=st.tuples(st.sampled_from(MEANWHILE), st.sampled_from(("read", "write"))), twice=st.booleans()
    ),
)


@contextmanager
def killed_before_statement(number: int | None) -> Iterator[None]:
    """Let the process die before its n-th statement: what is not committed by then never was."""
    if number is None:
        yield
        return
    left = [number]

    def count(execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return execute(sql, params, many, context)

    with database.execute_wrapper(count):
        yield
