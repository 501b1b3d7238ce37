"""Websites and e-mail addresses; only public ones are valid."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator, URLValidator
from django.utils.translation import gettext as _

from companies.formats.text import leniently, text

# Without an @ before the path: that would be a mail address, or somebody's name and password.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#@]*?)\.?(?::(\d*))?([/?#].*)?", re.ASCII | re.DOTALL)
_HOST = re.compile(r"[\w.-]+|\[[^]]*\]")
_DEFAULT_PORTS = {"http": "80", "https": "443", "ftp": "21"}
_WEB = URLValidator(schemes=["http", "https", "ftp"])
_MAIL = EmailValidator(allowlist=[])
_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 253  # characters, all of them ASCII: RFC 5321 4.5.3.1, RFC 1034 3.1
_INSIDE_ONLY = frozenset({"localhost", "local", "internal", "invalid"})  # RFC 6761, RFC 6762, ICANN


def check_website(value: str) -> str:
    """Return the address with https:// in front unless it has another scheme, its host in lower case.

    The scheme's own port and a path that is only a slash are left out (RFC 3986 6.2.3). Raises ValidationError.
    """
    value = text(value)
    if not value:
        return value
    address, host = _parted(value)
    try:
        _WEB(address)
    except ValidationError as error:
        raise ValidationError(_("That is not a web address. It looks like www.example.com."), code="format") from error
    if not _is_public(host):
        raise ValidationError(
            _("Nobody outside your network can open that address. A web address looks like www.example.com."),
            code="format",
        )
    return address


def _parted(value: str) -> tuple[str, str]:
    """Return the address in its form, and its host; blanks if it is not an address."""
    match = _SCHEME.fullmatch(value if "://" in value else f"https://{value}")
    if match is None:
        return "", ""
    scheme, host, port, rest = match[1].lower(), match[2].lower(), match[3] or "", match[4] or ""
    port = "" if port in ("", _DEFAULT_PORTS.get(scheme)) else f":{port}"
    rest = "" if rest == "/" else f"/{rest}" if rest.startswith(("?", "#")) else rest
    return text(f"{scheme}://{host}{port}{rest}"), host


def check_email(value: str) -> str:
    """Return the address with its domain in lower case. Raises ValidationError."""
    value = text(value)
    if not value:
        return value
    local, at, domain = value.rpartition("@")
    address = text(f"{local}{at}{domain.lower()}")
    if local and _HOST.fullmatch(domain) and not _is_public(domain.lower()):
        raise ValidationError(
            _("Mail from outside does not reach that address. An e-mail address looks like name@example.com."),
            code="format",
        )
    try:
        _MAIL(address)
    except ValidationError as error:
        raise ValidationError(
            _("That is not an e-mail address. It looks like name@example.com."), code="format"
        ) from error
    if len(local) > _LONGEST_LOCAL:
        raise ValidationError(
            _("There are %(length)d characters before the @; mail servers need not accept more than 64."),
            code="format",
            params={"length": len(local)},
        )
    return address


def _is_public(host: str) -> bool:
    """Whether it is a name in the Internet's DNS: not an IP address, not a name that only works in a local network."""
    *parents, last = host.split(".")
    is_name = bool(parents) and not last.isdecimal() and not host.endswith("]")
    return is_name and last not in _INSIDE_ONLY and len(host) <= _LONGEST_DOMAIN


def website(value: str) -> str:
    """Return `value` with a scheme, or tidied; never raises."""
    return leniently(value, lambda: check_website(value))


def email(value: str) -> str:
    """Return `value` with its domain in lower case, or tidied; never raises."""
    return leniently(value, lambda: check_email(value))


def website_key(value: str) -> str:
    """Return the key by which two spellings of an address are equal: its host in letters, not in ASCII."""
    return _in_letters(website(value))


def email_key(value: str) -> str:
    """Return the key by which two spellings of an address are equal: its domain in letters, not in ASCII."""
    local, at, domain = email(value).rpartition("@")
    return f"{local}{at}{_in_letters(domain)}"


def _in_letters(value: str) -> str:
    """Return a text with the ASCII labels of domain names (xn--…) as the letters that they stand for."""
    return text(re.sub(r"(?<![\w-])xn--([a-z0-9-]+)", _decoded, value, flags=re.ASCII | re.IGNORECASE))


def _decoded(label: re.Match[str]) -> str:
    try:
        return label[1].lower().encode().decode("punycode")
    except UnicodeError:
        return label[0]
