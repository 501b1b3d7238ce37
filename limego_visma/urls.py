"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="companies:list")),
    path("", include("accounts.urls")),
    path("companies/", include("companies.urls")),
    path("", include("integrations.urls")),
    path("admin/", admin.site.urls),
]
