"""A process on a host that holds the token lock of an account, as in the middle of a refresh; it says when it does."""

import sys
import time

import django
from django.utils.module_loading import import_string


def main(account_id: int) -> int:
    """Take the lock and keep it until killed."""
    django.setup()
    with import_string("integrations.access.token_lock.token_lock")(account_id, patience=10):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
