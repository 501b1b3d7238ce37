"""Hosts made of network namespaces: each has one link to the machine, where the stores and eAccounting are."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

NETWORK = "10.231.0.0/16"
STORES = "10.231.0.1"  # where all hosts reach the stores and eAccounting


class NoHosts(Exception):
    """This machine, or this user, cannot make network namespaces; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """One namespace and its link."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """The host's own address."""
        return f"10.231.{self.number}.2"

    def run(self, command: list[str]) -> list[str]:
        """Return the command that runs another one on this host."""
        return ["ip", "netns", "exec", self.name, *command]

    def cut(self) -> None:
        """Unplug the link: nothing arrives any more, and nobody is told."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        """Plug it in again."""
        _ip("link", "set", self.name, "up")


@contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Make the hosts, and take them away afterwards. Raises NoHosts."""
    with ExitStack() as stack:
        _ip("address", "add", f"{STORES}/32", "dev", "lo")
        stack.callback(_ip, "address", "del", f"{STORES}/32", "dev", "lo")
        made = []
        for number, name in enumerate(names, start=1):
            host = Host(name=f"limego-{name}", number=number)
            _ip("netns", "add", host.name)
            stack.callback(_ip, "netns", "del", host.name)
            _connect(host)
            made.append(host)
        yield made


def _connect(host: Host) -> None:
    """Lay a link from the machine (this end has the host's name) to the host (that end is `uplink`)."""
    _ip("link", "add", host.name, "type", "veth", "peer", "name", "uplink", "netns", host.name)
    _ip("address", "add", f"10.231.{host.number}.1/24", "dev", host.name)
    host.mend()
    for words in (
        ["address", "add", f"{host.address}/24", "dev", "uplink"],
        ["link", "set", "uplink", "up"],
        ["link", "set", "lo", "up"],
        ["route", "add", STORES, "via", f"10.231.{host.number}.1"],
    ):
        _ip("-netns", host.name, *words)


def _ip(*words: str) -> None:
    """Run ip(8). Raises NoHosts."""
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)  # noqa: S603, S607  # fixed words
    except FileNotFoundError as error:
        raise NoHosts("There is no `ip` here. On Debian: apt-get install iproute2") from error
    except subprocess.CalledProcessError as error:
        hint = "Network namespaces are for root: sudo make scale. After an aborted run: ip -all netns delete"
        raise NoHosts(f"ip {' '.join(words)}: {error.stderr.strip()}. {hint}") from error
