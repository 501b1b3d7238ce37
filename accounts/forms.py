"""Forms of accounts."""

from collections.abc import Iterator

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, User


class LoginForm(AuthenticationForm):
    """E-mail and password."""

    username = forms.EmailField(
        label=_("E-mail"), widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    error_messages = {
        "invalid_login": _("E-mail and password do not match. Try again, or choose a new password below."),
        "inactive": _("This login is deactivated. Ask an admin of your account."),
    }


class ResetRequestForm(forms.Form):
    """The e-mail address of a person who wants a new password."""

    email = forms.EmailField(
        label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "email"})
    )

    def user(self) -> User | None:
        """Return the active user with this address, or None; call it on a valid form only."""
        return User.objects.with_email(self.cleaned_data["email"]).filter(is_active=True).first()


class InviteForm(forms.Form):
    """Name, e-mail address and role of a new member."""

    email = forms.EmailField(label=_("E-mail"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    first_name = forms.CharField(label=_("First name"), max_length=150, required=False)
    last_name = forms.CharField(label=_("Last name"), max_length=150, required=False)
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, initial=Role.USER, widget=forms.RadioSelect)


class RoleForm(forms.Form):
    """The role of a member."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices, widget=forms.RadioSelect)


def language_choices() -> Iterator[tuple[str, object]]:
    """Return the languages, each under its own name for itself, so that readers find theirs."""
    yield "", _("Same as the account")
    for code, _name in settings.LANGUAGES:
        yield code, get_language_info(code)["name_local"].capitalize()


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A user's own name and language."""

    language = forms.ChoiceField(label=_("Language"), choices=language_choices, required=False)

    class Meta:
        model = User
        fields = ["first_name", "last_name", "language"]
