"""Websites and e-mail addresses."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _

from companies.formats.text import leniently, text

# Without an @ before the path: that would be a mail address, or somebody's name and password.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#@]*)([/?#].*)?", re.ASCII | re.DOTALL)
_WEB = URLValidator(schemes=["http", "https", "ftp"])


def check_website(value: str) -> str:
    """Return the address with https:// in front unless it has another scheme, host in lower case.

    Raises ValidationError.
    """
    value = text(value)
    if not value:
        return value
    match = _SCHEME.fullmatch(value if "://" in value else f"https://{value}")
    address = text(f"{match[1].lower()}://{match[2].lower()}{match[3] or ''}") if match else ""
    try:
        _WEB(address)
    except ValidationError as error:
        raise ValidationError(_("That is not a web address. It looks like www.example.com."), code="format") from error
    return address


def check_email(value: str) -> str:
    """Return the address with its domain in lower case. Raises ValidationError."""
    value = text(value)
    if not value:
        return value
    local, at, domain = value.rpartition("@")
    address = text(f"{local}{at}{domain.lower()}")
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValidationError(
            _("That is not an e-mail address. It looks like name@example.com."), code="format"
        ) from error
    return address


def website(value: str) -> str:
    """Return `value` with a scheme, or tidied; never raises."""
    return leniently(value, lambda: check_website(value))


def email(value: str) -> str:
    """Return `value` with its domain in lower case, or tidied; never raises."""
    return leniently(value, lambda: check_email(value))
