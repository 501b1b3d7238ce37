"""Addresses of accounts."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("password/reset/", views.reset_request, name="password-reset"),
    path("password/reset/sent/", views.reset_sent, name="password-reset-sent"),
    path("password/set/<uidb64>/<token>/", views.SetPassword.as_view(), name="password-set"),
    path("settings/", views.settings_page, name="settings"),
    path("settings/profile/", views.profile, name="profile"),
    path("settings/password/", views.password_change, name="password-change"),
    path("settings/members/", views.members_page, name="members"),
    path("settings/members/invite/", views.invite_member, name="invite"),
    path("settings/members/<int:user_id>/", views.member_page, name="member"),
    path("settings/members/<int:user_id>/link/", views.member_link, name="member-link"),
    path("settings/members/<int:user_id>/deactivate/", views.member_deactivate, name="member-deactivate"),
    path("settings/members/<int:user_id>/reactivate/", views.member_reactivate, name="member-reactivate"),
]
