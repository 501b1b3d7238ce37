"""Every request that the wire can make, and every answer of the sandbox, against openapi.yaml."""

import uuid

import pytest

from integrations.eaccounting import filters, oauth
from integrations.eaccounting.client import Client
from integrations.eaccounting.errors import Conflict, ConnectionRevoked, NotFound, RateLimited, Refused, ServerError
from integrations.eaccounting.types import READ_ONLY_PROPERTIES
from tests.eaccounting.conftest import config_for, connect
from tests.eaccounting.contract import IDENTITY_URL, Contract
from tests.eaccounting.payloads import SWEDISH_30_DAYS, payload


def test_reading_customers(contract: Contract, contract_client: Client) -> None:
    assert len(contract_client.list_customers(deadline=60).customers) == 12
    assert len(contract_client.list_customers(deadline=60, page_size=5).customers) == 12
    found = contract_client.list_customers(
        deadline=60,
        filter=filters.any_of(
            filters.eq("CorporateIdentityNumber", "559987-1018"), filters.contains("Name", "Björk & Son")
        ),
    )
    assert [customer.name for customer in found.customers] == ["Björk & Son Måleri AB"]
    assert contract_client.get_customer(customer_id=found.customers[0].id, deadline=60) == found.customers[0]


def test_reading_changes(contract: Contract, contract_client: Client) -> None:
    before = contract_client.list_customers(deadline=60)
    created = contract_client.create_customer(payload=payload(), deadline=60)
    changed = contract_client.list_customers(filter=filters.changed_since(before.server_time), deadline=60)
    assert created.id in {customer.id for customer in changed.customers}


def test_creating_and_replacing(contract: Contract, contract_client: Client) -> None:
    created = contract_client.create_customer(payload=payload(ContactPersonName="Anna Berg"), deadline=60)
    echo = {name: value for name, value in created.raw.items() if name not in READ_ONLY_PROPERTIES}
    replaced = contract_client.replace_customer(
        customer_id=created.id, payload=echo | {"Name": "Renamed AB"}, deadline=60
    )
    assert (replaced.name, replaced.contact_name) == ("Renamed AB", "Anna Berg")


def test_terms_and_settings(contract: Contract, contract_client: Client) -> None:
    terms = contract_client.list_terms_of_payment(deadline=60)
    settings = contract_client.get_company_settings(deadline=60)
    assert settings.name == "Nordvik Bygg AB"
    assert settings.terms_of_payment_id in {item.id for item in terms}
    assert {item.available_for_sales for item in terms} == {True, False}


def test_tokens_and_revocation(contract: Contract) -> None:
    config = config_for(IDENTITY_URL)
    tokens = connect(contract.sandbox, config)
    again = oauth.refresh(config=config, refresh_token=str(tokens.refresh_token))
    oauth.revoke(config=config, token=str(again.refresh_token))
    with pytest.raises(ConnectionRevoked):
        oauth.refresh(config=config, refresh_token=str(again.refresh_token))


def test_refusals_keep_to_the_contract(contract: Contract, contract_client: Client) -> None:
    with pytest.raises(NotFound):
        contract_client.get_customer(customer_id=str(uuid.uuid4()), deadline=60)
    with pytest.raises(NotFound):
        contract_client.create_customer(payload=payload(TermsOfPaymentId=str(uuid.uuid4())), deadline=60)
    with pytest.raises(Conflict):
        contract_client.create_customer(payload=payload(CustomerNumber="1001"), deadline=60)
    with pytest.raises(Refused):
        contract_client.create_customer(payload=payload(VatNumber="123", InvoiceCountryCode="SE"), deadline=60)
    contract.sandbox.fault(kind="error", error_code=5000)
    with pytest.raises(ServerError):
        contract_client.get_company_settings(deadline=60)
    contract.sandbox.set_up(rate_limit=1)
    with pytest.raises(RateLimited):
        contract_client.get_company_settings(deadline=60)


def test_a_body_against_the_contract_is_refused_in_its_form(contract: Contract, contract_client: Client) -> None:
    contract.requests_may_be_wrong = True
    bad = payload(Name="", InvoicePostalCode="1" * 11, Unknown=1) | {"InvoiceCity": None}
    with pytest.raises(Refused) as caught:
        contract_client.create_customer(payload=bad, deadline=60)
    assert {problem.field for problem in caught.value.problems} == {
        "Name",
        "InvoicePostalCode",
        "InvoiceCity",
        "Unknown",
    }


@pytest.mark.parametrize(
    "path",
    [
        "/customerlabels",
        f"/termsofpayments/{SWEDISH_30_DAYS}",
        "/customerinvoices",
        "/customerinvoices?modifiedSinceUtc=2026-01-01T00:00:00Z",
        "/customerledgeritems?$filter=RemainingAmountInvoiceCurrency%20ne%200",
        "/users",
        "/countries",
        "/currencies",
        "/customers?$select=Id,Name",
        "/customers/not-a-guid",
        "/customers?$filter=nonsense",
        "/customers?$filter=ChangedUtc%20gt%20yesterday",
    ],
)
def test_answers_that_the_client_does_not_ask_for_yet(contract: Contract, contract_client: Client, path: str) -> None:
    contract.requests_may_be_wrong = True
    answer = contract_client._http.request("GET", path, deadline=60, authorization=contract_client._authorization)
    assert answer.status in (200, 400, 404)


def test_without_a_token_the_answer_is_in_the_contract(contract: Contract, contract_client: Client) -> None:
    contract.requests_may_be_wrong = True
    assert contract_client._http.request("GET", "/customers", deadline=60).status == 401
