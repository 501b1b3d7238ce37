"""`manage.py eaccounting_smoke`: ask a real company what the documentation of eAccounting does not tell."""

import json
from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.access import rate_limit, tokens
from integrations.access.client_factory import http
from integrations.clock import database_now
from integrations.delivery.calls import read
from integrations.eaccounting.client import Client, Endpoint
from integrations.eaccounting.errors import EAccountingError, Forbidden
from integrations.eaccounting.smoke import grant, limits, reads, writes
from integrations.eaccounting.smoke.asking import Asker, Finding, Question
from integrations.exceptions import NotConnected
from integrations.models import Connection
from integrations.services.requests import current_connection

PATIENCE = 60.0  # seconds to wait for a slot: nobody is in a hurry here
COLUMN = 76
WARNING = (
    f"This creates, changes and deletes a few customers named {writes.NAME!r} in {{company}}, and uses up numbers "
    "of its customer series. Go on? [y/N] "
)


class Command(BaseCommand):
    """Ask the questions, print a table, write a file."""

    help = "Asks a connected eAccounting company what facts.md does not know. Only reads, unless --write is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--account", type=int, required=True, help="id of the account whose connection is used")
        parser.add_argument("--write", action="store_true", help="also create, change and delete one test customer")
        parser.add_argument("--json", type=Path, default=None, help="file for the findings")
        parser.add_argument("--limit", action="store_true", help="also call one idle endpoint until it refuses (429)")
        parser.add_argument("--yes", action="store_true", help="do not ask before writing")

    def handle(self, *args: object, account: int, write: bool, limit: bool, yes: bool, **options: object) -> None:
        """Run the questions. Raises CommandError if nothing can be asked, or a test customer is left behind."""
        file = options["json"]
        if isinstance(file, Path) and not file.parent.is_dir():
            raise CommandError(f"There is no folder {file.parent} to write the findings to.")
        connection = self._connection(account, file)
        if write and not yes and input(WARNING.format(company=connection)).strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was asked. Without --write it only reads.")
        before, after = _refreshed(connection)
        asker = _asker(connection, after or before)
        findings = self._put(grant.questions(before=before, after=after), asker)
        findings += self._put(reads.QUESTIONS, asker)
        left: list[str] = []
        if write:
            customer = writes.TestCustomer(asker=asker, terms_id=_terms_id(asker), person=None if yes else input)
            try:
                findings += self._put(writes.questions(customer), asker)
            finally:
                left = self._tidy_up(customer)
        findings += self._put(limits.QUESTIONS if limit else (), asker)
        findings += self._put(reads.LAST, asker)
        self._write(file, connection, findings, wrote=write)
        if left:
            raise CommandError("\n".join(left))

    def _connection(self, account: int, file: object) -> Connection:
        """Return the account's connection after it has answered once. Raises CommandError.

        A refusal because of a missing module is an answer too: the only one that such a company can give.
        """
        connection = current_connection(account)
        if connection is None or not connection.is_connected:
            raise CommandError("This account is not connected to Visma eAccounting. Connect it in its settings first.")
        try:
            _answers(connection)
        except CommandError as refusal:
            if isinstance(refusal.__cause__, Forbidden) and refusal.__cause__.kind == "module":
                finding = reads.module_is_needed()
                self.stdout.write(_line(finding))
                self._write(file, connection, [finding], wrote=False)
            raise
        return connection

    def _write(self, file: object, connection: Connection, findings: list[Finding], *, wrote: bool) -> None:
        if isinstance(file, Path):
            file.write_text(_report(connection, findings, wrote=wrote), encoding="utf-8")
            self.stdout.write(f"\nWritten to {file}; it holds no customer's data and no token.")

    def _put(self, questions: tuple[Question, ...], asker: Asker) -> list[Finding]:
        """Ask the questions, and print each answer as it comes."""
        findings = []
        for question in questions:
            findings.append(question.put(asker))
            self.stdout.write(_line(findings[-1]))
        return findings

    def _tidy_up(self, customer: writes.TestCustomer) -> list[str]:
        try:
            return writes.tidy_up(customer)
        except (EAccountingError, rate_limit.NoSlot) as error:
            return [f"The test customer could not be taken away ({error}): please delete {writes.NAME!r} by hand."]


def _line(finding: Finding) -> str:
    return f"{finding.question:<{COLUMN}}  {finding.found.answer}"


def _answers(connection: Connection) -> None:
    """Check that one read works. Raises CommandError."""
    seconds = settings.EACCOUNTING_CALL_SECONDS
    try:
        read(connection, lambda client, left: client.get_company_settings(deadline=left), seconds=seconds, patience=5)
    except (EAccountingError, rate_limit.NoSlot, NotConnected) as error:
        raise CommandError(f"eAccounting does not answer on this connection: {error}") from error


def _refreshed(connection: Connection) -> tuple[grant.Grant, grant.Grant | None]:
    """Refresh the token once, under the lock, and store it at once. Return None if that failed."""
    before, patience = _grant(connection), settings.EACCOUNTING_TOKEN_SECONDS
    try:
        tokens.renew(connection.pk, held=before.access_token, clock=database_now, patience=patience)
    except (EAccountingError, NotConnected):
        _answers(connection)
        return before, None
    _answers(connection)
    return before, _grant(connection)


def _grant(connection: Connection) -> grant.Grant:
    connection.refresh_from_db()
    lifetime = (connection.expires_at - connection.issued_at).total_seconds()
    return grant.Grant(
        access_token=connection.access_token,
        refresh_token=connection.refresh_token,
        scope=connection.scope,
        lifetime=lifetime,
    )


def _asker(connection: Connection, held: grant.Grant) -> Asker:
    def book(endpoint: Endpoint) -> None:
        rate_limit.book(endpoint, connection_id=connection.pk, patience=PATIENCE)

    def limited(endpoint: Endpoint, seconds: int) -> None:
        rate_limit.silence(endpoint, connection_id=connection.pk, seconds=seconds)

    seconds = settings.EACCOUNTING_CALL_SECONDS
    return Asker(http=http(), token=held.access_token, book=book, limited=limited, deadline=seconds)


def _terms_id(asker: Asker) -> str:
    """Return the id of terms of payment that a customer can have. Raises CommandError."""
    client = Client(http=asker.http, access_token=asker.token, before_call=asker.book)
    try:
        found = client.list_terms_of_payment(deadline=asker.deadline)
    except (EAccountingError, rate_limit.NoSlot) as error:
        raise CommandError(f"The terms of payment could not be read: {error}") from error
    usable = [terms.id for terms in found if terms.available_for_sales]
    if not usable:
        raise CommandError("There are no terms of payment for sales: a customer cannot be created.")
    return usable[0]


def _report(connection: Connection, findings: list[Finding], *, wrote: bool) -> str:
    """Return the file's content: the kind of company, its answers, and the matching switches of the stand-in."""
    content = {
        "at": f"{database_now():%Y-%m-%dT%H:%M:%SZ}",
        "api": settings.EACCOUNTING_API_URL,
        "country": connection.country,
        "wrote": wrote,
        "switches": {name: value for finding in findings for name, value in finding.found.switches.items()},
        "findings": [finding.as_json() for finding in findings],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
