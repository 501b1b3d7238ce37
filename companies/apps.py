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
        """Have the database looked at by whatever touches its schema: `migrate`, and `check --database default`."""
        register(check_letters, Tags.database)
