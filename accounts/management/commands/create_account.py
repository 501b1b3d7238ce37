"""`manage.py create_account`: the first account of a production host, and its admin."""

from argparse import ArgumentParser

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from accounts.mail import set_password_url
from accounts.members import AddressTaken, invite
from accounts.models import Account, Role, User


class Command(BaseCommand):
    """Create an account and invite its first admin."""

    help = "Makes an account, invites its first admin by mail and prints the link where they choose a password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--name", required=True, help="the account's name, such as 'Nordvik Sales'")
        parser.add_argument("--country", required=True, help="ISO 3166 code, such as SE")
        parser.add_argument("--email", required=True, help="the admin's e-mail address")
        parser.add_argument("--language", default="en", choices=[code for code, _name in settings.LANGUAGES])
        parser.add_argument("--time-zone", default="", help="such as Europe/Stockholm; needed outside the Nordics")

    def handle(self, *args: object, **options: str) -> None:
        """Create both in one transaction. Raises CommandError with what to change."""
        try:
            admin = self._open(options)
        except ValidationError as error:
            raise CommandError(_sentences(error)) from error
        except AddressTaken as error:
            raise CommandError(f"Somebody already logs in with {options['email']}. Use another address.") from error
        self.stdout.write(f"{options['name']} is ready. {admin.email} chooses a password here (valid for 7 days):")
        self.stdout.write(set_password_url(user=admin))

    @transaction.atomic
    def _open(self, options: dict[str, str]) -> User:
        validate_email(options["email"])
        account = Account.objects.open(
            name=options["name"].strip(),
            country=options["country"].upper(),
            language=options["language"],
            time_zone=options["time_zone"],
        )
        return invite(account=account, email=options["email"], role=Role.ADMIN, now=timezone.now())


def _sentences(error: ValidationError) -> str:
    """Return each refused option with its reason."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return "\n".join(
        f"--{field.replace('_', '-')}: {' '.join(reasons)}" for field, reasons in error.message_dict.items()
    )
