"""What only an admin can fix, for a sheet that stays open meanwhile; and what a person is told after asking one."""

from dataclasses import dataclass

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from accounts.models import User
from integrations.exceptions import NotConnected, Refusal, TermsNotConfirmed
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Kind, WaitReason
from integrations.models.connection import TERMS_PROBLEMS
from integrations.services.ask_admin import Asked, admin_problem


def asked_words(asked: Asked) -> str:
    """Say who was asked, and what follows."""
    return f"{_who_knows(asked)} {_what_follows(asked)}".strip()


def _who_knows(asked: Asked) -> str:
    if not asked.mailed and not asked.spared:
        return _(
            "Nobody could be asked, because your account has no admin who can log in. The operator of Lime Go can "
            "change that."
        )
    told = []
    if asked.mailed:
        told.append(_("Asked. An e-mail is on its way to %(names)s.") % {"names": _names(asked.mailed)})
    if asked.spared:
        words = _("%(names)s got an e-mail about Visma eAccounting less than five minutes ago.")
        told.append(words % {"names": _names(asked.spared)})
    return " ".join(told)


def _names(admins: list[User]) -> str:
    return get_text_list([str(admin) for admin in admins], _("and"))


def _what_follows(asked: Asked) -> str:
    push = asked.push
    if push is None:
        return "" if asked.is_connected else _("Add the company when Visma eAccounting is connected.")
    if push.wait_reason == WaitReason.TERMS:
        return _("The company is added automatically when the terms of payment are chosen.")
    if push.kind == Kind.CREATE:
        return _("The company is added automatically when the connection works again.")
    return _("What you chose is sent automatically when the connection works again.")


@dataclass(frozen=True)
class Stop:
    """Why nothing can be sent now. What stands on the sheet stays, and can wait for an admin."""

    words: str
    is_of_terms: bool = False

    @classmethod
    def of(cls, connection: Connection, link: CustomerLink | None) -> "Stop | None":
        """Return what stops a create (without a link that works), or an update; None while nothing does."""
        code = admin_problem(connection, link)
        if not code:
            return None
        is_of_terms = code in TERMS_PROBLEMS
        return cls(sentence(code, connection.terms_particulars if is_of_terms else {}), is_of_terms)

    @classmethod
    def by(cls, refusal: Refusal) -> "Stop | None":
        """Return the stop that a refusal is; None for one that an admin cannot mend."""
        if not isinstance(refusal, NotConnected | TermsNotConfirmed):
            return None
        return cls(sentence(refusal.code, refusal.parameters), isinstance(refusal, TermsNotConfirmed))
