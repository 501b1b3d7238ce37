"""Getting in: login, lockout, invitation, reset, password change."""

import re
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import get_user
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.mail import send_due, set_password_url
from accounts.members import invite
from accounts.models import Account, Mail, Role, User
from accounts.views.login import RESET_ANSWER_SECONDS
from tests.conftest import PASSWORD

NEW = "horses eat green grass"


def _is_in(client: Client) -> bool:
    return get_user(client).is_authenticated  # type: ignore[arg-type]  # the test client has a session too


def _log_in(client: Client, email: str, password: str = PASSWORD, **headers: str) -> int:
    answer = client.post("/login/", {"username": email, "password": password}, **headers)
    return int(answer.status_code)


def _path(link: str) -> str:
    assert link.startswith(settings.BASE_URL)
    return link.removeprefix(settings.BASE_URL)


def _choose(client: Client, link: str, password: str = NEW) -> str:
    """Follow a link, choose the password, and return the page that comes then."""
    page = client.get(_path(link), follow=True)
    words = {"new_password1": password, "new_password2": password}
    return client.post(page.request["PATH_INFO"], words).content.decode()


@pytest.mark.parametrize("written", ["anna@nordvik.example", "ANNA@Nordvik.Example", " anna@nordvik.example "])
def test_the_case_of_the_address_does_not_matter(client: Client, anna: User, written: str) -> None:
    assert _log_in(client, written) == 302
    assert _is_in(client)


def test_two_addresses_that_only_fold_alike_are_two_people(client: Client, account: Account, anna: User) -> None:
    """Upper-casing would make a dotless i the same as i."""
    User.objects.create_user(email="ı@nordvik.example", account=account, password=PASSWORD)
    User.objects.create_user(email="i@nordvik.example", account=account, password=PASSWORD)
    assert _log_in(client, "i@nordvik.example") == 302


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_lets_nobody_in(client: Client, anna: User, password: str) -> None:
    assert _log_in(client, anna.email, password) == 200
    assert not _is_in(client)


def test_a_deactivated_user_is_told_no_more_than_anybody(client: Client, anna: User) -> None:
    anna.deactivate()
    answer = client.post("/login/", {"username": anna.email, "password": PASSWORD})
    assert "E-mail and password do not match." in answer.content.decode()


def test_an_invited_user_cannot_log_in_with_any_password(client: Client, account: Account) -> None:
    invite(account=account, email="bo@nordvik.example", role=Role.USER, now=timezone.now())
    for password in ("", "!", "None"):
        _log_in(client, "bo@nordvik.example", password)
    assert not _is_in(client)


def test_after_the_login_one_lands_where_one_wanted_to_go(client: Client, anna: User) -> None:
    words = {"username": anna.email, "password": PASSWORD}
    assert client.post("/login/?next=/settings/members/", words).url == "/settings/members/"
    client.logout()
    assert client.post("/login/?next=https://elsewhere.example/", words).url == "/companies/"


def test_guessing_is_stopped_for_the_guesser_only(client: Client, anna: User) -> None:
    for attempt in range(settings.AXES_FAILURE_LIMIT):
        written = anna.email.upper() if attempt % 2 else anna.email
        status = _log_in(client, written, "wrong", REMOTE_ADDR="192.0.2.1")
    assert status == 429
    answer = client.post("/login/", {"username": anna.email, "password": PASSWORD}, REMOTE_ADDR="192.0.2.1")
    assert answer.status_code == 429
    assert "Too many attempts" in answer.content.decode()
    assert _log_in(Client(), anna.email, REMOTE_ADDR="192.0.2.2") == 302


def test_another_spelling_of_the_address_gives_a_guesser_no_more_guesses(client: Client, anna: User) -> None:
    # PostgreSQL's lower() takes İ for i, Python's does not: the count of guesses would start anew.
    assert _log_in(client, "anna@nordv\u0130k.example") == 200
    assert not _is_in(client)


def test_logging_out_needs_a_post(as_user: Callable[[User], Client], anna: User) -> None:
    client = as_user(anna)
    assert client.get("/logout/").status_code == 405
    assert _is_in(client)
    assert client.post("/logout/").url == "/login/"
    assert not _is_in(client)


def test_an_invitation_lets_its_person_in_once(client: Client, account: Account) -> None:
    bo = invite(account=account, email="bo@nordvik.example", role=Role.USER, now=timezone.now())
    link = set_password_url(user=bo)
    _choose(client, link)
    assert get_user(client) == bo  # type: ignore[arg-type]  # the test client has a session too
    assert "This link no longer works" in Client().get(_path(link), follow=True).content.decode()


def test_a_weak_password_is_refused_with_the_reason(client: Client, anna: User) -> None:
    page = _choose(client, set_password_url(user=anna), "12345678")
    assert "This password is entirely numeric." in page
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)


def test_a_link_ends_with_its_week(client: Client, anna: User) -> None:
    link = set_password_url(user=anna)
    with time_machine.travel(timezone.now() + timedelta(days=7, minutes=1)):
        assert "This link no longer works" in client.get(_path(link), follow=True).content.decode()


@pytest.mark.parametrize("link", ["/password/set/MQ/none/", "/password/set/x/set-password/"])
def test_a_made_up_link_opens_nothing(client: Client, anna: User, link: str) -> None:
    assert "This link no longer works" in client.get(link, follow=True).content.decode()


def test_the_link_of_a_deactivated_user_opens_nothing(client: Client, anna: User) -> None:
    link = set_password_url(user=anna)
    anna.deactivate()
    assert "This link no longer works" in client.get(_path(link), follow=True).content.decode()


def test_a_forgotten_password_is_replaced_by_mail(client: Client, anna: User) -> None:
    assert client.post("/password/reset/", {"email": "ANNA@nordvik.example"}).url == "/password/reset/sent/"
    assert not mail.outbox
    send_due(now=timezone.now())
    found = re.search(r"\S+/password/set/\S+", str(mail.outbox[0].body))
    assert found is not None
    _choose(client, found[0])
    assert _log_in(Client(), anna.email, NEW) == 302


@pytest.mark.parametrize("who", ["nobody@nordvik.example", "ulf@nordvik.example"])
def test_unknown_and_deactivated_people_get_no_mail_and_the_same_answer(client: Client, ulf: User, who: str) -> None:
    ulf.deactivate()
    assert client.post("/password/reset/", {"email": who}).url == "/password/reset/sent/"
    assert not Mail.objects.exists()


@pytest.mark.parametrize("who", ["nobody@nordvik.example", "ulf@nordvik.example"])
def test_how_long_the_answer_takes_does_not_tell_who_is_known(client: Client, ulf: User, who: str) -> None:
    start = time.monotonic()
    client.post("/password/reset/", {"email": who})
    assert time.monotonic() - start >= RESET_ANSWER_SECONDS


def test_an_invited_person_who_asks_for_a_reset_gets_the_invitation_again(client: Client, account: Account) -> None:
    now = timezone.now()
    bo = invite(account=account, email="bo@nordvik.example", role=Role.USER, now=now - timedelta(minutes=6))
    send_due(now=now - timedelta(minutes=6))
    client.post("/password/reset/", {"email": bo.email})
    send_due(now=timezone.now())
    assert [message.subject for message in mail.outbox] == ["Your login to Lime Go for Nordvik Sales"] * 2


def test_a_changed_password_logs_out_other_browsers_only(as_user: Callable[[User], Client], anna: User) -> None:
    here, elsewhere = as_user(anna), as_user(anna)
    words = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert here.post(reverse("accounts:password-change"), words).url == "/settings/"
    assert _is_in(here)
    assert elsewhere.get("/settings/").status_code == 302


def test_the_old_password_is_asked_for(as_user: Callable[[User], Client], anna: User) -> None:
    words = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    assert as_user(anna).post(reverse("accounts:password-change"), words).status_code == 200
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)


def test_a_click_after_a_logout_elsewhere_leads_back_to_its_page_and_says_so(client: Client, anna: User) -> None:
    answer = client.post("/settings/members/invite/", {}, headers={"referer": "http://testserver/settings/members/"})
    assert answer.headers["Location"] == "/login/?next=/settings/members/"
    assert "nothing was saved or sent" in client.get(answer.headers["Location"]).content.decode()


def test_a_click_from_nowhere_leads_to_the_companies_after_the_login(client: Client, db: None) -> None:
    answer = client.post("/settings/members/invite/", {}, headers={"referer": "https://evil.example/settings/"})
    assert answer.headers["Location"] == "/login/?next=/companies/"
