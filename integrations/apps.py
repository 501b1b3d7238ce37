"""The integrations app: the bridge from the CRM to other systems."""

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

from integrations import checks


class IntegrationsConfig(AppConfig):
    """Visma eAccounting: connection, links, pushes."""

    name = "integrations"
    verbose_name = _("Integrations")

    def ready(self) -> None:
        """Register the system checks."""
        for check in (checks.check_keys, checks.check_client, checks.check_addresses, checks.check_token_lock):
            register(check)
