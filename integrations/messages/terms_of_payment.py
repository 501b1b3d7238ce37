"""Terms of payment in words: their kind, and what happened to the chosen ones in eAccounting."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import get_language, gettext, ngettext

from integrations.models.terms_of_payment import (
    CARD,
    CASH,
    CURRENT_MONTH,
    NORMAL,
    PAID_AT_ONCE,
    PAYMENT_PROVIDER,
    WALLET,
)

Meaning = Mapping[str, Any]  # TermsOfPayment.meaning


def kind_words(kind: int | None) -> str:
    """Return how the days are counted, or how it is paid; an unknown kind is shown as such."""
    known = {
        NORMAL: gettext("Net"),
        CURRENT_MONTH: gettext("From the end of the month"),
        CASH: gettext("Cash"),
        CARD: gettext("Card"),
        WALLET: gettext("Digital wallet"),
        PAYMENT_PROVIDER: gettext("Payment provider"),
    }
    if kind is None:
        return gettext("Unknown kind")
    return known.get(kind) or gettext("Unknown kind (%(kind)s)") % {"kind": kind}


def days_words(days: int | None) -> str:
    """Return the number of days in words."""
    if days is None:
        return gettext("no number of days")
    return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}


def facts(kind: int | None, days: int | None) -> str:
    """Return the kind, and the days if they mean something for it."""
    if days is None or (kind in PAID_AT_ONCE and not days):
        return kind_words(kind)
    return f"{kind_words(kind)} · {days_words(days)}"


def gone(parameters: Mapping[str, Any]) -> str:
    """Return the sentence that the chosen terms no longer exist, with their name if it is known."""
    name = _name(parameters.get("now") or {})
    if name:
        told = gettext("The chosen terms of payment “%(name)s” no longer exist in Visma eAccounting.") % {"name": name}
    else:
        told = gettext("The chosen terms of payment no longer exist in Visma eAccounting.")
    return told + " " + gettext("No customers are added until an admin has chosen others.")


def changed(parameters: Mapping[str, Any]) -> str:
    """Return what changed about the chosen terms since an admin confirmed them."""
    was, now = parameters.get("was") or {}, parameters.get("now") or {}
    told = changes(was, now) or [
        gettext("The chosen terms of payment were changed in Visma eAccounting, and changed back.")
    ]
    return " ".join([*told, gettext("No customers are added until an admin has confirmed or changed the choice.")])


def changes(was: Meaning, now: Meaning) -> list[str]:
    """Return a sentence for each change, with the old and the new value."""
    found = []
    before, after = _renamed(was, now)
    if before != after:
        words = gettext("The chosen terms of payment were renamed in Visma eAccounting: “%(was)s” is now “%(now)s”.")
        found.append(words % {"was": before, "now": after})
    if was.get("days") != now.get("days"):
        words = gettext("The chosen terms of payment “%(name)s” changed in Visma eAccounting: %(was)s is now %(now)s.")
        days = {"was": days_words(was.get("days")), "now": days_words(now.get("days"))}
        found.append(words % {"name": after, **days})
    if was.get("kind") != now.get("kind"):
        words = gettext(
            "The chosen terms of payment “%(name)s” changed kind in Visma eAccounting: “%(was)s” is now “%(now)s”."
        )
        kinds = {"was": kind_words(was.get("kind")), "now": kind_words(now.get("kind"))}
        found.append(words % {"name": after, **kinds})
    return found


def _name(meaning: Meaning) -> str:
    names = [meaning.get("name_english"), meaning.get("name")]
    english = (get_language() or "en").startswith("en")
    return next((name for name in (names if english else reversed(names)) if name), "")


def _renamed(was: Meaning, now: Meaning) -> tuple[str, str]:
    """Return the old and new name in the reader's language, or in the other one if only that name changed."""
    if _name(was) != _name(now):
        return _name(was), _name(now)
    for key in ("name", "name_english"):
        if was.get(key) != now.get(key):
            return was.get(key) or "", now.get(key) or ""
    return _name(was), _name(now)
