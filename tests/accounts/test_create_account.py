"""`manage.py create_account`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Account, Mail, Role, User

WORDS = {"name": "Nordvik Sales", "country": "se", "email": "anna@nordvik.example", "language": "sv"}


def test_the_printed_link_lets_the_first_admin_choose_a_password(db: None) -> None:
    said = StringIO()
    call_command("create_account", stdout=said, **WORDS)
    anna = User.objects.get()
    assert (anna.role, anna.is_invited, anna.email) == (Role.ADMIN, True, "anna@nordvik.example")
    account = Account.objects.get()
    assert (account.name, account.country.code, account.language) == ("Nordvik Sales", "SE", "sv")
    assert account.time_zone == "Europe/Stockholm"
    assert Mail.objects.get().cause == "invitation"
    link = said.getvalue().split()[-1].removeprefix("http://testserver")
    assert Client().get(link, follow=True).context["validlink"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"country": "xx"}, "--country"),
        ({"country": "us"}, "--time-zone"),
        ({"country": "us", "time_zone": "Mars"}, "It looks like Europe/Stockholm"),
        ({"email": "anna"}, "valid email"),
        ({"name": " "}, "--name"),
        ({"email": "OLAV@fjordlys.example"}, "Somebody already logs in"),
    ],
)
def test_a_wrong_option_makes_nothing_and_says_which(olav: User, change: dict[str, str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("create_account", **{**WORDS, **change})
    assert Account.objects.count() == 1
    assert User.objects.count() == 1
