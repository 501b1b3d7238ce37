"""Folding, sorting keys, and what is searched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companies.search import fold, name_sort, search_text


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("ÅÄÖ", "aao"),
        ("Éé Üü", "ee uu"),
        ("Øystein Æsj", "oystein aesj"),
        ("Straße", "strasse"),
        ("A\u030a", "a"),
        ("Eke\u200bns", "ekens"),
    ],
)
def test_case_and_marks_do_not_count(written: str, folded: str) -> None:
    assert fold(written) == folded


@given(st.text(max_size=30))
def test_folding_is_idempotent(value: str) -> None:
    assert fold(fold(value)) == fold(value)


def test_registration_number_is_searched_with_and_without_separators() -> None:
    text = search_text(values=["Björk AB", "Umeå"], registration_number="923 609 016")
    assert text == " bjork ab umea 923 609 016 923609016"


SWEDISH = ["3D Tryck", "Abel", "abel & son", "Éclair", "Edvin", "Zorn", "Ågren", "Ängen", "Öberg"]
DANISH = ["Abel", "Zorn", "Æble", "Ørsted", "Ågård"]


@pytest.mark.parametrize(("country", "names"), [("SE", SWEDISH), ("FI", SWEDISH), ("NO", DANISH), ("DK", DANISH)])
def test_byte_order_of_the_keys_is_the_order_of_the_country(country: str, names: list[str]) -> None:
    other_way_round = list(names)
    other_way_round.reverse()
    assert sorted(other_way_round, key=lambda name: name_sort(name, country=country).encode()) == names


def test_a_name_without_letters_still_has_a_key() -> None:
    assert name_sort("***", country="SE") == "***"


@given(st.text(min_size=1, max_size=200))
def test_a_key_fits_its_column(name: str) -> None:
    assert len(name_sort(name, country="SE")) <= 250
