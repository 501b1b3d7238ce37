"""Each written form of docs/values.md: put into the country's own form, or refused with a sentence."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError

from companies import formats
from tests.companies import values_table
from tests.companies.written_forms import (
    EMAIL,
    FOUND,
    PHONE,
    POSTAL,
    REGISTRATION,
    SAME,
    TEXT,
    VAT,
    WEBSITE,
    Same,
    cases,
)

Function = Callable[[str, str], str]


def _alone(function: Callable[[str], str]) -> Function:
    return lambda value, _country: function(value)


# Kind → what checks a typed value, and what puts any value into its form.
FUNCTIONS: dict[str, tuple[Function, Function]] = {
    REGISTRATION: (formats.check_registration_number, formats.registration_number),
    VAT: (formats.check_vat_number, formats.vat_number),
    POSTAL: (formats.check_postal_code, formats.postal_code),
    PHONE: (formats.check_phone, formats.phone),
    EMAIL: (_alone(formats.check_email), _alone(formats.email)),
    WEBSITE: (_alone(formats.check_website), _alone(formats.website)),
    TEXT: (_alone(formats.text), _alone(formats.text)),
}


@pytest.mark.parametrize(("kind", "country", "typed", "form"), [*cases()])
def test_each_written_form(kind: str, country: str, typed: str, form: str | None) -> None:
    check, lenient = FUNCTIONS[kind]
    if form is None:
        with pytest.raises(ValidationError) as refused:
            check(typed, country)
        assert "%(" not in refused.value.messages[0]
        assert lenient(lenient(typed, country), country) == lenient(typed, country)
        return
    assert check(typed, country) == form
    assert lenient(typed, country) == form
    assert check(form, country) == form


KEYS: dict[str, Function] = {
    PHONE: formats.phone_key,
    EMAIL: _alone(formats.email_key),
    WEBSITE: _alone(formats.website_key),
}


@pytest.mark.parametrize("same", SAME)
def test_forms_that_are_kept_mean_the_same(same: Same) -> None:
    assert len({KEYS[same.kind](value, same.country) for value in same.values}) == 1
    for value in same.values:
        assert FUNCTIONS[same.kind][0](value, same.country)


@pytest.mark.parametrize("found", FOUND)
def test_what_is_stored_with_other_words_is_found(found: Same) -> None:
    form, *others = found.values
    for stored in others:
        assert formats.registration_key(stored, found.country) == formats.registration_key(form, found.country)
        with pytest.raises(ValidationError):
            formats.check_registration_number(stored, found.country)


def test_the_page_in_docs_is_not_stale() -> None:
    assert values_table.PAGE.read_text() == values_table.render(), "Run `make values`."
