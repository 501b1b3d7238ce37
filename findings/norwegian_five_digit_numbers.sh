#!/usr/bin/env bash
# phonenumbers splits one Norwegian series of company numbers into two kinds that no single check accepts.
#
# Versions: phonenumbers 9.0.42 (the data of libphonenumber 9.0.42).
# Guessed:  the five-digit numbers 02000 to 09999, one series of the Norwegian plan, are one kind in the data: either
#           all short numbers, or all ordinary ones.
# Seen:     02000–03999 and 05000–09999 are valid ordinary numbers (type UAN, with an international form +47 0xxxx
#           though nobody can dial them from abroad) and no valid short numbers; 04000–04999 are valid short numbers
#           and no valid ordinary ones. Neither is_valid_number nor is_valid_short_number knows the series.
# Matters:  a company at 04800 is refused by a form that takes 02800, and what is taken is stored with +47.
# Exits 1 when this changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check phonenumbers==9.0.42
"$work/venv/bin/python" - <<'PYTHON'
import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

kinds = {}
for number in range(2000, 10000):
    parsed = phonenumbers.parse(f"{number:05d}", "NO")
    kind = (phonenumbers.is_valid_number(parsed), phonenumbers.is_valid_short_number_for_region(parsed, "NO"))
    kinds.setdefault(kind, []).append(number)
for (ordinary, short), numbers in kinds.items():
    print(f"ordinary {ordinary}, short {short}: {len(numbers)} numbers, e.g. {numbers[0]:05d} and {numbers[-1]:05d}")
example = phonenumbers.parse("02800", "NO")
written = phonenumbers.format_number(example, PhoneNumberFormat.INTERNATIONAL)
print(f"02800 is written {written}, its type is UAN: {phonenumbers.number_type(example) == PhoneNumberType.UAN}")
as_described = (
    kinds == {(True, False): [*range(2000, 4000), *range(5000, 10000)], (False, True): list(range(4000, 5000))}
    and written == "+47 02800"
    and phonenumbers.number_type(example) == PhoneNumberType.UAN
)
raise SystemExit(not as_described)
PYTHON
