"""Start processes of the product and read from /proc what they cost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dev.launcher.processes import dies_with_parent

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS, STOP_SECONDS = 60.0, 60.0


class NotInTime(Exception):
    """Something did not come about within its time."""


def wait_for(condition: Callable[[], object], *, seconds: float, what: str, pause: float = 0.05) -> None:
    """Wait until the condition holds. Raises NotInTime."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise NotInTime(f"{what} did not come within {seconds:.0f} s")
        time.sleep(pause)


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants that live."""
    found, parents = [pid], _children()
    for parent in found:
        found.extend(parents.get(parent, ()))
    return found


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    return children


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; nothing for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, its living descendants and those it has waited for."""
    stats = [stat for member in tree(pid) if (stat := _stat(member))]
    return sum(int(ticks) for stat in stats for ticks in stat[11:15]) / TICKS


def memory_bytes(pid: int) -> int:
    """Return the memory of a process and its descendants, shared pages counted once (PSS)."""
    return sum(_pss(member) for member in tree(pid))


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


@dataclass
class Running:
    """A process group of the product."""

    process: subprocess.Popen[bytes]
    log: Path
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        """The leader of the group."""
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        os.killpg(self.pid, number)

    def stop(self) -> None:
        """Stop it as an operator does, and for good when that takes too long."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.process.wait()


def start(name: str, words: list[str], *, environment: Mapping[str, str], logs: Path, ready: str) -> Running:
    """Start a Python module in a group of its own and wait for a word in its log. Raises NotInTime."""
    log = logs / f"{name}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # fixed words
            dies_with_parent([sys.executable, "-m", *words]),
            cwd=ROOT,
            env=dict(environment),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    running = Running(process, log)
    try:
        wait_for(lambda: ready.encode() in log.read_bytes(), seconds=START_SECONDS, what=f"{name} ({log})")
    except NotInTime:
        running.stop()
        raise
    return running


@contextmanager
def running(
    name: str, words: list[str], *, environment: Mapping[str, str], logs: Path, ready: str
) -> Iterator[Running]:
    """Run a Python module until the end of the block. Raises NotInTime."""
    started = start(name, words, environment=environment, logs=logs, ready=ready)
    try:
        yield started
    finally:
        started.stop()
