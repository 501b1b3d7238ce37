"""Account (the tenant: one customer of the CRM) and User (who logs in, with one role)."""

from typing import ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
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


class Account(models.Model):
    """One customer of the CRM. Every row of a tenant carries its account."""

    name = models.CharField(_("name"), max_length=100)
    country = CountryField(_("country"), default="SE")
    language = models.CharField(_("language"), max_length=5, choices=settings.LANGUAGES, default="en")
    time_zone = models.CharField(_("time zone"), max_length=50, validators=[validate_time_zone])
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone: due dates and "nightly" are meant in it."""
        return ZoneInfo(self.time_zone)


class Role(models.TextChoices):
    """What a user may do; each role may do what the ones before it may."""

    VIEWER = "viewer", _("Viewer")
    USER = "user", _("User")
    ADMIN = "admin", _("Admin")


_LADDER = [Role.VIEWER, Role.USER, Role.ADMIN]


class UserManager(BaseUserManager["User"]):
    """Users are found and made by their e-mail address, whatever its case."""

    def get_queryset(self) -> models.QuerySet["User"]:
        """Every request needs the user's account: read both in one query."""
        return super().get_queryset().select_related("account")

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find the user who logs in with this address; `ä@` and `Ä@` are one."""
        return self.get(email__iexact=username)

    def create_user(
        self, *, email: str, account: Account | None, password: str | None = None, **fields: object
    ) -> "User":
        """Make a user. Without a password nobody can log in as them until they choose one."""
        user = self.model(email=self.normalize_email(email), account=account, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, *, email: str, password: str | None = None, **fields: object) -> "User":
        """Make an operator: may open the admin site, belongs to no account."""
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
