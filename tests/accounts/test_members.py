"""Members: the account keeps an admin, whatever happens at once."""

import threading
from collections.abc import Callable

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import members
from accounts.models import Account, Mail, Role, User


def test_the_last_admin_stays_admin_and_active(account: Account, anna: User, ulf: User) -> None:
    with pytest.raises(members.LastAdmin):
        members.change_role(account=account, member=anna, role=Role.USER)
    with pytest.raises(members.LastAdmin):
        members.deactivate(account=account, member=anna)
    anna.refresh_from_db()
    assert (anna.role, anna.is_active) == (Role.ADMIN, True)


def test_an_admin_may_go_when_another_can_log_in(account: Account, anna: User, ulf: User) -> None:
    members.change_role(account=account, member=ulf, role=Role.ADMIN)
    members.deactivate(account=account, member=anna)
    anna.refresh_from_db()
    assert not anna.is_active


def test_an_invited_admin_does_not_count_before_they_can_log_in(account: Account, anna: User) -> None:
    members.invite(account=account, email="bo@nordvik.example", role=Role.ADMIN, now=timezone.now())
    with pytest.raises(members.LastAdmin):
        members.deactivate(account=account, member=anna)


def test_the_other_accounts_admin_does_not_count(account: Account, anna: User, olav: User) -> None:
    with pytest.raises(members.LastAdmin):
        members.deactivate(account=account, member=anna)


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_demote_each_other_at_once_leave_one(account: Account, anna: User, ulf: User) -> None:
    ulf.change_role(Role.ADMIN)
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def demote(member: User) -> None:
        start.wait()
        try:
            members.change_role(account=account, member=member, role=Role.USER)
            outcomes.append("demoted")
        except members.LastAdmin:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=[person]) for person in (anna, ulf)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["demoted", "refused"]
    assert User.objects.working_admins().filter(account=account).count() == 1


def test_the_page_says_why_the_last_admin_cannot_go(anna: User, as_user: Callable[[User], Client]) -> None:
    client = as_user(anna)
    answer = client.post(reverse("accounts:member-deactivate", args=[anna.pk]), follow=True)
    assert "the only admin who can log in" in answer.content.decode()
    answer = client.post(reverse("accounts:member", args=[anna.pk]), {"role": "user"})
    assert "the only admin who can log in" in answer.content.decode()
    anna.refresh_from_db()
    assert (anna.role, anna.is_active) == (Role.ADMIN, True)


def test_an_invitation_is_mailed_once_and_its_link_shown_once(anna: User, as_user: Callable[[User], Client]) -> None:
    client = as_user(anna)
    wish = {"email": "bo@nordvik.example", "first_name": "Bo", "last_name": "", "role": "user"}
    answer = client.post(reverse("accounts:invite"), wish, follow=True)
    assert "/password/set/" in answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    assert "/password/set/" not in client.get(reverse("accounts:members")).content.decode()
    bo = User.objects.get(email="bo@nordvik.example")
    assert (bo.account, bo.role, bo.is_invited) == (anna.account, Role.USER, True)
    assert [row.cause for row in Mail.objects.filter(user=bo)] == ["invitation"]
    assert not mail.outbox


@pytest.mark.parametrize("address", ["anna@nordvik.example", "ANNA@nordvik.example", "olav@fjordlys.example"])
def test_an_address_in_use_is_a_message_at_its_field(
    anna: User, olav: User, as_user: Callable[[User], Client], address: str
) -> None:
    answer = as_user(anna).post(reverse("accounts:invite"), {"email": address, "role": "user"})
    assert "Somebody already logs in with this address." in answer.content.decode()
    assert User.objects.count() == 2
    assert not Mail.objects.exists()


def test_an_invitation_mailed_a_moment_ago_is_not_mailed_again_but_its_link_is_shown(
    anna: User, as_user: Callable[[User], Client]
) -> None:
    now = timezone.now()
    bo = members.invite(account=anna.account, email="bo@nordvik.example", role=Role.USER, now=now)
    Mail.objects.get(user=bo).mark_sent(now=now)
    answer = as_user(anna).post(reverse("accounts:member-link", args=[bo.pk]), follow=True)
    assert "Copy the link instead" in answer.content.decode()
    assert "/password/set/" in answer.content.decode()
    assert Mail.objects.get(user=bo).due_at is None


def test_who_has_a_password_gets_no_invitation(anna: User, ulf: User, as_user: Callable[[User], Client]) -> None:
    answer = as_user(anna).post(reverse("accounts:member-link", args=[ulf.pk]), follow=True)
    assert "Ulf Ek has already chosen a password." in answer.content.decode()
    assert "/password/set/" not in answer.content.decode()


def test_a_deactivated_member_is_logged_out_and_may_come_back(
    anna: User, ulf: User, as_user: Callable[[User], Client]
) -> None:
    admin, theirs = as_user(anna), as_user(ulf)
    assert theirs.get(reverse("accounts:settings")).status_code == 200
    admin.post(reverse("accounts:member-deactivate", args=[ulf.pk]))
    assert theirs.get(reverse("accounts:settings")).url.startswith("/login/")
    admin.post(reverse("accounts:member-reactivate", args=[ulf.pk]))
    ulf.refresh_from_db()
    assert ulf.is_active


def test_a_changed_role_holds_at_the_next_click(anna: User, vera: User, as_user: Callable[[User], Client]) -> None:
    client = as_user(anna)
    client.post(reverse("accounts:member", args=[vera.pk]), {"role": "admin"})
    assert as_user(vera).get(reverse("accounts:members")).status_code == 200


def test_an_admin_who_gives_up_the_role_lands_where_they_may_be(
    anna: User, ulf: User, as_user: Callable[[User], Client]
) -> None:
    ulf.change_role(Role.ADMIN)
    answer = as_user(anna).post(reverse("accounts:member", args=[anna.pk]), {"role": "viewer"}, follow=True)
    assert answer.status_code == 200
    assert "The role of Anna Ek is changed." in answer.content.decode()


def test_the_members_page_asks_the_database_as_often_for_many_as_for_one(
    anna: User, as_user: Callable[[User], Client], django_assert_max_num_queries: Callable[..., object]
) -> None:
    client = as_user(anna)
    for number in range(5):
        members.invite(account=anna.account, email=f"p{number}@nordvik.example", role=Role.USER, now=timezone.now())
    with django_assert_max_num_queries(5):
        client.get(reverse("accounts:members"))


@pytest.mark.parametrize("address", ["bo", ""])
def test_a_wrong_address_is_a_message_at_its_field(anna: User, as_user: Callable[[User], Client], address: str) -> None:
    answer = as_user(anna).post(reverse("accounts:invite"), {"email": address, "role": "user"})
    assert 'id="id_email_error"' in answer.content.decode()
    assert User.objects.count() == 1


def test_an_invitation_of_some_time_ago_is_mailed_again(anna: User, as_user: Callable[[User], Client]) -> None:
    now = timezone.now()
    bo = members.invite(account=anna.account, email="bo@nordvik.example", role=Role.USER, now=now)
    Mail.objects.get(user=bo).mark_sent(now=now - members.MAIL_AGAIN_AFTER)
    page = as_user(anna).post(reverse("accounts:member-link", args=[bo.pk]), follow=True).content.decode()
    assert "is sent again" in page
    assert "/password/set/" in page
    assert Mail.objects.get(user=bo).due_at is not None
