"""`manage.py rotate_keys`: run it after a new key was put in front of FIELD_ENCRYPTION_KEYS."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from integrations.access import key_rotation

PASSES = 3  # a process that does not know the new key yet may write a row with the old one again


class Command(BaseCommand):
    """Re-encrypt every token with the newest key, and prove it."""

    help = "Re-encrypts all stored tokens with the newest key. Safe while workers run, safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the argument that gives unreadable tokens up."""
        words = "give tokens up that no key can read: their accounts are asked to reconnect"
        parser.add_argument("--forget-unreadable", action="store_true", help=words)

    def handle(self, *args: object, forget_unreadable: bool, **options: object) -> None:
        """Re-encrypt, prove, report. Raises CommandError (exit status 1) while an older key is still needed."""
        for _ in range(PASSES):
            moved = key_rotation.rotate().moved
            proof = key_rotation.prove()
            self.stdout.write(f"{proof.rows} connections looked at, {moved} re-encrypted.")
            if not proof.on_older_key:
                break
        if proof.on_older_key:
            raise CommandError(
                f"A running process still writes with an older key: connections {_listed(proof.on_older_key)}. "
                "Restart every web and worker process with the new FIELD_ENCRYPTION_KEYS and run this again."
            )
        if proof.unreadable and not forget_unreadable:
            raise CommandError(
                f"No key can read the tokens of connections {_listed(proof.unreadable)}: they must be reconnected. "
                "Give a lost key back and run this again, or run it with --forget-unreadable."
            )
        for pk in proof.unreadable:
            key_rotation.forget(pk)
            self.stdout.write(f"Connection {pk}: the unreadable tokens are gone; it must be reconnected.")
        self.stdout.write("The newest key alone reads every token: the older keys can be taken away.")


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids))
