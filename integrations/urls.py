"""Addresses of the integration."""

from django.urls import URLPattern, path

from integrations.views import (
    ask_admin,
    connect,
    contact_person,
    create,
    link,
    panel,
    terms,
    undo,
    update,
)

app_name = "integrations"
_SETTINGS = "settings/integrations/"
_EACCOUNTING = f"{_SETTINGS}visma-eaccounting/"
_CARD = "companies/<int:company_id>/visma-eaccounting/"

urlpatterns: list[URLPattern] = [
    path(_SETTINGS, connect.integration_list, name="list"),
    path(_EACCOUNTING, connect.connection_page, name="connection"),
    path(f"{_EACCOUNTING}connect/", connect.connect, name="connect"),
    path(f"{_EACCOUNTING}test/", connect.test_connection, name="test"),
    path(f"{_EACCOUNTING}terms/", terms.choose_terms, name="choose-terms"),
    path(f"{_EACCOUNTING}terms/reload/", terms.reload_terms, name="reload-terms"),
    path(f"{_EACCOUNTING}terms/other/", terms.other_terms, name="other-terms"),
    path(f"{_EACCOUNTING}disconnect/", connect.disconnect, name="disconnect"),
    # Registered with Visma as the redirect URI: it must never change.
    path("integrations/visma-eaccounting/callback/", connect.callback, name="callback"),
    path(f"{_CARD}panel/", panel.panel, name="panel"),
    path(f"{_CARD}create/", create.create, name="create"),
    path(f"{_CARD}create/possible-duplicates/", create.ask_for_duplicates, name="create-possible-duplicates"),
    path(f"{_CARD}update/", update.update, name="update"),
    path(f"{_CARD}check/", update.check, name="check"),
    path(f"{_CARD}contact-person/", contact_person.contact_person, name="contact-person"),
    path(f"{_CARD}create-anyway/", create.create_anyway, name="create-anyway"),
    path(f"{_CARD}link/", link.search, name="link"),
    path(f"{_CARD}link/<uuid:customer_id>/", link.link_customer, name="link-customer"),
    path(f"{_CARD}company-reference/", link.company_reference, name="company-reference"),
    path(f"{_CARD}look-again/", panel.look_again, name="look-again"),
    path(f"{_CARD}cancel/", panel.cancel, name="cancel"),
    path(f"{_CARD}try-again/", panel.try_again, name="try-again"),
    path(f"{_CARD}updates/<int:push_id>/", undo.undo, name="undo"),
    path(f"{_CARD}ask-admin/", ask_admin.ask_admin, name="ask-admin"),
    path(f"{_CARD}send-now/", ask_admin.send_now, name="send-now"),
    path(f"{_CARD}unlink/", link.unlink, name="unlink"),
]
