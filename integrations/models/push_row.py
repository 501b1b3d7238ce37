"""The columns of a push; what may be done with them is in push.py."""

from django.db import models
from django.db.models import Value

from accounts.models import Account, User
from companies.models import Company, Contact
from integrations.clock import database_now
from integrations.models.connection import Connection
from integrations.models.states import OPEN, Kind, PushState, WaitReason
from integrations.models.terms_of_payment import TermsOfPayment

ASKED_LONG_AGO = "asked_long_ago"  # the code of its sentence


class PushRow(models.Model):
    """One row of the outbox."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="+")
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=PushState.choices, default=PushState.WAITING)
    wait_reason = models.CharField(max_length=20, choices=WaitReason.choices, blank=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)  # None: for a person, or for `recheck`
    # The properties that newer sheets confirmed while a worker was at it: the push that follows carries them.
    again = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=database_now)  # by the clock that all hosts share

    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)  # since it last waited for a person or for the connection
    retrying_since = models.DateTimeField(null=True, blank=True)  # eAccounting has not been answering since
    crashes = models.PositiveIntegerField(default=0)

    contact = models.ForeignKey(Contact, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    terms = models.ForeignKey(TermsOfPayment, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    create_anyway = models.BooleanField(default=False)
    # What a person confirmed on a sheet: sent as confirmed, whatever the company holds by then.
    confirmed = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    is_private_person = models.BooleanField(null=True, blank=True)  # of a create
    # What the sheet showed: of an update what was there, and when that was read; of a create what the company held.
    based_on = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    read_at = models.DateTimeField(null=True, blank=True)
    # Of what is confirmed in another form than eAccounting would take: as on the link.
    shorter = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    before = models.JSONField(null=True, blank=True)  # what an update overwrites, to be put back
    after = models.JSONField(null=True, blank=True)  # what eAccounting answered that it made of it
    undoes = models.ForeignKey(
        "integrations.Push", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    payload = models.JSONField(null=True, blank=True)
    values = models.JSONField(null=True, blank=True)  # the owned values inside the payload, in the form sent
    fingerprint = models.CharField(max_length=64, blank=True)
    send_by = models.DateTimeField(null=True, blank=True)
    unknown_since = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)  # eAccounting's clock at the look before a create
    seen_ids = models.JSONField(default=list)  # customers that were there then: never taken for ours
    candidates = models.JSONField(default=list)  # what a person has to decide between

    failure = models.CharField(max_length=50, blank=True)
    failure_parameters = models.JSONField(default=dict)
    failure_detail = models.TextField(blank=True)  # eAccounting's own words
    error_id = models.CharField(max_length=50, blank=True)  # what eAccounting's support asks for
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.state})"

    @property
    def waits_for_admin(self) -> bool:
        """Whether nothing was sent and only an admin can let it go on."""
        return self.state == PushState.WAITING and self.wait_reason in (WaitReason.CONNECTION, WaitReason.TERMS)

    @property
    def is_parked(self) -> bool:
        """Whether it has waited for an admin from the beginning: recorded when one was asked (asking.py)."""
        return self.waits_for_admin and self.fence == 0

    @property
    def is_asked_about(self) -> bool:
        """Whether it waited so long for an admin that a person has to say whether it is still wanted."""
        return self.wait_reason == WaitReason.DECISION and self.failure == ASKED_LONG_AGO

    @property
    def is_unsent(self) -> bool:
        """Whether it waits and nothing of it was sent."""
        return self.state == PushState.WAITING and self.unknown_since is None

    @property
    def is_to_decide(self) -> bool:
        """Whether a person has to say if one of the candidates is the company."""
        return self.wait_reason == WaitReason.DECISION and bool(self.candidates)

    @property
    def is_open(self) -> bool:
        """Whether this wish is still under way."""
        return self.state in OPEN
