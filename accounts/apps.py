"""The accounts app: who works here."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from accounts.checks import check_database_is_ours, check_settings_given


class AccountsConfig(AppConfig):
    """Accounts (the tenants) and their users."""

    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Register the system checks; the database is looked at by whatever touches its schema, as `migrate` does."""
        register(check_settings_given)
        register(check_database_is_ours, Tags.database)
