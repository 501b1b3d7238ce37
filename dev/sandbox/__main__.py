"""`python -m dev.sandbox`: the stand-in eAccounting in a process of its own, for trying things out and for tests."""

import os
import signal
import sys
import threading
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from pathlib import Path

from dev.sandbox.server import SandboxServer
from dev.sandbox.world import Settings


def _options() -> Namespace:
    defaults = Settings()
    known_id = os.environ.get("EACCOUNTING_CLIENT_ID") or defaults.client_id
    known_secret = os.environ.get("EACCOUNTING_CLIENT_SECRET") or defaults.client_secret
    parser = ArgumentParser(prog="python -m dev.sandbox", description="Runs a stand-in eAccounting until interrupted.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--data", type=Path, default=None, help="folder to keep everything in; none: memory")
    parser.add_argument("--client-id", default=known_id)
    parser.add_argument("--client-secret", default=known_secret)
    parser.add_argument("--redirect-uri", action="append", help="registered address; may be given again")
    parser.add_argument("--token-lifetime", type=int, default=defaults.token_lifetime, help="seconds")
    parser.add_argument("--rate-limit", type=int, default=defaults.rate_limit, help="calls a minute")
    parser.add_argument("--rotate", action=BooleanOptionalAction, default=True, help="refresh tokens")
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit status."""
    options = _options()
    settings = Settings(
        client_id=options.client_id,
        client_secret=options.client_secret,
        redirect_uris=tuple(options.redirect_uri or Settings().redirect_uris),
        token_lifetime=options.token_lifetime,
        rate_limit=options.rate_limit,
    )
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    try:
        server = SandboxServer(host=options.host, port=options.port, data=options.data, settings=settings)
    except OSError as problem:
        where = f"{options.host}:{options.port}"
        print(f"The sandbox cannot use {where}: {problem.strerror}. Choose another with --port.", file=sys.stderr)
        return 1
    server.sandbox.switch(rotate_refresh_tokens=options.rotate)
    with server:
        print(f"The eAccounting sandbox is ready: {server.url}", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
