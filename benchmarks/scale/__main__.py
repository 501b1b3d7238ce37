"""Make the hosts, set the stage, run; the exit status tells: 0 all met, 1 something missed, 2 it could not run."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import django
from django.utils.module_loading import import_string

from benchmarks.chaos.stage import prepared
from benchmarks.scale.hosts import STORES, NoHosts, hosts
from dev.launcher.stores import StoreError

TOKEN_LIFETIME = 30  # seconds


def _run(folder: Path, clicks: int) -> bool:
    with hosts("web", "work-a", "work-b") as made:
        os.environ["ALLOWED_HOSTS"] = made[0].address
        with prepared(folder=folder, token_lifetime=TOKEN_LIFETIME, address=STORES) as stage:
            # Django reads the environment once, and the stage has only now written it.
            django.setup()
            met: bool = import_string("benchmarks.scale.run.main")(clicks=clicks, stage=stage, hosts=made)
            return met


def main() -> int:
    """Run once and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--clicks", type=int, default=400)
    parser.add_argument("--keep", type=Path, help="folder for logs; default: a temporary one")
    given = parser.parse_args()
    try:
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
            return 0 if _run(given.keep.resolve(), given.clicks) else 1
        with tempfile.TemporaryDirectory(prefix="limego-scale-") as folder:
            return 0 if _run(Path(folder), given.clicks) else 1
    except (StoreError, NoHosts) as reason:
        sys.stderr.write(f"{reason}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
