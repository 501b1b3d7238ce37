"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from limego_visma.health import healthz, readyz

handler500 = "limego_visma.outage.failed"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="companies:list")),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("", include("accounts.urls")),
    path("companies/", include("companies.urls")),
    path("", include("integrations.urls")),
    path("admin/", admin.site.urls),
]
