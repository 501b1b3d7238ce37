"""What a person pastes: the customer's id, wherever it stands in an address, and nothing else."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.references import NotAReference, parse_reference

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
    ],
)
def test_the_id_is_found(text: str) -> None:
    assert parse_reference(text) == GUID


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1001",
        "Björk & Son",
        f"{SITE}/customers",
        f"{SITE}/customers?id={GUID}",
        f"{SITE}/customers?path=/x/{GUID}",
        f"{SITE}/customers/edit/{GUID}0",
        f"{SITE}/customers/edit/{GUID[:-1]}",
        GUID[:-1],
        GUID.replace("3", "g", 1),
    ],
)
def test_anything_else_is_no_reference(text: str) -> None:
    with pytest.raises(NotAReference):
        parse_reference(text)


WRITTEN = st.sampled_from(["{}", "{{{}}}", "({})", " {} ", SITE + "/#/c/edit/{}", SITE + "/a/b/{}/", "/x/{}?y=1#z"])


@given(guid=st.uuids(), form=WRITTEN, upper=st.booleans())
def test_every_id_is_found_in_every_form(guid: UUID, form: str, upper: bool) -> None:
    text = str(guid).upper() if upper else str(guid)
    assert parse_reference(form.format(text)) == str(guid)


@given(guid=st.uuids(), foreign=st.uuids(), name=st.sampled_from(["id", "company", "returnTo"]))
def test_an_id_in_the_query_is_somebody_elses(guid: UUID, foreign: UUID, name: str) -> None:
    assert parse_reference(f"{SITE}/edit/{guid}?{name}={foreign}") == str(guid)


@given(text=st.text(max_size=200))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        found = parse_reference(text)
    except NotAReference:
        return
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found)
