"""Addresses of companies and their contacts."""

from django.urls import URLPattern, path

from companies import contact_views, views

app_name = "companies"
urlpatterns: list[URLPattern] = [
    path("", views.company_list, name="list"),
    path("new/", views.create_company, name="create"),
    path("<int:company_id>/", views.company_card, name="card"),
    path("<int:company_id>/edit/", views.edit_company, name="edit"),
    path("<int:company_id>/archive/", views.archive_company, name="archive"),
    path("<int:company_id>/restore/", views.restore_company, name="restore"),
    path("<int:company_id>/contacts/add/", contact_views.add_contact, name="contact-add"),
    path("<int:company_id>/contacts/<int:contact_id>/edit/", contact_views.edit_contact, name="contact-edit"),
    path("<int:company_id>/contacts/<int:contact_id>/left/", contact_views.mark_contact_left, name="contact-left"),
    path(
        "<int:company_id>/contacts/<int:contact_id>/returned/",
        contact_views.mark_contact_returned,
        name="contact-returned",
    ),
    path("<int:company_id>/contacts/<int:contact_id>/remove/", contact_views.remove_contact, name="contact-remove"),
]
