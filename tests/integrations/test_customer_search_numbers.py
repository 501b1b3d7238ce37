"""Whether two registration numbers are certainly not the same company's."""

import pytest

from integrations.forms.customer_search import numbers_differ


@pytest.mark.parametrize(
    ("here", "there", "country"),
    [
        ("", "556677-8899", "SE"),
        ("556677-8899", "", "SE"),
        ("556677-8899", "5566778899", "SE"),
        ("556677-8899", "16 556677-8899", "SE"),
        ("556677-8899", "SE556677889901", "SE"),
        ("670919-9530", "19670919-9530", "SE"),
        ("923 609 016", "NO923609016MVA", "NO"),
        ("0112038-9", "112038-9", "FI"),
        ("13585628", "DK 13 58 56 28", "DK"),
        ("13585628", "CVR-nr. 13585628", "DK"),
        ("0201256-6", "FI201256-6", "FI"),
        ("000 000 000", "923 609 016", "NO"),
        ("923 609 016", "000000000", "NO"),
    ],
)
def test_a_blank_number_and_another_way_of_writing_are_no_difference(here: str, there: str, country: str) -> None:
    assert not numbers_differ(here, there, country=country)


@pytest.mark.parametrize(
    ("here", "there", "country"),
    [
        ("556677-8899", "556845-6718", "SE"),
        ("556677-8899", "556677-889", "SE"),
        ("923 609 016", "923 609 017", "NO"),
        ("12345678", "see the contract", "NL"),
    ],
)
def test_any_other_number_is_a_difference(here: str, there: str, country: str) -> None:
    assert numbers_differ(here, there, country=country)
