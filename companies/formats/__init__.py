"""One written form for each value, by the country's own rules: what is stored, sent and compared.

Each kind has a module and two functions with the same result for a right value:

- `check_…` is for what a person typed: raises ValidationError with a sentence;
- the plain one is for comparing, also values that were written elsewhere: never raises, and gives back
  what it does not understand with its spaces tidied.

Both are idempotent, and blank stays blank.
"""

from companies.formats.phones import check_phone, phone
from companies.formats.postal_codes import check_postal_code, postal_code
from companies.formats.registration_numbers import (
    check_registration_number,
    check_vat_number,
    registration_number,
    vat_number,
)
from companies.formats.text import text
from companies.formats.web import check_email, check_website, email, website

__all__ = [
    "check_email",
    "check_phone",
    "check_postal_code",
    "check_registration_number",
    "check_vat_number",
    "check_website",
    "email",
    "phone",
    "postal_code",
    "registration_number",
    "text",
    "vat_number",
    "website",
]
