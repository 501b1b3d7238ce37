"""One's own profile, the settings page, the language of pages, and the frame."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import Role, User

AsUser = Callable[[User], Client]


def test_name_and_language_are_saved_and_the_answer_speaks_the_new_language(as_user: AsUser, vera: User) -> None:
    client = as_user(vera)
    words = {"first_name": "Wera", "last_name": "Öst", "language": "sv", "role": "admin", "email": "x@y.example"}
    page = client.post("/settings/profile/", words, follow=True).content.decode()
    assert "Din profil är sparad." in page
    vera.refresh_from_db()
    assert (str(vera), vera.language, vera.role) == ("Wera Öst", "sv", Role.VIEWER)
    assert vera.email == "vera@nordvik.example"


def test_an_unknown_language_is_refused(as_user: AsUser, vera: User) -> None:
    assert as_user(vera).post("/settings/profile/", {"language": "xx"}).status_code == 200
    vera.refresh_from_db()
    assert not vera.language


def test_without_a_choice_the_accounts_language_is_spoken(as_user: AsUser, vera: User) -> None:
    vera.account.language = "sv"
    vera.account.save()
    answer = as_user(vera).get("/settings/", HTTP_ACCEPT_LANGUAGE="en")
    assert answer.headers["Content-Language"] == "sv"
    assert '<html lang="sv"' in answer.content.decode()


@pytest.mark.parametrize(("asked", "spoken"), [("sv-SE,en;q=0.5", "sv"), ("de", "en"), ("", "en")])
def test_before_the_login_the_browser_decides(client: Client, asked: str, spoken: str) -> None:
    assert f'<html lang="{spoken}"' in client.get("/login/", HTTP_ACCEPT_LANGUAGE=asked).content.decode()


def test_the_settings_page_shows_what_the_role_may_open(as_user: AsUser, anna: User, ulf: User) -> None:
    assert "/settings/members/" in as_user(anna).get("/settings/").content.decode()
    assert "/settings/members/" not in as_user(ulf).get("/settings/").content.decode()


def test_the_navigation_marks_where_one_is(as_user: AsUser, anna: User) -> None:
    page = as_user(anna).get("/settings/profile/").content.decode()
    assert 'href="/settings/" aria-current="true"' in page


def test_an_operator_without_account_is_told_where_they_belong(as_user: AsUser, db: None) -> None:
    operator = User.objects.create_superuser(email="op@limego.example", password="x")
    answer = as_user(operator).get("/settings/")
    assert answer.status_code == 403
    assert "This login belongs to no account." in answer.content.decode()


def test_the_operators_site_lists_accounts_and_users(as_user: AsUser, anna: User) -> None:
    client = as_user(User.objects.create_superuser(email="op@limego.example", password="x"))
    for page in ("account", "user", f"user/{anna.pk}/change", "user/add"):
        assert client.get(f"/admin/accounts/{page}/").status_code == 200, page


def test_the_operators_site_makes_a_user_by_email(as_user: AsUser, anna: User) -> None:
    client = as_user(User.objects.create_superuser(email="op@limego.example", password="x"))
    words = {"email": "bo@nordvik.example", "account": anna.account_id, "role": "user", "usable_password": "false"}
    client.post("/admin/accounts/user/add/", words)
    assert User.objects.get(email="bo@nordvik.example").is_invited


def test_an_expired_form_says_that_nothing_was_saved(anna: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(anna, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post("/settings/profile/", {"first_name": "x"})
    assert answer.status_code == 403
    assert "Nothing was saved." in answer.content.decode()


def test_a_refusal_names_who_can_help(as_user: AsUser, ulf: User) -> None:
    answer = as_user(ulf).get("/settings/members/")
    assert answer.status_code == 403
    assert "Only an admin can do this. Ask an admin of your account." in answer.content.decode()
