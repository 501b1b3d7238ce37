"""JSON numbers, filters, and reading answers with patience."""

import base64
import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.eaccounting import filters, jsontext
from integrations.eaccounting.errors import UnexpectedAnswer
from integrations.eaccounting.types import (
    CompanySettings,
    Customer,
    PageMeta,
    TermsOfPayment,
    TokenSet,
)

GUID = "8F9A8F7B-5EA9-44C6-9725-9B8A1ADDB036"


@pytest.mark.parametrize(
    "literal",
    [
        "0.1",
        "1.0",
        "1e400",
        "123456789012345678901234567890",
        "12345678901234567.89",
        "-0.0",
        "1E-7",
        "3.14159265358979323846",
    ],
)
def test_numbers_survive_a_round_trip(literal: str) -> None:
    text = f'{{"n":[{literal}]}}'.encode()
    assert jsontext.encode(jsontext.decode(text)) == text


def test_numbers_survive_copies() -> None:
    number = jsontext.decode(b"12345678901234567.89")
    for twin in (copy.deepcopy(number), pickle.loads(pickle.dumps(number))):  # noqa: S301  # our own bytes
        assert jsontext.encode(twin) == b"12345678901234567.89"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_anything_survives_a_round_trip(value: object) -> None:
    assert jsontext.decode(jsontext.encode(value)) == value


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"[Infinity]", b"<html>", b"\xff\xfe\x00", b"[" * 100_000])
def test_what_is_not_json(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each has words of its own
        jsontext.decode(text)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert jsontext.decode(b"\xef\xbb\xbf{}") == {}


def test_filters() -> None:
    moment = datetime(2026, 1, 31, 13, 0, 0, 999999, tzinfo=timezone(timedelta(hours=1)))
    assert filters.eq("Name", "O'Hara") == "Name eq 'O''Hara'"
    assert filters.eq("IsActive", True) == "IsActive eq true"
    assert filters.eq("Amount", 5) == "Amount eq 5"
    assert filters.eq("Amount", Decimal("5.10")) == "Amount eq 5.10"
    assert filters.eq("CustomerId", UUID(GUID)) == f"CustomerId eq {GUID.lower()}"
    assert filters.contains("Name", "it's") == "contains(Name,'it''s')"
    assert filters.changed_since(moment) == "ChangedUtc ge 2026-01-31T12:00:00Z"
    assert filters.any_of("a eq 1") == "a eq 1"
    assert filters.any_of("a eq 1", "b eq 2", "c eq 3") == "a eq 1 or b eq 2 or c eq 3"


def test_filters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="letters"):
        filters.eq("Name eq 'x' or Name", "y")
    with pytest.raises(ValueError, match="zone"):
        filters.changed_since(datetime(2026, 1, 1))  # noqa: DTZ001  # without a zone on purpose
    with pytest.raises(ValueError, match="condition"):
        filters.any_of()


def test_a_customer_is_read_as_it_came() -> None:
    raw = {
        "Id": GUID,
        "Name": "Björk AB",
        "CustomerNumber": "17",
        "TermsOfPaymentId": GUID,
        "IsActive": False,
        "ChangedUtc": "2026-06-25T10:11:12.1234567Z",
        "LastInvoiceDate": "2026-06-24T00:00:00Z",
        "UnpaidInvoicesAmount": jsontext.decode(b"12750.50"),
        "FromTheFuture": {"a": [1]},
    }
    customer = Customer.from_json(raw)
    assert customer.raw is raw
    assert (customer.id, customer.terms_of_payment_id) == (GUID.lower(), GUID.lower())
    assert customer.changed_utc == datetime(2026, 6, 25, 10, 11, 12, 123456, tzinfo=UTC)
    assert customer.last_invoice_date == date(2026, 6, 24)
    assert customer.unpaid_amount == Decimal("12750.50")
    assert not customer.is_active
    assert customer.city == ""


def test_odd_fields_that_are_not_needed_are_passed_over() -> None:
    customer = Customer.from_json(
        {
            "Id": GUID,
            "Name": "X",
            "IsActive": "yes",
            "ChangedUtc": "yesterday",
            "LastInvoiceDate": 7,
            "UnpaidInvoicesAmount": "much",
            "TermsOfPaymentId": "none",
            "InvoiceCity": 5,
        }
    )
    assert (customer.is_active, customer.changed_utc, customer.last_invoice_date) == (True, None, None)
    assert (customer.unpaid_amount, customer.terms_of_payment_id, customer.city) == (None, None, "")


def test_a_time_without_zone_is_utc() -> None:
    meta = PageMeta.from_json({"TotalNumberOfPages": 1, "ServerTimeUtc": "2026-06-25T10:11:12"})
    assert meta.server_time == datetime(2026, 6, 25, 10, 11, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        (Customer, {"Name": "X"}),
        (Customer, {"Id": "17", "Name": "X"}),
        (Customer, {"Id": GUID, "Name": None}),
        (Customer, []),
        (Customer, None),
        (TermsOfPayment, {"Name": "30 days"}),
        (CompanySettings, {"Name": "X"}),
        (CompanySettings, {"CountryCode": "SE"}),
        (PageMeta, {"TotalNumberOfPages": 1}),
        (PageMeta, {"TotalNumberOfPages": True, "ServerTimeUtc": "2026-06-25T10:11:12Z"}),
        (TokenSet, {"access_token": ""}),
        (TokenSet, {"token": "x"}),
        (TokenSet, "access_token=x"),
    ],
)
def test_what_is_needed_must_be_there(kind: type[Customer], source: object) -> None:
    with pytest.raises(UnexpectedAnswer) as caught:
        kind.from_json(source)
    assert caught.value.may_have_been_done
    assert caught.value.retryable


@pytest.mark.parametrize(("answered", "kept"), [(2**31 - 1, 2**31 - 1), (2**31, None), (-(10**12), None), (True, None)])
def test_a_number_that_no_column_holds_is_none(answered: object, kept: int | None) -> None:
    terms = TermsOfPayment.from_json({"Id": GUID, "NumberOfDays": answered, "TermsOfPaymentTypeId": answered})
    assert (terms.number_of_days, terms.type_id) == (kept, kept)


def test_terms_that_do_not_say_so_are_not_for_sales() -> None:
    assert not TermsOfPayment.from_json({"Id": GUID}).available_for_sales


def test_personal_data_is_not_in_the_text_form() -> None:
    shown = repr(Customer.from_json({"Id": GUID, "Name": "Anna Berg", "EmailAddress": "anna@post.example"}))
    assert "Anna" not in shown
    assert "post.example" not in shown


@pytest.mark.parametrize(
    ("answered", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (1, 1),
        (3599.9, 3599),
        (None, 3600),
        (0, 3600),
        (-5, 3600),
        ("soon", 3600),
        ([], 3600),
        ("3600.5", 3600),
        (3600.7, 3600),
        (True, 3600),
        (False, 3600),
        ({}, 3600),
        (86_400, 86_400),
        (86_401, 86_400),
        (99_999_999_999_999, 86_400),
        ("99999999999999", 86_400),
        (1e300, 86_400),
        (float("inf"), 86_400),
        (float("-inf"), 3600),
        (float("nan"), 3600),
        ("9" * 5000, 3600),
    ],
)
def test_lifetimes(answered: object, seconds: int) -> None:
    assert TokenSet.from_json({"access_token": "x", "expires_in": answered}).expires_in == seconds


def test_a_life_that_is_not_told_is_the_usual_one_whatever_its_end_is_said_to_be() -> None:
    assert TokenSet.from_json({"access_token": "x"}).expires_in == 3600
    assert TokenSet.from_json({"access_token": "x", "expires_at": 5}).expires_in == 3600


@pytest.mark.parametrize("answered", [None, "", "  ", 5, ["r"], {"r": 1}, True])
def test_a_refresh_token_that_is_none_leaves_the_one_there_is(answered: object) -> None:
    assert TokenSet.from_json({"access_token": "x", "refresh_token": answered}).refresh_token is None


@pytest.mark.parametrize("answered", [None, "", 5, ["x"], "two words", "line\nline", "é", "\ud800", "x" * 1_000_000])
def test_an_access_token_that_no_header_carries_does_not_cost_the_refresh_token(answered: object) -> None:
    tokens = TokenSet.from_json({"access_token": answered, "refresh_token": "r"})
    assert (tokens.access_token, tokens.refresh_token, tokens.company_claim) == ("", "r", None)
    with pytest.raises(UnexpectedAnswer):
        TokenSet.from_json({"access_token": answered})


@pytest.mark.parametrize(
    ("answered", "scope"),
    [
        (None, ""),
        (5, ""),
        ({"ea:api": 1}, ""),
        (["offline_access", 7, None, "ea:sales"], "offline_access ea:sales"),
        ("a\0 b\ud800", "a b?"),
        ("x " * 5000 + "ea:sales", "ea:sales x"),
        ([*(f"right{n}" for n in range(2)), "ea:api"], "ea:api right0 right1"),
    ],
)
def test_of_the_rights_those_that_were_asked_for_come_first(answered: object, scope: str) -> None:
    assert TokenSet.from_json({"access_token": "x", "scope": answered}).scope == scope


def claims(text: str) -> str:
    return f"a.{base64.urlsafe_b64encode(text.encode()).decode()}.c"


@pytest.mark.parametrize(
    ("claim", "kept"),
    [
        ('"' + "x" * 100 + '"', "x" * 100),
        ('"' + "x" * 101 + '"', None),
        (r'"a\u0000b"', "ab"),
        (r'"\u0000"', None),
        (r'"a\ud800"', "a?"),
        ("17", "17"),
        ("true", None),
        ("1.5", None),
        ("9" * 200, None),
        ("NaN", None),
    ],
)
def test_a_company_that_no_column_holds_is_none(claim: str, kept: str | None) -> None:
    token = claims(f'{{"customer_id": {claim}}}')
    assert TokenSet.from_json({"access_token": token}).company_claim == kept


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (b'{"a": NaN, "b": -Infinity, "c": "x"}', {"a": None, "b": None, "c": "x"}),
        (b'{"a": "\xe9", "b": "x\x00\ny"}', {"a": "\ufffd", "b": "x\0\ny"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "å"}'.encode("utf-16"), {"a": "å"}),
    ],
)
def test_an_answer_that_comes_once_is_read_with_patience(body: bytes, content: object) -> None:
    assert jsontext.decode_patiently(body) == content


def test_a_number_of_thousands_of_digits_is_read_with_patience() -> None:
    content = jsontext.decode_patiently(b'{"expires_in": ' + b"9" * 5000 + b', "access_token": "x"}')
    assert TokenSet.from_json(content).expires_in == 86_400


@pytest.mark.parametrize("text", [b"", b"{", b'{"a": "x', b"<html>", b"[" * 100_000])
def test_what_is_not_json_is_none_with_patience_either(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each has words of its own
        jsontext.decode_patiently(text)


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b",
        "a.b.c",
        "a.!!.c",
        "a.e30.c",
        "a.W10.c",
        "ey.eyJjdXN0b21lcl9pZCI6bnVsbH0.x",
        "..",
        "a.eyJjdXN0b21lcl9pZCI6WzFdfQ.c",
    ],
)
def test_a_token_without_a_readable_company(token: str) -> None:
    assert TokenSet.from_json({"access_token": token}).company_claim is None


def test_a_token_names_its_company_and_its_text_form_hides_it() -> None:
    token = "eyJhbGciOiJub25lIn0.eyJjdXN0b21lcl9pZCI6ICJhYmMtMSJ9."
    tokens = TokenSet.from_json({"access_token": token, "refresh_token": "very-secret", "scope": ["a", "b"]})
    assert (tokens.company_claim, tokens.scope) == ("abc-1", "a b")
    assert "secret" not in repr(tokens)
    assert token not in repr(tokens)


@pytest.mark.parametrize(("answered", "kept"), [(-1, 0), (2**31, 2**31 - 1), (1500, 1500), ("many", None)])
def test_a_number_of_rows_that_no_list_has_fits_its_column_and_stays_wrong(answered: object, kept: int | None) -> None:
    meta = {"TotalNumberOfPages": 1, "ServerTimeUtc": "2026-06-25T10:11:12Z", "TotalNumberOfResults": answered}
    assert PageMeta.from_json(meta).results == kept


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999"])
def test_a_time_that_nothing_can_be_counted_from_is_none(time: str) -> None:
    with pytest.raises(UnexpectedAnswer):
        PageMeta.from_json({"TotalNumberOfPages": 1, "ServerTimeUtc": time})
