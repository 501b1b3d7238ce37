"""A host that is gone without a word leaves no lock behind for long."""

import pytest
from django.db import connections

from limego_visma.dead_peers import DATABASE_OPTIONS


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("idle_in_transaction_session_timeout", "10s"),
        ("tcp_user_timeout", "20000"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
    ],
)
def test_the_database_ends_a_session_whose_client_is_gone(setting: str, value: str) -> None:
    product = connections.create_connection("default")
    product.settings_dict = {**product.settings_dict, "OPTIONS": DATABASE_OPTIONS}  # those of tests are more patient
    with product.cursor() as cursor:
        cursor.execute(f"show {setting}")
        assert cursor.fetchone() == (value,)
    product.close()
