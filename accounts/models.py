"""Account (the tenant), User (who logs in, with one role) and Mail (what still has to be sent to a user)."""

from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField

TIME_ZONES = {
    "SE": "Europe/Stockholm",
    "NO": "Europe/Oslo",
    "FI": "Europe/Helsinki",
    "DK": "Europe/Copenhagen",
    "NL": "Europe/Amsterdam",
}


def validate_time_zone(value: str) -> None:
    """Refuse a name that is no IANA time zone."""
    if value not in available_timezones():
        raise ValidationError(_("That is not a time zone. It looks like Europe/Stockholm."))


class AccountManager(models.Manager["Account"]):
    """Creates accounts."""

    def open(self, *, name: str, country: str, language: str, time_zone: str = "") -> "Account":
        """Create an account; its time zone is the default of its country, if known. Raises ValidationError."""
        zone = time_zone or TIME_ZONES.get(country, "")
        account = self.model(name=name, country=country, language=language, time_zone=zone)
        account.full_clean()
        account.save(using=self._db)
        return account


class Account(models.Model):
    """One customer of the CRM. Every row of a tenant carries its account."""

    name = models.CharField(_("name"), max_length=100)
    country = CountryField(_("country"), default="SE")
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES, default="en")
    time_zone = models.CharField(_("time zone"), max_length=50, validators=[validate_time_zone])
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AccountManager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone, for due dates and for "nightly"."""
        return ZoneInfo(self.time_zone)


class Role(models.TextChoices):
    """What a user may do; each role includes the ones before it."""

    VIEWER = "viewer", _("Viewer")
    USER = "user", _("User")
    ADMIN = "admin", _("Admin")


_LADDER = [Role.VIEWER, Role.USER, Role.ADMIN]


class UserManager(BaseUserManager["User"]):
    """Finds and creates users by e-mail address, whatever its case."""

    def get_queryset(self) -> models.QuerySet["User"]:
        """Load the account with the user, because every request needs it."""
        return super().get_queryset().select_related("account")

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user who logs in with this address; `ä@` and `Ä@` are the same."""
        return self.with_email(username or "").get()

    def with_email(self, email: str) -> models.QuerySet["User"]:
        """Return the user with this address in any case.

        The address is folded here as the count of guesses folds it (`accounts.access.guessed_login`): the database's
        `lower` also turns İ into i, so each such spelling would have its own count of guesses.
        """
        return self.alias(folded=Lower("email")).filter(folded=email.lower())

    def working_admins(self) -> models.QuerySet["User"]:
        """Return the admins who can log in: active, and with a password."""
        invited = models.Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
        return self.filter(~invited, role=Role.ADMIN, is_active=True)

    def create_user(
        self, *, email: str, account: Account | None, password: str | None = None, **fields: object
    ) -> "User":
        """Create a user. Without a password nobody can log in as this user until one is chosen."""
        user = self.model(email=self.normalize_email(email), account=account, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, *, email: str, password: str | None = None, **fields: object) -> "User":
        """Create an operator, who may open the admin site and belongs to no account."""
        return self.create_user(
            email=email, account=None, password=password, is_staff=True, is_superuser=True, **fields
        )


class User(AbstractUser):
    """A person with a login. Operators (is_staff) may have no account; everybody else has one."""

    username = None  # type: ignore[assignment]  # the e-mail address is the login
    email = models.EmailField(_("e-mail"), max_length=254, unique=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, blank=True, related_name="users")
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.USER)
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES, blank=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]  # narrower than AbstractUser's

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_once",
                violation_error_message=_("There is already a user with this e-mail address."),
            ),
            models.CheckConstraint(
                condition=models.Q(account__isnull=False) | models.Q(is_staff=True), name="user_has_account"
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def may(self, role: Role) -> bool:
        """Whether this user's role includes what `role` may do."""
        return _LADDER.index(Role(self.role)) >= _LADDER.index(role)

    @property
    def preferred_language(self) -> str:
        """The language this user reads: their own choice, else the account's, else English."""
        return self.language or (self.account.language if self.account else settings.LANGUAGE_CODE)

    @property
    def is_invited(self) -> bool:
        """Whether this user has not chosen a password yet."""
        return not self.has_usable_password()

    def change_role(self, role: Role) -> None:
        """Give this user another role. Call it through `accounts.members`, which keeps the last admin."""
        self.role = role
        self.save(update_fields=["role"])

    def deactivate(self) -> None:
        """Deactivate this login; the user's next request ends at the login page."""
        self.is_active = False
        self.save(update_fields=["is_active"])

    def reactivate(self) -> None:
        """Activate this login again, with the role and password it had."""
        self.is_active = True
        self.save(update_fields=["is_active"])


class MailManager(models.Manager["Mail"]):
    """Hands out the mails that are due, each to one sender."""

    def claim_next(self, *, now: datetime) -> "Mail | None":
        """Claim the mail that has been due longest, or return None; skips mails that another worker holds."""
        with transaction.atomic(using=self._db):
            rows = self.select_related("user__account").select_for_update(skip_locked=True, no_key=True, of=("self",))
            mail = rows.filter(due_at__lte=now).order_by("due_at", "id").first()
            if mail is not None:
                mail.claim(now=now)
            return mail


class Mail(models.Model):
    """A mail to send to a user, at most one per recipient, cause and day.

    It is requested in the transaction of its cause, and sent by `accounts.tasks.send_due_mail`. No link is stored
    here: links are made when the mail is sent.
    """

    LEASE = timedelta(minutes=5)  # longer than sending takes with a slow mail server
    LONGEST_WAIT = timedelta(hours=1)
    GIVE_UP_AFTER = timedelta(days=2)

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mails")
    cause = models.CharField(max_length=60)
    day = models.DateField()
    context = models.JSONField(default=dict)
    requested_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)  # None: sent, or given up
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=200, blank=True)

    objects = MailManager()

    class Meta:
        verbose_name = _("mail")
        verbose_name_plural = _("mails")
        constraints = [models.UniqueConstraint(fields=["user", "cause", "day"], name="mail_once_a_day")]
        indexes = [models.Index(fields=["due_at"], name="mail_due", condition=models.Q(due_at__isnull=False))]

    def __str__(self) -> str:
        return f"{self.cause} {self.day}"

    def ask_again(self, *, now: datetime, context: dict[str, object]) -> None:
        """Make a mail due once more that was sent or given up."""
        self.requested_at, self.due_at, self.context = now, now, context
        self.sent_at = self.failed_at = None
        self.attempts, self.failure = 0, ""
        self.save()

    def claim(self, *, now: datetime) -> None:
        """Count an attempt. If the claimer dies, the next sender takes the mail over after the lease."""
        is_last = now - self.requested_at > self.GIVE_UP_AFTER
        self.attempts += 1
        self.due_at = None if is_last else now + self.LEASE
        self.save(update_fields=["attempts", "due_at"])

    def mark_sent(self, *, now: datetime) -> None:
        """Record that the mail server has accepted the mail."""
        self._settle(sent_at=now, due_at=None, failure="")

    def mark_failed(self, *, now: datetime, failure: str) -> None:
        """Record a failed attempt; the next one follows after a minute, then twice as long each time, up to an hour."""
        wait = min(timedelta(minutes=2 ** min(self.attempts - 1, 10)), self.LONGEST_WAIT)
        due_at = None if self.due_at is None else now + wait
        self._settle(failed_at=now, due_at=due_at, failure=failure[:200])

    def drop(self, *, failure: str) -> None:
        """Give the mail up: nobody should receive it any more."""
        self._settle(due_at=None, failure=failure)

    def _settle(self, **stamps: object) -> None:
        """Write the outcome, unless another sender has claimed the mail since (`attempts` is the fencing token)."""
        if Mail.objects.filter(pk=self.pk, attempts=self.attempts, sent_at=None).update(**stamps):
            self.refresh_from_db(fields=list(stamps))
