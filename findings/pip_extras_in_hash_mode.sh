#!/usr/bin/env bash
# A hashed lock that pins a package without the extra another one asks for installs only while the pin is the newest.
#
# Versions: pip 23.2.1 (the one in the venv of Python 3.11.7), a lock made by uv 0.13.9 with its default settings.
# Guessed:  `coverage==7.17.3 --hash=…` in a --require-hashes file also decides which coverage is taken for
#           `coverage[toml]>=7.10.6`, which pytest-cov asks for: one package, one pin. So such a lock installs for ever.
# Seen:     pip prepares the newest coverage for the requirement with the extra before it meets the pin, finds no hash
#           for it and gives up: "all requirements must have their versions pinned with ==". uv leaves extras out of the
#           lock unless told --no-strip-extras, so the lock breaks on the day a newer release appears, untouched.
#           pip 24.3.1 and newer take the pin. With the extra in the lock, or with --no-deps, 23.2.1 installs it too.
# Matters:  a project that was installable yesterday is not today, on machines with the older pip only.
# Exits 1 when this changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/python" -m pip --disable-pip-version-check "$@"; }
pip install --quiet uv==0.13.9
printf '%s\n' pytest-cov==7.1.0 coverage==7.17.3 >"$work/in.txt"
"$work/venv/bin/uv" pip compile --quiet --generate-hashes --no-header --no-annotate "$work/in.txt" -o "$work/stripped.txt"
"$work/venv/bin/uv" pip compile --quiet --generate-hashes --no-header --no-annotate --no-strip-extras "$work/in.txt" \
    -o "$work/kept.txt"
takes() { pip install --dry-run --quiet --require-hashes "$@" >"$work/said" 2>&1; }

pip install --quiet pip==23.2.1
if takes -r "$work/stripped.txt"; then echo "pip 23.2.1 takes the lock without extras: changed"; exit 1; fi
grep -q "must have their versions pinned" "$work/said" || { echo "pip 23.2.1 refuses for another reason"; exit 1; }
takes -r "$work/kept.txt" || { echo "pip 23.2.1 refuses the lock with extras: changed"; exit 1; }
takes --no-deps -r "$work/stripped.txt" || { echo "pip 23.2.1 refuses it with --no-deps: changed"; exit 1; }
pip install --quiet pip==24.3.1
takes -r "$work/stripped.txt" || { echo "pip 24.3.1 refuses the lock without extras: changed"; exit 1; }
echo "pip 23.2.1: refuses the lock without extras, takes it with extras or --no-deps; pip 24.3.1 takes it"
