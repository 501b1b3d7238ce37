"""The columns of a connection; what may be done with them is in connection.py."""

from datetime import datetime, timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User
from integrations.eaccounting.types import LONGEST_COMPANY_NAME, LONGEST_COMPANY_NUMBER, LONGEST_IDENTITY
from integrations.fields import EncryptedTextField
from integrations.models.chosen_terms import ChosenTerms
from integrations.models.numbers import NumberSeries

LONGEST_MARGIN = timedelta(minutes=10)
LONGEST_SCOPE = 255
# A token that is refused within so long after it was issued was never good.
NEW_FOR = timedelta(minutes=1)


class BlockedReason(models.TextChoices):
    """Why eAccounting refuses everything on a connection (errors that concern the whole connection)."""

    MODULE = "module", _("The integration is not activated in Visma eAccounting")
    STARTUP_GUIDE = "startup_guide", _("The start-up guide is not completed")
    COMPANY_INACTIVE = "company_inactive", _("The company is not active")
    SCOPE = "scope", _("A right is missing")
    PERMISSION = "permission", _("The connected user lacks a permission")
    COMPANY_READ_ONLY = "company_read_only", _("The company may only be read")
    PRODUCT_VARIANT = "product_variant", _("The product variant has no customers")
    USER = "user", _("The connected user has no access")
    LICENCE = "licence", _("The licence agreement is not accepted")
    READ_ONLY_USER = "read_only_user", _("The connected user may only read")
    SANDBOX_CLIENT = "sandbox_client", _("A sandbox client meets a live company")


class ConnectionRow(NumberSeries, ChosenTerms):
    """One (account, eAccounting company)."""

    class State(models.TextChoices):
        CONNECTED = "connected", _("Connected")
        NEEDS_RECONNECT = "needs_reconnect", _("Needs reconnecting")
        DISCONNECTED = "disconnected", _("Disconnected")
        # Its grant is kept until a person has decided between this company and the current one (offers.py).
        OFFERED = "offered", _("Waiting for a decision")

    class IdentityKind(models.TextChoices):
        """What tells eAccounting companies apart; compared within its kind only."""

        CLAIM = "claim"
        IDENTIFIER = "identifier"
        REGISTRATION_NUMBER = "registration_number"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    identity_kind = models.CharField(max_length=20, choices=IdentityKind.choices)
    identity = models.CharField(max_length=LONGEST_IDENTITY)
    is_current = models.BooleanField(default=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.CONNECTED)
    blocked_reason = models.CharField(max_length=20, choices=BlockedReason.choices, blank=True)
    blocked_at = models.DateTimeField(null=True, blank=True)
    probe_at = models.DateTimeField(null=True, blank=True)

    access_token = EncryptedTextField(blank=True)
    refresh_token = EncryptedTextField(blank=True)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    refresh_intent_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True)  # a 401 since the last good answer
    # When the identity server refused the grant (`invalid_grant`), and has not been asked again since (tokens.py).
    grant_doubted_at = models.DateTimeField(null=True, blank=True)
    generation = models.PositiveIntegerField(default=0)
    scope = models.CharField(max_length=LONGEST_SCOPE, blank=True)

    name = models.CharField(max_length=LONGEST_COMPANY_NAME, blank=True)
    registration_number = models.CharField(max_length=LONGEST_COMPANY_NUMBER, blank=True)
    country = models.CharField(max_length=2, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    company_terms_id = models.UUIDField(null=True, blank=True)

    connected_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    connected_at = models.DateTimeField()
    last_ok_at = models.DateTimeField(null=True, blank=True)
    served_at = models.DateTimeField(null=True, blank=True)  # when one of its rows was last taken in turn
    last_error = models.CharField(max_length=50, blank=True)
    broken_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name or str(_("your eAccounting company"))

    @property
    def is_connected(self) -> bool:
        """Whether tokens are believed to work."""
        return self.state == self.State.CONNECTED

    @property
    def is_offered(self) -> bool:
        """Whether a person still has to choose between this company and the connected one."""
        return self.state == self.State.OFFERED

    @property
    def is_usable(self) -> bool:
        """Whether calls may be made now."""
        return self.is_connected and not self.blocked_reason

    @property
    def refresh_margin(self) -> timedelta:
        """How long before its end a token is refreshed: a sixth of its life, at most ten minutes."""
        return min(LONGEST_MARGIN, (self.expires_at - self.issued_at) / 6)

    def is_ending(self, *, now: datetime) -> bool:
        """Whether the token in use has reached its margin: a refusal from then on says nothing."""
        return now >= self.expires_at - self.refresh_margin

    def was_renewed_in_vain(self, *, now: datetime) -> bool:
        """Whether the token in use is new, was issued because its forerunner was refused, and nothing worked since.

        A refusal that a failed refresh followed does not count: the token in use is still the old one. Nor does one
        of long ago: eAccounting may end a token early that nobody had used.
        """
        was_refused = self.refused_at is not None and self.refused_at < self.issued_at
        return was_refused and now < self.issued_at + NEW_FOR
