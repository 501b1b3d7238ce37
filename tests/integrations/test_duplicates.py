"""The look before a create: a customer is found in whatever form its registration number is stored there."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from companies import formats
from integrations import mapping
from integrations.duplicates import duplicate_filter, written_forms
from integrations.eaccounting.sandbox import odata

SCHEMA: dict[str, dict[str, Any]] = {"CorporateIdentityNumber": {"type": "string"}, "Name": {"type": "string"}}
DIGITS = st.text("0123456789", min_size=6, max_size=6)


def with_check_digit(nine: str) -> str:
    return nine + luhn.calc_check_digit(nine)


COMPANIES = st.builds(
    lambda kind, third, rest: with_check_digit(f"{kind}{third}{rest}"),
    st.sampled_from(["55", "70", "80", "96"]),
    st.sampled_from("23456789"),
    DIGITS,
)
PEOPLE = st.builds(
    lambda born, serial: with_check_digit(f"{born:%y%m%d}{serial:03}"),
    st.dates(),
    st.integers(min_value=0, max_value=999),
)
COORDINATED = PEOPLE.map(lambda ten: with_check_digit(f"{ten[:4]}{int(ten[4:6]) + 60}{ten[6:9]}"))


def finds(values: mapping.Values, stored: str) -> bool:
    return odata.filtered(text=duplicate_filter(values), schema=SCHEMA)({"CorporateIdentityNumber": stored})


def sent(number: str, country: str = "SE") -> mapping.Values:
    form = formats.registration_number(number, country)
    return {"Name": "Älvstrand", "CorporateIdentityNumber": form, "InvoiceCountryCode": country}


@given(ten=COMPANIES, century=st.sampled_from(["", "16"]), separator=st.sampled_from(["", "-"]))
def test_a_companys_number_is_found_with_and_without_sixteen_and_hyphen(ten: str, century: str, separator: str) -> None:
    stored = f"{century}{ten[:6]}{separator}{ten[6:]}"
    assert formats.registration_number(stored, "SE") == f"{ten[:6]}-{ten[6:]}"  # it is the same number
    assert finds(sent(ten), stored)


@given(
    ten=PEOPLE | COORDINATED,
    century=st.sampled_from(["", "18", "19", "20"]),
    separator=st.sampled_from(["", "-"]),
    age=st.sampled_from("-+"),
)
def test_a_persons_number_is_found_with_and_without_its_century(
    ten: str, century: str, separator: str, age: str
) -> None:
    assert finds(sent(f"{ten[:6]}{age}{ten[6:]}"), f"{century}{ten[:6]}{separator}{ten[6:]}")
    assert finds(sent(f"{ten[:6]}-{ten[6:]}"), f"{ten[:6]}+{ten[6:]}")


@given(ten=COMPANIES | PEOPLE, other=COMPANIES | PEOPLE)
def test_another_number_is_not_found(ten: str, other: str) -> None:
    assert finds(sent(ten), other) == (ten == other)


@given(ten=COMPANIES | PEOPLE | COORDINATED)
def test_each_form_is_short_enough_to_be_stored_and_means_the_same_number(ten: str) -> None:
    number = formats.registration_number(ten, "SE")
    for form in written_forms(number, country="SE"):
        assert len(form) <= mapping.BY_PROPERTY["CorporateIdentityNumber"].limit
        assert re.sub(r"\D", "", formats.registration_number(form, "SE")) == ten


def test_other_countries_have_their_own_forms() -> None:
    for stored in ("923609016", "923 609 016", "923609016MVA", "NO923609016MVA", "NO 923 609 016 MVA"):
        assert finds(sent("923609016", "NO"), stored)
    for stored in ("0112038-9", "01120389", "FI01120389"):
        assert finds(sent("0112038-9", "FI"), stored)
    assert finds(sent("13585628", "DK"), "DK13585628")


def test_without_a_number_the_name_is_asked_for_and_a_quote_does_no_harm() -> None:
    values = {"Name": "O'Hara", "CorporateIdentityNumber": "", "InvoiceCountryCode": "SE"}
    assert odata.filtered(text=duplicate_filter(values), schema=SCHEMA)({"Name": "O'Hara"})


def test_what_is_no_number_of_its_country_is_asked_for_as_it_stands() -> None:
    assert written_forms("A 12", country="SE") == ["A 12", "A12"]
