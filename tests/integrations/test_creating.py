"""Creating a customer: at most once, whatever becomes of the call. Judged by what eAccounting holds at the end."""

import pytest

from accounts.models import User
from companies.models import Company, Contact
from integrations import services
from integrations.eaccounting.sandbox.core import Sandbox
from integrations.models import Connection, CustomerLink, Origin, PushState
from tests.integrations.conftest import Run, named, posts


def test_a_create_ends_with_one_customer_a_link_and_the_chosen_terms(
    ready: Connection, company: Company, contact: Contact, ulf: User, sandbox: Sandbox, run: Run
) -> None:
    push = run(services.request_create(user=ulf, company=company, contact=contact))
    assert push.state == PushState.DONE
    [customer] = named(sandbox)
    assert customer["TermsOfPaymentId"] == "8f9a8f7b-5ea9-44c6-9725-9b8a1addb036"
    assert customer["ContactPersonName"] == "Åsa Öberg"
    link = CustomerLink.objects.get(company=company)
    assert (str(link.reference), link.origin) == (customer["Id"], Origin.CREATED)
    assert [call.method for call in sandbox.calls(path="/v2/customers")] == ["GET", "POST"]
