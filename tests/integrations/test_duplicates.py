"""What eAccounting is asked before a create, and who of those that it answers may be the company. Pure."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companies import formats
from dev.sandbox import odata
from integrations.domain import mapping
from integrations.domain.duplicates import Reason, in_common, longest_word, look_filter
from tests.companies.registration_numbers import COMPANIES, COORDINATED, PEOPLE, WRITTEN

SCHEMA: dict[str, dict[str, Any]] = {
    "CorporateIdentityNumber": {"type": "string"},
    "Name": {"type": "string"},
    "ChangedUtc": {"type": "string", "format": "date-time"},
}
READ = datetime(2026, 11, 30, 12, tzinfo=UTC)
LONGEST_QUERY = 1800  # characters: many servers refuse an address of 2,048


def asks_for(values: mapping.Values, *, by_name: bool = True, **stored: str) -> bool:
    text = look_filter(values, changed_since=READ, by_name=by_name)
    return odata.filtered(text=text, schema=SCHEMA)({"ChangedUtc": "2026-11-30T11:00:00Z", **stored})


def sent(number: str, country: str = "SE", name: str = "Älvstrand") -> mapping.Values:
    form = formats.registration_number(number, country)
    return {"Name": name, "CorporateIdentityNumber": form, "InvoiceCountryCode": country}


@given(
    ten=PEOPLE | COORDINATED,
    century=st.sampled_from(["", "18", "19", "20"]),
    separator=st.sampled_from(["", "-"]),
    age=st.sampled_from("-+"),
)
def test_a_persons_number_is_asked_for_with_and_without_its_century(
    ten: str, century: str, separator: str, age: str
) -> None:
    stored = f"{century}{ten[:6]}{separator}{ten[6:]}"
    assert asks_for(sent(f"{ten[:6]}{age}{ten[6:]}"), CorporateIdentityNumber=stored)
    assert asks_for(sent(f"{ten[:6]}-{ten[6:]}"), CorporateIdentityNumber=f"{ten[:6]}+{ten[6:]}")


@given(ten=COMPANIES | PEOPLE, other=COMPANIES | PEOPLE)
def test_another_number_is_not_asked_for(ten: str, other: str) -> None:
    assert asks_for(sent(ten), CorporateIdentityNumber=other) == (ten == other)


@pytest.mark.parametrize("country", WRITTEN)
def test_all_forms_that_can_be_listed_fit_into_one_address(country: str) -> None:
    form, _others = WRITTEN[country]
    values = sent(form, country, name=f"{'Å' * 50}")
    for stored in formats.written_forms(form, country):
        assert asks_for(values, CorporateIdentityNumber=stored)
    assert len(quote_plus(look_filter(values, changed_since=READ, by_name=True))) < LONGEST_QUERY


def test_whoever_changed_since_the_index_was_read_is_asked_for() -> None:
    values = sent("556677-8899")
    assert asks_for(values, CorporateIdentityNumber="Org.nr 556677-8899", ChangedUtc="2026-11-30T12:00:00Z")
    assert not asks_for(values, CorporateIdentityNumber="Org.nr 556677-8899")


@pytest.mark.parametrize("number", ["", "000000000", "999 999 999"])
def test_without_a_number_that_identifies_somebody_only_the_name_is_asked_for(number: str) -> None:
    values = sent(number, "NO")
    assert not asks_for(values, CorporateIdentityNumber=number, by_name=False)
    assert asks_for(values, CorporateIdentityNumber=number, Name="Älvstrand")


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Ekens Bygg", "Ekens  Bygg "),
        ("Ekens Bygg", "Ekens\u00a0Bygg"),
        ("Norra Trä", "NORRA TRÄ"),
        ("Åkeri Öst", "A\u030akeri O\u0308st"),
        ("A\u030akeri O\u0308st", "Åkeri Öst"),
        ("O'Hara", "O'Hara"),
        ("' or 1 eq 1", "' or 1 eq 1"),
    ],
)
def test_a_name_is_asked_for_by_its_longest_word_and_is_the_same(name: str, stored: str) -> None:
    values = sent("", name=name)
    assert asks_for(values, Name=stored)
    assert in_common(values, {"Name": stored}) == [Reason.SAME_NAME]
    assert in_common(sent("556677-8899", name=name), {"Name": stored}) == [Reason.SAME_NAME]


@pytest.mark.parametrize("invisible", "\u00ad\u200b\u200d\u2060\ufeff")
def test_what_cannot_be_seen_makes_no_other_name(invisible: str) -> None:
    assert in_common(sent("", name="Ekens Bygg"), {"Name": f"Eke{invisible}ns Bygg{invisible}"})


def test_a_part_of_a_name_is_another_name() -> None:
    values = sent("", name="Ekens Bygg")
    assert asks_for(values, Name="Ekens Bygg i Lund")  # answered, and then left out
    assert in_common(values, {"Name": "Ekens Bygg i Lund"}) == []
    assert in_common(values, {"Name": ""}) == in_common(sent("", name=""), {"Name": ""}) == []


def test_the_number_is_the_stronger_reason() -> None:
    other = {"Name": "ÄLVSTRAND", "CorporateIdentityNumber": "Org.nr 5566778899", "InvoiceCountryCode": ""}
    assert in_common(sent("556677-8899"), other) == [Reason.SAME_NUMBER, Reason.SAME_NAME]
    assert in_common(sent("556677-8899", name="X"), other) == [Reason.SAME_NUMBER]


def test_a_number_of_another_register_is_another_number() -> None:
    other = {"Name": "Y", "CorporateIdentityNumber": "13585628", "InvoiceCountryCode": "NL"}
    assert in_common(sent("13585628", "DK"), other) == []
    assert in_common(sent("13585628", "DK"), {**other, "InvoiceCountryCode": ""}) == [Reason.SAME_NUMBER]


@given(name=st.text(max_size=60))
def test_the_longest_word_of_any_name_can_be_asked_for(name: str) -> None:
    word = longest_word(name)
    assert (word == "") == (formats.text(name) == "")
    assert " " not in word
    assert not asks_for(sent("", name=name), Name="\ue000")
