"""The companies app: the CRM."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CompaniesConfig(AppConfig):
    """Companies and their contacts; knows nothing of integrations."""

    name = "companies"
    verbose_name = _("Companies")
