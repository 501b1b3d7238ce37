"""Names that a person would take for the same, and domains that tell who somebody is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.domain.duplicates import core_words, likeness, own_domain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nordvik Bygg AB", "NORDVIK BYGG AKTIEBOLAG"),
        ("Björk & Son Måleri AB", "Bjork och Son Maleri"),
        ("Nordvik Bygg AB", "Nordvick Bygg"),
        ("Solgårda Energiteknik AB", "Solgårda Energiteknik AB, Norrköping"),
    ],
)
def test_names_that_a_person_takes_for_the_same_are_alike(one: str, other: str) -> None:
    assert likeness(one, other) >= 0.6


@pytest.mark.parametrize(
    ("one", "other"),
    [("Nordvik Bygg AB", "Sydvik Konsult AB"), ("Ek AB", "El AB"), ("Bergs Måleri AB", "Lunds Måleri AB"), ("", "")],
)
def test_names_that_share_only_common_parts_are_not(one: str, other: str) -> None:
    assert likeness(one, other) < 0.6


@given(st.text(), st.text())
def test_likeness_is_a_share_and_the_same_from_both_sides(one: str, other: str) -> None:
    assert 0 <= likeness(one, other) <= 1
    assert likeness(one, other) == likeness(other, one)


def test_a_name_that_is_nothing_but_a_form_keeps_its_words() -> None:
    assert core_words("AB") == ["ab"]


@pytest.mark.parametrize(
    ("email", "domain"),
    [
        ("Info@Nordvik.example", "nordvik.example"),
        ("anna@gmail.com", ""),
        ("anna@TELIA.com", ""),
        ("nobody", ""),
        ("anna@localhost", ""),
        ("", ""),
    ],
)
def test_only_a_domain_of_its_own_tells_who_somebody_is(email: str, domain: str) -> None:
    assert own_domain(email) == domain
