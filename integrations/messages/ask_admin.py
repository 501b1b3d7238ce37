"""What a person is told who asked an admin."""

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from accounts.models import User
from integrations.models import Kind, WaitReason
from integrations.services.ask_admin import Asked


def who_knows(asked: Asked) -> str:
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


def what_follows(asked: Asked) -> str:
    push = asked.push
    if push is None:
        return "" if asked.is_connected else _("Add the company when Visma eAccounting is connected.")
    if push.wait_reason == WaitReason.TERMS:
        return _("The company is added automatically when the terms of payment are chosen.")
    if push.kind == Kind.CREATE:
        return _("The company is added automatically when the connection works again.")
    return _("What you chose is sent automatically when the connection works again.")
