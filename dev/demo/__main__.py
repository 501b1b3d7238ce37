"""`python -m dev.demo`: make the demo accounts in the database that DATABASE_URL names."""

import os
import sys
from argparse import ArgumentParser

import django
from django.utils.module_loading import import_string


def main() -> int:
    """Load the demo; return the exit status."""
    parser = ArgumentParser(prog="python -m dev.demo", description="Makes two demo accounts with companies.")
    parser.add_argument("--if-empty", action="store_true", help="leave a database with accounts as it is")
    parser.add_argument("--force", action="store_true", help="load even where other accounts exist")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "limego_visma.settings")
    django.setup()
    # Models can be imported only now.
    in_use, load_demo = import_string("dev.demo.load.DatabaseInUse"), import_string("dev.demo.load.load_demo")
    try:
        print(load_demo(if_empty=options.if_empty, force=options.force))
    except in_use as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
