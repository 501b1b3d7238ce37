"""Who may do what at the addresses of accounts, and at the root."""

from accounts.mail import set_password_url
from accounts.models import Role, User
from tests.conftest import PASSWORD
from tests.rights import Case, Cast, Words


def _vera(cast: Cast) -> Words:
    return {"user_id": cast.vera.pk}


def _olav(cast: Cast) -> Words:
    return {"user_id": cast.olav.pk}


def _invited(cast: Cast) -> Words:
    bo = User.objects.create_user(email="bo@nordvik.example", account=cast.account)
    return {"user_id": bo.pk}


def _invited_elsewhere(cast: Cast) -> Words:
    bo = User.objects.create_user(email="bo@fjordlys.example", account=cast.other_account)
    return {"user_id": bo.pk}


def _deactivated(cast: Cast) -> Words:
    gone = User.objects.create_user(email="gone@nordvik.example", account=cast.account, is_active=False)
    return {"user_id": gone.pk}


def _deactivated_elsewhere(cast: Cast) -> Words:
    gone = User.objects.create_user(email="gone@fjordlys.example", account=cast.other_account, is_active=False)
    return {"user_id": gone.pk}


def _link(cast: Cast) -> Words:
    uid, token = set_password_url(user=cast.vera).rstrip("/").split("/")[-2:]
    return {"uidb64": uid, "token": token}


def _new_password(_cast: Cast) -> Words:
    return {"old_password": PASSWORD, "new_password1": "horses eat grass", "new_password2": "horses eat grass"}


SIGNED_IN = ("viewer", "user", "admin")

CASES = [
    Case("/", needs=None, get=302, post=302, changes=False),
    Case(
        "accounts:login",
        needs=None,
        post=302,
        data=lambda cast: {"username": cast.ulf.email, "password": PASSWORD},
        changes=False,
        unless={(who, "GET"): 302 for who in SIGNED_IN},
    ),
    Case("accounts:logout", needs=None, get=405, post=302, changes=False),
    Case("accounts:password-reset", needs=None, post=302, data=lambda cast: {"email": cast.ulf.email}),
    Case("accounts:password-reset-sent", needs=None),
    # The token opens this page, whoever has it; a request only moves the token into the session.
    Case("accounts:password-set", needs=None, get=302, post=302, ids=_link, data=_new_password, changes=False),
    Case("accounts:settings", needs=Role.VIEWER),
    Case("accounts:profile", needs=Role.VIEWER, post=302, data=lambda _cast: {"first_name": "Ny", "language": "sv"}),
    Case("accounts:password-change", needs=Role.VIEWER, post=302, data=_new_password),
    Case("accounts:members", needs=Role.ADMIN),
    Case(
        "accounts:invite",
        needs=Role.ADMIN,
        post=302,
        data=lambda _cast: {"email": "new@nordvik.example", "role": "admin"},
    ),
    Case(
        "accounts:member",
        needs=Role.ADMIN,
        post=302,
        ids=_vera,
        foreign_ids=_olav,
        data=lambda _cast: {"role": "user"},
    ),
    Case(
        "accounts:member-link",
        needs=Role.ADMIN,
        get=405,
        post=302,
        ids=_invited,
        foreign_ids=_invited_elsewhere,
    ),
    Case("accounts:member-deactivate", needs=Role.ADMIN, get=405, post=302, ids=_vera, foreign_ids=_olav),
    Case(
        "accounts:member-reactivate",
        needs=Role.ADMIN,
        get=405,
        post=302,
        ids=_deactivated,
        foreign_ids=_deactivated_elsewhere,
    ),
]
