"""What a linked customer holds now: one live read, kept as what eAccounting last answered."""

from datetime import datetime

from django.db import transaction

from companies.models import Company
from integrations import mapping
from integrations.clock import database_now
from integrations.delivery import live
from integrations.eaccounting.errors import NotFound
from integrations.eaccounting.types import Customer
from integrations.models import Connection, CustomerLink, Push, RemoteCustomer


def look_there(*, link: CustomerLink, connection: Connection) -> Customer | None:
    """Read the customer as it is now; None when it was deleted there.

    A deleted or inactive one breaks the link, as a delivery that meets it does; one that is active again mends it.
    Raises TooBusy, NotConnected (of the tokens) and every EAccountingError.
    """
    began = database_now()
    try:
        customer = live.read_customer(connection, customer_id=str(link.reference))
    except NotFound:
        _keep(link, connection, None, began)
        return None
    _keep(link, connection, customer, began)
    return customer


def _keep(link: CustomerLink, connection: Connection, customer: Customer | None, began: datetime) -> None:
    """Keep the answer, unless a worker is at it, or has been since the read began: it knows better."""
    with transaction.atomic():
        company = Company.objects.select_for_update(no_key=True).get(pk=link.company_id)
        same = CustomerLink.objects.filter(pk=link.pk, customer_id=link.customer_id, sent_at=link.sent_at)
        if Push.open_of(company) or not same.exists():
            return
        if customer is None:
            if link.customer.mark_gone(now=began):
                link.mark_broken(CustomerLink.Broken.DELETED)
            return
        answered = mapping.owned(customer.raw)
        # What a link of an earlier release agreed on stands with the customer, whose values are about to be replaced.
        CustomerLink.settle(connection=connection, customers=[link.reference])
        link.refresh_from_db(fields=["answered"])
        link.customer = RemoteCustomer.remember(connection=connection, customer=customer, answered=answered, now=began)
        broken = "" if customer.is_active else CustomerLink.Broken.INACTIVE
        if link.broken != broken:
            link.mark_broken(broken)
