"""Company ↔ customer: what is sent, what counts as equal, and that an update touches nothing that is not ours."""

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from companies.models import Company, Contact
from integrations.domain import mapping
from integrations.domain.mapping import BY_PROPERTY, FIELDS, Group
from integrations.eaccounting import jsontext
from integrations.eaccounting.types import READ_ONLY_PROPERTIES
from tests.companies.written_forms import EMAIL, PHONE, POSTAL, REGISTRATION, SAME, TEXT, WEBSITE, Same, cases

ALL = list(Group)
SINGLE = [field.remote for field in FIELDS if field.group == Group.SINGLE]
ADDRESS = [field.remote for field in FIELDS if field.group == Group.ADDRESS]
CONTACT = [field.remote for field in FIELDS if field.group == Group.CONTACT]


def company(**values: Any) -> Company:
    given_values = {
        "name": "Älvstrand Snickeri AB",
        "registration_number": "556016-0680",
        "phone": "+46 8 123 45 67",
        "email": "info@alvstrand.example",
        "website": "https://www.alvstrand.example",
        "address_line1": "Hyvelgatan 3",
        "postal_code": "111 22",
        "city": "Stockholm",
        "country": "SE",
    }
    return Company(**{**given_values, **values})


ASA = Contact(
    first_name="Åsa",
    last_name="Öberg",
    email="asa@alvstrand.example",
    direct_phone="+46 8 123 45 68",
    mobile="+46 70 174 06 05",
)


def values(contact: Contact | None = ASA, **changed: Any) -> mapping.Values:
    return mapping.values_of(company(**changed), contact, groups=ALL)


@pytest.mark.parametrize(
    ("name", "here", "there"),
    [
        ("CorporateIdentityNumber", "556016-0680", "5560160680"),
        ("CorporateIdentityNumber", "556016-0680", "16556016-0680"),
        ("Telephone", "+46 8 123 45 67", "08-123 45 67"),
        ("Telephone", "+46 8 123 45 67", "081234567"),
        ("InvoicePostalCode", "111 22", "11122"),
        ("InvoicePostalCode", "111 22", "SE-111 22"),
        ("WwwAddress", "https://www.alvstrand.example", "www.alvstrand.example"),
        ("EmailAddress", "info@alvstrand.example", "info@ALVSTRAND.example"),
        ("Name", "Älvstrand Snickeri AB", "A\u0308lvstrand  Snickeri AB "),
        ("InvoiceCountryCode", "SE", "se"),
    ],
)
def test_two_written_forms_of_one_value_are_equal(name: str, here: str, there: str) -> None:
    ours = values() | {name: here}
    assert mapping.differences(ours, ours | {name: there}) == []


PROPERTIES = {
    REGISTRATION: "CorporateIdentityNumber",
    POSTAL: "InvoicePostalCode",
    PHONE: "Telephone",
    EMAIL: "ContactPersonEmail",
    WEBSITE: "WwwAddress",
    TEXT: "InvoiceCity",
}


@pytest.mark.parametrize(("kind", "country", "typed", "form"), [*cases(*PROPERTIES)])
def test_every_written_form_equals_the_one_that_is_sent(kind: str, country: str, typed: str, form: str | None) -> None:
    ours = values() | {mapping.COUNTRY: country or "SE", PROPERTIES[kind]: typed if form is None else form}
    theirs = ours | {PROPERTIES[kind]: typed}
    assert mapping.differences(ours, theirs) == mapping.differences(theirs, ours) == []


@pytest.mark.parametrize("same", SAME)
def test_forms_that_are_kept_as_typed_are_no_difference(same: Same) -> None:
    ours = values() | {mapping.COUNTRY: same.country or "SE"}
    for value in same.values:
        assert (
            mapping.differences(ours | {PROPERTIES[same.kind]: same.values[0]}, ours | {PROPERTIES[same.kind]: value})
            == []
        )


def test_different_values_are_different() -> None:
    ours = values()
    for name in ours:
        assert mapping.differences(ours, ours | {name: "NO" if name == mapping.COUNTRY else "something else"}) == [name]


def test_the_values_are_those_of_the_company_and_the_person() -> None:
    assert values() == {
        "Name": "Älvstrand Snickeri AB",
        "CorporateIdentityNumber": "556016-0680",
        "InvoiceAddress1": "Hyvelgatan 3",
        "InvoiceAddress2": "",
        "InvoicePostalCode": "111 22",
        "InvoiceCity": "Stockholm",
        "InvoiceCountryCode": "SE",
        "Telephone": "+46 8 123 45 67",
        "EmailAddress": "info@alvstrand.example",
        "WwwAddress": "https://www.alvstrand.example",
        "ContactPersonName": "Åsa Öberg",
        "ContactPersonEmail": "asa@alvstrand.example",
        "ContactPersonPhone": "+46 8 123 45 68",
        "ContactPersonMobile": "+46 70 174 06 05",
    }


def test_without_a_chosen_person_nothing_of_a_person_is_carried() -> None:
    assert not set(mapping.values_of(company(), None, groups=mapping.groups_for(None))) & set(CONTACT)
    assert set(CONTACT) <= set(mapping.values_of(company(), ASA, groups=mapping.groups_for(ASA)))


def test_every_limit_is_named_with_the_length_that_broke_it() -> None:
    too_long = {field.remote: "x" * (field.limit + 1) for field in FIELDS}
    found = mapping.problems(too_long)
    assert {(p.remote, p.kind, p.length) for p in found} == {(f.remote, "too_long", f.limit + 1) for f in FIELDS}
    assert mapping.problems({field.remote: "x" * field.limit for field in FIELDS}) == []


def test_what_is_required_is_named() -> None:
    found = mapping.problems({field.remote: "" for field in FIELDS})
    assert {(p.remote, p.kind) for p in found} == {
        ("Name", "missing"),
        ("InvoicePostalCode", "missing"),
        ("InvoiceCity", "missing"),
    }


def test_a_create_leaves_blank_values_out() -> None:
    payload = mapping.create_payload(values(phone=""), is_private_person=False, terms_id="t")
    assert "Telephone" not in payload
    assert "InvoiceAddress2" not in payload
    assert (payload["IsActive"], payload["TermsOfPaymentId"]) == (True, "t")


def test_equal_payloads_without_a_registration_number_share_a_fingerprint() -> None:
    one = mapping.create_payload(values(registration_number=""), is_private_person=False, terms_id="t")
    assert mapping.fingerprint(one) == mapping.fingerprint(dict(reversed(one.items())))
    assert mapping.fingerprint(one) != mapping.fingerprint({**one, "Name": "Annan"})


def test_two_that_the_look_takes_for_one_have_one_fingerprint() -> None:
    one = mapping.create_payload(values(), is_private_person=False, terms_id="t")
    assert mapping.fingerprint(one) == mapping.fingerprint({**one, "CorporateIdentityNumber": "16556016-0680"})
    nameless = {**one, "CorporateIdentityNumber": "000 000 000", mapping.COUNTRY: "NO"}
    named = {**one, "CorporateIdentityNumber": None, "Name": "ÄLVSTRAND  snickeri\u00a0AB", "InvoiceCity": "Umeå"}
    assert mapping.fingerprint({**nameless, "Name": "Älvstrand Snickeri AB"}) == mapping.fingerprint(named)
    danish, dutch = (
        {**one, "CorporateIdentityNumber": "13585628", mapping.COUNTRY: country} for country in ("DK", "NL")
    )
    assert mapping.fingerprint(danish) != mapping.fingerprint(dutch)


def test_with_a_registration_number_it_alone_is_the_fingerprint() -> None:
    one = mapping.create_payload(values(), is_private_person=False, terms_id="t")
    assert mapping.fingerprint(one) == mapping.fingerprint({**one, "Name": "Annan", "InvoiceCity": "Umeå"})
    assert mapping.fingerprint(one) != mapping.fingerprint({**one, "CorporateIdentityNumber": "559987-1018"})


# --- Updates -----------------------------------------------------------------------------------------------


def test_a_blank_single_value_leaves_the_value_there() -> None:
    there = values()
    assert mapping.to_write(values(phone="", email="", website="", registration_number=""), there) == {}


def test_an_address_is_written_whole_blanks_included() -> None:
    there = values() | {"InvoiceAddress2": "c/o Bo", "InvoiceAddress1": "Hyvelgatan 1"}
    assert mapping.to_write(values(), there) == {name: values()[name] for name in ADDRESS}


def test_a_contact_person_is_written_whole_so_that_nobody_gets_anothers_number() -> None:
    bo = Contact(first_name="Bo", last_name="Ek", email="bo@alvstrand.example")
    changes = mapping.to_write(values(bo), values(ASA))
    assert changes == {
        "ContactPersonName": "Bo Ek",
        "ContactPersonEmail": "bo@alvstrand.example",
        "ContactPersonPhone": "",
        "ContactPersonMobile": "",
    }


def test_an_address_that_is_blank_altogether_is_no_address() -> None:
    blank = values(address_line1="", address_line2="", postal_code="", city="")
    assert mapping.to_write(blank, values() | {"InvoiceCity": "Umeå"}) == {}


def test_required_values_that_a_stored_customer_lacks_come_from_here() -> None:
    raw: dict[str, Any] = {"Name": "X", "InvoicePostalCode": None, "InvoiceCity": ""}
    payload = mapping.replace_payload(raw, {"Telephone": "1"}, fallback=values())
    assert (payload["InvoicePostalCode"], payload["InvoiceCity"], payload["Name"]) == ("111 22", "Stockholm", "X")
    assert mapping.missing_in(payload) == []


def test_what_both_sides_lack_is_named() -> None:
    payload = mapping.replace_payload({"Name": "X"}, {}, fallback=values(postal_code="", city="Umeå"))
    assert [problem.remote for problem in mapping.missing_in(payload)] == ["InvoicePostalCode"]


TEXT = st.text(alphabet=string.ascii_letters + "åäöÅÄÖ0123456789 -+@.", max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FOREIGN = st.dictionaries(
    TEXT.filter(lambda name: name and name not in BY_PROPERTY and name not in READ_ONLY_PROPERTIES), JSON, max_size=6
)
OWNED = st.fixed_dictionaries({field.remote: st.none() | TEXT for field in FIELDS})
HERE = st.builds(
    lambda groups, found: {f.remote: found[f.remote] for f in FIELDS if f.group in groups},
    st.sets(st.sampled_from(ALL), min_size=1),
    st.fixed_dictionaries({field.remote: st.just("") | TEXT.map(str.strip) for field in FIELDS}),
)


@given(foreign=FOREIGN, stored=OWNED, here=HERE)
def test_an_update_changes_nothing_that_is_not_ours_and_blanks_no_single_value(
    foreign: dict[str, Any], stored: dict[str, Any], here: mapping.Values
) -> None:
    read_only = dict.fromkeys(READ_ONLY_PROPERTIES, "theirs")
    raw = jsontext.decode(jsontext.encode({**foreign, **stored, **read_only}))
    assert isinstance(raw, dict)
    changes = mapping.to_write(here, mapping.owned(raw))
    payload = mapping.replace_payload(raw, changes, fallback={})
    sent = jsontext.encode({name: payload[name] for name in foreign})
    assert sent == jsontext.encode({name: raw[name] for name in foreign})
    assert set(payload) == {*foreign, *stored}
    for name, value in stored.items():
        if name not in here:
            assert payload[name] == value
        if name in SINGLE and value:
            assert payload[name]


@given(stored=OWNED, here=HERE)
def test_after_an_update_there_is_nothing_left_to_write(stored: dict[str, Any], here: mapping.Values) -> None:
    changes = mapping.to_write(here, mapping.owned(stored))
    after = {**stored, **{name: value or None for name, value in changes.items()}}
    assert mapping.to_write(here, mapping.owned(after)) == {}


@given(stored=OWNED, here=HERE)
def test_a_group_is_written_whole_or_not_at_all(stored: dict[str, Any], here: mapping.Values) -> None:
    changes = mapping.to_write(here, mapping.owned(stored))
    for names in (ADDRESS, CONTACT):
        assert set(names) & changes.keys() in (set(), set(names) & here.keys())


def test_numbers_that_no_float_holds_come_back_as_they_were() -> None:
    text = b'{"Limit":12345678901234567890,"Rate":0.10000000000000000001,"Big":1.50e+400,"Name":"X"}'
    raw = jsontext.decode(text)
    assert isinstance(raw, dict)
    assert jsontext.encode(mapping.replace_payload(raw, {}, fallback={})) == text


def test_characters_that_no_column_holds_are_left_out_when_read_and_echoed() -> None:
    text = b'{"Name":"A\\u0000B\\ud800"}'
    raw = jsontext.decode(text)
    assert isinstance(raw, dict)
    assert mapping.owned(raw)["Name"] == "AB?"
    assert jsontext.encode(mapping.replace_payload(raw, {}, fallback={})) == text


def test_terms_and_read_only_properties_are_not_ours() -> None:
    assert mapping.TERMS not in BY_PROPERTY
    raw: dict[str, Any] = dict.fromkeys(READ_ONLY_PROPERTIES, 1) | {"TermsOfPaymentId": "t", "Name": "X"}
    assert mapping.replace_payload(raw, {}, fallback={}) == {"TermsOfPaymentId": "t", "Name": "X"}


# --- Is it the one? ----------------------------------------------------------------------------------------


def test_a_customer_with_what_was_sent_is_equal_whatever_else_it_holds() -> None:
    sent = {name: value for name, value in values().items() if value}
    assert mapping.is_equal(sent, {**sent, "Note": "x", "InvoiceAddress2": "added there"})
    assert not mapping.is_equal(sent, {**sent, "InvoiceCity": "Umeå"})


@pytest.mark.parametrize(
    ("there", "near"),
    [
        ({"CorporateIdentityNumber": "5560160680"}, True),
        ({"CorporateIdentityNumber": "Org.nr SE556016068001"}, True),
        ({"CorporateIdentityNumber": "000000-0000"}, False),
        ({"Name": "ÄLVSTRAND  Snickeri\u00a0AB "}, True),
        ({"Name": "älvstrand snickeri ab"}, True),
        ({"EmailAddress": "INFO@alvstrand.example"}, True),
        ({"Name": "Annan", "Telephone": "+46 8 123 45 67"}, False),
        ({}, False),
    ],
)
def test_the_same_number_name_or_mail_comes_near(there: dict[str, Any], near: bool) -> None:
    assert mapping.is_near(values(), there) is near
    assert not mapping.is_near({"Name": "", "EmailAddress": ""}, {"Name": None, "EmailAddress": ""})
    nobody = {"CorporateIdentityNumber": "000 000 000", mapping.COUNTRY: "NO"}
    assert not mapping.is_near(nobody, nobody)
