"""What a person types or pastes: a customer's id wherever it stands in an address, a number, or a name."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.domain.references import LONGEST, Kind, Sought, parse

GUID = "38fe43cc-c843-48e0-9efe-fa7b262a8191"
OTHER = "11111111-2222-4333-8444-555555555555"
SITE = "https://eaccounting.vismaonline.com"


@pytest.mark.parametrize(
    "text",
    [
        GUID,
        GUID.upper(),
        f"  {GUID}\n",
        f"{{{GUID}}}",
        f"({GUID})",
        f'"{GUID}"',
        f"<{GUID}>",
        f"{GUID}/",
        GUID.replace("-", ""),
        f"{SITE}/#/customers/edit/{GUID}",
        f"{SITE}/#!/sales/customers/statistics/{GUID.upper()}",
        f"{SITE}/customers/edit/{GUID}/",
        f"{SITE}/customers/edit/{GUID}?returnTo=/x/list#top",
        f"{SITE}/companies/{OTHER}/customers/edit/{GUID}",
        f"{SITE}/customers/edit/{GUID}?company={OTHER}",
        f"{SITE}/customers/edit/{GUID}?returnTo=/companies/{OTHER}",
        f"{SITE}/?from=/companies/{OTHER}#/customers/edit/{GUID}",
        f"{SITE}/customers/edit/38fe43cc-c843-\n48e0-9efe-fa7b262a8191",
        f"{GUID}?tab=invoices",
        f"Björk & Son: {GUID}",
        f"Kund {GUID}, se {GUID.upper()}.",
        f"see {SITE}/customers/edit/{GUID} please",
    ],
)
def test_the_id_is_found(text: str) -> None:
    assert parse(text) == Sought(Kind.REFERENCE, GUID)


@pytest.mark.parametrize(
    "text",
    [
        f"{SITE}/customers",
        "www.vismaonline.com",
        f"{SITE}/customers?id={GUID}",
        f"{SITE}/customers?path=/x/{GUID}",
        f"{SITE}/customers/edit/{GUID}0",
        f"{SITE}/customers/edit/{GUID[:-1]}",
        GUID[:-1],
        GUID[:14],
        GUID.replace("-", "")[:-1],
    ],
)
def test_an_address_without_an_id_and_a_part_of_one_have_the_wrong_form(text: str) -> None:
    assert parse(text).kind is Kind.WRONG_FORM


@pytest.mark.parametrize(
    "text",
    [
        "1001",
        "LG1042",
        "556677-8899",
        "556677\u20138899",
        "5566778899",
        "16 556677-8899",
        "19670919-9530",
        "670919+9530",
        "SE556677889901",
        "NO 923 609 016 MVA",
        "923609016mva",
        "0112038-9",
        "NL004495445B01",
        "SE 556677-8899",
        "CVR 13585628",
        "Org.nr 923 609 016",
        "KvK-nummer: 12345678",
        "Y-tunnus 201256-6",
        "556677\u22128899",
    ],
)
def test_numbers_are_told_from_names(text: str) -> None:
    assert parse(text).kind is Kind.NUMBER


@pytest.mark.parametrize("text", ["Björk & Son", "3M", "7-Eleven", "A", "A/B Trä", "Kund 7 AB", f"{GUID} {OTHER}", "/"])
def test_everything_else_is_a_name(text: str) -> None:
    assert parse(f"  {text} ") == Sought(Kind.NAME, text)


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "\0"])
def test_a_blank_is_nothing(text: str) -> None:
    assert parse(text) == Sought(Kind.NOTHING, "")


WRITTEN = st.sampled_from(
    ["{}", "{{{}}}", "({})", "<{}>", " {} ", SITE + "/#/c/edit/{}", SITE + "/a/b/{}/", "/x/{}?y=1#z", "Kund: {}", "{},"]
)


@given(guid=st.uuids(), form=WRITTEN, upper=st.booleans())
def test_every_id_is_found_in_every_form(guid: UUID, form: str, upper: bool) -> None:
    text = str(guid).upper() if upper else str(guid)
    assert parse(form.format(text)) == Sought(Kind.REFERENCE, str(guid))


@given(guid=st.uuids(), foreign=st.uuids(), name=st.sampled_from(["id", "company", "returnTo"]))
def test_an_id_in_the_query_is_somebody_elses(guid: UUID, foreign: UUID, name: str) -> None:
    assert parse(f"{SITE}/edit/{guid}?{name}={foreign}") == Sought(Kind.REFERENCE, str(guid))


@given(digits=st.text("0123456789", min_size=1, max_size=12), separator=st.sampled_from(["", " ", "-", ".", "\u2013"]))
def test_digits_with_separators_are_tried_as_they_stand_and_bare(digits: str, separator: str) -> None:
    sought = parse(separator.join([digits[:6], digits[6:]]) if digits[6:] else digits)
    assert sought.kind is Kind.NUMBER
    assert sought.spellings[-1] == digits
    assert [re.sub(r"[^0-9]", "", spelling) for spelling in sought.spellings] == [digits] * len(sought.spellings)


@given(text=st.text(max_size=LONGEST + 100))
def test_no_text_is_too_odd(text: str) -> None:
    sought = parse(text)
    assert "\0" not in sought.value
    assert len(sought.value) <= 4 * LONGEST
    assert bool(sought.value) is (sought.kind is not Kind.NOTHING)
    assert all(sought.spellings) or sought.kind is Kind.NOTHING
    if sought.kind is Kind.REFERENCE:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", sought.value)
