"""The companies app: the CRM."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from companies.checks import check_letters


class CompaniesConfig(AppConfig):
    """Companies and their contacts; knows nothing of integrations."""

    name = "companies"
    verbose_name = _("Companies")

    def ready(self) -> None:
        """Register the database check, which `migrate` and `check --database default` run."""
        register(check_letters, Tags.database)
