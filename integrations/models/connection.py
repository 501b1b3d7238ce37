"""An account's connection to one eAccounting company."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Case, F, Q, When
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User
from integrations.eaccounting.types import (
    LONGEST_COMPANY_NAME,
    LONGEST_COMPANY_NUMBER,
    LONGEST_IDENTITY,
    CompanySettings,
    TokenSet,
)
from integrations.eaccounting.types import TermsOfPayment as AnsweredTerms
from integrations.models.encrypted_text import EncryptedTextField
from integrations.models.terms_of_payment import LONGEST_NAME as LONGEST_TERMS_NAME
from integrations.models.terms_of_payment import TermsOfPayment

LONGEST_MARGIN = timedelta(minutes=10)
LONGEST_SCOPE = 255
# A token that is refused within so long after it was issued was never good.
NEW_FOR = timedelta(minutes=1)
# Why no customer can get the chosen terms: codes of sentences (sentences.py).
TERMS_PROBLEMS = frozenset({"terms_not_chosen", "terms_gone", "terms_changed"})
PROBE_EVERY = timedelta(minutes=15)
UPKEEP_EVERY = timedelta(minutes=1)
# A success after so long without one is news: what waited for eAccounting may move again.
SILENT_FOR = timedelta(seconds=30)
NOTED_EVERY = timedelta(seconds=10)
_TOKEN_FIELDS = ["access_token", "refresh_token", "issued_at", "expires_at", "refresh_intent_at", "scope"]
_TOKEN_FIELDS += ["grant_doubted_at"]
_BLOCK_FIELDS = ["blocked_reason", "blocked_at", "probe_at"]
_STATE_FIELDS = ["state", "generation", *_TOKEN_FIELDS, *_BLOCK_FIELDS]
# What says that an admin confirmed the terms of new customers.
_TERMS_FIELDS = ["terms_read_at", "terms_confirmed_by", "terms_confirmed_at", "terms_were"]
_CONNECT_FIELDS = [
    *_STATE_FIELDS,
    "is_current",
    "connected_by",
    "connected_at",
    "last_error",
    "broken_at",
    "refused_at",
    *_TERMS_FIELDS,
]


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
    SANDBOX_CLIENT = "sandbox_client", _("Lime Go is set up for test companies only")


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

    # Which terms of payment new customers get: chosen by an admin, and confirmed anew when they change there.
    default_terms = models.ForeignKey(TermsOfPayment, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    terms_confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    terms_confirmed_at = models.DateTimeField(null=True, blank=True)
    terms_read_at = models.DateTimeField(null=True, blank=True)
    # What the chosen terms were called and meant when eAccounting renamed or changed them since; None: unchanged.
    terms_were = models.JSONField(null=True, blank=True)

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
        indexes = [
            models.Index(fields=["probe_at"], condition=~Q(blocked_reason=""), name="connection_probe"),
            models.Index(F("served_at").asc(nulls_first=True), "id", name="connection_turn"),
        ]

    def __str__(self) -> str:
        return self.name or str(_("your company in Visma eAccounting"))

    @property
    def mark(self) -> str:
        """What a form about a connection carries, so that an old page does nothing to a newer one."""
        return f"{self.pk}-{self.generation}"

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

    @classmethod
    def without_tokens(cls) -> models.QuerySet["Connection"]:
        """The rows for those who only look: readable even when the key of the tokens is gone."""
        return cls.objects.defer("access_token", "refresh_token")

    def connect(self, *, tokens: TokenSet, user: User, now: datetime) -> None:
        """Take the tokens of a finished authorization; a new generation begins.

        When another company was connected meanwhile, the terms of new customers are read and confirmed anew.
        """
        if not self.is_current:
            self.terms_read_at = self.terms_confirmed_by = self.terms_confirmed_at = self.terms_were = None
        self.state, self.is_current, self.generation = self.State.CONNECTED, True, self.generation + 1
        self.connected_by, self.connected_at = user, now
        self.blocked_reason, self.blocked_at, self.probe_at = "", None, None
        self.last_error, self.broken_at, self.refused_at = "", None, None
        # A new grant has nothing to do with the tokens of the old one, which may not even be readable any more.
        self.refresh_token, self.scope = "", ""
        self._take(tokens, now)
        self.save(update_fields=_CONNECT_FIELDS if self.pk else None)

    def _take(self, tokens: TokenSet, now: datetime) -> None:
        # A client that does not rotate answers without a refresh token: the old one stays good (facts.md §1).
        self.refresh_token = tokens.refresh_token or self.refresh_token
        self.grant_doubted_at = None
        if tokens.access_token:
            self.access_token = tokens.access_token
            self.issued_at, self.expires_at = now, now + timedelta(seconds=tokens.expires_in)
            self.refresh_intent_at = None
        # Cut: a token must never be lost because something beside it does not fit its column.
        self.scope = (tokens.scope or self.scope)[:LONGEST_SCOPE]

    def store_refreshed(self, *, tokens: TokenSet, now: datetime) -> bool:
        """Keep refreshed tokens, unless a newer generation began meanwhile. Return whether they were kept.

        `now` is when they were asked for: their life may have begun then. Without an access token that can be used only
        the refresh token is news.
        """
        self._take(tokens, now)
        return self._update_generation(**{field: getattr(self, field) for field in _TOKEN_FIELDS})

    def begin_refresh(self, *, now: datetime) -> bool:
        """Record that a refresh token is about to be used. Return False when the generation is over."""
        self.refresh_intent_at = now
        if self.refused_at and self.refused_at < self.issued_at:
            # That refusal was an earlier token's: the one in use has come to its end as tokens do.
            return self._update_generation(refresh_intent_at=now, refused_at=None)
        return self._update_generation(refresh_intent_at=now)

    def note_refusal(self, *, now: datetime) -> None:
        """Record a 401: the token is over, so nobody sends anything with it again.

        One that should have lived is remembered beside; the next good answer forgets it.
        """
        told = {} if self.is_ending(now=now) else {"refused_at": now}
        self._update_token(expires_at=now, **told)

    def end_refresh(self) -> None:
        """Record that the refresh token was certainly not used up."""
        self._update_generation(refresh_intent_at=None)

    def doubt_grant(self, *, now: datetime) -> None:
        """Record that the identity server refused the grant, for the first time."""
        self.grant_doubted_at = now
        self._update_token(grant_doubted_at=now, refresh_intent_at=None)

    def mark_needs_reconnect(self, *, now: datetime, code: str) -> bool:
        """Record that eAccounting accepts the tokens no longer. Return False when somebody was faster."""
        self.state, self.last_error, self.broken_at = self.State.NEEDS_RECONNECT, code, now
        return self._update_token(state=self.state, last_error=code, broken_at=now, refresh_intent_at=None)

    def _update_token(self, **fields: Any) -> bool:  # any column
        """Write these columns while the token in use is still this one: they say nothing of a newer one."""
        return self._update_generation(Q(issued_at=self.issued_at), **fields)

    def _update_generation(self, *only: Q, **fields: Any) -> bool:  # any column
        """Write these columns while this generation is connected; a worker's picture may be older than the row."""
        rows = Connection.objects.filter(*only, pk=self.pk, generation=self.generation, state=self.State.CONNECTED)
        return bool(rows.update(**fields))

    def disconnect(self) -> None:
        """Forget the tokens; the links and everything else stay. The caller holds the token lock."""
        self.state, self.generation = self.State.DISCONNECTED, self.generation + 1
        self.access_token = self.refresh_token = ""
        self.blocked_reason, self.blocked_at, self.probe_at = "", None, None
        self.refresh_intent_at = None
        self.save(update_fields=_STATE_FIELDS)

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
        fields = ["name", "registration_number", "country", "currency", "company_terms_id", "last_ok_at"]
        self.save(update_fields=fields)

    def block(self, *, reason: str, now: datetime) -> bool:
        """Stop everything on this connection until a probe or Test connection lifts it. Return whether it is news.

        A refusal that an older generation met says nothing about this one and changes nothing.
        """
        rows = Connection.objects.filter(pk=self.pk, generation=self.generation, state=self.State.CONNECTED)
        self.blocked_reason, self.blocked_at, self.probe_at = reason, now, now + PROBE_EVERY
        fields = {name: getattr(self, name) for name in _BLOCK_FIELDS}
        return bool(rows.exclude(blocked_reason=reason).update(**fields))

    def unblock(self) -> bool:
        """Let calls through again. Return whether it is news."""
        self.blocked_reason, self.blocked_at, self.probe_at = "", None, None
        fields = {name: getattr(self, name) for name in _BLOCK_FIELDS}
        return bool(Connection.objects.filter(pk=self.pk).exclude(blocked_reason="").update(**fields))

    def book_upkeep(self, *, now: datetime) -> bool:
        """Book the next upkeep before this one. Return False when another worker was faster."""
        free = Q(probe_at=None) | Q(probe_at__lte=now)
        every = UPKEEP_EVERY if self.terms_read_at is None and not self.blocked_reason else PROBE_EVERY
        return bool(Connection.objects.filter(free, pk=self.pk).update(probe_at=now + every))

    def note_served(self, *, now: datetime) -> None:
        """Go to the end of those whose rows wait for their turn."""
        Connection.objects.filter(pk=self.pk).update(served_at=now)

    def is_worth_noting(self, *, now: datetime) -> bool:
        """Whether a success now would tell more than the last one that was noted."""
        return self.last_ok_at is None or self.last_ok_at < now - NOTED_EVERY

    def succeeded(self, *, now: datetime) -> bool:
        """Note that eAccounting answered. Return whether it is the first answer after a silence."""
        rows = Connection.objects.filter(pk=self.pk)
        silent = Q(last_ok_at=None) | Q(last_ok_at__lt=now - SILENT_FOR)
        if rows.filter(silent).update(last_ok_at=now, refused_at=None):
            return True
        # The exact second does not matter, and each write would queue for this row.
        rows.filter(Q(last_ok_at__lt=now - NOTED_EVERY) | Q(refused_at__isnull=False)).update(
            last_ok_at=now, refused_at=None
        )
        return False

    @property
    def terms_problem(self) -> str:
        """Why no customer can get the chosen terms: one of TERMS_PROBLEMS, or ""."""
        terms = self.default_terms
        if terms is None:
            return "terms_not_chosen"
        if not terms.is_choosable:
            return "terms_gone"
        if self.terms_confirmed_at is None:
            return "terms_changed" if self.terms_were else "terms_not_chosen"
        return ""

    @property
    def terms_particulars(self) -> dict[str, Any]:
        """What the sentence of a problem tells: what the chosen terms were, and what they are now."""
        terms = self.default_terms
        now = terms.meaning if terms else {}
        return {"was": self.terms_were or now, "now": now}

    def choose_terms(self, *, terms: TermsOfPayment, user: User, now: datetime) -> None:
        """Confirm the terms of payment that new customers get."""
        self.default_terms, self.terms_confirmed_by, self.terms_confirmed_at = terms, user, now
        self.terms_were = None
        self.save(update_fields=["default_terms", "terms_confirmed_by", "terms_confirmed_at", "terms_were"])

    def note_terms_read(self, *, was: TermsOfPayment | None, now: datetime) -> None:
        """Record that the list was read just now, and what it says of the chosen terms.

        `was`: these, as they were before. When they are called or mean something else than what was confirmed, they
        have to be confirmed anew; what was confirmed is kept until then.
        """
        self.terms_read_at = now
        if was is not None:
            self.default_terms = TermsOfPayment.objects.get(pk=was.pk)
            if self.terms_confirmed_at and self.default_terms.meaning != was.meaning:
                self.terms_were, self.terms_confirmed_at = was.meaning, None
        self.save(update_fields=["terms_read_at", "terms_were", "terms_confirmed_at"])

    def store_terms(self, *, answered: Iterable[AnsweredTerms], now: datetime) -> None:
        """Keep the list of terms as eAccounting answered it; those no longer in it are marked, never deleted.

        Names are cut to their columns; of terms that are listed twice the first count. The caller holds this row: an
        admin may be choosing others at this moment.
        """
        chosen = self.default_terms  # as they were until now
        for terms in {terms.id: terms for terms in reversed(tuple(answered))}.values():
            TermsOfPayment.objects.update_or_create(
                connection=self,
                remote_id=terms.id,
                defaults={
                    "account_id": self.account_id,
                    "name": terms.name[:LONGEST_TERMS_NAME],
                    "name_english": terms.name_english[:LONGEST_TERMS_NAME],
                    "days": terms.number_of_days,
                    "kind": terms.type_id,
                    "for_sales": terms.available_for_sales,
                    "seen_at": now,
                    "gone_at": None,
                },
            )
        missing = TermsOfPayment.objects.filter(connection=self, gone_at=None, seen_at__lt=now)
        missing.update(gone_at=now)
        self.note_terms_read(was=chosen, now=now)

    def choosable_terms(self) -> "models.QuerySet[TermsOfPayment]":
        """The terms that new customers can get, in a steady order."""
        choosable = TermsOfPayment.objects.filter(connection=self, gone_at=None, for_sales=True)
        return choosable.order_by("kind", "days", "pk")

    def offered_terms(self) -> "models.QuerySet[TermsOfPayment]":
        """The terms that may be chosen when a customer is added: the default first, then what the admin allows."""
        is_default = Q(pk=self.default_terms_id)
        allowed = self.choosable_terms().filter(Q(offered=True) | is_default)
        return allowed.order_by(Case(When(is_default, then=0), default=1), "kind", "days", "pk")

    def offer_terms(self, *, ids: Iterable[int]) -> None:
        """Let these terms be chosen when a customer is added, and no others beside the default."""
        rows = TermsOfPayment.objects.filter(connection=self)
        chosen = list(ids)
        rows.filter(pk__in=chosen).update(offered=True)
        rows.exclude(pk__in=chosen).update(offered=False)

    def reread_terms(self) -> None:
        """eAccounting does not know our terms any more: the list is fetched again at the next upkeep."""
        self.terms_read_at = None
        Connection.objects.filter(pk=self.pk).update(terms_read_at=None)
        Connection.objects.filter(pk=self.pk, blocked_reason="").update(probe_at=None)
