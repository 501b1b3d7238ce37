"""Addresses of the integration."""

from django.urls import URLPattern, path

from integrations.views import (
    adding,
    anyway,
    asking,
    card,
    connection,
    contact_person,
    linking,
    numbers,
    other_company,
    terms,
    undoing,
    unlinking,
    updating,
)

app_name = "integrations"
_SETTINGS = "settings/integrations/"
_EACCOUNTING = f"{_SETTINGS}visma-eaccounting/"
_CARD = "companies/<int:company_id>/visma-eaccounting/"

urlpatterns: list[URLPattern] = [
    path(_SETTINGS, connection.integration_list, name="list"),
    path(_EACCOUNTING, connection.connection_page, name="connection"),
    path(f"{_EACCOUNTING}connect/", connection.connect, name="connect"),
    path(f"{_EACCOUNTING}test/", connection.test_connection, name="test"),
    path(f"{_EACCOUNTING}terms/", terms.choose_terms, name="choose-terms"),
    path(f"{_EACCOUNTING}terms/reload/", terms.reload_terms, name="reload-terms"),
    path(f"{_EACCOUNTING}terms/other/", terms.other_terms, name="other-terms"),
    path(f"{_EACCOUNTING}numbers/", numbers.choose_numbers, name="choose-numbers"),
    path(f"{_EACCOUNTING}disconnect/", connection.disconnect, name="disconnect"),
    path(f"{_EACCOUNTING}other-company/", other_company.other_company, name="other-company"),
    # Registered with Visma as the redirect URI: it must never change.
    path("integrations/visma-eaccounting/callback/", connection.callback, name="callback"),
    path(f"{_CARD}panel/", card.panel, name="panel"),
    path(f"{_CARD}add/", adding.add_customer, name="add-customer"),
    path(f"{_CARD}add/possible/", adding.possible_customers, name="possible-customers"),
    path(f"{_CARD}update/", updating.update, name="update-customer"),
    path(f"{_CARD}check/", updating.check, name="check-customer"),
    path(f"{_CARD}contact-person/", contact_person.contact_person, name="contact-person"),
    path(f"{_CARD}create-anyway/", anyway.create_anyway, name="create-anyway"),
    path(f"{_CARD}link/", linking.search, name="link"),
    path(f"{_CARD}link/<uuid:customer_id>/", linking.link_customer, name="link-customer"),
    path(f"{_CARD}reference/", linking.reference, name="reference"),
    path(f"{_CARD}look-again/", card.look_again, name="look-again"),
    path(f"{_CARD}cancel/", card.cancel, name="cancel"),
    path(f"{_CARD}try-again/", card.try_again, name="try-again"),
    path(f"{_CARD}updates/<int:push_id>/", undoing.former_values, name="former-values"),
    path(f"{_CARD}ask-admin/", asking.ask_admin, name="ask-admin"),
    path(f"{_CARD}send-now/", asking.send_now, name="send-now"),
    path(f"{_CARD}unlink/", unlinking.unlink, name="unlink"),
]
