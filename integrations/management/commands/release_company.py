"""`manage.py release_company`: disconnect an eAccounting company from an account that nobody can reach any more."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from integrations.access.token_lock import LockTaken
from integrations.exceptions import Superseded
from integrations.models import Connection
from integrations.services import connect


class Command(BaseCommand):
    """Disconnect an eAccounting company from its account, so that another account can connect it."""

    help = (
        "Lists where an eAccounting company is connected; with --account disconnects it there. Links are kept, waiting "
        "actions of that account are cancelled. Afterwards it can be connected in another account."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments: which company, and which account has to release it."""
        parser.add_argument("company", help="its registration number as eAccounting writes it, or its name")
        parser.add_argument("--account", type=int, metavar="ID", help="disconnect it from this account")

    def handle(self, *args: object, company: str, account: int | None, **options: object) -> None:
        """List, or disconnect. Raises CommandError if no connection matches."""
        found = _connected(company)
        if account is not None:
            found = [connection for connection in found if connection.account_id == account]
        if not found:
            raise CommandError("No account is connected to such a company.")
        for connection in found:
            if account is None:
                self.stdout.write(f"{_named(connection)}, since {connection.connected_at:%Y-%m-%d}")
            else:
                self._release(connection)
        if account is None:
            self.stdout.write("Nothing was changed. Run this again with --account ID to disconnect one.")

    def _release(self, connection: Connection) -> None:
        try:
            cancelled = connect.disconnect(user=None, connection=connection)
        except Superseded as error:
            raise CommandError("It is not connected there any more. Nothing was changed.") from error
        except LockTaken as error:
            raise CommandError("The connection is being renewed at this moment. Run this again.") from error
        self.stdout.write(f"Disconnected: {_named(connection)}. Waiting actions cancelled: {cancelled}.")


def _connected(company: str) -> list[Connection]:
    """Return the connections that hold the company, including those that need to be reconnected."""
    fits = Q(name__iexact=company) | Q(registration_number=company)
    rows = Connection.without_tokens().select_related("account").filter(fits, is_current=True)
    return list(rows.exclude(state=Connection.State.DISCONNECTED).order_by("pk"))


def _named(connection: Connection) -> str:
    number = connection.registration_number or "no number"
    return f"{connection.name} ({number}) in account {connection.account_id}, {connection.account}"
