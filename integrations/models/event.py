"""The timeline: who did what, when. Rows are only ever added, and hold no tokens."""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User
from companies.models import Company
from integrations.models.connection import Connection


class EventKind(models.TextChoices):
    """What happened; the sentence is made from it when it is shown, in the reader's language."""

    CONNECTED = "connected", _("connected Visma eAccounting")
    DISCONNECTED = "disconnected", _("disconnected Visma eAccounting")
    NEEDS_RECONNECT = "needs_reconnect", _("Visma eAccounting stopped accepting the connection")
    BLOCKED = "blocked", _("Visma eAccounting refused the connection")
    UNBLOCKED = "unblocked", _("Visma eAccounting accepts the connection again")
    TERMS_CHOSEN = "terms_chosen", _("chose the terms of payment for new customers")
    TERMS_LOST = "terms_lost", _("The chosen terms of payment changed in Visma eAccounting")
    TERMS_BACK = "terms_back", _("The chosen terms of payment are back in Visma eAccounting")
    TERMS_READ = "terms_read", _("reloaded the terms of payment")
    CREATE_REQUESTED = "create_requested", _("asked to add the company as a customer")
    UPDATE_REQUESTED = "update_requested", _("asked to update the customer")
    UNDO_REQUESTED = "undo_requested", _("asked to put the previous values back")
    ADMIN_ASKED = "admin_asked", _("asked an admin")
    KEPT = "kept", _("kept the values in Visma eAccounting")
    CONTACT_CHOSEN = "contact_chosen", _("chose the contact person")
    CREATED = "created", _("The customer was created")
    ADOPTED = "adopted", _("The customer was found after a lost answer")
    ANSWERED_OTHERWISE = "answered_otherwise", _("Visma eAccounting saved other values than were sent")
    UPDATED = "updated", _("The customer was updated")
    UNCHANGED = "unchanged", _("Visma eAccounting already had these values")
    DECISION_NEEDED = "decision_needed", _("A possible duplicate was found")
    CREATE_ANYWAY = "create_anyway", _("chose to create the customer anyway")
    LINKED = "linked", _("linked the company to an existing customer")
    UNLINKED = "unlinked", _("unlinked the company")
    FAILED = "failed", _("Sending failed")
    CANCELLED = "cancelled", _("cancelled sending")
    CANCELLED_LEAVING = (
        "cancelled_leaving",
        _("connected another company in Visma eAccounting, which cancelled sending"),
    )
    CANCELLED_WITH = "cancelled_with", _("disconnected Visma eAccounting, which cancelled sending")


class Event(models.Model):
    """One thing that happened to a company or a connection."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    company = models.ForeignKey(Company, on_delete=models.PROTECT, null=True, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, null=True, related_name="+")
    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=30, choices=EventKind.choices)
    parameters = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["company", "-id"], name="event_company"),
            models.Index(fields=["connection", "-id"], name="event_connection"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.kind}"

    @classmethod
    def add(
        cls,
        kind: EventKind,
        *,
        connection: Connection | None,
        company: Company | None = None,
        actor: User | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> "Event":
        """Append one event; before the first connection it has to name a company. Raises ValueError."""
        owner = connection or company
        if owner is None:
            raise ValueError("an event belongs to a connection or to a company")
        return cls.objects.create(
            account_id=owner.account_id,
            kind=kind,
            connection=connection,
            company=company,
            actor=actor,
            parameters=parameters or {},
        )

    @classmethod
    def add_to_each(
        cls, company_ids: Iterable[int], kind: EventKind, *, connection: Connection, actor: User | None
    ) -> None:
        """Append the same event to many companies."""
        Event.objects.bulk_create(
            Event(
                account_id=connection.account_id,
                kind=kind,
                connection=connection,
                company_id=company_id,
                actor=actor,
                parameters={"name": connection.name},
            )
            for company_id in company_ids
        )
