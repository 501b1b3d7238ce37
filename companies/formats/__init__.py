"""One written form for each kind of value, by the country's rules: it is what is stored, sent and compared.

Each kind has a module with two functions that return the same for a valid value:

- `check_…` is for what a person typed: raises ValidationError with a sentence;
- the plain one is for values that were written elsewhere: never raises, and returns what it does not understand
  with its spaces tidied.

Both are idempotent, and blank stays blank. Two values mean the same when their forms are equal; where more than one
form is kept (short phone numbers, domain names in letters or ASCII), when their `…_key` is equal.
"""

from companies.formats.phones import check_phone, phone, phone_key
from companies.formats.postal_codes import (
    check_postal_code,
    has_cities,
    has_postal_codes,
    needs_postal_code,
    postal_code,
)
from companies.formats.registration_numbers import (
    check_registration_number,
    check_vat_number,
    countries_of_register,
    is_placeholder,
    is_registration_number,
    is_same_registration_number,
    plain_hyphens,
    registration_key,
    registration_keys,
    registration_number,
    vat_number,
    written_forms,
)
from companies.formats.text import text, visible, without_case
from companies.formats.web import check_email, check_website, email, email_key, website, website_key

__all__ = [
    "check_email",
    "check_phone",
    "check_postal_code",
    "check_registration_number",
    "check_vat_number",
    "check_website",
    "countries_of_register",
    "email",
    "email_key",
    "has_cities",
    "has_postal_codes",
    "is_placeholder",
    "is_registration_number",
    "is_same_registration_number",
    "needs_postal_code",
    "phone",
    "phone_key",
    "plain_hyphens",
    "postal_code",
    "registration_key",
    "registration_keys",
    "registration_number",
    "text",
    "vat_number",
    "visible",
    "website",
    "website_key",
    "without_case",
    "written_forms",
]
