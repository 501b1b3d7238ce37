"""The bridge's rows. Every row of a tenant carries its account."""

from integrations.models.connection import BlockedReason, Connection
from integrations.models.customer_index import CustomerIndex
from integrations.models.customer_link import CustomerLink, Origin
from integrations.models.event import Event, EventKind
from integrations.models.push import Kind, Push, PushState, WaitReason
from integrations.models.remote_customer import RemoteCustomer
from integrations.models.terms_of_payment import TermsOfPayment

__all__ = [
    "BlockedReason",
    "Connection",
    "CustomerIndex",
    "CustomerLink",
    "Event",
    "EventKind",
    "Kind",
    "Origin",
    "Push",
    "PushState",
    "RemoteCustomer",
    "TermsOfPayment",
    "WaitReason",
]
