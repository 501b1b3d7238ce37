#!/usr/bin/env bash
# Babel knows the minus sign of Swedish, Norwegian and Finnish, and neither writes nor reads it.
#
# Versions: Babel 2.19.0, Python 3.11 to 3.13.
# Guessed:  a number formatted for sv_SE carries the locale's own minus (U+2212, as browsers write it), and
#           parse_decimal reads back what the locale's own symbols spell.
# Seen:     get_minus_sign_symbol("sv_SE") is U+2212, format_decimal writes U+002D all the same, and parse_decimal
#           refuses "−5" with NumberFormatError, in strict mode and without. nb_NO and fi_FI behave alike; da_DK and
#           nl_NL have U+002D as their symbol and agree with themselves.
# Matters:  an amount copied from a page that a browser formatted (Intl.NumberFormat) cannot be read with Babel.
# Exits 1 when this changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check babel==2.19.0
"$work/venv/bin/python" - <<'PYTHON'
from babel.numbers import NumberFormatError, format_decimal, get_minus_sign_symbol, parse_decimal


def is_read(text, locale, strict):
    try:
        return parse_decimal(text, locale=locale, strict=strict) == -5
    except NumberFormatError:
        return False


as_described = True
for locale, symbol, is_read_back in [
    ("sv_SE", "\u2212", False),
    ("nb_NO", "\u2212", False),
    ("fi_FI", "\u2212", False),
    ("da_DK", "-", True),
    ("nl_NL", "-", True),
]:
    known, written = get_minus_sign_symbol(locale), format_decimal(-5, locale=locale)
    read = [is_read(f"{known}5", locale, strict) for strict in (False, True)]
    print(f"{locale}: symbol U+{ord(known):04X}, written U+{ord(written[0]):04X}, own symbol read back: {read}")
    as_described &= known == symbol and written == "-5" and read == [is_read_back] * 2
raise SystemExit(not as_described)
PYTHON
