"""The forms of the integration's pages."""

from integrations.forms.terms import TermsForm
from tests.integrations.pages.conftest import NOW, World


def test_terms_stand_in_order_and_only_those_for_sales(world: World) -> None:
    connection = world.connect()
    world.terms(connection, name_english="10 days", days=10)
    world.terms(connection, name_english="Purchases", for_sales=False)
    world.terms(connection, name_english="Gone", gone_at=NOW)
    form = TermsForm(connection=connection)
    assert [label for _value, label in form.fields["terms"].choices] == ["10 days", "30 days"]
