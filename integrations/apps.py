"""The integrations app: the bridge from the CRM to other systems."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IntegrationsConfig(AppConfig):
    """Visma eAccounting: connection, links, pushes."""

    name = "integrations"
    verbose_name = _("Integrations")
