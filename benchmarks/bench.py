"""Measure the whole product on this machine: `python -m benchmarks.bench [names…] [--quick]`.

Real PostgreSQL, real Valkey, the sandbox in a process of its own, real Celery workers and gunicorn. Writes
benchmarks/results.md. The exit status is 0 when every goal that was measured is met; with --quick, when no case broke
off.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import django

from benchmarks.bench_figures import Result, write
from benchmarks.bench_stack import Stack, stack

CASES = {
    "b1": "benchmarks.bench_clicks",
    "b2": "benchmarks.bench_clicks",
    "b3": "benchmarks.bench_clicks",
    "b4": "benchmarks.bench_limit",
    "b5": "benchmarks.bench_fairness",
    "b6": "benchmarks.bench_load",
    "b8": "benchmarks.bench_faults",
    "b9": "benchmarks.bench_load",
    "b10": "benchmarks.bench_faults",
    "b11": "benchmarks.bench_clicks",
    "b12": "benchmarks.bench_memory",
    "b13": "benchmarks.bench_search",
    "b14": "benchmarks.bench_search",
    "b15": "benchmarks.bench_index",
}
BROKE_OFF = "–"  # in place of a figure
Case = Callable[[Stack, bool], list[Result]]


def _case(name: str) -> Case:
    """Load a case. Only now: the models behind it cannot be imported before Django is set up."""
    case: Case = getattr(import_module(CASES[name]), name)
    return case


def _results(name: str, running: Stack, *, quick: bool) -> list[Result]:
    """Run a case; what breaks it is its result, and the other cases are measured all the same."""
    case = _case(name)
    try:
        return case(running, quick)
    except Exception as error:  # noqa: BLE001  # whatever it is: half an hour of other figures is not lost for it
        traceback.print_exc()
        running.set_up()
        why = f"broke off: {type(error).__name__}: {error}"[:300]
        return [Result(name=name.upper(), what=str(case.__doc__), goal="–", figure=BROKE_OFF, met=False, detail=why)]


def _measure(name: str, running: Stack, *, quick: bool) -> list[Result]:
    begin = time.monotonic()
    results = _results(name, running, quick=quick)
    for result in results:
        line = f"{result.name}: {result.figure} (goal {result.goal}) {result.verdict}. {result.detail}"
        sys.stdout.write(f"{line} [{time.monotonic() - begin:.0f} s]\n")
    sys.stdout.flush()
    return results


def main() -> int:
    """Measure what was named, or everything; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(CASES))
    parser.add_argument("--quick", action="store_true", help="few repetitions: shows that it works, not how fast")
    given = parser.parse_args()
    names = [name.lower() for name in given.names] or [*CASES]
    if unknown := set(names) - CASES.keys():
        parser.error(f"There is no {', '.join(sorted(unknown))}. There are {', '.join(CASES)}.")
    results: list[Result] = []
    begin = time.monotonic()
    os.environ["DJANGO_SETTINGS_MODULE"] = "limego_visma.settings"
    with tempfile.TemporaryDirectory(prefix="limego-bench-") as folder, stack(Path(folder)) as running:
        django.setup()
        for name in names:
            results += _measure(name, running, quick=given.quick)
            if not given.quick:
                write(results)
    sys.stdout.write(f"{len(results)} figures in {(time.monotonic() - begin) / 60:.0f} min\n")
    # A few repetitions tell that a case works, and nothing of its goal.
    return (
        1 if any(result.figure == BROKE_OFF or (result.met is False and not given.quick) for result in results) else 0
    )


if __name__ == "__main__":
    sys.exit(main())
