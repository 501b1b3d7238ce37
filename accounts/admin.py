"""The operators' admin pages (`/admin/`): accounts and users. No tokens and no links are shown."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.utils.translation import gettext_lazy as _

from accounts.models import Account, User


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """The accounts."""

    list_display = ["name", "country", "language", "time_zone", "created_at"]
    search_fields = ["name"]
    ordering = ["name", "id"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """The users, by e-mail address."""

    list_display = ["email", "first_name", "last_name", "account", "role", "is_active", "is_staff"]
    list_filter = ["role", "is_active", "is_staff"]
    search_fields = ["email", "first_name", "last_name", "account__name"]
    ordering = ["email"]
    autocomplete_fields = ["account"]
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["email", "password", "account", "role", "is_active"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "language"]}),
        (_("Operators"), {"fields": ["is_staff", "is_superuser", "groups", "user_permissions"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["email", "account", "role", "usable_password", "password1", "password2"]}),
    ]
