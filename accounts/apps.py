"""The accounts app: who works here."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Accounts (the tenants) and their users."""

    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Register the system checks."""
        import_module("accounts.checks")
