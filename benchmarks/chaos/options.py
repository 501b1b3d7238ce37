"""How large a run is, and how it is repeated."""

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line."""

    seed: int
    creates: int
    updates: int
    kills: int
    wipes: int
    stops: int
    naive: int
    companies: int
    """eAccounting companies, each connected to an account of its own."""
    hosts: int
    slots: int
    """Processes of each of a host's two workers that send."""
    create_seconds: float
    """After so long no further create is wished for, and the run says how many there were."""
    update_seconds: float
    token_lifetime: int
    keep: Path | None


def read() -> Options:
    """Read the command line; a smaller `--creates` makes everything else smaller with it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="faults, moments of kills and edits follow from it")
    parser.add_argument("--creates", type=int, default=20_000)
    parser.add_argument("--updates", type=int, help="default: a quarter of the creates")
    parser.add_argument("--kills", type=int, help="default: 50, fewer in a small run")
    parser.add_argument("--wipes", type=int, help="default: 10, fewer in a small run")
    parser.add_argument("--stops", type=int, help="graceful stops; default: 10, fewer in a small run")
    parser.add_argument("--naive", type=int, help="creates of the control; default: a tenth, at most 500")
    parser.add_argument("--companies", type=int, default=40, help="connected eAccounting companies")
    parser.add_argument("--hosts", type=int, default=2, help="worker hosts, each with one worker a role")
    parser.add_argument("--slots", type=int, default=4, help="processes a worker")
    parser.add_argument("--create-seconds", type=float, default=400.0, help="wish for creates no longer than this")
    parser.add_argument("--update-seconds", type=float, default=100.0, help="wish for updates no longer than this")
    parser.add_argument("--token-lifetime", type=int, default=30, help="seconds")
    parser.add_argument("--keep", type=Path, help="folder for logs and records; default: a temporary one")
    given = vars(parser.parse_args())
    return Options(
        **(
            _defaults(given["creates"])
            | {name: value for name, value in given.items() if value is not None}
            | {"keep": given["keep"]}
        )
    )


def _defaults(creates: int) -> dict[str, int]:
    share = min(1.0, creates / 5_000)
    return {
        "updates": creates // 4,
        "kills": max(5, round(50 * share)),
        "wipes": max(2, round(10 * share)),
        "stops": max(2, round(10 * share)),
        "naive": min(500, max(100, creates // 10)),
    }
