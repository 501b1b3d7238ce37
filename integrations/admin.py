"""The operator's back room: look, do not touch. Tokens are not shown anywhere."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.models import Connection, CustomerLink, Event, Push


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows of the bridge change by its own roads only."""

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Nothing is added by hand."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        """Nothing is changed by hand."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        """Nothing is deleted by hand."""
        return False


@admin.register(Connection)
class ConnectionAdmin(ReadOnly):
    """Connections, without their tokens."""

    list_display = ("id", "account", "name", "state", "blocked_reason", "expires_at", "last_ok_at")
    list_select_related = ("account",)
    exclude = ("access_token", "refresh_token")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        """A token that cannot be decrypted must not keep an operator from looking."""
        return super().get_queryset(request).defer("access_token", "refresh_token")


@admin.register(Push)
class PushAdmin(ReadOnly):
    """The outbox; without the payload, which holds personal data."""

    list_display = (
        "id",
        "account",
        "company",
        "kind",
        "state",
        "wait_reason",
        "next_attempt_at",
        "failure",
        "error_id",
    )
    list_select_related = ("account", "company")
    list_filter = ("state", "kind", "wait_reason")
    exclude = ("payload", "values")
    show_full_result_count = False


@admin.register(CustomerLink)
class CustomerLinkAdmin(ReadOnly):
    """Which company is which customer."""

    list_display = ("id", "account", "company", "customer", "origin", "broken", "sent_at")
    list_select_related = ("account", "company", "customer")
    exclude = ("sent",)
    show_full_result_count = False


@admin.register(Event)
class EventAdmin(ReadOnly):
    """The timeline."""

    list_display = ("id", "at", "account", "kind", "actor", "company")
    list_select_related = ("account", "actor", "company")
    show_full_result_count = False
