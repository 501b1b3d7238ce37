"""Pages of accounts."""

from accounts.views.login import Login, SetPassword, reset_request, reset_sent
from accounts.views.members import (
    invite_member,
    member_deactivate,
    member_link,
    member_page,
    member_reactivate,
    members_page,
)
from accounts.views.own import password_change, profile, settings_page

__all__ = [
    "Login",
    "SetPassword",
    "invite_member",
    "member_deactivate",
    "member_link",
    "member_page",
    "member_reactivate",
    "members_page",
    "password_change",
    "profile",
    "reset_request",
    "reset_sent",
    "settings_page",
]
