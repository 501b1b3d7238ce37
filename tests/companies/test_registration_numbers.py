"""One number in all its written forms: legal ones are taken, equal ones have one key, a placeholder names nobody."""

import re

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from companies import formats
from companies.formats.registration_numbers import LONGEST_KEY
from tests.companies.registration_numbers import COMPANIES, COORDINATED, FORMS, PEOPLE, WRITTEN

LONGEST_THERE = 20  # characters that eAccounting keeps of a number


@pytest.mark.parametrize(("country", "form", "written"), FORMS)
def test_every_written_form_has_the_key_of_its_number(country: str, form: str, written: str) -> None:
    assert formats.registration_key(written, country) == formats.registration_key(form, country)
    assert formats.is_same_registration_number(form, country, written, country)
    assert formats.is_same_registration_number(form, country, written, "")
    assert formats.is_same_registration_number(written, "", form, country)


@pytest.mark.parametrize(("country", "form", "written"), FORMS)
def test_a_number_stored_under_another_country_is_found_where_it_is_none(country: str, form: str, written: str) -> None:
    strange = "SE" if country != "SE" else "NO"
    assert formats.is_same_registration_number(form, country, written, strange)
    assert formats.is_same_registration_number(form, country, written, "DE")


@pytest.mark.parametrize("country", WRITTEN)
def test_the_forms_that_are_asked_for_are_short_and_mean_the_number(country: str) -> None:
    form, _others = WRITTEN[country]
    forms = formats.written_forms(form, country)
    assert forms[0] == form
    assert re.sub(r"\D", "", form) in forms
    listed = [one for one in WRITTEN[country][1] if not re.search("ORG|CVR|KVK|TUNNUS|FO-", one.upper())]
    assert len(set(listed) & set(forms)) >= len(listed) - 3  # but for the oddest separators
    assert len(set(forms)) == len(forms)
    assert max(map(len, forms)) <= LONGEST_THERE
    assert {formats.registration_key(one, country) for one in forms} == {formats.registration_key(form, country)}


def test_the_same_digits_are_three_numbers_in_three_registers() -> None:
    digits = "01120389"  # right in Finland, too; the Netherlands have no check digits
    keys = {formats.registration_key(digits, country) for country in ("FI", "NL")}
    assert keys == {"FI01120389", "NL01120389"}
    assert formats.registration_key("13585628", "DK") == "DK13585628"
    assert formats.registration_key("13585628", "NL") == "NL13585628"
    assert not formats.is_same_registration_number("13585628", "DK", "13585628", "NL")


@pytest.mark.parametrize(
    ("country", "register", "typed", "form"),
    [
        ("AX", "FI", "01120389", "0112038-9"),
        ("AX", "FI", "FI01120389", "0112038-9"),
        ("SJ", "NO", "923609016", "923 609 016"),
    ],
)
def test_aland_and_svalbard_go_by_the_register_they_are_in(country: str, register: str, typed: str, form: str) -> None:
    assert formats.check_registration_number(typed, country) == form
    assert formats.is_same_registration_number(typed, country, form, register)
    with pytest.raises(ValidationError):
        formats.check_registration_number(f"{typed}1", country)


@pytest.mark.parametrize(
    ("country", "typed", "form"),
    [("AX", "AX", None), ("AX", "FI0112038-9", "FI01120389"), ("SJ", "923609016", "NO 923 609 016 MVA")],
)
def test_their_vat_numbers_too(country: str, typed: str, form: str | None) -> None:
    if form is None:
        with pytest.raises(ValidationError, match="Åland"):
            formats.check_vat_number(typed, country)
        return
    assert formats.check_vat_number(typed, country) == form


@pytest.mark.parametrize("dash", "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad\u2043\ufe63\uff0d")
def test_every_dash_that_is_pasted_is_a_hyphen(dash: str) -> None:
    assert formats.check_registration_number(f"556677{dash}8899", "SE") == "556677-8899"
    assert formats.check_registration_number(f"0112038{dash}9", "FI") == "0112038-9"
    assert formats.check_vat_number(f"SE556677{dash}889901", "SE") == "SE556677889901"


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("19121212-1212", "121212+1212"),
        ("191212121212", "121212+1212"),
        ("181212121212", "121212+1212"),
        ("20121212-1212", "121212-1212"),
        ("121212-1212", "121212-1212"),
        ("1212121212", "121212-1212"),  # neither century nor sign: the younger one
        ("121212+1212", "121212+1212"),
        ("19811218+9876", "811218-9876"),  # the century says it, whatever the sign
        ("556703+7485", "556703-7485"),  # a company has no age
        ("16556703+7485", "556703-7485"),
        ("202100-5489", "202100-5489"),  # a company's number may begin like a century
        ("202100548901", "202100-5489"),
        ("SE202100548901", "202100-5489"),
        ("SE556677889902", "556677-8899"),
    ],
)
def test_a_person_of_a_hundred_years_has_a_plus_and_a_company_never(typed: str, form: str) -> None:
    assert formats.check_registration_number(typed, "SE") == form


@given(ten=PEOPLE | COORDINATED)
def test_the_plus_comes_in_the_year_of_the_hundredth_birthday(ten: str) -> None:
    year = timezone.localdate().year
    for century in ("18", "19", "20"):
        sign = "+" if year - int(century + ten[:2]) >= 100 else "-"
        assert formats.check_registration_number(f"{century}{ten}", "SE") == f"{ten[:6]}{sign}{ten[6:]}"


@pytest.mark.parametrize(
    ("country", "typed"),
    [
        ("NO", "000000000"),
        ("NO", "000 000 000"),
        ("NO", "NO 000 000 000 MVA"),
        ("NO", "999999999"),
        ("FI", "0000000-0"),
        ("FI", "FI00000000"),
        ("AX", "0000000-0"),
        ("SJ", "999 999 999"),
        ("NL", "00000000"),
        ("NL", "99999999"),
        ("DE", "00000"),
        ("US", "0"),
    ],
)
def test_a_placeholder_is_taken_and_identifies_nobody(country: str, typed: str) -> None:
    form = formats.check_registration_number(typed, country)
    assert formats.is_placeholder(form)
    assert formats.registration_key(typed, country) == formats.registration_key(form, "") == ""
    assert formats.registration_keys(form, country) == ()
    assert formats.written_forms(form, country) == []
    assert not formats.is_same_registration_number(form, country, form, country)


@pytest.mark.parametrize(
    ("country", "typed"),
    [
        *(("SE", typed) for typed in ("000000-0000", "999999-9999", "9999999999", "SE000000000001")),
        *(("DK", typed) for typed in ("00000000", "99999999", "00 00 00 00")),
        ("FI", "9999999-9"),
    ],
)
def test_where_its_check_digit_or_birthday_is_wrong_it_is_refused(country: str, typed: str) -> None:
    with pytest.raises(ValidationError, match="not a registration number"):
        formats.check_registration_number(typed, country)
    assert formats.is_placeholder(typed)  # somebody may have stored it in eAccounting
    assert formats.registration_key(typed, country) == ""


@pytest.mark.parametrize(
    ("country", "number"),
    [
        *(("NO", number) for number in ("888888888", "123456785")),
        *(("NL", number) for number in ("11111111", "12345678", "20000000", "00000001")),
        *(("DE", number) for number in ("HRB 9", "HRB 99999", "9")),
    ],
)
def test_what_a_register_may_have_given_is_no_placeholder(country: str, number: str) -> None:
    assert not formats.is_placeholder(number)
    assert formats.registration_key(number, country) != ""


@pytest.mark.parametrize("text", ["", " ", "-", "saknas", "N/A", "okänd", "?"])
@pytest.mark.parametrize("country", ["SE", "DE", ""])
def test_what_holds_no_digit_identifies_nobody(text: str, country: str) -> None:
    assert formats.registration_key(text, country) == ""
    assert formats.registration_keys(text, country) == ()


@pytest.mark.parametrize(
    ("country", "typed"),
    [("SE", "B5566778899"), ("SE", "Kund 12 556677-8899"), ("NL", "NL004495445B01"), ("SE", "HRB 556677-8899")],
)
def test_only_what_says_that_it_is_a_number_may_stand_before_one_that_is_typed(country: str, typed: str) -> None:
    with pytest.raises(ValidationError):
        formats.check_registration_number(typed, country)


@pytest.mark.parametrize(
    ("text", "country", "key"),
    [
        ("Kund 12 556677-8899", "SE", "SE5566778899"),
        ("Momsreg SE556677889902, godk. för F-skatt", "SE", "SE5566778899"),
        ("DK13585628", "", "DK13585628"),  # a VAT number says its country itself
        ("DK13585628", "SE", "DK13585628"),
        ("13585628", "", "13585628"),
        ("HRB 86891", "DE", "DEHRB86891"),
        ("B-77 x", "", "B77X"),
        ("556677-8890", "SE", "5566778890"),  # a wrong check digit is no number of Sweden
    ],
)
def test_the_key_of_what_was_stored_elsewhere(text: str, country: str, key: str) -> None:
    assert formats.registration_key(text, country) == key


@given(ten=COMPANIES, century=st.sampled_from(["", "16"]), separator=st.sampled_from(["", "-"]))
def test_a_companys_number_is_one_with_and_without_sixteen_and_hyphen(ten: str, century: str, separator: str) -> None:
    stored = f"{century}{ten[:6]}{separator}{ten[6:]}"
    assert formats.registration_number(stored, "SE") == f"{ten[:6]}-{ten[6:]}"
    assert formats.registration_key(stored, "SE") == f"SE{ten}"


@given(ten=COMPANIES | PEOPLE | COORDINATED)
def test_each_form_is_short_enough_to_be_stored_and_means_the_same_number(ten: str) -> None:
    number = formats.registration_number(ten, "SE")
    for form in formats.written_forms(number, "SE"):
        assert len(form) <= LONGEST_THERE
        assert re.sub(r"\D", "", formats.registration_number(form, "SE")) == ten


@given(number=st.text(max_size=80), country=st.sampled_from(["SE", "NO", "FI", "DK", "NL", "AX", "DE", ""]))
def test_every_text_has_a_key_that_fits_and_is_the_same_as_itself(number: str, country: str) -> None:
    key, keys = formats.registration_key(number, country), formats.registration_keys(number, country)
    assert len(key) <= LONGEST_KEY
    assert bool(key) == bool(keys) == formats.is_same_registration_number(number, country, number, country)
    assert keys[:1] == ((key,) if key else ())
    assert formats.registration_key(formats.registration_number(number, country), country) == key


def test_what_is_far_longer_than_a_number_is_not_read_to_its_end() -> None:
    endless = "1 " * 500_000
    assert formats.registration_keys(endless, "SE") == formats.registration_keys(endless[:300], "SE")
    assert formats.written_forms(endless, "SE") == formats.written_forms(endless[:300], "SE")
