"""The operator's admin pages, read-only. They show no tokens and no contact data."""

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from integrations.models import Connection, CustomerIndex, CustomerLink, Event, Push, RemoteCustomer, TermsOfPayment

# Columns that hold, or may quote, names and addresses of people at companies and customers, also of removed ones: they
# stay in what was sent. Names of companies and customers are shown. A test compares every column with this list.
PERSONAL: dict[type[Model], tuple[str, ...]] = {
    Connection: (),
    CustomerIndex: (),
    TermsOfPayment: (),
    RemoteCustomer: ("answered", "search_text"),
    CustomerLink: ("contact", "sent", "answered", "kept", "shorter"),
    Push: (
        *("contact", "confirmed", "based_on", "shorter", "before", "after", "payload", "values", "candidates"),
        *("failure_parameters", "failure_detail"),  # eAccounting's own message may repeat a value
    ),
    Event: ("parameters",),
}
SECRET = ("access_token", "refresh_token")


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Rows of the bridge are changed only by the product. Columns in `exclude` are neither shown nor queried."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to filter by a hidden column: the number of rows would reveal its values."""
        hidden = lookup.split("__", maxsplit=1)[0] in (self.exclude or ())
        return not hidden and super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Nothing is added here."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        """Nothing is changed here."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: object = None) -> bool:
        """Nothing is deleted here."""
        return False


@admin.register(Connection)
class ConnectionAdmin(ReadOnly):
    """Connections, without their tokens."""

    list_display = ("id", "account", "name", "state", "blocked_reason", "expires_at", "last_ok_at")
    list_select_related = ("account",)
    exclude = (*PERSONAL[Connection], *SECRET)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        """Return the rows without tokens: one that cannot be decrypted must not stop an operator from looking."""
        return super().get_queryset(request).defer(*SECRET)


@admin.register(Push)
class PushAdmin(ReadOnly):
    """The outbox, without what was sent."""

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
    exclude = PERSONAL[Push]
    show_full_result_count = False


@admin.register(CustomerLink)
class CustomerLinkAdmin(ReadOnly):
    """The links between companies and customers."""

    list_display = ("id", "account", "company", "customer", "origin", "broken", "sent_at")
    list_select_related = ("account", "company", "customer")
    exclude = PERSONAL[CustomerLink]
    show_full_result_count = False


@admin.register(Event)
class EventAdmin(ReadOnly):
    """The timeline."""

    list_display = ("id", "at", "account", "kind", "actor", "company")
    list_select_related = ("account", "actor", "company")
    exclude = PERSONAL[Event]
    show_full_result_count = False
