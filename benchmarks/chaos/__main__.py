"""Set the stage, run, and let the exit status tell: 0 all met, 1 something missed, 2 it could not run."""

import sys
import tempfile
from pathlib import Path

import django
from django.utils.module_loading import import_string

from benchmarks.chaos import options as command_line
from benchmarks.chaos.options import Options
from benchmarks.chaos.stage import prepared
from dev.launcher.stores import StoreError


def _run(options: Options, folder: Path) -> bool:
    with prepared(folder=folder, token_lifetime=options.token_lifetime) as stage:
        # Django reads the environment once, and the stage has only now written it.
        django.setup()
        result: bool = import_string("benchmarks.chaos.run.main")(options=options, stage=stage)
        return result


def main() -> int:
    """Run once and return the exit status."""
    options = command_line.read()
    try:
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            return 0 if _run(options, options.keep.resolve()) else 1
        with tempfile.TemporaryDirectory(prefix="limego-chaos-") as folder:
            return 0 if _run(options, Path(folder)) else 1
    except StoreError as reason:
        sys.stderr.write(f"{reason}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
