"""The sandbox keeps to the facts: what it accepts, refuses, stores and answers."""

import json
import re
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from dev.sandbox.core import Sandbox
from dev.sandbox.messages import Request, Response
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import RateLimited
from integrations.eaccounting.oauth import OAuthConfig
from tests.eaccounting.conftest import connect
from tests.eaccounting.payloads import SWEDISH_30_DAYS, payload

pytestmark = pytest.mark.thorough  # the stand-in, and nothing of the product

Call = Callable[..., Response]


@pytest.fixture
def call(sandbox: Sandbox, config: OAuthConfig) -> Call:
    """Call the API with a good token of the Swedish company."""
    token = connect(sandbox, config).access_token

    def send(method: str, target: str, body: object = None, **headers: str) -> Response:
        data = b"" if body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
        return sandbox.handle(Request.of(method=method, target="/v2" + target, headers=sent, body=data))

    return send


def content(response: Response) -> Any:  # JSON of any shape
    return json.loads(response.body)


def refused(response: Response) -> tuple[int, int]:
    error = content(response)
    uuid.UUID(error["ErrorId"])
    return response.status, error["ErrorCode"]


def names(response: Response) -> list[str]:
    assert response.status == 200, response.body
    return [row["Name"] for row in content(response)["Data"]]


def test_a_new_customer_gets_an_id_a_number_and_its_terms(call: Call) -> None:
    first, second = content(call("POST", "/customers", payload())), content(call("POST", "/customers", payload()))
    assert int(second["CustomerNumber"]) == int(first["CustomerNumber"]) + 1
    assert first["TermsOfPayment"]["NameEnglish"] == "30 days"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["ChangedUtc"])
    assert first["ChangedUtc"] < second["ChangedUtc"]
    assert first["CurrencyCode"] == "SEK"
    assert content(call("GET", f"/customers/{first['Id'].upper()}")) == first
    assert content(call("GET", "/companysettings"))["NextCustomerNumber"] == int(second["CustomerNumber"]) + 1


def test_replacing_empties_what_is_left_out_but_two_fields(call: Call) -> None:
    created = content(
        call(
            "POST",
            "/customers",
            payload(
                Note="x", EmailAddress="a@b.example", Iban="SE1", IsDirectDebitEnabled=True, DiscountPercentage=0.5
            ),
        )
    )
    replaced = content(call("PUT", f"/customers/{created['Id']}", payload(Name="New AB", NewProperty=[1, 2.5])))
    assert (replaced["Name"], replaced["NewProperty"]) == ("New AB", [1, 2.5])
    assert (replaced["Note"], replaced["EmailAddress"], replaced["DiscountPercentage"]) == (None, None, 0)
    assert (replaced["Iban"], replaced["IsDirectDebitEnabled"]) == ("SE1", True)
    assert replaced["CustomerNumber"] == created["CustomerNumber"]
    assert replaced["ChangedUtc"] > created["ChangedUtc"]


@pytest.mark.parametrize(
    "missing", ["Name", "InvoicePostalCode", "InvoiceCity", "TermsOfPaymentId", "IsPrivatePerson", "IsActive"]
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_what_is_required_is_required(call: Call, sandbox: Sandbox, method: str, missing: str) -> None:
    body = payload()
    del body[missing]
    target = "/customers" if method == "POST" else f"/customers/{sandbox.customers()[0]['Id']}"
    response = call(method, target, body)
    assert refused(response) == (400, 2000)
    assert [item["Field"] for item in content(response)["Errors"]] == [missing]


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"Name": "x" * 51}, 2000, "Name"),
        ({"Name": ""}, 2000, "Name"),
        ({"InvoicePostalCode": "1" * 11}, 2000, "InvoicePostalCode"),
        ({"CustomerNumber": "1" * 17}, 2000, "CustomerNumber"),
        ({"IsActive": "true"}, 2000, "IsActive"),
        ({"FromTheFuture": 1}, 2000, "FromTheFuture"),
        ({"Id": str(uuid.UUID(int=1))}, 2000, "Id"),
        ({"ReverseChargeOnConstructionServices": True}, 2000, "VatNumber"),
        ({"EmailAddresses": ["a@b.example"]}, 2000, "EmailAddresses"),
        ({"DeliveryBasedVat": True, "DeliveryCity": "A", "DeliveryPostalCode": "1"}, 2000, "DeliveryCountryCode"),
        ({"VatNumber": "SE559987101801"}, 2000, "InvoiceCountryCode"),
        ({"VatNumber": "556036", "InvoiceCountryCode": "SE"}, 4025, None),
        ({"ForceBookkeepVat": True, "InvoiceCountryCode": "SE"}, 4035, None),
        ({"TermsOfPaymentId": str(uuid.UUID(int=1))}, 3000, None),
        ({"CustomerNumber": "1001"}, 4000, None),
    ],
)
def test_what_is_refused_on_create(
    call: Call, sandbox: Sandbox, more: dict[str, Any], code: int, field: str | None
) -> None:
    response = call("POST", "/customers", payload(**more))
    assert refused(response) == (400, code)
    assert [item["Field"] for item in content(response)["Errors"] or []] == ([field] if field else [])
    assert len(sandbox.customers()) == 12


def test_terms_for_purchases_are_no_terms_for_a_customer(call: Call) -> None:
    terms = content(call("GET", "/termsofpayments?$filter=AvailableForSales eq false"))["Data"]
    assert [item["NameEnglish"] for item in terms] == ["60 days, purchases only"]
    assert refused(call("POST", "/customers", payload(TermsOfPaymentId=terms[0]["Id"]))) == (400, 3000)


@pytest.mark.parametrize("body", [[], "x", 1])
def test_a_body_that_is_no_object(call: Call, body: object) -> None:
    assert refused(call("POST", "/customers", body)) == (400, 2000)


def test_switches_open_what_is_unknown(call: Call, sandbox: Sandbox) -> None:
    sandbox.switch(
        duplicate_number_status=409,
        unknown_id_status=400,
        accept_empty_strings=True,
        accept_unknown_on_create=True,
        reformat_on_store=True,
    )
    assert refused(call("POST", "/customers", payload(CustomerNumber="1001"))) == (409, 4000)
    assert refused(call("GET", f"/customers/{uuid.UUID(int=1)}")) == (400, 3000)
    created = content(
        call(
            "POST",
            "/customers",
            payload(InvoiceCity="", Future=1, CorporateIdentityNumber="556677-8899", Telephone="08-12 34 56"),
        )
    )
    assert (created["InvoiceCity"], created["Future"]) == ("", 1)
    assert (created["CorporateIdentityNumber"], created["Telephone"]) == ("5566778899", "08123456")


def test_a_number_can_be_changed_or_is_kept(call: Call, sandbox: Sandbox) -> None:
    target = f"/customers/{sandbox.customers()[0]['Id']}"
    assert content(call("PUT", target, payload(CustomerNumber="X-7")))["CustomerNumber"] == "X-7"
    sandbox.switch(allow_number_change=False)
    assert content(call("PUT", target, payload(CustomerNumber="X-8")))["CustomerNumber"] == "X-7"


def test_too_long_a_value_is_refused_in_the_words_of_the_service(call: Call) -> None:
    refusal = content(call("POST", "/customers", payload(InvoicePostalCode="1" * 11)))
    assert "The field InvoicePostalCode must be a string with a maximum length of 10." in json.dumps(refusal["Errors"])


def test_read_only_properties_on_replace_are_remarked_or_refused(call: Call, sandbox: Sandbox) -> None:
    target = f"/customers/{sandbox.customers()[0]['Id']}"
    sent = payload(UnpaidInvoicesAmount=7, ChangedUtc="2020-01-01T00:00:00Z")
    stored = content(call("PUT", target, sent))
    assert stored["UnpaidInvoicesAmount"] == 12750.5
    assert stored["ChangedUtc"] > "2026"
    assert sandbox.calls()[-1].remarks == (
        "read-only property sent: ChangedUtc",
        "read-only property sent: UnpaidInvoicesAmount",
    )
    sandbox.switch(refuse_read_only_on_replace=True)
    assert refused(call("PUT", target, sent)) == (400, 2000)


def test_deleting(call: Call, sandbox: Sandbox) -> None:
    with_invoices, without = sandbox.customers()[0], sandbox.customers()[5]
    assert refused(call("DELETE", f"/customers/{with_invoices['Id']}")) == (400, 4001)
    assert call("DELETE", f"/customers/{without['Id']}").status == 200
    assert refused(call("GET", f"/customers/{without['Id']}")) == (404, 3000)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("CorporateIdentityNumber eq '559987-1018'", {"Björk & Son Måleri AB"}),
        ("CorporateIdentityNumber eq '5599871018'", set()),
        ("Name eq 'Björk & Son Måleri AB' and IsActive eq true", {"Björk & Son Måleri AB"}),
        ("contains(Name,'konsult')", {"Havsvik Konsult AB"}),
        ("IsActive eq false", {"Tre Kockar i Malmö AB"}),
        ("IsPrivatePerson ne false", {"Anna Lindqvist"}),
        ("CorporateIdentityNumber eq null", {"Dansk Lys ApS"}),
        (
            "(CustomerNumber eq '1001' or CustomerNumber eq '1002') and contains(Name,'AB')",
            {"Björk & Son Måleri AB", "Havsvik Konsult AB"},
        ),
        ("DiscountPercentage gt 0.1", {"Lindgrens Rör i Umeå AB"}),
        ("DiscountPercentage ge 0.1 and DiscountPercentage le 0.1", {"Björk & Son Måleri AB"}),
        ("Name eq 'O''Hara'", set()),
        ("ChangedUtc lt 2020-01-01T00:00:00Z", set()),
    ],
)
def test_filters(call: Call, query: str, found: set[str]) -> None:
    target = "/customers?$filter=" + query.replace(" ", "%20").replace("&", "%26")
    assert set(names(call("GET", target))) == found


def test_ids_are_compared_in_any_case(call: Call, sandbox: Sandbox) -> None:
    customer = sandbox.customers()[1]
    assert names(call("GET", f"/customers?$filter=Id%20eq%20{str(customer['Id']).upper()}")) == [customer["Name"]]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("$filter=Unknown eq 1", 6000),
        ("$filter=Name eq", 6000),
        ("$filter=Name like 'x'", 6000),
        ("$filter=Name eq 5", 6000),
        ("$filter=IsActive eq 'true'", 6000),
        ("$filter=Name eq 'x", 6000),
        ("$filter=(Name eq 'x'", 6000),
        ("$filter=Name eq 'x' Name eq 'y'", 6000),
        ("$filter=contains(Name)", 6000),
        ("$filter=contains(IsActive,'x')", 6000),
        ("$filter=startswith(Name,'x')", 6000),
        ("$filter=Name gt null", 6000),
        ("$filter=" + "(" * 60, 6000),
        ("$filter=ChangedUtc gt 2026-13-45", 6001),
        ("$filter=ChangedUtc gt 'x'", 6001),
        ("$orderby=Unknown", 6000),
        ("$orderby=Name upwards", 6000),
        ("$select=Id,Unknown", 6000),
        ("$page=0", 6001),
        ("$page=x", 6001),
        ("$pagesize=1001", 6001),
        ("$pagesize=-1", 6001),
    ],
)
def test_queries_that_cannot_be_read(call: Call, query: str, code: int) -> None:
    assert refused(call("GET", "/customers?" + query.replace(" ", "%20"))) == (400, code)


def test_order_and_selection(call: Call) -> None:
    rows = content(call("GET", "/customers?$orderby=IsActive,Name%20desc&$select=Id,Name&$pagesize=3"))["Data"]
    assert [row["Name"] for row in rows] == [
        "Tre Kockar i Malmö AB",
        "Vättervik Fastigheter AB",
        "Solkullens Trädgård AB",
    ]
    assert set(rows[0]) == {"Id", "Name"}


def test_pages(call: Call) -> None:
    first, second, third = (content(call("GET", f"/customers?$pagesize=5&$page={n}")) for n in (1, 2, 3))
    assert [len(page["Data"]) for page in (first, second, third)] == [5, 5, 2]
    assert third["Meta"] | {"ServerTimeUtc": ""} == {
        "CurrentPage": 3,
        "PageSize": 5,
        "TotalNumberOfPages": 3,
        "TotalNumberOfResults": 12,
        "ServerTimeUtc": "",
    }
    assert content(call("GET", "/customers?$page=9"))["Data"] == []


def test_money_is_that_of_the_invoices(call: Call, sandbox: Sandbox) -> None:
    customer = sandbox.customers()[0]
    query = f"$filter=CustomerId%20eq%20{customer['Id']}%20and%20RemainingAmountInvoiceCurrency%20ne%200"
    items = content(call("GET", f"/customerledgeritems?{query}"))["Data"]
    assert sum(item["RemainingAmountInvoiceCurrency"] for item in items) == customer["UnpaidInvoicesAmount"] == 12750.5
    statuses = {row["InvoiceNumber"]: row["PaymentStatus"] for row in content(call("GET", "/customerinvoices"))["Data"]}
    assert (statuses[2101], statuses[2102], statuses[2103]) == (0, 2, 1)
    assert content(call("GET", "/customerinvoices?modifiedSinceUtc=2999-01-01T00:00:00Z"))["Data"] == []
    assert refused(call("GET", "/customerinvoices?modifiedSinceUtc=x")) == (400, 6001)


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Basic abc"])
def test_without_a_good_token(call: Call, header: str) -> None:
    assert refused(call("GET", "/customers", Authorization=header)) == (401, 4005)


def test_unknown_paths_and_methods(call: Call) -> None:
    assert call("GET", "/nothing").status == 404
    assert call("PATCH", "/companysettings").status == 405
    assert refused(call("GET", f"/termsofpayments/{uuid.UUID(int=1)}")) == (404, 3000)
    assert content(call("GET", f"/termsofpayments/{SWEDISH_30_DAYS}"))["NumberOfDays"] == 30


def test_the_limit_is_per_endpoint_and_answers_in_visma_words(call: Call, sandbox: Sandbox) -> None:
    sandbox.set_up(rate_limit=2)
    ids = [row["Id"] for row in sandbox.customers()[:3]]
    assert [call("GET", f"/customers/{key}").status for key in ids] == [200, 200, 429]
    response = call("PUT", f"/customers/{ids[0]}", payload())
    assert refused(response) == (429, 4010)
    text = content(response)["DeveloperErrorMessage"]
    assert re.fullmatch(r"API calls quota exceeded! maximum admitted 2 per Minute\. Try again in \d+ seconds\.", text)
    assert "Retry-After" not in response.headers
    assert call("GET", "/companysettings").status == 200
    sandbox.switch(retry_after_header=True)
    assert 1 <= int(call("GET", f"/customers/{ids[0]}").headers["Retry-After"]) <= 60


@pytest.mark.parametrize(("per_company", "status"), [(False, 429), (True, 200)])
def test_companies_share_the_limit_or_have_one_each(
    client_for: Callable[..., Client], sandbox: Sandbox, per_company: bool, status: int
) -> None:
    sandbox.switch(limit_per_company=per_company)
    one, other = client_for("1"), client_for("2")
    sandbox.forget_calls()
    sandbox.set_up(rate_limit=1)
    one.get_company_settings(deadline=60)
    with suppress(RateLimited):
        other.get_company_settings(deadline=60)
    assert sandbox.calls(path="/v2/companysettings")[-1].status == status


@pytest.mark.parametrize(("slides", "statuses"), [(True, [200, 429]), (False, [200, 200])])
def test_the_minute_of_the_limit_slides_or_begins_anew(
    call: Call, sandbox: Sandbox, slides: bool, statuses: list[int]
) -> None:
    """Two calls a minute; one at 0 s, one at 40 s. At 61 s a sliding minute has room for one, a new one for two."""
    sandbox.switch(limit_window_slides=slides)
    sandbox.set_up(rate_limit=2)
    call("GET", "/companysettings")
    sandbox.world.clock_offset += 40
    call("GET", "/companysettings")
    sandbox.world.clock_offset += 21
    assert [call("GET", "/companysettings").status for _ in range(2)] == statuses


def test_a_switch_that_is_none_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="is no switch"):
        sandbox.switch(unknown=True)
    with pytest.raises(ValueError, match="is no switch"):
        sandbox.switch(accept_empty_strings="yes")
