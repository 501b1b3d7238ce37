"""One key for all the ways in which somebody may have written a registration number."""

import pytest
from hypothesis import given

from companies import formats
from integrations.duplicates import written_forms
from integrations.registration_keys import LONGEST_KEY, registration_key
from tests.integrations.test_duplicates import COMPANIES, COORDINATED, PEOPLE


@given(COMPANIES | PEOPLE | COORDINATED)
def test_every_form_of_a_swedish_number_has_the_same_key(digits: str) -> None:
    written = formats.registration_number(digits, "SE")
    assert {registration_key(form) for form in written_forms(written, country="SE")} == {digits}


@pytest.mark.parametrize(
    ("number", "country", "key"),
    [("923 609 016", "NO", "923609016"), ("13585628", "DK", "13585628"), ("0112038-9", "FI", "01120389")],
)
def test_every_form_of_other_countries_numbers_has_the_same_key(number: str, country: str, key: str) -> None:
    assert {registration_key(form) for form in written_forms(number, country=country)} == {key}


@pytest.mark.parametrize(
    ("number", "key"),
    [
        ("SE556677889901", "5566778899"),
        ("no 923.609.016 mva", "923609016"),
        ("12345678", "12345678"),
        ("B-77 x", "B77X"),
        (" - ", ""),
        ("", ""),
    ],
)
def test_what_stands_around_the_core_does_not_count(number: str, key: str) -> None:
    assert registration_key(number) == key


def test_a_key_fits_its_column() -> None:
    assert len(registration_key("9" * 200)) == LONGEST_KEY
