"""`manage.py eaccounting_sandbox`: a stand-in eAccounting in a process of its own."""

import signal
import threading
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.conf import settings as configuration
from django.core.management.base import BaseCommand, CommandError

from integrations.eaccounting.sandbox.server import SandboxServer
from integrations.eaccounting.sandbox.world import Settings


class Command(BaseCommand):
    help = "Runs a stand-in eAccounting for trying things out and for tests, until it is interrupted."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        defaults = Settings()
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
        parser.add_argument("--data", type=Path, default=None, help="folder to keep everything in; none: memory")
        parser.add_argument("--client-id", default=configuration.EACCOUNTING_CLIENT_ID or defaults.client_id)
        known = configuration.EACCOUNTING_CLIENT_SECRET or defaults.client_secret
        parser.add_argument("--client-secret", default=known)
        parser.add_argument("--redirect-uri", action="append", help="registered address; may be given again")
        parser.add_argument("--token-lifetime", type=int, default=defaults.token_lifetime, help="seconds")
        parser.add_argument("--rate-limit", type=int, default=defaults.rate_limit, help="calls a minute")
        parser.add_argument("--rotate", action=BooleanOptionalAction, default=True, help="refresh tokens")

    def handle(self, *args: Any, **options: Any) -> None:
        settings = Settings(
            client_id=options["client_id"],
            client_secret=options["client_secret"],
            redirect_uris=tuple(options["redirect_uri"] or Settings().redirect_uris),
            token_lifetime=options["token_lifetime"],
            rate_limit=options["rate_limit"],
        )
        stop = threading.Event()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: stop.set())
        try:
            server = SandboxServer(host=options["host"], port=options["port"], data=options["data"], settings=settings)
        except OSError as problem:
            where = f"{options['host']}:{options['port']}"
            raise CommandError(
                f"The sandbox cannot use {where}: {problem.strerror}. Choose another with --port."
            ) from problem
        server.sandbox.switch(rotate_refresh_tokens=options["rotate"])
        with server:
            self.stdout.write(f"The eAccounting sandbox is ready: {server.url}")
            self.stdout.flush()
            stop.wait()
