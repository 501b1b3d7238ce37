"""An account's connection to one eAccounting company, and that company's terms of payment."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User
from integrations.eaccounting.types import CompanySettings, TokenSet
from integrations.eaccounting.types import TermsOfPayment as AnsweredTerms
from integrations.fields import EncryptedTextField

PROBE_EVERY = timedelta(minutes=15)
LONGEST_MARGIN = timedelta(minutes=10)


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


class Connection(models.Model):
    """One (account, eAccounting company). Kept when disconnected: the links hang on it."""

    class State(models.TextChoices):
        CONNECTED = "connected", _("Connected")
        NEEDS_RECONNECT = "needs_reconnect", _("Needs reconnecting")
        DISCONNECTED = "disconnected", _("Disconnected")

    class IdentityKind(models.TextChoices):
        """What tells eAccounting companies apart; compared within its kind only."""

        CLAIM = "claim"
        IDENTIFIER = "identifier"
        REGISTRATION_NUMBER = "registration_number"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    identity_kind = models.CharField(max_length=20, choices=IdentityKind.choices)
    identity = models.CharField(max_length=100)
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
    generation = models.PositiveIntegerField(default=0)
    scope = models.CharField(max_length=255, blank=True)

    name = models.CharField(max_length=255, blank=True)
    registration_number = models.CharField(max_length=50, blank=True)
    country = models.CharField(max_length=2, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    company_terms_id = models.UUIDField(null=True, blank=True)

    default_terms = models.ForeignKey(
        "TermsOfPayment", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    terms_confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    terms_confirmed_at = models.DateTimeField(null=True, blank=True)
    terms_read_at = models.DateTimeField(null=True, blank=True)

    connected_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    connected_at = models.DateTimeField()
    last_ok_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=50, blank=True)
    broken_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "identity_kind", "identity"], name="connection_once_per_eaccounting_company"
            ),
            models.UniqueConstraint(
                fields=["account"], condition=Q(is_current=True), name="connection_one_current_per_account"
            ),
            models.UniqueConstraint(
                fields=["identity_kind", "identity"], condition=Q(state="connected"), name="connection_in_one_account"
            ),
        ]
        indexes = [models.Index(fields=["probe_at"], condition=~Q(blocked_reason=""), name="connection_probe")]

    def __str__(self) -> str:
        return self.name or str(_("your eAccounting company"))

    @property
    def is_connected(self) -> bool:
        """Whether tokens are believed to work."""
        return self.state == self.State.CONNECTED

    @property
    def is_usable(self) -> bool:
        """Whether calls may be made now."""
        return self.is_connected and not self.blocked_reason

    @property
    def refresh_margin(self) -> timedelta:
        """How long before its end a token is refreshed: a sixth of its life, at most ten minutes."""
        return min(LONGEST_MARGIN, (self.expires_at - self.issued_at) / 6)

    def connect(self, *, tokens: TokenSet, user: User, now: datetime) -> None:
        """Take the tokens of a finished authorization; a new generation begins."""
        self.state = self.State.CONNECTED
        self.is_current = True
        self.generation += 1
        self.connected_by, self.connected_at = user, now
        self.blocked_reason, self.blocked_at, self.probe_at = "", None, None
        self.last_error, self.broken_at, self.refused_at = "", None, None
        self._take(tokens, now)
        self.save()

    def _take(self, tokens: TokenSet, now: datetime) -> None:
        self.access_token = tokens.access_token
        # A client that does not rotate answers without a refresh token: the old one stays good (facts.md §1).
        self.refresh_token = tokens.refresh_token or self.refresh_token
        self.issued_at, self.expires_at = now, now + timedelta(seconds=tokens.expires_in)
        self.refresh_intent_at = None
        self.scope = tokens.scope or self.scope

    def store_refreshed(self, *, tokens: TokenSet, now: datetime) -> bool:
        """Keep refreshed tokens, unless a newer generation began meanwhile. Return whether they were kept."""
        self._take(tokens, now)
        kept = ["access_token", "refresh_token", "issued_at", "expires_at", "refresh_intent_at", "scope"]
        return self._update_generation(**{field: getattr(self, field) for field in kept})

    def begin_refresh(self, *, now: datetime) -> bool:
        """Record that a refresh token is about to be used. Return False when the generation is over."""
        return self._update_generation(refresh_intent_at=now)

    def note_refusal(self, *, now: datetime) -> None:
        """Record a 401 with a token that should live; the next good answer forgets it."""
        self._update_generation(refused_at=now)

    def end_refresh(self) -> None:
        """Record that the refresh token was certainly not used up."""
        self._update_generation(refresh_intent_at=None)

    def mark_needs_reconnect(self, *, now: datetime, code: str) -> bool:
        """Record that eAccounting accepts the tokens no longer. Return False when somebody was faster."""
        if self.state != self.State.CONNECTED:
            return False
        self.state, self.last_error, self.broken_at = self.State.NEEDS_RECONNECT, code, now
        return self._update_generation(state=self.state, last_error=code, broken_at=now, refresh_intent_at=None)

    def _update_generation(self, **fields: Any) -> bool:  # any column
        rows = Connection.objects.filter(pk=self.pk, generation=self.generation).exclude(state=self.State.DISCONNECTED)
        return bool(rows.update(**fields))

    def disconnect(self) -> None:
        """Forget the tokens; the links and everything else stay."""
        self.state, self.generation = self.State.DISCONNECTED, self.generation + 1
        self.access_token = self.refresh_token = ""
        self.blocked_reason, self.blocked_at, self.probe_at = "", None, None
        self.refresh_intent_at = None
        self.save()

    def step_aside(self) -> None:
        """Make room for another eAccounting company of the same account."""
        self.is_current = False
        self.save(update_fields=["is_current"])

    def describe(self, *, settings: CompanySettings, now: datetime) -> None:
        """Keep what the company settings say about the company."""
        self.name, self.registration_number = settings.name, settings.registration_number
        self.country, self.currency = settings.country_code, settings.currency_code
        self.company_terms_id = settings.terms_of_payment_id
        self.last_ok_at = now
        self.save(
            update_fields=["name", "registration_number", "country", "currency", "company_terms_id", "last_ok_at"]
        )

    def block(self, *, reason: str, now: datetime) -> bool:
        """Stop everything on this connection until a probe or Test connection lifts it. Return whether it is news."""
        is_news = self.blocked_reason != reason
        self.blocked_at = self.blocked_at or now
        self.blocked_reason, self.probe_at = reason, now + PROBE_EVERY
        self.save(update_fields=["blocked_reason", "blocked_at", "probe_at"])
        return is_news

    def probe_later(self, *, now: datetime) -> None:
        """Book the next probe before this one, so that two workers do not probe at once."""
        self.probe_at = now + PROBE_EVERY
        self.save(update_fields=["probe_at"])

    def unblock(self) -> None:
        """Let calls through again."""
        self.blocked_reason, self.blocked_at, self.probe_at = "", None, None
        self.save(update_fields=["blocked_reason", "blocked_at", "probe_at"])

    def succeeded(self, *, now: datetime) -> None:
        """Note that eAccounting answered."""
        self.last_ok_at = now
        Connection.objects.filter(pk=self.pk).update(last_ok_at=now, refused_at=None)

    def choose_terms(self, *, terms: "TermsOfPayment", user: User, now: datetime) -> None:
        """Confirm the terms of payment that new customers get."""
        self.default_terms, self.terms_confirmed_by, self.terms_confirmed_at = terms, user, now
        self.save(update_fields=["default_terms", "terms_confirmed_by", "terms_confirmed_at"])

    def store_terms(self, *, answered: Iterable[AnsweredTerms], now: datetime) -> None:
        """Keep the list of terms as eAccounting answered it; those no longer in it are marked, never deleted."""
        for terms in answered:
            TermsOfPayment.objects.update_or_create(
                connection=self,
                remote_id=terms.id,
                defaults={
                    "account_id": self.account_id,
                    "name": terms.name,
                    "name_english": terms.name_english,
                    "days": terms.number_of_days,
                    "kind": terms.type_id,
                    "for_sales": terms.available_for_sales,
                    "seen_at": now,
                    "gone_at": None,
                },
            )
        missing = TermsOfPayment.objects.filter(connection=self, gone_at=None, seen_at__lt=now)
        missing.update(gone_at=now)
        self.terms_read_at = now
        self.save(update_fields=["terms_read_at"])

    def reread_terms(self) -> None:
        """eAccounting does not know our terms any more: the list is fetched again at the next upkeep."""
        self.terms_read_at = None
        self.save(update_fields=["terms_read_at"])


class TermsOfPayment(models.Model):
    """Terms of payment of an eAccounting company, as last read."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="terms")
    remote_id = models.UUIDField()
    name = models.CharField(max_length=255, blank=True)
    name_english = models.CharField(max_length=255, blank=True)
    days = models.IntegerField(null=True, blank=True)
    kind = models.IntegerField(null=True, blank=True)
    for_sales = models.BooleanField()
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "remote_id"], name="terms_once_per_connection")]

    def __str__(self) -> str:
        """The name in the reader's language: eAccounting knows the company's own and English."""
        english = (get_language() or "en").startswith("en")
        return (self.name_english if english else self.name) or self.name or self.name_english

    @property
    def is_choosable(self) -> bool:
        """Whether new customers can get these terms."""
        return self.for_sales and self.gone_at is None
